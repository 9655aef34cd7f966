//! Who else can read or change what the gateway relies on, and whether credentials and users are there.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use portcullis_evidence::{KEY_FILE, inert};
use portcullis_gateway::config::{Config, Leg, SecretsKey, TargetConfig};
use portcullis_gateway::credential;
use portcullis_gateway::start::{STORE_FILE, StartError, open_existing_store};
use portcullis_gateway::store::Store as _;

use super::finding::Finding;
use crate::policies::count;

pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    let before = findings.len();
    for path in std::iter::once(&config.file).chain(&config.policies) {
        writable(path, findings);
    }
    if let Some(folder) = config.file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        writable(folder, findings);
    }
    let key = match &config.secrets.key {
        SecretsKey::File(path) => Some(path.clone()),
        SecretsKey::Env(_) => None,
    };
    let inside = [KEY_FILE, STORE_FILE, "digest.key", "server.key"].map(|name| config.state.join(name));
    for path in inside.into_iter().chain(key).chain([config.secrets.file.clone(), config.state.clone()]) {
        readable(&path, findings);
    }
    if let Some((_, key)) = &config.tls.files {
        readable(key, findings);
    }
    if findings.len() == before {
        findings.push(Finding::good("files", "nobody else can change the policy or read a key"));
    }
    credentials(config, findings);
    users(config, findings);
}

/// Whoever can change these decides what is allowed.
fn writable(path: &Path, findings: &mut Vec<Finding>) {
    let Some(metadata) = metadata(path, findings) else { return };
    // In a sticky folder such as /tmp others can't replace what they don't own.
    let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
    if metadata.mode() & 0o022 != 0 && !sticky {
        let (shown, mode) = (path.display(), metadata.mode() & 0o777);
        findings.push(
            Finding::bad("files", format!("`{shown}` has mode {mode:o}: others can change it"))
                .why("whoever changes it decides what is allowed")
                .mend(format!("chmod go-w {shown}")),
        );
    }
}

/// Whoever can read these can sign evidence, open secrets or pose as the gateway.
fn readable(path: &Path, findings: &mut Vec<Finding>) {
    let Some(metadata) = metadata(path, findings) else { return };
    let owner = metadata.uid();
    let own = rustix::process::geteuid().as_raw();
    if own != 0 && owner != own && owner != 0 {
        findings.push(
            Finding::bad("files", format!("`{}` belongs to user id {owner}", path.display()))
                .why("that user can read and change it")
                .mend(format!("chown it to the gateway's own user (this one has id {own})")),
        );
    }
    if metadata.mode() & 0o077 != 0 {
        let (shown, mode) = (path.display(), metadata.mode() & 0o777);
        findings.push(
            Finding::bad("files", format!("`{shown}` has mode {mode:o}: others can get at it"))
                .why("it holds keys, password verifiers or secrets")
                .mend(format!("chmod go-rwx {shown}")),
        );
    }
}

/// What the file system says; nothing of a file that `serve` will make.
fn metadata(path: &Path, findings: &mut Vec<Finding>) -> Option<Metadata> {
    match fs::metadata(path) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            findings.push(
                Finding::warning("files", format!("`{}` can't be looked at: {error}", path.display()))
                    .mend("run this as the gateway's own user, or as root"),
            );
            None
        }
    }
}

fn credentials(config: &Config, findings: &mut Vec<Finding>) {
    for target in &config.targets {
        let about = format!("target {}", inert::line(&target.subject.name));
        let Some(source) = &target.credential else {
            findings.extend(without(target, about));
            continue;
        };
        if let Err(error) = credential::load(source, &config.secrets) {
            findings.push(
                Finding::bad(about, error.to_string()).why("`serve` can't log in at the target").mend(
                    "`portcullis secret set NAME` stores one; a variable must be set for `serve` as well",
                ),
            );
        }
    }
}

/// What is to be said of a target that the gateway proves nothing to.
fn without(target: &TargetConfig, about: String) -> Option<Finding> {
    let (why, mend) = match &target.leg {
        // The gateway's own authority lets it in, or the target is tried and refuses it.
        Leg::Ssh { .. } => return None,
        Leg::Http(leg) if leg.identity.is_some() => return None,
        Leg::Http(_) => (
            "whoever reaches it past the gateway gets what the gateway gets",
            match target.subject.protocol.as_str() {
                "kubernetes" => {
                    "give the gateway a service account there, and its token as `credential = { secret = \"…\" }`"
                }
                _ => {
                    "have the target ask for a token, and give that one as `credential = { secret = \"…\" }`"
                }
            },
        ),
        Leg::Postgres { .. } => (
            "the target must trust the gateway's address alone",
            "give the role a password, and name it with `credential = { secret = \"…\" }`",
        ),
    };
    Some(Finding::warning(about, "it has no credential").why(why).mend(mend))
}

fn users(config: &Config, findings: &mut Vec<Finding>) {
    let users = match open_existing_store(config) {
        Ok(Some(mut store)) => store.users().map_err(StartError::from),
        Ok(None) => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    findings.push(match users.map(|users| users.iter().filter(|user| !user.disabled).count()) {
        Ok(0) => Finding::warning("users", "there is no local user who may log in")
            .why("nobody can use the gateway, or approve anything")
            .mend("portcullis user add NAME --group GROUP"),
        Ok(active) => Finding::good("users", count(active, "local user")),
        Err(error) => {
            Finding::bad("users", error.to_string()).why("`serve` does not start without its store")
        }
    });
}
