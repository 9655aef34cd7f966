//! Whom a test's sshd runs as, and therefore the only one it lets in.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A line of the account database.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) name: String,
    uid: u32,
    home: PathBuf,
    shell: PathBuf,
}

impl Account {
    /// Ourselves, or if we are root somebody who can do less: a test's commands are hostile ones.
    ///
    /// `PORTCULLIS_TEST_SSH_USER` names somebody else. Without it `postgres` is first choice, because the packages of
    /// `make test` bring that account, with a shell; an account whose shell is `nologin` can be logged in by no sshd.
    pub(super) fn choose() -> Self {
        let own = rustix::process::getuid();
        if !own.is_root() {
            let own = Self::look_up(&own.as_raw().to_string());
            return own.expect("the user who runs the tests is in the account database");
        }
        if let Ok(name) = std::env::var("PORTCULLIS_TEST_SSH_USER") {
            return Self::look_up(&name).unwrap_or_else(|| panic!("there is no user `{name}`"));
        }
        let all = all();
        all.iter()
            .find(|account| account.name == "postgres" && account.can_log_in())
            .or_else(|| all.iter().find(|account| account.uid >= 1000 && account.can_log_in()))
            .cloned()
            .expect("an account other than root that has a shell; PORTCULLIS_TEST_SSH_USER names one")
    }

    /// Whether somebody else has to run the server.
    pub(super) fn is_another(&self) -> bool {
        self.uid != rustix::process::getuid().as_raw()
    }

    fn look_up(key: &str) -> Option<Self> {
        let output = Command::new("getent").args(["passwd", key]).output().ok()?;
        Self::parse(String::from_utf8(output.stdout).ok()?.trim())
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let home = fields.nth(2)?.into();
        Some(Self { name, uid, home, shell: fields.next()?.into() })
    }

    fn can_log_in(&self) -> bool {
        let shell = self.shell.file_name().unwrap_or_default().to_string_lossy();
        shell.ends_with("sh") && self.shell.exists() && Path::new(&self.home).is_dir()
    }
}

fn all() -> Vec<Account> {
    let output = Command::new("getent").arg("passwd").output().expect("`getent` lists accounts");
    String::from_utf8_lossy(&output.stdout).lines().filter_map(Account::parse).collect()
}
