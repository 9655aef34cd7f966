//! `revoke`: ending sessions, and keeping a user out.

use portcullis_evidence::inert;
use portcullis_gateway::control::{Revoke, Revoked};

use super::{gateway, user};
use crate::args;
use crate::context::Context;
use crate::failure::{Answer, Outcome};
use crate::policies::count;

pub(super) fn run(context: &Context, arguments: &args::Revoke) -> Outcome {
    if let Some(name) = &arguments.restore {
        return restore(context, name);
    }
    // First the door, then the house: nobody slips back in between.
    let closed = match &arguments.user {
        // Somebody who was removed may still have sessions.
        Some(name) if user::exists(context, name)? => Some((name, user::set_disabled(context, name, true)?)),
        Some(_) => None,
        None => None,
    };
    let order = Revoke {
        session: arguments.session.clone(),
        user: arguments.user.clone(),
        reason: arguments.reason.clone(),
    };
    let revoked = gateway::ask(context, None, async |client| client.revoke(&order).await).map_err(|failure| {
        match closed {
            Some((name, _)) => failure.help(format_args!(
                "new sessions of `{}` are refused from now on; only the end of open ones could not be ordered",
                inert::line(name)
            )),
            None => failure,
        }
    })?;
    if context.output.is_json() {
        context.output.document(&revoked)?;
    } else {
        say(context, arguments, &revoked, closed.is_some())?;
    }
    // Nobody of this name, and nothing of theirs: most likely a slip, when there is no time for one.
    let nobody = arguments.user.is_some() && closed.is_none() && revoked.sessions.is_empty();
    Ok(if nobody { Answer::No } else { Answer::Yes })
}

fn say(
    context: &Context,
    arguments: &args::Revoke,
    revoked: &Revoked,
    is_local: bool,
) -> Result<(), crate::failure::Failure> {
    for session in &revoked.sessions {
        context.output.line(&format!("revoked session {}", inert::line(session)))?;
    }
    if let Some(name) = &arguments.user {
        let name = inert::line(name);
        let ended = count(revoked.sessions.len(), "session");
        context.output.line(&if is_local {
            format!("{name} is locked out, {ended} ended; `--restore {name}` lets them in again")
        } else {
            format!("{ended} ended; there is no local user {name}")
        })?;
    }
    Ok(())
}

fn restore(context: &Context, name: &str) -> Outcome {
    let changed = user::set_disabled(context, name, false)?;
    if context.output.is_json() {
        context.output.document(&serde_json::json!({ "restored": name, "changed": changed }))?;
    } else {
        let word = if changed { "may connect again" } else { "was not locked out" };
        context.output.line(&format!("{} {word}", inert::line(name)))?;
    }
    Ok(Answer::Yes)
}
