//! Whether evidence can be written and is intact, on a disk with room and by a clock that makes sense.

use std::fs;
use std::path::Path;
use std::time::Duration;

use portcullis_evidence::checkpoint::CHECKPOINT_FILE;
use portcullis_evidence::{Checkpoint, PUBLIC_KEY_FILE, PublicKey, Timestamp, VerifyOptions};
use portcullis_gateway::config::Config;
use rustix::fs::{Access, access, statvfs};

use super::finding::Finding;
use crate::policies::count;

const ABOUT: &str = "evidence";
/// A log that is larger is left to `verify`: reading it would take the doctor's patience.
const READABLE_BYTES: u64 = 512 << 20;
/// Below this the gateway is about to stop forwarding; it would be time to act below the second.
const ROOM_BAD: u64 = 100 << 20;
const ROOM_LOW: u64 = 2 << 30;
/// Nothing was built before 2026.
const EARLIEST: u64 = 1_767_225_600_000_000;
/// What clocks may differ by.
const SKEW: Duration = Duration::from_secs(5);

pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    clock(config, findings);
    for (path, about) in [(&config.evidence, "evidence"), (&config.state, "state")] {
        place(path, about, findings);
    }
    if config.evidence.exists() {
        intact(config, findings);
    }
}

fn clock(config: &Config, findings: &mut Vec<Finding>) {
    let now = Timestamp::now();
    if now.as_micros() < EARLIEST {
        findings.push(
            Finding::bad("clock", format!("it says {now}"))
                .why("records, approvals and limits count by it, and certificates seem not valid yet")
                .mend("set it, and keep it so by NTP"),
        );
        return;
    }
    let newest = Checkpoint::read(&config.evidence.join(CHECKPOINT_FILE)).ok();
    match newest.filter(|checkpoint| checkpoint.signed.since(now) > SKEW) {
        Some(checkpoint) => findings.push(
            Finding::bad(
                "clock",
                format!("it says {now}, but the newest checkpoint was signed at {}", checkpoint.signed),
            )
            .why("records would run backwards")
            .mend("set it, and keep it so by NTP"),
        ),
        None => findings.push(Finding::good("clock", format!("{now}, not before anything recorded"))),
    }
}

/// A directory, or the one that it will be made in.
fn place(path: &Path, about: &str, findings: &mut Vec<Finding>) {
    let Some(existing) = path.ancestors().map(current).find(|path| path.exists()) else { return };
    if let Err(error) = access(existing, Access::WRITE_OK | Access::EXEC_OK) {
        findings.push(
            Finding::bad(about, format!("`{}` can't be written: {error}", existing.display()))
                .why("nothing is forwarded that can't be recorded")
                .mend("make it the gateway's own; and run this as the gateway's user"),
        );
    }
    let Ok(space) = statvfs(existing) else { return };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let megabytes = free >> 20;
    if free < ROOM_LOW || (space.f_files > 0 && space.f_favail < 1000) {
        let what =
            format!("{megabytes} MiB and {} files are free at `{}`", space.f_favail, existing.display());
        let finding = if free < ROOM_BAD { Finding::bad(about, what) } else { Finding::warning(about, what) };
        findings.push(
            finding
                .why("when the disk is full, nothing is forwarded any more")
                .mend("make room, or archive old segments and recordings"),
        );
    } else {
        findings.push(Finding::good(about, format!("`{}`, {megabytes} MiB free", path.display())));
    }
}

/// The empty path is the working directory.
fn current(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn intact(config: &Config, findings: &mut Vec<Finding>) {
    let entries = match fs::read_dir(&config.evidence) {
        Ok(entries) => entries,
        Err(error) => {
            let what = format!("`{}` can't be read: {error}", config.evidence.display());
            findings.push(Finding::bad(ABOUT, what).mend("run this as the gateway's own user, or as root"));
            return;
        }
    };
    let size: u64 = entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum();
    if size > READABLE_BYTES {
        let what = format!("the log has {} MiB, too many to read now", size >> 20);
        findings.push(Finding::good(ABOUT, what).mend("`portcullis verify` checks all of it"));
        return;
    }
    let key = config.state.join(PUBLIC_KEY_FILE);
    let options = VerifyOptions {
        public_key: PublicKey::read(&key).ok(),
        skip_recordings: true,
        ..VerifyOptions::default()
    };
    match portcullis_evidence::verify(&config.evidence, &options) {
        Ok(report) if report.is_intact() => {
            let records = count(usize::try_from(report.records).unwrap_or(usize::MAX), "record");
            findings.push(Finding::good(
                ABOUT,
                format!("the log is intact: {records}; recordings were not read"),
            ));
        }
        Ok(report) => {
            let first = report.findings.iter().find(|finding| finding.kind.is_problem());
            let what = first.map_or_else(|| "the log is not intact".to_owned(), ToString::to_string);
            findings.push(
                Finding::bad(ABOUT, what)
                    .why("somebody changed it, or a disk did; `serve` may refuse to go on with it")
                    .mend("`portcullis verify` lists everything; keep a copy before anything is moved"),
            );
        }
        Err(error) => {
            let what = format!("`{}` can't be read: {error}", config.evidence.display());
            findings.push(Finding::bad(ABOUT, what).mend("run this as the gateway's own user, or as root"));
        }
    }
}
