//! Replaying a recording: rows on demand, and nothing that a client said acts on the terminal.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::Folder;
use portcullis_evidence::record::{DecisionKind, Parameter, Result as Ended};
use portcullis_evidence::recording::{Event, RecordedDecision, Recorder, RecorderOptions};
use portcullis_evidence::{AuditLog, LogOptions, SigningKey, Timestamp};

const SESSION: &str = "00000000000000ff";
const EVIL: &str = "select '\u{1b}[2J\u{9b}31m\r\u{202e}'";

/// A recording of one denied and one allowed command.
fn recorded(folder: &Folder) {
    let key = SigningKey::load_or_create(folder.path()).expect("a key");
    let log = AuditLog::open(&folder.path().join("evidence"), key, LogOptions::default()).expect("a log");
    let recorder = Recorder::start(Arc::new(log), RecorderOptions::default()).expect("a recorder");
    let recording = recorder.open(SESSION, |_| {}).expect("a recording");
    let push = |event: Event<'_>| recording.try_push(&event).expect("pushed");
    push(Event::Opened {
        session: SESSION.into(),
        principal: "ana".into(),
        target: "shop".into(),
        protocol: "postgres".into(),
        source: "127.0.0.1:1".into(),
        started: Timestamp::now(),
    });
    push(Event::Command {
        command: 1,
        via: "query".into(),
        text: EVIL.into(),
        parameters: (&[][..]).into(),
        decision: RecordedDecision { decision: DecisionKind::Deny, rules: vec!["no evil".into()].into() },
    });
    push(Event::Command {
        command: 2,
        via: "execute".into(),
        text: "select item from orders where id = $1".into(),
        parameters: vec![Parameter::Text("\u{7}7".into())].into(),
        decision: RecordedDecision { decision: DecisionKind::Allow, rules: (&[][..]).into() },
    });
    push(Event::Columns { command: 2, names: vec!["item".into()] });
    push(Event::Row { command: 2, values: vec![Some("rope\u{1b}]0;evil\u{7}".into()), None].into() });
    push(Event::Outcome { command: 2, result: Ended::Done, rows: Some(1), error: None, micros: 1500 });
    recording.close("client left").expect("closed");
    recorder.close();
}

#[test]
fn what_was_said_is_shown_and_does_not_act() {
    let folder = Folder::new();
    recorded(&folder);
    let short = folder.run(&["replay", "--evidence", "evidence", SESSION]);
    assert_eq!(short.code, 0, "{short:?}");
    for part in [
        "session 00000000000000ff of ana at shop from 127.0.0.1:1",
        r"#1 DENIED   select '\u{1b}[2J\u{9b}31m\r\u{202e}'  by `no evil`",
        "#2 allowed  select item from orders where id = $1",
        "$1 = \"\\u{7}7\"",
        "#2 done, 1 row in 1.500 ms",
        "closed: client left",
    ] {
        assert!(short.out.contains(part), "no `{part}` in\n{}", short.out);
    }
    assert!(!short.out.contains("rope"), "rows are shown with --rows only:\n{}", short.out);
    let long = folder.run(&["replay", "--evidence", "evidence", "--rows", SESSION]);
    assert!(long.out.contains(r"rope\u{1b}]0;evil\u{7} | NULL"), "{}", long.out);
    for acting in ['\u{1b}', '\u{9b}', '\r', '\u{202e}', '\u{7}'] {
        assert!(!long.out.contains(acting), "{acting:?} acts");
    }
    let document = folder.json(&["replay", "--evidence", "evidence", SESSION]);
    assert_eq!((&document["source"], &document["end"]), (&"recording".into(), &"closed".into()));
    let verified = folder.run(&["verify", "evidence"]);
    assert!(verified.code == 0 && verified.out.contains("1 recording"), "{verified:?}");
}
