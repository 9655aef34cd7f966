//! The commands, a file each. All have one form: context and arguments in, an answer or a failure out.

mod approvals;
mod check;
mod completions;
mod doctor;
mod explain;
mod fmt;
mod gateway;
mod init;
mod kubeconfig;
mod reached;
mod reload;
mod replay;
mod revoke;
mod secret;
mod serve;
mod sessions;
mod ssh_config;
mod test;
mod token;
mod user;
mod user_key;
mod verify;
mod vote;
mod watch;

use crate::args::Command;
use crate::context::Context;
use crate::failure::Outcome;

/// Does what was asked for.
pub(crate) fn run(context: &Context, command: &Command) -> Outcome {
    match command {
        Command::Init(arguments) => init::run(context, arguments),
        Command::Serve(arguments) => serve::run(context, arguments),
        Command::Check(arguments) => check::run(context, arguments),
        Command::Fmt(arguments) => fmt::run(context, arguments),
        Command::Test(arguments) => test::run(context, arguments),
        Command::Explain(arguments) => explain::run(context, arguments),
        Command::Approvals(arguments) => approvals::run(context, arguments),
        Command::Approve(arguments) => vote::run(context, arguments, vote::Way::Approve),
        Command::Refuse(arguments) => vote::run(context, arguments, vote::Way::Refuse),
        Command::Sessions => sessions::run(context),
        Command::Watch(arguments) => watch::run(context, arguments),
        Command::Revoke(arguments) => revoke::run(context, arguments),
        Command::Reload => reload::run(context),
        Command::Replay(arguments) => replay::run(context, arguments),
        Command::Verify(arguments) => verify::run(context, arguments),
        Command::Token { action } => token::run(context, action),
        Command::User { action } => user::run(context, action),
        Command::Kubeconfig(arguments) => kubeconfig::run(context, arguments),
        Command::SshConfig(arguments) => ssh_config::run(context, arguments),
        Command::Secret { action } => secret::run(context, action),
        Command::Doctor => doctor::run(context),
        Command::Completions { shell } => completions::run(context, *shell),
    }
}
