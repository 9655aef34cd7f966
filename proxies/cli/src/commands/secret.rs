//! `secret`: the encrypted file that holds targets' credentials.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use portcullis_evidence::inert;
use portcullis_gateway::config::{Config, CredentialSource, Secrets, SecretsKey};
use portcullis_gateway::credential::{SealedError, Secret, SecretsFile};

use crate::args;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};
use crate::password;

pub(super) fn run(context: &Context, action: &args::Secret) -> Outcome {
    let config = context.config()?;
    let output = context.output;
    let failed = |error: SealedError| Failure::io(error);
    match action {
        args::Secret::Set { name } => {
            prepare(&config.secrets)?;
            let mut file = SecretsFile::open(&config.secrets).map_err(failed)?;
            let value = Secret::new(password::secret(name)?.to_vec());
            file.set(name, &value).map_err(failed)?;
            let users = used_by(&config, name);
            if output.is_json() {
                output.document(&serde_json::json!({ "name": name, "used_by": users }))?;
            } else {
                output.line(&format!("the secret `{}` is stored", inert::line(name)))?;
                if users.is_empty() {
                    output.note(&format!(
                        "no target uses it yet: write `credential = {{ secret = \"{}\" }}` in `{}`",
                        inert::line(name),
                        config.file.display()
                    ));
                }
            }
        }
        args::Secret::List => {
            let file = SecretsFile::open(&config.secrets).map_err(failed)?;
            let names: Vec<&str> = file.names().collect();
            if output.is_json() {
                output.document(&names)?;
            } else {
                let rows: Vec<Vec<String>> = names
                    .iter()
                    .map(|name| vec![inert::line(name).to_string(), used_by(&config, name).join(", ")])
                    .collect();
                output.table(
                    &["name", "used by"],
                    &rows,
                    "no secrets: `portcullis secret set NAME` stores one",
                )?;
            }
        }
        args::Secret::Remove { name } => {
            let mut file = SecretsFile::open(&config.secrets).map_err(failed)?;
            if !file.remove(name).map_err(failed)? {
                let message = format!("there is no secret `{}`", inert::line(name));
                return Err(Failure::io(message).help("`portcullis secret list` shows their names"));
            }
            if output.is_json() {
                output.document(&serde_json::json!({ "removed": name }))?;
            } else {
                output.line(&format!("the secret `{}` is removed", inert::line(name)))?;
            }
        }
    }
    Ok(Answer::Yes)
}

/// Makes the directories and the key, where they are missing.
pub(super) fn prepare(secrets: &Secrets) -> Result<(), Failure> {
    let key = match &secrets.key {
        SecretsKey::File(path) => path.parent(),
        SecretsKey::Env(_) => None,
    };
    [secrets.file.parent(), key].into_iter().flatten().try_for_each(directory)?;
    SecretsFile::ensure_key(secrets).map_err(Failure::io)
}

fn directory(path: &Path) -> Result<(), Failure> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Failure::io(format_args!("can't make the directory `{}`: {error}", path.display())))
}

/// The targets whose credential it is.
fn used_by(config: &Config, name: &str) -> Vec<String> {
    let uses =
        |source: &CredentialSource| matches!(source, CredentialSource::Secret(secret) if secret == name);
    let targets = config.targets.iter().filter(|target| target.credential.as_ref().is_some_and(uses));
    targets.map(|target| target.subject.name.to_string()).collect()
}
