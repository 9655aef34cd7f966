//! `ssh-config`: `Host` blocks, so that `ssh TARGET` goes through the gateway.

use policy_core::Protocol;
use portcullis_evidence::inert;
use serde_json::json;

use super::reached::Reached;
use super::user;
use crate::args::SshConfig;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};

pub(super) fn run(context: &Context, arguments: &SshConfig) -> Outcome {
    let config = context.config()?;
    let Some(listen) = config.listen.ssh.first() else {
        return Err(Failure::configuration("no SSH target is configured").help(
            "add a [[target]] with protocol = \"ssh\"; `portcullis init` writes an example, commented out",
        ));
    };
    let reached = match &arguments.gateway {
        Some(gateway) => Reached::parse(gateway)?,
        None => Reached::listening(listen, "bastion.example.org")?,
    };
    let (host, port) = (reached.bare().to_owned(), reached.port.unwrap_or(listen.port()));
    if [&arguments.user, &arguments.prefix].iter().any(|word| !is_plain(word)) {
        return Err(Failure::configuration(
            "ssh_config can't carry quotes, white space or control characters in these words",
        ));
    }
    // A certificate's user need not be known here; somebody who mistyped wants to hear of it.
    if config.ssh.user_authorities.is_empty() && matches!(user::exists(context, &arguments.user), Ok(false)) {
        let name = inert::line(&arguments.user);
        context
            .output
            .note(&format!("there is no local user `{name}`: `portcullis user add {name}` makes one"));
    }
    let key = std::fs::read_to_string(config.state.join("ssh_host_key.pub")).ok();
    let targets: Vec<&str> = config.targets_of(&Protocol::SSH).map(|target| &*target.subject.name).collect();
    // As OpenSSH writes it: its own port is left out.
    let place = if port == 22 { host.clone() } else { format!("[{host}]:{port}") };
    let known = key.map(|key| format!("{place} {}", key.trim()));
    if context.output.is_json() {
        let each: Vec<_> = targets
            .iter()
            .map(|target| {
                json!({
                    "host": format!("{}{target}", arguments.prefix),
                    "hostname": host,
                    "port": port,
                    "user": format!("{}:{target}", arguments.user),
                })
            })
            .collect();
        context.output.document(&json!({ "hosts": each, "known_hosts": known }))?;
        return Ok(Answer::Yes);
    }
    for target in targets {
        context.output.line(&format!(
            "Host {prefix}{target}\n  HostName {host}\n  Port {port}\n  User {user}:{target}\n",
            prefix = arguments.prefix,
            user = arguments.user
        ))?;
    }
    match known {
        Some(known) => context.output.note(&format!(
            "and this line for ~/.ssh/known_hosts, so that the first connection asks nothing:\n{known}"
        )),
        None => context.output.note(
            "the gateway's host key is made at its first start; run this again then, to see it for ~/.ssh/known_hosts",
        ),
    }
    Ok(Answer::Yes)
}

fn is_plain(word: &str) -> bool {
    !word.chars().any(|c| c.is_whitespace() || c.is_control() || c == '"')
}
