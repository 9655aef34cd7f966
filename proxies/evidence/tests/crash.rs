//! Instances that are killed, and disks that fill up: what was acknowledged is there, what was not has no effect.
//!
//! The instances are this program itself, started again with `--exact` on one of the ignored tests below.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests state what they expect by failing"
)]

mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::{env, fs};

use common::{intent, open_with, outcome, segments};
use portcullis_evidence::recording::{Event, Recorder, RecorderOptions};
use portcullis_evidence::verify::{Kind, VerifyOptions, verify};
use portcullis_evidence::{AppendError, Batch, LogOptions, Record, Scope, entries};
use tempfile::TempDir;

const DIR: &str = "PORTCULLIS_CRASH_TEST_DIR";

/// Small segments and frequent checkpoints, so that kills come while one begins or is signed.
const BUSY: LogOptions = LogOptions {
    segment_bytes: 40_000,
    segment_age: std::time::Duration::from_secs(3600),
    checkpoint_records: 20,
    checkpoint_every: std::time::Duration::from_secs(1),
};

fn this(test: &str) -> Vec<String> {
    let program = env::current_exe().unwrap().to_string_lossy().into_owned();
    [&program, "--exact", test, "--ignored", "--nocapture", "--test-threads=1"].map(str::to_owned).to_vec()
}

fn run(command: &[String], dir: &Path) -> Child {
    let (program, arguments) = command.split_first().unwrap();
    Command::new(program).args(arguments).env(DIR, dir).stdout(Stdio::piped()).spawn().unwrap()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Had the reader gone, nobody would be left to be told.
    let _ = writeln!(out, "\n{line}").and_then(|()| out.flush());
}

fn child_dir() -> PathBuf {
    PathBuf::from(env::var_os(DIR).expect("this is started by another test"))
}

/// kill -9 again and again under eight appenders: every acknowledged record is in the log, with its number.
#[test]
fn every_acknowledged_record_survives_kill_9() {
    let kills = env::var("PORTCULLIS_KILLS").ok().map_or(30, |kills| kills.parse().unwrap());
    let dir = TempDir::new().unwrap();
    let mut acknowledged: HashMap<u64, String> = HashMap::new();
    for kill in 0..kills {
        let mut child = run(&this("appender"), dir.path());
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut seen = 0;
        for line in out.lines() {
            let line = line.unwrap();
            let Some((seq, who)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) else {
                continue;
            };
            acknowledged.insert(seq.parse().unwrap(), who.to_owned());
            seen += 1;
            if seen == 1 + kill * 7 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen > 0, "the appender said nothing");
    }
    drop(open_with(dir.path(), BUSY).unwrap());

    let evidence = dir.path().join("evidence");
    let report = verify(&evidence, &VerifyOptions::default()).unwrap();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert!(report.findings.iter().all(|finding| finding.kind == Kind::Recovered), "{:?}", report.findings);
    let mut found: HashMap<u64, String> = HashMap::new();
    for entry in entries(&evidence).unwrap() {
        let entry = entry.unwrap();
        if let Record::Intent(intent) = entry.record {
            found.insert(entry.seq, format!("{} {}", entry.session.unwrap(), intent.command));
        }
    }
    assert!(acknowledged.len() > kills as usize);
    for (seq, who) in &acknowledged {
        assert_eq!(found.get(seq), Some(who), "record {seq}");
    }
}

#[test]
#[ignore = "the instance that `every_acknowledged_record_survives_kill_9` kills"]
fn appender() {
    let log = open_with(&child_dir(), BUSY).unwrap();
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let log = &log;
            threads.spawn(move || {
                let session = format!("{}-{thread}", std::process::id());
                let scope = Scope::session(&session, "ana", "shop");
                let mut batch = Batch::new();
                for command in 0.. {
                    batch.push(&scope, &outcome(command)).unwrap();
                    batch.push(&scope, &intent(command, "select 1")).unwrap();
                    let seq = log.append(&mut batch).unwrap();
                    say(&format!("ack {seq} {session} {command}"));
                }
            });
        }
    });
}

/// A limit on the size of files makes the last write short; the log stays whole, and takes nothing more.
#[test]
fn a_short_write_leaves_a_whole_log_that_takes_nothing_more() {
    let dir = TempDir::new().unwrap();
    let script = format!("trap '' XFSZ; ulimit -f 20; exec '{}'", this("filler").join("' '"));
    let child = run(&["sh".to_owned(), "-c".to_owned(), script], dir.path()).wait_with_output().unwrap();
    let said = String::from_utf8(child.stdout).unwrap();
    assert!(said.contains("poisoned"), "{said}");
    let last: u64 =
        said.lines().filter_map(|line| line.strip_prefix("ack ")).next_back().unwrap().parse().unwrap();

    let evidence = dir.path().join("evidence");
    let report = verify(&evidence, &VerifyOptions::default()).unwrap();
    assert_eq!((report.last, report.findings.as_slice()), (last, &[][..]));
    assert!(fs::metadata(&segments(&evidence)[0]).unwrap().len() <= 20 * 512);
}

/// A file system without room: the same, and after something was deleted the log goes on.
#[test]
fn a_full_file_system_is_an_error_until_there_is_room() {
    let may_mount = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    if !may_mount.is_ok_and(|output| output.status.success()) {
        say("not run: this user may not mount a file system of its own");
        return;
    }
    let dir = TempDir::new().unwrap();
    let mount = format!("mount -t tmpfs -o size=256k tmpfs '{}'", dir.path().display());
    let script = format!("{mount} && exec '{}'", this("healer").join("' '"));
    let command = ["unshare", "-rm", "sh", "-c", &script].map(str::to_owned);
    let child = run(&command, dir.path()).wait_with_output().unwrap();
    let said = String::from_utf8(child.stdout).unwrap();
    assert!(said.contains("poisoned") && said.contains("healed"), "{said}");
    assert!(child.status.success(), "{said}");
}

fn fill(log: &portcullis_evidence::AuditLog) -> AppendError {
    for command in 0.. {
        match log.append_one(&Scope::gateway(), &outcome(command)) {
            Ok(seq) => say(&format!("ack {seq}")),
            Err(error) => return error,
        }
    }
    unreachable!("every disk is finite")
}

#[test]
#[ignore = "the instance of `a_short_write_leaves_a_whole_log_that_takes_nothing_more`"]
fn filler() {
    let quiet = LogOptions { checkpoint_records: u64::MAX, ..LogOptions::default() };
    let log = open_with(&child_dir(), quiet).unwrap();
    let error = fill(&log);
    assert!(matches!(error, AppendError::Write { .. }), "{error}");
    let error = log.append_one(&Scope::gateway(), &outcome(0)).unwrap_err();
    assert!(matches!(error, AppendError::Poisoned { .. }), "{error}");
    say(&format!("poisoned: {error}"));
}

#[test]
#[ignore = "the instance of `a_full_file_system_is_an_error_until_there_is_room`"]
fn healer() {
    let dir = child_dir();
    fs::write(dir.join("ballast"), vec![0; 64 << 10]).unwrap();
    let log = open_with(&dir, LogOptions::default()).unwrap();
    let error = fill(&log);
    say(&format!("poisoned: {error}"));
    assert!(log.heal().is_err(), "there is no room yet");
    fs::remove_file(dir.join("ballast")).unwrap();
    log.heal().unwrap();
    log.append_one(&Scope::gateway(), &outcome(0)).unwrap();
    log.close().unwrap();
    let report = verify(log.directory(), &VerifyOptions::default()).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.last, log.last_seq());
    say("healed");
}

/// A recording that a kill left open is closed at the next start, and plays up to its last whole frame.
#[test]
fn a_recording_survives_kill_9_up_to_its_last_frame() {
    let dir = TempDir::new().unwrap();
    let mut child = run(&this("recorder"), dir.path());
    let recording = dir.path().join("evidence/recordings/s1.ndjson.zst.part");
    let out = BufReader::new(child.stdout.take().unwrap());
    assert!(out.lines().any(|line| line.unwrap() == "recording"));
    while fs::metadata(&recording).unwrap().len() < 500_000 {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let log = Arc::new(open_with(dir.path(), LogOptions::default()).unwrap());
    drop(Recorder::start(log.clone(), RecorderOptions::default()).unwrap());
    assert!(!recording.exists());
    let report = verify(log.directory(), &VerifyOptions::default()).unwrap();
    assert!(report.is_intact() && report.recordings == 1, "{:?}", report.findings);
    let path = portcullis_evidence::recording::find(log.directory(), "s1").unwrap();
    let mut reader = portcullis_evidence::recording::Reader::open(&path).unwrap();
    let numbers: Vec<_> = reader
        .by_ref()
        .filter_map(|played| match played.event {
            Event::RowsOmitted { rows, .. } => Some(rows),
            _ => None,
        })
        .collect();
    assert!(numbers.len() > 1000);
    assert!(
        numbers.iter().enumerate().all(|(index, number)| index as u64 == *number),
        "nothing in between is lost"
    );
    assert_ne!(reader.end(), Some(&portcullis_evidence::recording::End::Closed));
}

#[test]
#[ignore = "the instance that `a_recording_survives_kill_9_up_to_its_last_frame` kills"]
fn recorder() {
    let log = Arc::new(open_with(&child_dir(), LogOptions::default()).unwrap());
    let options = RecorderOptions { frame_bytes: 10_000, ..RecorderOptions::default() };
    let recorder = Recorder::start(log, options).unwrap();
    let recording = recorder.open("s1", |reason| say(&reason)).unwrap();
    say("recording");
    for rows in 0.. {
        while recording.try_push(&Event::RowsOmitted { command: 1, rows }).is_err() {
            std::thread::yield_now();
        }
    }
}
