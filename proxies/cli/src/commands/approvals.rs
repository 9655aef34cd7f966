//! `approvals`: what waits for a decision.

use std::io::IsTerminal;

use portcullis_evidence::inert;
use portcullis_gateway::control::{ApprovalView, HoldState, HoldView};

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
    let does = inert(&unsaid(approval));
    let mut command: String = inert(&approval.command);
    let room = WIDTH.saturating_sub(does.chars().count()).max(WIDTH / 2);
    if command.chars().count() > room {
        command = command.chars().take(room).chain(['…']).collect();
    }
    if !does.is_empty() {
        command = format!("{command} ({does})");
    }
    let rules: Vec<String> = approval.holds.iter().map(|hold| inert(&hold.rule)).collect();
    vec![
        approval.number.to_string(),
        standing(approval),
        who(approval, "for"),
        inert(&approval.target),
        gateway::ago(approval.created),
        if approval.state == "pending" { gateway::until(approval.deadline) } else { "-".to_owned() },
        rules.join(", "),
        command,
    ]
}

/// What it does, as far as the text does not say so: which tool a call is of, which resource a path is.
fn unsaid(approval: &ApprovalView) -> String {
    let is_unsaid = |action: &&String| {
        action.split_once(' ').is_some_and(|(_, resource)| !approval.command.contains(resource))
    };
    let mut unsaid = approval.actions.iter().filter(is_unsaid);
    let Some(first) = unsaid.next() else { return String::new() };
    let mut first: String = first.chars().take(WIDTH).collect();
    match unsaid.count() {
        0 => {}
        more => first.push_str(&format!(" and {more} more")),
    }
    first
}

/// Who asks, and `on behalf of` whom where it is an agent.
pub(super) fn who(approval: &ApprovalView, on_behalf_of: &str) -> String {
    let inert = |text: &str| inert::line(text).to_string();
    match &approval.owner {
        Some(owner) => format!("{} {on_behalf_of} {}", inert(&approval.principal), inert(owner)),
        None => inert(&approval.principal),
    }
}

/// Its state, and while it waits how far its votes are.
fn standing(approval: &ApprovalView) -> String {
    let state = inert::line(&approval.state).to_string();
    if approval.state != "pending" {
        return state;
    }
    let is_refused = approval.holds.iter().any(|hold| hold.state == Some(HoldState::Refused));
    let votes = if is_refused { ", refused".to_owned() } else { votes_so_far(&approval.holds) };
    format!("{}{votes}", if is_away(approval) { "client away" } else { &state })
}

/// `, approved`, or `, 1 of 2` votes; nothing where nobody has voted.
fn votes_so_far(holds: &[HoldView]) -> String {
    let asked = || holds.iter().filter(|hold| hold.quorum > 0);
    let count = |hold: &HoldView| hold.approvals().unwrap_or_default().min(hold.quorum);
    let (so_far, all) = asked()
        .fold((0, 0), |(so_far, all), hold| (so_far + u32::from(count(hold)), all + u32::from(hold.quorum)));
    match so_far {
        0 => String::new(),
        _ if so_far == all => ", approved".to_owned(),
        _ => format!(", {so_far} of {all} votes"),
    }
}

/// The approvals that its holds still need, one line a hold; nothing where there are enough.
pub(super) fn still_needed(holds: &[HoldView]) -> Vec<String> {
    let needed = |hold: &HoldView| {
        let so_far = hold.approvals().filter(|so_far| *so_far < hold.quorum)?;
        let (rule, needs) = (inert::line(&hold.rule), inert::line(&hold.needs).to_string());
        // `2 of group "sre" to approve`, of which one has.
        let of = needs.strip_prefix(&hold.quorum.to_string()).unwrap_or(&needs).trim_start();
        let left = hold.quorum - so_far;
        Some(format!("{so_far} of {} for `{rule}`; still needed: {left} {of}", hold.quorum))
    };
    holds.iter().filter_map(needed).collect()
}

/// How far a hold is, behind what it needs.
fn so_far(hold: &HoldView) -> String {
    match hold.state {
        Some(HoldState::Refused) => "; refused".to_owned(),
        Some(HoldState::Expired) => "; nobody answered in time".to_owned(),
        Some(HoldState::Gone) => "; the policy has it no longer".to_owned(),
        Some(HoldState::Pending { .. } | HoldState::Approved | HoldState::Over) | None => {
            match hold.approvals() {
                Some(so_far @ 1..) => format!("; {so_far} so far"),
                _ => String::new(),
            }
        }
    }
}

/// Whether its client was told to come back, and has not yet.
pub(super) fn is_away(approval: &ApprovalView) -> bool {
    approval.state == "pending" && !approval.waiting
}

/// Why not all of the command is there, and the way to it.
fn hidden(holds: &[HoldView]) -> String {
    let reveal: Vec<String> = holds
        .iter()
        .filter(|hold| hold.reveal)
        .map(|hold| format!("`{}`", inert::line(&hold.rule)))
        .collect();
    let way_out = match &*reveal {
        [] => "`reveal` in the rule shows them to its reviewers".to_owned(),
        rules => format!("reviewers of {} are shown them where they vote", rules.join(" and ")),
    };
    format!("literals are masked, and a body or arguments are hidden: {way_out}")
}

/// All that a reviewer should see before voting.
pub(super) fn show(output: Output, approval: &ApprovalView) -> Result<(), Failure> {
    let inert = |text: &str| inert::line(text).to_string();
    let field = |name: &str, text: &str| {
        output.line(&format!("  {} {text}", output.tone(Tone::Faint, &format!("{name:<9}"))))
    };
    output.line(&format!("approval {} ({})", approval.number, inert(&approval.state)))?;
    let asker = who(approval, "on behalf of");
    field("asked", &format!("by {asker} {}", gateway::ago(approval.created)))?;
    field("at", &format!("{} (session {})", inert(&approval.target), inert(&approval.session)))?;
    let text = approval.revealed.as_ref().unwrap_or(&approval.command);
    for (index, line) in inert::lines(text).to_string().lines().enumerate() {
        field(if index == 0 { "command" } else { "" }, &output.tone(Tone::Strong, line))?;
    }
    if approval.revealed.is_none() {
        field("", &hidden(&approval.holds))?;
    }
    for (index, action) in approval.actions.iter().enumerate() {
        field(if index == 0 { "does" } else { "" }, &inert(action))?;
    }
    for hold in &approval.holds {
        let so_far = so_far(hold);
        field("held by", &format!("`{}`, which needs {}{so_far}", inert(&hold.rule), inert(&hold.needs)))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(rule: &str, quorum: u16, state: HoldState) -> HoldView {
        let needs = format!("{quorum} of group \"sre\" to approve");
        HoldView { rule: rule.into(), quorum, state: Some(state), watchers: 0, needs, reveal: false }
    }

    const fn pending(approvals: u16) -> HoldState {
        HoldState::Pending { approvals }
    }

    fn approval(command: &str, actions: &[&str]) -> ApprovalView {
        let view = serde_json::json!({
            "number": 9, "state": "pending", "principal": "bot", "owner": "ana", "session": "1", "target": "api",
            "command": command, "revealed": null, "actions": actions, "holds": [], "justification": null,
            "in_transaction": false, "waiting": false, "created": 0, "deadline": 0, "votes": [], "decided_by": "",
            "reason": "", "fingerprint": ""
        });
        serde_json::from_value(view).unwrap()
    }

    #[test]
    fn what_is_still_needed_is_told_for_each_hold() {
        assert_eq!(
            still_needed(&[
                hold("large", 2, pending(1)),
                hold("money", 1, pending(0)),
                hold("done", 1, HoldState::Approved)
            ]),
            [
                "1 of 2 for `large`; still needed: 1 of group \"sre\" to approve",
                "0 of 1 for `money`; still needed: 1 of group \"sre\" to approve",
            ]
        );
        assert!(still_needed(&[hold("over", 2, HoldState::Over), hold("watched", 0, pending(0))]).is_empty());
    }

    #[test]
    fn the_list_tells_votes_whom_an_agent_is_of_and_what_is_called() {
        let mut asked = approval("POST api.test/mcp: tools/call", &["call pay", "call refund"]);
        for (holds, expected) in [
            (vec![hold("large", 2, pending(0))], "client away"),
            (vec![hold("large", 2, pending(1))], "client away, 1 of 2 votes"),
            (vec![hold("large", 2, pending(1)), hold("money", 1, pending(0))], "client away, 1 of 3 votes"),
            (
                vec![hold("large", 2, HoldState::Refused), hold("money", 1, pending(1))],
                "client away, refused",
            ),
            (vec![hold("large", 2, HoldState::Gone)], "client away"),
            (
                vec![hold("large", 2, HoldState::Approved), hold("watched", 0, pending(0))],
                "client away, approved",
            ),
        ] {
            asked.holds = holds;
            assert_eq!(standing(&asked), expected);
        }
        let cells = row(&asked);
        assert_eq!(cells[2], "bot for ana");
        assert!(cells[7].ends_with("tools/call (call pay and 1 more)"), "{}", cells[7]);
        assert_eq!(unsaid(&approval("POST api.test/orders", &["post /orders"])), "");
    }
}
