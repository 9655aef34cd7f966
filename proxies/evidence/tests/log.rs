//! What the audit log promises: numbers without gaps, one owner, recovery, and errors that stay.

#![allow(clippy::unwrap_used, reason = "tests state what they expect by failing")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{lines, open, open_with, outcome, segments};
use portcullis_evidence::record::GatewayStopped;
use portcullis_evidence::{Batch, LogOptions, OpenError, Record, Scope};
use tempfile::TempDir;

fn last_segment(dir: &Path) -> PathBuf {
    segments(&dir.join("evidence")).pop().unwrap()
}

#[test]
fn records_are_numbered_without_gaps_across_restarts_and_segments() {
    let dir = TempDir::new().unwrap();
    let small = LogOptions { segment_bytes: 2000, ..LogOptions::default() };
    for _ in 0..3 {
        let log = open_with(dir.path(), small).unwrap();
        let scope = Scope::session("s1", "ana", "shop");
        let mut batch = Batch::new();
        for command in 0..20 {
            batch.push(&scope, &outcome(command)).unwrap();
            batch.push(&scope, &outcome(command)).unwrap();
            let seq = log.append(&mut batch).unwrap();
            assert!(batch.is_empty());
            log.wait_synced(seq).unwrap();
            assert!(log.synced_seq() >= seq);
        }
        log.close().unwrap();
        assert!(log.append_one(&scope, &outcome(0)).is_err(), "a closed log accepts nothing");
    }
    let lines = lines(dir.path());
    assert!(lines.len() > 120);
    for (index, line) in lines.iter().enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["seq"], index as u64 + 1, "{line}");
    }
    assert!(fs::read_dir(dir.path().join("evidence")).unwrap().count() > 5, "segments were rotated");
}

#[test]
fn a_second_instance_is_told_who_has_the_directory() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, OpenError::Held { .. }), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())) && text.contains("stop it"), "{text}");
    drop(log);
    open(dir.path()).unwrap();
}

#[test]
fn another_key_does_not_go_on_with_the_log() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).unwrap());
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), OpenError::OtherKey { .. }));
}

#[test]
fn a_torn_last_line_is_moved_aside_and_recorded() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    let last = log.append_one(&Scope::gateway(), &outcome(1)).unwrap();
    drop(log);
    let path = last_segment(dir.path());
    let whole = fs::read(&path).unwrap();
    let torn = br#"{"seq":99,"time":"2026-11-2"#;
    fs::write(&path, [&whole[..], torn].concat()).unwrap();

    let log = open(dir.path()).unwrap();
    assert!(log.last_seq() > last);
    let recovered =
        lines(dir.path()).into_iter().find(|line| line.contains(r#""kind":"recovered""#)).unwrap();
    let value: serde_json::Value = serde_json::from_str(&recovered).unwrap();
    assert_eq!((&value["bytes"], &value["lines"]), (&torn.len().into(), &0.into()));
    let moved = dir.path().join("evidence").join(value["moved_to"].as_str().unwrap());
    assert_eq!(fs::read(moved).unwrap(), torn);
}

#[test]
fn a_crash_while_a_segment_begins_is_recovered() {
    for torn in [&b""[..], br#"{"seq":3,"ti"#] {
        let dir = TempDir::new().unwrap();
        let log = open(dir.path()).unwrap();
        log.append_one(&Scope::gateway(), &outcome(1)).unwrap();
        let last = {
            log.close().unwrap();
            log.last_seq()
        };
        drop(log);
        fs::write(dir.path().join("evidence/audit-00000002.ndjson"), torn).unwrap();
        let log = open(dir.path()).unwrap();
        assert!(log.last_seq() >= last);
        log.append_one(&Scope::gateway(), &outcome(2)).unwrap();
        assert!(last_segment(dir.path()).ends_with("audit-00000001.ndjson"));
    }
}

#[test]
fn a_log_cut_off_before_its_checkpoint_is_not_opened() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    for command in 0..10 {
        log.append_one(&Scope::gateway(), &outcome(command)).unwrap();
    }
    drop(log);
    let path = last_segment(dir.path());
    let whole = fs::read_to_string(&path).unwrap();
    let kept: String = whole.lines().take(4).map(|line| format!("{line}\n")).collect();
    let changed = whole.replacen(r#""rows":1"#, r#""rows":2"#, 1);
    for content in [kept.as_str(), changed.as_str(), ""] {
        fs::write(&path, content).unwrap();
        let error = open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("checkpoint.json vouches for record"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content, "a refused log is left as it is");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), OpenError::Damaged { .. }));
}

#[test]
fn a_device_or_a_link_is_no_segment() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).unwrap());
    let path = last_segment(dir.path());
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), OpenError::Io { .. }));
}

#[test]
fn records_are_one_line_whatever_they_say() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    let before = lines(dir.path()).len();
    let evil = "a\n{\"seq\":1,\"kind\":\"checkpoint\"}\r\n\u{1b}[2J\u{9b}31m\",\"kind\":\"outcome";
    log.append_one(
        &Scope::session(evil, evil, evil),
        &Record::GatewayStopped(GatewayStopped { reason: evil.into() }),
    )
    .unwrap();
    let lines = lines(dir.path());
    assert_eq!(lines.len(), before + 1);
    let line = lines.last().unwrap();
    assert!(!line.chars().any(char::is_control), "{line}");
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    for member in ["session", "principal", "target", "reason"] {
        assert_eq!(value[member], evil);
    }
    assert_eq!(value["kind"], "gateway_stopped");
}

#[test]
fn checkpoints_are_signed_by_count_and_by_time() {
    let dir = TempDir::new().unwrap();
    let log = open_with(dir.path(), LogOptions { checkpoint_records: 10, ..LogOptions::default() }).unwrap();
    for command in 0..100 {
        let seq = log.append_one(&Scope::gateway(), &outcome(command)).unwrap();
        log.wait_synced(seq).unwrap();
    }
    let count = |dir: &Path| lines(dir).iter().filter(|line| line.contains(r#""kind":"checkpoint""#)).count();
    assert!(count(dir.path()) >= 9, "{}", count(dir.path()));
    log.checkpoint().unwrap();
    let newest = portcullis_evidence::newest_checkpoint(log.directory()).unwrap();
    assert_eq!(newest.upto, log.last_seq() - 1);
    assert!(newest.is_signed_by(log.public_key()));
    drop(log);

    let log = open_with(
        dir.path(),
        LogOptions { checkpoint_every: Duration::from_millis(20), ..LogOptions::default() },
    );
    let (log, before) = (log.unwrap(), count(dir.path()));
    log.append_one(&Scope::gateway(), &outcome(0)).unwrap();
    let patience = std::time::Instant::now();
    while count(dir.path()) == before {
        assert!(patience.elapsed() < Duration::from_secs(10), "no checkpoint by time");
        std::thread::yield_now();
    }
}
