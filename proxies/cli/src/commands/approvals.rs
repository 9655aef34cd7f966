//! `approvals`: what waits for a decision.

use std::io::IsTerminal;

use portcullis_evidence::inert;
use portcullis_gateway::control::ApprovalView;

use super::gateway;
use crate::args::Approvals;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};
use crate::output::{Output, Tone};

/// The longest text of a command in the list, in characters; one approval is shown whole.
const WIDTH: usize = 60;

pub(super) fn run(context: &Context, arguments: &Approvals) -> Outcome {
    let output = context.output;
    if let Some(number) = arguments.number {
        let approval = gateway::ask(context, None, async |client| client.approval(number).await)?;
        if output.is_json() {
            output.document(&approval)?;
        } else {
            show(output, &approval)?;
        }
        return Ok(Answer::Yes);
    }
    let approvals = gateway::ask(context, None, async |client| client.approvals(arguments.all).await)?;
    if output.is_json() {
        output.document(&approvals)?;
        return Ok(Answer::Yes);
    }
    let rows: Vec<Vec<String>> = approvals.iter().map(row).collect();
    output.table(
        &["number", "state", "user", "target", "asked", "expires", "rules", "command"],
        &rows,
        if arguments.all { "no approvals yet" } else { "nothing waits for approval" },
    )?;
    if !approvals.is_empty() && !arguments.all && std::io::stdout().is_terminal() {
        output
            .note("decide with `portcullis approve NUMBER --as YOU` or `portcullis refuse NUMBER --as YOU`");
    }
    Ok(Answer::Yes)
}

fn row(approval: &ApprovalView) -> Vec<String> {
    let inert = |text: &str| inert::line(text).to_string();
    let mut command: String = inert(&approval.command);
    if command.chars().count() > WIDTH {
        command = command.chars().take(WIDTH).chain(['…']).collect();
    }
    let rules: Vec<String> = approval.holds.iter().map(|hold| inert(&hold.rule)).collect();
    vec![
        approval.number.to_string(),
        if is_away(approval) { "client away".to_owned() } else { inert(&approval.state) },
        inert(&approval.principal),
        inert(&approval.target),
        gateway::ago(approval.created),
        if approval.state == "pending" { gateway::until(approval.deadline) } else { "-".to_owned() },
        rules.join(", "),
        command,
    ]
}

/// Whether its client was told to come back, and has not yet.
pub(super) fn is_away(approval: &ApprovalView) -> bool {
    approval.state == "pending" && !approval.waiting
}

/// All that a reviewer should see before voting.
pub(super) fn show(output: Output, approval: &ApprovalView) -> Result<(), Failure> {
    let inert = |text: &str| inert::line(text).to_string();
    let field = |name: &str, text: &str| {
        output.line(&format!("  {} {text}", output.tone(Tone::Faint, &format!("{name:<9}"))))
    };
    output.line(&format!("approval {} ({})", approval.number, inert(&approval.state)))?;
    field("asked", &format!("by {} {}", inert(&approval.principal), gateway::ago(approval.created)))?;
    field("at", &format!("{} (session {})", inert(&approval.target), inert(&approval.session)))?;
    let text = approval.revealed.as_ref().unwrap_or(&approval.command);
    for (index, line) in inert::lines(text).to_string().lines().enumerate() {
        field(if index == 0 { "command" } else { "" }, &output.tone(Tone::Strong, line))?;
    }
    if approval.revealed.is_none() {
        field("", "literals are masked")?;
    }
    for (index, action) in approval.actions.iter().enumerate() {
        field(if index == 0 { "does" } else { "" }, &inert(action))?;
    }
    for hold in &approval.holds {
        field("held by", &format!("`{}`, which needs {}", inert(&hold.rule), inert(&hold.needs)))?;
    }
    if let Some(why) = &approval.justification {
        field("why", &inert(why))?;
    }
    if approval.in_transaction {
        field("locks", "it waits inside a transaction, whose locks keep others waiting")?;
    }
    if is_away(approval) {
        field("client", "nobody waits at the moment: its client was told to come back")?;
    }
    if approval.state == "pending" {
        field("expires", &gateway::until(approval.deadline))?;
    }
    for vote in &approval.votes {
        let way = if vote.approve { "approves" } else { "refuses" };
        let reason =
            if vote.reason.is_empty() { String::new() } else { format!(": {}", inert(&vote.reason)) };
        field("vote", &format!("{} {way} {}{reason}", inert(&vote.voter), gateway::ago(vote.at)))?;
    }
    if !approval.decided_by.is_empty() {
        let reason =
            if approval.reason.is_empty() { String::new() } else { format!(": {}", inert(&approval.reason)) };
        field("decided", &format!("by {}{reason}", inert(&approval.decided_by)))?;
    }
    Ok(())
}
