//! Disks that refuse, handed in where the log makes its own files.

use std::path::Path;

use super::*;
use crate::log::AuditLog;
use crate::record::GatewayStopped;
use crate::verify::{VerifyOptions, verify};

fn open(dir: &Path) -> AuditLog {
    let key = SigningKey::load_or_create(&dir.join("state")).unwrap();
    AuditLog::open(&dir.join("evidence"), key, LogOptions::default()).unwrap()
}

fn record() -> Record<'static> {
    Record::GatewayStopped(GatewayStopped { reason: "test".into() })
}

/// Puts another file in place of the open segment, and returns the true one.
fn put(log: &AuditLog, file: Arc<File>) -> Arc<File> {
    std::mem::replace(&mut log.shared.writer.lock().unwrap().file, file)
}

#[test]
fn a_full_disk_poisons_the_log_until_it_is_healed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    // Without a signature over it, so that beginning another segment has to write to this one first.
    log.append_one(&Scope::gateway(), &record()).unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let good = put(&log, Arc::new(full));
    let before = log.last_seq();

    let mut batch = Batch::new();
    batch.push(&Scope::gateway(), &record()).unwrap();
    let error = log.append(&mut batch).unwrap_err();
    assert!(matches!(error, AppendError::Write { .. }), "{error}");
    assert!(
        error.to_string().contains("No space left") && error.to_string().contains("free space"),
        "{error}"
    );
    assert_eq!((batch.len(), log.last_seq()), (1, before), "nothing was accepted");
    for _ in 0..2 {
        assert!(matches!(log.append(&mut batch).unwrap_err(), AppendError::Poisoned { .. }));
        assert!(matches!(log.append_strict(&mut batch).unwrap_err(), AppendError::Poisoned { .. }));
        assert!(log.poison().unwrap().contains("No space left"));
        assert!(log.heal().is_err(), "the disk is still full");
    }

    put(&log, good);
    assert!(log.append(&mut batch).is_err(), "poison does not go away by itself");
    log.heal().unwrap();
    assert_eq!(log.poison(), None);
    assert_eq!(log.append(&mut batch).unwrap(), log.last_seq());
    drop(log);
    let report = verify(&dir.path().join("evidence"), &VerifyOptions::default()).unwrap();
    assert!(report.is_intact() && report.segments == 2, "{:?}", report.findings);
}

#[test]
fn a_disk_that_fails_to_sync_can_not_be_healed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    // A pipe takes bytes, but refuses to bring them to any disk.
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    put(&log, Arc::new(File::from(writer)));
    let seq = log.append_one(&Scope::gateway(), &record()).unwrap();
    assert!(log.wait_synced(seq).is_err());
    assert!(log.poison().unwrap().contains("could not be brought to disk"));
    assert!(log.heal().is_err());
    assert!(log.append_one(&Scope::gateway(), &record()).is_err());
    assert!(log.close().is_err());
    drop(reader);
}

#[test]
fn a_short_write_is_cut_off_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let path = log.shared.writer.lock().unwrap().path.clone();
    let whole = std::fs::read(&path).unwrap();
    {
        let mut writer = log.shared.writer.lock().unwrap();
        // What a short write leaves.
        rustix::io::write(&writer.file, br#"{"seq":3,"ti"#).unwrap();
        writer.state = State::Unwritten("only 12 bytes were taken".into());
    }
    log.heal().unwrap();
    log.append_one(&Scope::gateway(), &record()).unwrap();
    drop(log);
    assert!(std::fs::read(&path).unwrap().starts_with(&whole));
    let report = verify(&dir.path().join("evidence"), &VerifyOptions::default()).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn a_segment_that_can_not_begin_stops_the_next_append() {
    let dir = tempfile::tempdir().unwrap();
    let key = SigningKey::load_or_create(&dir.path().join("state")).unwrap();
    let evidence = dir.path().join("evidence");
    let options = LogOptions { segment_bytes: 1, ..LogOptions::default() };
    let log = AuditLog::open(&evidence, key, options).unwrap();
    let next = evidence.join(directory::segment_name(2));
    std::fs::create_dir(&next).unwrap();
    let seq = log.append_one(&Scope::gateway(), &record()).unwrap();
    assert!(log.last_seq() >= seq, "that record is in");
    assert!(log.append_one(&Scope::gateway(), &record()).is_err());
    assert!(log.heal().is_err());
    std::fs::remove_dir(&next).unwrap();
    log.heal().unwrap();
    log.append_one(&Scope::gateway(), &record()).unwrap();
    drop(log);
    assert_eq!(verify(&evidence, &VerifyOptions::default()).unwrap().findings, []);
}
