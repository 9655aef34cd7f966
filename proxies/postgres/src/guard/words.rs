//! What the judge's refusals say.

use policy_normalize::sql::{Kind, Statement};
use portcullis_gateway::enforce::{Refusal as Denial, RefusalKind};

use crate::command::meaning::{Meaning, NotUnderstood};
use crate::command::{names, room};
use crate::refuse::{Refusal, SqlState};
use crate::wire;

/// What the gateway's enforcement denies, in PostgreSQL's words.
pub(super) fn refusal(denial: &Denial) -> Refusal {
    let state = match denial.kind {
        RefusalKind::Forbidden
        | RefusalKind::NotPermitted
        | RefusalKind::Disapproved
        | RefusalKind::Expired
        | RefusalKind::Pending { .. }
        | RefusalKind::Spent => SqlState::DENIED,
        RefusalKind::LimitReached => SqlState::LIMIT,
        RefusalKind::Unavailable => SqlState::UNAVAILABLE,
        RefusalKind::Stopped => SqlState::SHUTDOWN,
    };
    Refusal::new(state, denial.message.clone()).hint(denial.hint.clone())
}

/// With what could not be determined: a rule that matched for that reason alone may seem to have nothing to do with it.
/// What is not in the grammar is a syntax error first of all, in the grammar's own words.
pub(super) fn noted(refusal: Refusal, meaning: &Meaning) -> Refusal {
    if let [Statement { kind: Kind::Unparsed { message }, .. }] = &*meaning.statements
        && refusal.state == SqlState::DENIED
    {
        return Refusal::new(SqlState::SYNTAX, message.clone())
            .hint("what the gateway can't understand it can't judge, so nothing was sent");
    }
    let notes: Vec<&str> =
        meaning.statements.iter().flat_map(|statement| statement.notes.iter().map(|note| &**note)).collect();
    if notes.is_empty() {
        return refusal;
    }
    let hint = refusal.hint.as_deref().unwrap_or_default();
    let hint = format!("{}; {hint}", notes.join("; "));
    refusal.hint(hint)
}

pub(super) fn refused(message: &str) -> Refusal {
    Refusal::new(SqlState::DENIED, message)
}

pub(super) fn unreadable(malformed: &wire::Malformed) -> Refusal {
    Refusal::new(SqlState::PROTOCOL, malformed.to_string())
}

/// Why a message was refused that no policy was asked about, without a word of it: its client may have written
/// anything there.
pub(super) fn in_evidence(refusal: &Refusal) -> &str {
    match refusal.state {
        SqlState::SYNTAX => "not in PostgreSQL's language, or over the limits on what is understood",
        SqlState::NO_STATEMENT => "it names a statement or portal that this session has not made",
        _ => &refusal.message,
    }
}

pub(super) fn too_many() -> Refusal {
    Refusal::new(SqlState::TOO_LONG, format!("a session may have {} names at a time", names::MOST))
        .hint("close prepared statements and portals that are not needed any more")
}

pub(super) fn too_much() -> Refusal {
    let most = room::NAMED >> 20;
    Refusal::new(
        SqlState::TOO_LONG,
        format!("a session's prepared statements and portals may take {most} MiB of memory"),
    )
    .hint("close those that are not needed any more, or prepare shorter ones")
}

pub(super) fn no_such(what: &str, name: &str) -> Refusal {
    Refusal::new(SqlState::NO_STATEMENT, format!("{what} \"{name}\" was not made in this session"))
        .hint("what a function made on the server is not known to the gateway, and can't be judged")
}

/// The most bytes of a name that the target takes notice of (its `NAMEDATALEN`, less one).
const NAME: usize = 63;

/// Whether a name means the same to the target as to us: what is longer it cuts short, and takes for another.
pub(super) fn distinct(name: &str) -> Result<(), Refusal> {
    if name.len() <= NAME {
        return Ok(());
    }
    Err(Refusal::new(
        SqlState::TOO_LONG,
        format!("the name of a statement or portal is longer than {NAME} bytes"),
    )
    .hint("the target would cut it short, and might take it for another: use a shorter one"))
}

pub(super) fn changed() -> Refusal {
    Refusal::new(SqlState::CHANGED, "definitions or settings behind this statement have changed since")
        .hint("send it again: it is judged anew under what holds now")
}

pub(super) fn not_understood(error: NotUnderstood) -> Refusal {
    match error {
        NotUnderstood::Rejected(rejected) => Refusal::new(SqlState::TOO_LONG, rejected.to_string())
            .hint("what the gateway can't understand it can't judge, so nothing was sent"),
        NotUnderstood::Refused(denial) => refusal(&denial),
    }
}
