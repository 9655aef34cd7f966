//! `approve` and `refuse`: a reviewer's vote, by their own password.

use std::io::{self, IsTerminal, Write};

use portcullis_evidence::inert;
use portcullis_gateway::control::{ApprovalView, HoldState, HoldView};

use super::{approvals, gateway};
use crate::args::Vote;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};
use crate::password;

/// How to vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Approve,
    Refuse,
}

pub(super) fn run(context: &Context, arguments: &Vote, way: Way) -> Outcome {
    let output = context.output;
    let password = password::known(&arguments.password, &arguments.user)?;
    let user = Some((arguments.user.as_str(), &password));
    let number = arguments.number;
    let seen = gateway::ask(context, user, async |client| client.approval(number).await)?;
    // The vote carries what was seen here, and is refused if that has changed meanwhile.
    if !(arguments.yes || output.is_json()) && io::stdin().is_terminal() {
        approvals::show(output, &seen)?;
        if !agreed(way)? {
            output.line("no vote was cast")?;
            return Ok(Answer::No);
        }
    }
    let approve = way == Way::Approve;
    let voted =
        gateway::ask(context, user, async |client| client.vote(&seen, approve, &arguments.reason).await)?;
    if output.is_json() {
        output.document(&voted)?;
    } else {
        output.line(&said(&seen, &voted.holds, way))?;
    }
    Ok(Answer::Yes)
}

fn agreed(way: Way) -> Result<bool, Failure> {
    let failed = |error| Failure::io(format_args!("can't ask on the terminal: {error}"));
    let word = if way == Way::Approve { "Approve" } else { "Refuse" };
    let mut stderr = io::stderr().lock();
    write!(stderr, "{word} this? [y/N] ").and_then(|()| stderr.flush()).map_err(failed)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// `now` are the holds with this vote.
fn said(seen: &ApprovalView, now: &[HoldView], way: Way) -> String {
    let needed = if way == Way::Approve { approvals::still_needed(now) } else { Vec::new() };
    let is_lost = |hold: &HoldView| matches!(hold.state, Some(HoldState::Refused | HoldState::Expired));
    let word = match way {
        Way::Approve if needed.is_empty() && !now.iter().any(is_lost) => "approved",
        Way::Approve => "voted for",
        Way::Refuse => "refused",
    };
    let (who, target) = (approvals::who(seen, "on behalf of"), inert::line(&seen.target));
    let watchers = seen.holds.iter().map(|hold| hold.watchers).max().unwrap_or_default();
    let missing = match watchers {
        _ if !needed.is_empty() => format!("\n{}", needed.join("\n")),
        _ if way == Way::Approve && approvals::is_away(seen) => {
            "\nnobody waits for it at the moment: it passes when its client comes back with the same request"
                .to_owned()
        }
        1.. if way == Way::Approve => {
            format!("\nit runs while {watchers} watch: portcullis watch {}", inert::line(&seen.session))
        }
        _ => String::new(),
    };
    format!("{word} {} of {who} at {target}: {}{missing}", seen.number, inert::line(&seen.command))
}
