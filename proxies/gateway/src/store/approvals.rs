//! Approvals and their votes in the embedded store.

use policy_core::Digest;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::columns::{from_json, kind, senseless, sql, unsigned};
use super::records::{Approval, ApprovalState, BoundTo, Joined, NewApproval, Number, Room, Vote};
use crate::session::SessionId;

const APPROVAL: &str =
    "SELECT number, instance, session, principal, kind, person, owner, target, binding, shown,
    revealed, actions, holds, justification, in_transaction, created, deadline, state, decided_by, reason, bound_to,
    CASE WHEN state <> 'pending' THEN 0 WHEN bound_to = 'session' THEN 1
      ELSE (SELECT coalesce(sum(clients), 0) FROM waits WHERE approval = number) END
  FROM approvals";

pub(super) fn insert(
    db: &Connection,
    new: &NewApproval,
    actions: &str,
    holds: &str,
) -> Result<Number, rusqlite::Error> {
    db.prepare_cached(
        "INSERT INTO approvals (instance, session, bound_to, principal, kind, person, owner, target, binding, shown,
           revealed, actions, holds, justification, in_transaction, created, deadline)
         VALUES (:instance, :session, :bound_to, :principal, :kind, :person, :owner, :target, :binding, :shown,
           :revealed, :actions, :holds, :justification, :in_transaction, :created, :deadline)",
    )?
    .execute(named_params! {
        ":instance": sql(new.instance),
        ":session": sql(new.session.0),
        ":bound_to": new.bound_to.as_str(),
        ":principal": new.principal,
        ":kind": new.kind.as_str(),
        ":person": new.person,
        ":owner": new.owner,
        ":target": new.target,
        ":binding": new.binding.0,
        ":shown": new.shown,
        ":revealed": new.revealed,
        ":actions": actions,
        ":holds": holds,
        ":justification": new.justification,
        ":in_transaction": new.in_transaction,
        ":created": new.created,
        ":deadline": new.deadline,
    })?;
    Ok(db.last_insert_rowid().cast_unsigned())
}

pub(super) fn join(
    db: &Connection,
    new: &NewApproval,
    actions: &str,
    holds: &str,
    room: Room,
) -> Result<Joined, rusqlite::Error> {
    let latest =
        format!("{APPROVAL} WHERE bound_to = 'principal' AND binding = ? ORDER BY number DESC LIMIT 1");
    let found = db.prepare_cached(&latest)?.query_row([new.binding.0], approval).optional()?;
    let found = found.map(|approval| with_votes(db, approval)).transpose()?;
    let lasts = found.filter(|found| found.asked.deadline > new.created);
    if let Some(found) = &lasts
        && found.was_refused_for(&new.holds)
    {
        return Ok(Joined::Refused(found.clone()));
    }
    let waiting = lasts.filter(|found| found.state == ApprovalState::Pending);
    let (all, own, clients): (i64, i64, i64) = db
        .prepare_cached(
            "SELECT count(*), count(*) FILTER (WHERE principal = ?1), coalesce(sum(clients)
               FILTER (WHERE principal = ?1), 0)
             FROM (SELECT principal, (SELECT sum(clients) FROM waits WHERE approval = number) AS clients
               FROM approvals WHERE state = 'pending' AND bound_to = 'principal' AND deadline > ?2)",
        )?
        .query_row(params![new.principal, new.created], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let no_more = |count: i64, most: usize| usize::try_from(count).is_ok_and(|count| count >= most);
    if no_more(clients, room.of_principal) || waiting.is_none() && no_more(own, room.of_principal) {
        return Ok(Joined::FullOfPrincipal);
    }
    if waiting.is_none() && no_more(all, room.all) {
        return Ok(Joined::Full);
    }
    let joined = match waiting {
        Some(approval) => Joined::Waiting(approval),
        None => Joined::Opened(insert(db, new, actions, holds)?),
    };
    let number = match &joined {
        Joined::Waiting(approval) => approval.number,
        Joined::Opened(number) => *number,
        Joined::Refused(_) | Joined::Full | Joined::FullOfPrincipal => return Ok(joined),
    };
    db.prepare_cached("INSERT INTO waits VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET clients = clients + 1")?
        .execute([sql(number), sql(new.instance)])?;
    Ok(joined)
}

pub(super) fn leave(db: &Connection, number: Number, instance: u64) -> Result<(), rusqlite::Error> {
    let which = [sql(number), sql(instance)];
    db.execute("UPDATE waits SET clients = clients - 1 WHERE approval = ? AND instance = ?", which)?;
    db.execute("DELETE FROM waits WHERE clients <= 0 AND approval = ? AND instance = ?", which)?;
    Ok(())
}

pub(super) fn ended_alone(db: &Connection, now: i64) -> Result<Vec<Approval>, rusqlite::Error> {
    db.prepare_cached(
        "DELETE FROM waits WHERE (SELECT state FROM approvals WHERE number = approval) <> 'pending'",
    )?
    .execute([])?;
    db.prepare_cached(
        "UPDATE approvals SET state = 'expired', decided_by = 'gateway', ended = ?1, untold = 1,
           reason = 'nobody answered in time, or came back'
         WHERE state = 'pending' AND bound_to = 'principal' AND deadline <= ?1
           AND number NOT IN (SELECT approval FROM waits)",
    )?
    .execute([now])?;
    let mut statement = db.prepare_cached(&format!("{APPROVAL} WHERE untold = 1 ORDER BY number"))?;
    let ended: Vec<_> = statement.query_map([], approval)?.collect::<Result<_, _>>()?;
    drop(statement);
    db.prepare_cached("UPDATE approvals SET untold = 0 WHERE untold = 1")?.execute([])?;
    Ok(ended)
}

pub(super) fn of_number(db: &Connection, number: Number) -> Result<Option<Approval>, rusqlite::Error> {
    let sql_text = format!("{APPROVAL} WHERE number = ?");
    let found = db.prepare_cached(&sql_text)?.query_row([sql(number)], approval).optional()?;
    found.map(|approval| with_votes(db, approval)).transpose()
}

pub(super) fn all(db: &Connection, pending: bool) -> Result<Vec<Approval>, rusqlite::Error> {
    let which = if pending { "WHERE state = 'pending'" } else { "" };
    let mut statement = db.prepare_cached(&format!("{APPROVAL} {which} ORDER BY number DESC LIMIT 1000"))?;
    let found: Vec<_> = statement.query_map([], approval)?.collect::<Result<_, _>>()?;
    drop(statement);
    found.into_iter().map(|approval| with_votes(db, approval)).collect()
}

pub(super) fn vote(
    db: &Connection,
    number: Number,
    vote: &Vote,
    holds: &str,
) -> Result<bool, rusqlite::Error> {
    let added = db
        .prepare_cached(
            "INSERT OR IGNORE INTO votes (approval, voter, approve, at, reason, binding, holds)
             SELECT number, ?2, ?7, ?3, ?4, ?5, ?6 FROM approvals
             WHERE number = ?1 AND state = 'pending' AND binding = ?5",
        )?
        .execute(params![
            sql(number),
            vote.voter,
            vote.at,
            vote.reason,
            vote.binding.0,
            holds,
            vote.approve
        ])?;
    Ok(added == 1)
}

pub(super) fn amend(
    db: &Connection,
    number: Number,
    before: &str,
    holds: &str,
    deadline: i64,
) -> Result<bool, rusqlite::Error> {
    let changed = db.execute(
        "UPDATE approvals SET holds = ?, deadline = ? WHERE number = ? AND state = 'pending' AND holds = ?",
        params![holds, deadline, sql(number), before],
    )?;
    Ok(changed == 1)
}

pub(super) fn consume(
    db: &Connection,
    number: Number,
    votes: usize,
    now: i64,
) -> Result<bool, rusqlite::Error> {
    let votes = i64::try_from(votes).unwrap_or(i64::MAX);
    let changed = db.execute(
        "UPDATE approvals SET state = 'consumed', decided_by = 'reviewers', ended = ?3
         WHERE number = ?1 AND state = 'pending' AND deadline > ?3
           AND (SELECT count(*) FROM votes WHERE approval = ?1) = ?2",
        params![sql(number), votes, now],
    )?;
    Ok(changed == 1)
}

pub(super) fn settle(
    db: &Connection,
    number: Number,
    state: ApprovalState,
    by: &str,
    reason: &str,
    now: i64,
) -> Result<bool, rusqlite::Error> {
    let changed = db.execute(
        "UPDATE approvals SET state = ?, decided_by = ?, reason = ?, ended = ?
         WHERE number = ? AND state = 'pending'",
        params![state.as_str(), by, reason, now, sql(number)],
    )?;
    Ok(changed == 1)
}

/// Ends what waits for approval bound to a principal that is no more.
pub(super) fn withdraw(
    db: &Connection,
    principal: &str,
    by: &str,
    reason: &str,
    at: impl Into<Option<i64>>,
) -> Result<(), rusqlite::Error> {
    db.execute(
        "UPDATE approvals SET state = 'withdrawn', decided_by = ?, reason = ?, ended = ?, untold = 1
         WHERE state = 'pending' AND bound_to = 'principal' AND principal = ?",
        params![by, reason, at.into(), principal],
    )
    .map(drop)
}

fn approval(row: &Row<'_>) -> Result<Approval, rusqlite::Error> {
    let (state, bound_to): (String, String) = (row.get(17)?, row.get(20)?);
    Ok(Approval {
        number: unsigned(row, 0)?,
        asked: NewApproval {
            instance: unsigned(row, 1)?,
            session: SessionId(unsigned(row, 2)?),
            bound_to: BoundTo::parse(&bound_to)
                .ok_or_else(|| senseless(20, format!("what is bound to `{bound_to}`")))?,
            principal: row.get(3)?,
            kind: kind(row, 4)?,
            person: row.get(5)?,
            owner: row.get(6)?,
            target: row.get(7)?,
            binding: Digest(row.get(8)?),
            shown: row.get(9)?,
            revealed: row.get(10)?,
            actions: from_json(row, 11)?,
            holds: from_json(row, 12)?,
            justification: row.get(13)?,
            in_transaction: row.get(14)?,
            created: row.get(15)?,
            deadline: row.get(16)?,
        },
        state: ApprovalState::parse(&state).ok_or_else(|| senseless(17, format!("the state `{state}`")))?,
        decided_by: row.get(18)?,
        reason: row.get(19)?,
        votes: Vec::new(),
        waiting: unsigned(row, 21)?,
    })
}

fn with_votes(db: &Connection, mut approval: Approval) -> Result<Approval, rusqlite::Error> {
    let mut statement = db.prepare_cached(
        "SELECT voter, approve, at, reason, binding, holds FROM votes WHERE approval = ? ORDER BY at, voter",
    )?;
    let votes = statement.query_map([sql(approval.number)], |row| {
        Ok(Vote {
            voter: row.get(0)?,
            approve: row.get(1)?,
            at: row.get(2)?,
            reason: row.get(3)?,
            binding: Digest(row.get(4)?),
            holds: from_json(row, 5)?,
        })
    })?;
    approval.votes = votes.collect::<Result<_, _>>()?;
    Ok(approval)
}
