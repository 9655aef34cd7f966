//! What the gateway runs as.

use std::fs;
use std::os::unix::fs::MetadataExt;

use portcullis_gateway::control::Status;

use super::finding::Finding;

const ABOUT: &str = "process";

pub(super) fn examine(running: Option<&Status>, findings: &mut Vec<Finding>) {
    let owner = match running {
        Some(status) => fs::metadata(format!("/proc/{}", status.pid)).ok().map(|process| process.uid()),
        None => Some(rustix::process::geteuid().as_raw()),
    };
    if owner == Some(0) {
        let who = if running.is_some() { "the gateway runs" } else { "this runs" };
        findings.push(
            Finding::warning(ABOUT, format!("{who} as root"))
                .why("it needs no privilege, and a flaw in it would have all of them")
                .mend("run it as a user of its own, as packaging/portcullis.service does"),
        );
    }
    core_dumps(running, findings);
}

/// A core dump would hold credentials.
fn core_dumps(running: Option<&Status>, findings: &mut Vec<Finding>) {
    let Some(status) = running else {
        findings.push(Finding::good(ABOUT, "`serve` turns core dumps off when it starts"));
        return;
    };
    let limits = fs::read_to_string(format!("/proc/{}/limits", status.pid)).unwrap_or_default();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    match core.and_then(|core| core.split_whitespace().next()) {
        Some("0") => findings.push(Finding::good(ABOUT, "core dumps are off")),
        Some(limit) => findings.push(
            Finding::bad(ABOUT, format!("the gateway may dump core (limit: {limit})"))
                .why("a dump holds credentials and what sessions say")
                .mend("start it with `portcullis serve`, which turns them off"),
        ),
        None => findings.push(
            Finding::warning(ABOUT, "the gateway's limit on core dumps can't be read")
                .mend("run this as the gateway's own user, on the same machine"),
        ),
    }
}
