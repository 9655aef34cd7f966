//! Finding an installed PostgreSQL, and somebody other than root to run it.

use std::path::{Path, PathBuf};
use std::process::Command;

const MAJORS: std::ops::RangeInclusive<u32> = 15..=18;

/// The directory of the server's programs: `PORTCULLIS_TEST_PG_BIN`, or the newest that is installed.
pub(super) fn bin() -> PathBuf {
    std::env::var_os("PORTCULLIS_TEST_PG_BIN").map_or_else(newest, PathBuf::from)
}

/// The directory of `psql` and `pgbench`, which must speak TLS whatever the server does:
/// `PORTCULLIS_TEST_PG_CLIENT_BIN`, or the server's own.
pub(super) fn client_bin(server: &Path) -> PathBuf {
    std::env::var_os("PORTCULLIS_TEST_PG_CLIENT_BIN").map_or_else(|| server.to_owned(), PathBuf::from)
}

/// The newest installed server between 15 and 18, in Debian's versioned directories or where `pg_config` says.
fn newest() -> PathBuf {
    let versioned = MAJORS.rev().map(|major| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")));
    let configured = Command::new("pg_config").arg("--bindir").output().ok();
    let configured = configured
        .map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
        .filter(|bin| major(bin).is_some_and(|major| MAJORS.contains(&major)));
    versioned.chain(configured).find(|bin| bin.join("postgres").exists()).unwrap_or_else(|| {
        panic!("no PostgreSQL server from 15 to 18 is installed; on Debian: apt-get install postgresql")
    })
}

/// PostgreSQL refuses to run as root, and no server of the kit should: who runs it instead, or nobody else if we are not
/// root.
pub(crate) fn server_user() -> Option<&'static str> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let known =
        |name: &&str| Command::new("id").arg(name).output().is_ok_and(|output| output.status.success());
    Some(["postgres", "nobody"].into_iter().find(known).expect("a user `postgres` or `nobody`"))
}

fn major(bin: &Path) -> Option<u32> {
    let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(2)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
