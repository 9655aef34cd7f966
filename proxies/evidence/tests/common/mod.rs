//! What the tests of several files share.

#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(clippy::panic, reason = "a failed recording fails its test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_evidence::record::{
    DecisionKind, Intent, Outcome, Parameter, Result as Ended, Statement, Verdict,
};
use portcullis_evidence::recording::{Event, RecordedDecision, Recorder, RecorderOptions};
use portcullis_evidence::{AuditLog, Hash, LogOptions, OpenError, Record, Scope, SigningKey, Timestamp};

pub(crate) fn open(dir: &Path) -> Result<AuditLog, OpenError> {
    open_with(dir, LogOptions::default())
}

pub(crate) fn open_with(dir: &Path, options: LogOptions) -> Result<AuditLog, OpenError> {
    AuditLog::open(&dir.join("evidence"), SigningKey::load_or_create(&dir.join("state")).unwrap(), options)
}

pub(crate) fn outcome(command: u64) -> Record<'static> {
    Record::Outcome(Outcome {
        command,
        result: Ended::Done,
        rows: Some(1),
        bytes: 9,
        masked: 0,
        error: None,
        micros: 3,
    })
}

pub(crate) fn intent(command: u64, text: &str) -> Record<'_> {
    Record::Intent(Intent {
        command,
        via: "query".into(),
        statement: Statement {
            digest: Hash::of(text.as_bytes()),
            actions: vec!["select public.orders".into()],
        }
        .into(),
        text: Some(text.into()),
        parameters: vec![Parameter::Null, Parameter::Masked("***".into())].into(),
        verdict: Verdict {
            decision: DecisionKind::Allow,
            rules: vec!["engineers work".into()],
            because: None,
            obligations: vec!["mask personal data".into()],
            policy: "p1".into(),
        }
        .into(),
        observed: None,
        approval: None,
    })
}

/// The segment files, in order.
pub(crate) fn segments(evidence: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(evidence).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    found.sort();
    found
}

/// All lines of all segments.
pub(crate) fn lines(dir: &Path) -> Vec<String> {
    let read =
        |path: &PathBuf| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    segments(&dir.join("evidence")).iter().flat_map(read).collect()
}

/// A log of several segments with checkpoints and two recordings. Returns its directory, which holds `evidence` and `state`.
pub(crate) fn sample(dir: &Path, commands: u64) {
    let options = LogOptions { segment_bytes: 6000, checkpoint_records: 7, ..LogOptions::default() };
    let log = Arc::new(open_with(dir, options).unwrap());
    let recorder = Recorder::start(log.clone(), RecorderOptions::default()).unwrap();
    for session in ["s1", "s2"] {
        let scope = Scope::session(session, "ana", "shop");
        let recording = recorder.open(session, |reason| panic!("{reason}")).unwrap();
        record_opening(&recording, session);
        for command in 1..=commands {
            let text = format!("select {command}");
            let seq = log.append_one(&scope, &intent(command, &text)).unwrap();
            // Lets the log's thread sign as it goes.
            log.wait_synced(seq).unwrap();
            recording.try_push(&event(command, &text)).unwrap();
            log.append_one(&scope, &outcome(command)).unwrap();
        }
        recording.close("client").unwrap();
    }
    recorder.close();
    log.close().unwrap();
}

pub(crate) fn record_opening(recording: &portcullis_evidence::recording::Recording, session: &str) {
    let opened = Event::Opened {
        session: session.into(),
        principal: "ana".into(),
        target: "shop".into(),
        protocol: "postgres".into(),
        source: "127.0.0.1:5000".into(),
        started: Timestamp::now(),
    };
    recording.try_push(&opened).unwrap();
}

pub(crate) fn event(command: u64, text: &str) -> Event<'_> {
    Event::Command {
        command,
        via: "query".into(),
        text: text.into(),
        parameters: vec![].into(),
        decision: RecordedDecision {
            decision: DecisionKind::Allow,
            rules: vec!["engineers work".into()].into(),
        },
    }
}

/// Copies a directory and all in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}
