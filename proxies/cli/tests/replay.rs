//! Replaying a recording: rows on demand, and nothing that a client said acts on the terminal.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::Folder;
use portcullis_evidence::record::{DecisionKind, Intent, Parameter, Result as Ended, Statement, Verdict};
use portcullis_evidence::recording::{
    Event, FileResult, RecordedDecision, Recorder, RecorderOptions, Stream,
};
use portcullis_evidence::{AuditLog, Hash, LogOptions, Record, Scope, SigningKey, Timestamp};

const SESSION: &str = "00000000000000ff";
const EVIL: &str = "select '\u{1b}[2J\u{9b}31m\r\u{202e}'";

/// What the audit log says of the first of them.
fn denied() -> Record<'static> {
    let verdict = Verdict {
        decision: DecisionKind::Deny,
        rules: vec!["no evil".into()],
        because: Some("`when` held for \u{1b}[2Jselect".into()),
        obligations: Vec::new(),
        policy: "p1".into(),
    };
    let statement = Statement { digest: Hash::of(EVIL.as_bytes()), actions: vec!["select".into()] };
    Record::Intent(Intent {
        command: 1,
        via: "query".into(),
        statement: statement.into(),
        text: Some(EVIL.into()),
        parameters: (&[][..]).into(),
        verdict: verdict.into(),
        observed: None,
        approval: None,
    })
}

/// A recording of one denied and one allowed command.
fn recorded(folder: &Folder) {
    let key = SigningKey::load_or_create(folder.path()).expect("a key");
    let log = AuditLog::open(&folder.path().join("evidence"), key, LogOptions::default()).expect("a log");
    log.append_one(&Scope::session(SESSION, "ana", "shop"), &denied()).expect("appended");
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
        r"     `when` held for \u{1b}[2Jselect",
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

/// A recording of a shell on a terminal, with a file sent beside it.
fn recorded_terminal(folder: &Folder) {
    let key = SigningKey::load_or_create(folder.path()).expect("a key");
    let log = AuditLog::open(&folder.path().join("evidence"), key, LogOptions::default()).expect("a log");
    let recorder = Recorder::start(Arc::new(log), RecorderOptions::default()).expect("a recorder");
    let recording = recorder.open(SESSION, |_| {}).expect("a recording");
    let push = |event: Event<'_>| recording.try_push(&event).expect("pushed");
    let output = |text: &'static str| Event::Output { command: 1, stream: Stream::Stdout, text: text.into() };
    push(Event::Opened {
        session: SESSION.into(),
        principal: "ana".into(),
        target: "web-1".into(),
        protocol: "ssh".into(),
        source: "127.0.0.1:1".into(),
        started: Timestamp::now(),
    });
    push(Event::Command {
        command: 1,
        via: "shell".into(),
        text: "shell".into(),
        parameters: (&[][..]).into(),
        decision: RecordedDecision { decision: DecisionKind::Allow, rules: (&[][..]).into() },
    });
    push(Event::Terminal { command: 1, term: "xterm".into(), columns: 0, rows: 65535 });
    push(output("\u{1b}]0;evil\u{7}\u{1b}[6n\u{1b}[1mana@web-1\u{1b}[0m$ "));
    push(Event::Input { command: 1, text: "id\r".into() });
    push(output("i"));
    push(output("d\r\nuid=\u{1b}[31m0(ro\u{1b}[?1000"));
    push(Event::Resize { command: 1, columns: 132, rows: 50 });
    push(output("hot)\u{1b}[0m\r\n"));
    push(Event::File {
        command: 2,
        operation: "open".into(),
        path: "/etc/pass\u{1b}wd".into(),
        to: None,
        result: FileResult::Done,
        error: None,
        bytes: Some(7),
    });
    push(Event::Output { command: 3, stream: Stream::Stderr, text: "of another channel".into() });
    push(Event::Exit { command: 1, status: Some(3), signal: None });
    recording.close("client left").expect("closed");
    recorder.close();
}

const REPLAY: [&str; 4] = ["replay", "--evidence", "evidence", SESSION];

fn replay(folder: &Folder, more: &[&str]) -> common::Ran {
    folder.run(&[&REPLAY[..], more].concat())
}

#[test]
fn a_terminal_is_replayed_inert() {
    let folder = Folder::new();
    recorded_terminal(&folder);
    // No terminal here: everything at once. `␛[?1000` and `h` came in two events.
    let played = replay(&folder, &[]);
    let expected = "\u{1b}[1mana@web-1\u{1b}[0m$ id\r\nuid=\u{1b}[31m0(root)\u{1b}[0m\r\n";
    assert_eq!((played.code, played.out.as_str()), (0, expected), "{played:?}");
    let listed = replay(&folder, &["--events"]);
    for part in [
        "#1 terminal xterm, 0×65535",
        "#1 terminal is now 132×50",
        "#1 exited with 3",
        "2> of another channel",
        r"#2 open /etc/pass\u{1b}wd  done, 7 bytes",
    ] {
        assert!(listed.out.contains(part), "no `{part}` in\n{}", listed.out);
    }
    assert!(!listed.out.contains('\u{1b}'), "{}", listed.out);
    assert_eq!(folder.json(&REPLAY)["end"], "closed");
}

#[test]
fn what_was_shown_is_found_through_escape_sequences() {
    let folder = Folder::new();
    recorded_terminal(&folder);
    let found = replay(&folder, &["--search", "0(root)"]);
    assert!(found.code == 0 && found.out.contains("uid=0(root)"), "{found:?}");
    let lost = replay(&folder, &["--search", "evil"]);
    assert_eq!(lost.code, 1, "{lost:?}");
    let document = folder.json(&[&REPLAY[..], &["--search", "id"]].concat());
    assert_eq!(document.as_array().map(Vec::len), Some(2), "{document}");
}

#[test]
fn a_terminal_is_exported_as_the_published_formats_say() {
    let folder = Folder::new();
    recorded_terminal(&folder);
    let parse = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let codes = |lines: &[serde_json::Value]| -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        lines[1..].iter().map(|line| (text(&line[1]), text(&line[2]))).collect()
    };
    let v3 = replay(&folder, &["--export", "asciicast-v3"]);
    let lines = parse(&v3.out);
    let header = &lines[0];
    assert_eq!((&header["version"], &header["term"]["type"]), (&3.into(), &"xterm".into()));
    // 0 columns and 65535 rows, as a player can show them.
    assert_eq!((&header["term"]["cols"], &header["term"]["rows"]), (&80.into(), &500.into()));
    assert!(header["timestamp"].as_u64().expect("seconds") > 1_700_000_000);
    let events = codes(&lines);
    let expected = [
        ("m", "#1 shell"),
        ("o", "\u{1b}[1mana@web-1\u{1b}[0m$ "),
        ("i", "id\r"),
        ("o", "i"),
        ("o", "d\r\nuid=\u{1b}[31m0(ro"),
        ("r", "132x50"),
        ("o", "ot)\u{1b}[0m\r\n"),
        ("m", r"#2 open /etc/pass\u{1b}wd  done, 7 bytes"),
        ("x", "3"),
    ];
    let plain = |events: &[(String, String)]| -> Vec<(String, String)> { events.to_vec() };
    let expected = expected.map(|(code, data)| (code.to_owned(), data.to_owned()));
    assert_eq!(plain(&events), expected);
    assert!(!v3.out.contains(['\u{1b}', '\u{9b}']), "{}", v3.out);

    let file = folder.path().join("a.cast");
    let v2 = replay(&folder, &["--export", "asciicast-v2", "-o", "a.cast"]);
    assert!(v2.code == 0 && v2.out.is_empty(), "{v2:?}");
    let lines = parse(&std::fs::read_to_string(file).expect("a file"));
    assert_eq!((&lines[0]["version"], &lines[0]["width"]), (&2.into(), &80.into()));
    assert_eq!(codes(&lines).last().expect("events"), &("m".to_owned(), "exited with 3".to_owned()));
    // Times count from the beginning in one format, and from the event before in the other.
    let times: Vec<f64> = lines[1..].iter().map(|line| line[0].as_f64().expect("seconds")).collect();
    assert!(times.is_sorted(), "{times:?}");
    let between: f64 = parse(&v3.out)[1..].iter().map(|line| line[0].as_f64().expect("seconds")).sum();
    assert!((between - times[times.len() - 1]).abs() < 1e-4, "{between} {times:?}");

    let other = replay(&folder, &["--export", "asciicast-v3", "--command", "3"]);
    assert!(other.out.contains("of another channel") && !other.out.contains("root"), "{}", other.out);
    let none = replay(&folder, &["--export", "asciicast-v3", "--command", "99"]);
    assert!(none.code == 5 && none.err.contains("this session has no command 99"), "{none:?}");
}
