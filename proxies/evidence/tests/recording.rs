//! Recordings: written, closed, played back, and cut off anywhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests state what they expect by failing"
)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{event, open, record_opening, sample};
use portcullis_evidence::AuditLog;
use portcullis_evidence::record::DecisionKind;
use portcullis_evidence::recording::{
    End, Event, Reader, Recorder, RecorderError, RecorderOptions, find, sessions,
};
use tempfile::TempDir;

fn start(dir: &Path, options: RecorderOptions) -> (Arc<AuditLog>, Recorder) {
    let log = Arc::new(open(dir).unwrap());
    let recorder = Recorder::start(log.clone(), options).unwrap();
    (log, recorder)
}

#[test]
fn a_recording_plays_as_it_was_said() {
    let dir = TempDir::new().unwrap();
    sample(dir.path(), 20);
    let evidence = dir.path().join("evidence");
    assert_eq!(sessions(&evidence).unwrap(), ["s1", "s2"]);
    let mut reader = Reader::open(&find(&evidence, "s1").unwrap()).unwrap();
    let played: Vec<_> = reader.by_ref().collect();
    assert_eq!(reader.end(), Some(&End::Closed));
    assert_eq!(played.len(), 22);
    assert!(matches!(&played[0].event, Event::Opened { session, .. } if session == "s1"));
    for (index, played) in played[1..21].iter().enumerate() {
        let command = index as u64 + 1;
        let said = format!("select {command}");
        let Event::Command { command: number, text, decision, .. } = &played.event else {
            panic!("{played:?}")
        };
        assert_eq!(
            (*number, text.as_ref(), decision.decision),
            (command, said.as_str(), DecisionKind::Allow)
        );
    }
    assert!(played.is_sorted_by_key(|played| played.at));
}

#[test]
fn a_recording_cut_off_anywhere_plays_what_is_whole_and_says_so() {
    let dir = TempDir::new().unwrap();
    let options = RecorderOptions { frame_bytes: 200, ..RecorderOptions::default() };
    let (log, recorder) = start(dir.path(), options);
    let recording = recorder.open("s1", |reason| panic!("{reason}")).unwrap();
    record_opening(&recording, "s1");
    for command in 0..20 {
        recording.try_push(&event(command, "select 1")).unwrap();
    }
    recording.close("client").unwrap();
    recorder.close();
    let whole = fs::read(find(log.directory(), "s1").unwrap()).unwrap();
    let cut = dir.path().join("cut");
    let mut most = 0;
    for length in 0..whole.len() {
        fs::write(&cut, &whole[..length]).unwrap();
        let mut reader = Reader::open(&cut).unwrap();
        let count = reader.by_ref().count();
        assert!(count >= most, "a longer file plays no less");
        most = count;
        assert_ne!(reader.end(), Some(&End::Closed), "{length}");
    }
    // The last bytes are the checksum of the last frame, so all of its lines may be there already.
    assert!(most >= 20, "{most}");
    for at in [whole.len() / 4, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        fs::write(&cut, &changed).unwrap();
        let mut reader = Reader::open(&cut).unwrap();
        reader.by_ref().for_each(drop);
        assert!(matches!(reader.end(), Some(End::Torn { .. })), "{at}: {:?}", reader.end());
    }
}

#[test]
fn what_is_recorded_reaches_the_file_within_the_interval() {
    let dir = TempDir::new().unwrap();
    let options = RecorderOptions { interval: Duration::from_millis(10), ..RecorderOptions::default() };
    let (log, recorder) = start(dir.path(), options);
    let recording = recorder.open("s1", |reason| panic!("{reason}")).unwrap();
    record_opening(&recording, "s1");
    let path = find(log.directory(), "s1").unwrap();
    let patience = std::time::Instant::now();
    while Reader::open(&path).unwrap().count() == 0 {
        assert!(patience.elapsed() < Duration::from_secs(10), "nothing was written");
        std::thread::yield_now();
    }
    assert!(path.to_string_lossy().ends_with(".part"), "it is still open");
    drop(recording);
    recorder.close();
    let mut reader = Reader::open(&find(log.directory(), "s1").unwrap()).unwrap();
    assert_eq!(reader.by_ref().last().unwrap().event, Event::Closed { reason: "abandoned".into() });
}

#[test]
fn a_session_id_names_one_file_and_no_path() {
    let dir = TempDir::new().unwrap();
    let (log, recorder) = start(dir.path(), RecorderOptions::default());
    for bad in ["", ".", "../x", "a/b", "a\0b", ".hidden", "ä", &"x".repeat(129)] {
        assert!(matches!(recorder.open(bad, |_| ()), Err(RecorderError::NotAnId { .. })), "{bad}");
        assert_eq!(find(log.directory(), bad), None);
    }
    let first = recorder.open("s1", |_| ()).unwrap();
    assert!(matches!(recorder.open("s1", |_| ()), Err(RecorderError::Io { .. })), "it is being recorded");
    first.close("client").unwrap();
    recorder.close();
    let recorder = Recorder::start(log, RecorderOptions::default()).unwrap();
    assert!(matches!(recorder.open("s1", |_| ()), Err(RecorderError::Io { .. })), "it was recorded");
}

#[test]
fn two_hundred_sessions_at_once_lose_nothing() {
    let dir = TempDir::new().unwrap();
    let options = RecorderOptions { queue_bytes: 100_000, ..RecorderOptions::default() };
    let (log, recorder) = start(dir.path(), options);
    let recordings: Vec<_> =
        (0..200).map(|n| recorder.open(&format!("s{n}"), |reason| panic!("{reason}")).unwrap()).collect();
    for round in 0..20 {
        for recording in &recordings {
            while recording.try_push(&event(round, "select 1")).is_err() {
                std::thread::yield_now();
            }
        }
    }
    recordings.into_iter().for_each(|recording| recording.close("client").unwrap());
    recorder.close();
    assert_eq!(recorder.queued_bytes(), 0);
    for session in sessions(log.directory()).unwrap() {
        let mut reader = Reader::open(&find(log.directory(), &session).unwrap()).unwrap();
        assert_eq!((reader.by_ref().count(), reader.end()), (21, Some(&End::Closed)), "{session}");
    }
}
