//! One session channel, from its opening to its end.
//!
//! ```text
//! gather: env, pty-req, … ──→ exec | shell | subsystem
//!   → ready: the session, which may wait for its target or an approval
//!   → judge: refused: words on standard error, status 126 ┊ held: a notice, the channel waits ┊ admitted
//!   → launch: a channel to the target, what was admitted started in it
//!   → pump: bytes both ways, the target's masked and recorded, until either side ends
//! ```
//!
//! What is typed into a shell is noticed on its way (`typed`).
//!
//! A channel has a task of its own, so whatever it waits for, the connection's other channels go on.

mod echo_credit;
mod launch;
mod line;
mod pump;
mod sftp;
mod typed;
mod wishes;

use std::sync::Arc;

use portcullis_gateway::enforce::{Held, Judgement, Permit, Refusal};
use russh::Channel;
use russh::server::Msg;

use self::launch::{Admitted, Granted};
use self::line::{Line, Withdrawn};
use self::wishes::{Gathered, Wishes};
use crate::bastion::{Bastion, Open, Place, Readiness};
use crate::command::{self, Command, Launch, Start};
use crate::flow::Reader;
use crate::forward;
use crate::judge::words;
use crate::sftp::SUBSYSTEM;

/// The exit status of a command that was not run: what a shell answers for a command that may not be executed.
const REFUSED: u32 = 126;
/// The exit status where the gateway or the target failed: what `ssh` itself answers with.
const FAILED: u32 = 255;

/// What a client is told that would copy a file under a mask by value. A file is copied in any order and in pieces of any size:
/// nothing can be looked for in it, and what is put in place of a find would change where the rest stands.
const UNMASKABLE: &str =
    "values in it would have to be masked, which a file transfer can't: read it with a command instead";

/// Carries a channel to its end.
pub(crate) async fn carry(bastion: Arc<Bastion>, channel: Channel<Msg>, reader: Reader, _place: Place) {
    let mut line = Line::new(channel, reader, bastion.client.clone());
    match run(&bastion, &mut line).await {
        Ok(()) | Err(End::Gone) => line.close().await,
        Err(End::Told { words, status }) => line.refuse(&words, status).await,
    }
}

/// Why a channel ends before its program does.
pub(crate) enum End {
    /// The client has gone.
    Gone,
    /// The client is told something first.
    Told { words: String, status: u32 },
}

impl End {
    fn refused(refusal: &Refusal) -> Self {
        Self::Told { words: words(refusal), status: REFUSED }
    }

    fn failed(words: impl Into<String>) -> Self {
        Self::Told { words: words.into(), status: FAILED }
    }
}

async fn run(bastion: &Bastion, line: &mut Line) -> Result<(), End> {
    let (wishes, asked) = match wishes::gather(line).await? {
        Gathered::Start(wishes, asked) => (wishes, asked),
        Gathered::TooMuch(words) => return Err(End::Told { words, status: REFUSED }),
    };
    line.has_pty = wishes.pty.is_some();
    let open = ready(bastion, line).await?;
    if wishes.pty.is_some() && !bastion.permits.pty {
        return Err(unjudged(&open, "pty", "the certificate does not permit terminals").await);
    }
    let asked = match &bastion.force_command {
        Some(forced) => Start::Exec(forced.clone().into_bytes()),
        None => asked,
    };
    if asked == Start::Subsystem(SUBSYSTEM.to_owned()) {
        return sftp::carry(&open, line, wishes.justification.as_deref()).await;
    }
    let granted = granted(bastion, &open, line, wishes).await?;
    // From before it is admitted: who watches may leave the moment after.
    let notices = open.tape.notices();
    let (command, admitted) = match admitted(&open, line, &asked, &granted.wishes).await {
        Ok(admitted) => admitted,
        Err(end) => {
            granted.unused();
            return Err(end);
        }
    };
    let wishes = granted.wishes.clone();
    let mut channel = None;
    let started = meanwhile(&open, line, launch::launch(&mut channel, &open, granted, admitted)).await;
    match (channel, started.and_then(|started| started.map_err(End::failed))) {
        (Some(channel), Ok(started)) => {
            pump::carry(&open, line, (channel, started), &command, &wishes, notices).await
        }
        (channel, started) => {
            // Whatever has started without anybody to carry it ends.
            if let Some(channel) = channel {
                let _ = channel.close().await;
            }
            Err(started.err().unwrap_or(End::Gone))
        }
    }
}

/// Does what the target may take long for, while the client is read and may leave.
async fn meanwhile<T>(open: &Open, line: &mut Line, work: impl Future<Output = T>) -> Result<T, End> {
    tokio::select! {
        biased;
        reason = open.stop.wait() => Err(End::failed(reason.to_string())),
        done = work => Ok(done),
        withdrawn = line.withdrawn() => Err(withdrawn.end()),
    }
}

/// Waits for the session. What the client sends meanwhile is kept.
async fn ready(bastion: &Bastion, line: &mut Line) -> Result<Arc<Open>, End> {
    let mut readiness = bastion.readiness();
    let mut told = false;
    loop {
        let now = readiness.borrow_and_update().clone();
        match now {
            Readiness::Ready(open) => return Ok(open),
            Readiness::Refused(turned) => {
                let status = if turned.is_decided { REFUSED } else { FAILED };
                return Err(End::Told { words: turned.words.to_string(), status });
            }
            Readiness::Held(notice) if !told => {
                told = true;
                line.say(&notice).await?;
            }
            Readiness::Held(_) | Readiness::Connecting => {}
        }
        tokio::select! {
            changed = readiness.changed() => if changed.is_err() { return Err(End::Gone) },
            withdrawn = line.withdrawn() => return Err(withdrawn.end()),
        }
    }
}

/// What of the wishes is granted, each judged on its own: a variable, the agent and X11 are not needed to run the command,
/// so one that is refused is left out, and the client is told.
async fn granted(bastion: &Bastion, open: &Open, line: &mut Line, wishes: Wishes) -> Result<Granted, End> {
    let mut granted = Granted {
        wishes: Wishes { pty: wishes.pty, justification: wishes.justification, ..Wishes::default() },
        permits: Vec::new(),
    };
    for (name, value) in wishes.variables {
        match open.judge_now(&command::variable(&name, &value)).await {
            Ok(permit) => {
                granted.permits.push(permit);
                granted.wishes.variables.push((name, value));
            }
            Err(why) => line.say(&format!("the variable {name} is not set: {why}")).await?,
        }
    }
    if wishes.agent {
        match grant(open, bastion.permits.agent_forwarding, &command::agent()).await {
            Ok(permit) => {
                granted.permits.push(permit);
                granted.wishes.agent = true;
            }
            Err(why) => line.say(&format!("the agent is not forwarded: {why}")).await?,
        }
    }
    if let Some(x11) = wishes.x11 {
        match grant(open, bastion.permits.x11_forwarding, &command::x11()).await {
            Ok(permit) => {
                granted.permits.push(permit);
                granted.wishes.x11 = Some(x11);
            }
            Err(why) => line.say(&format!("X11 is not forwarded: {why}")).await?,
        }
    }
    Ok(granted)
}

/// Judges something that the target will then open channels of.
async fn grant(open: &Open, is_permitted: bool, command: &Command) -> Result<Permit, String> {
    if !is_permitted {
        let reason = "the certificate does not permit it";
        let recorded = open.session.lock().await.refused(command.via, reason, Some(command.text.as_bytes()));
        return Err(recorded.map_or_else(|refusal| words(&refusal), |()| reason.to_owned()));
    }
    forward::carriable(open.judge_now(command).await?)
}

/// What starting comes to, with relative paths made whole where there are any.
async fn resolved(open: &Open, asked: &Start, has_pty: bool) -> (Command, Launch) {
    let first = command::start(asked, has_pty, None);
    if !command::wants_home(&first.0.actions) {
        return first;
    }
    match open.home().await {
        Some(home) => command::start(asked, has_pty, Some(home)),
        None => first,
    }
}

/// Judged to the end: what comes back may run.
async fn admitted(
    open: &Open,
    line: &mut Line,
    asked: &Start,
    wishes: &Wishes,
) -> Result<(Command, Admitted), End> {
    let (command, launch) = meanwhile(open, line, resolved(open, asked, wishes.pty.is_some())).await?;
    let permit = match open.judge(&command, &wishes.settings(), wishes.justification.as_deref()).await {
        Judgement::Admit(permit) => permit,
        Judgement::Refuse(refusal) => return Err(End::refused(&refusal)),
        Judgement::Hold(held) => released(open, line, *held).await?,
    };
    if command.copies_files() && has_value_masks(&permit) {
        permit.unused("can't be masked");
        return Err(End::Told { words: UNMASKABLE.to_owned(), status: REFUSED });
    }
    Ok((command, Admitted { launch, permit }))
}

/// Waits until it is approved, and every other way that this may end.
async fn released(open: &Open, line: &mut Line, mut held: Held) -> Result<Permit, End> {
    let _holding = open.traffic.holds();
    let notice = held.open().await.map_err(|refusal| End::refused(&refusal))?;
    line.say(&notice.text).await?;
    let withdrawn = tokio::select! {
        released = held.wait() => match released {
            Ok(released) => {
                line.say(&released.in_words()).await?;
                return Ok(released.permit);
            }
            Err(refusal) => return Err(End::refused(&refusal)),
        },
        withdrawn = line.withdrawn() => withdrawn,
    };
    held.withdraw(withdrawn.word()).await;
    Err(withdrawn.end())
}

/// Whether values have to be masked in what comes back.
pub(crate) fn has_value_masks(permit: &Permit) -> bool {
    let judged = permit.judged();
    !judged.policy().value_masks(judged.obligations()).is_empty()
}

/// Refuses without a verdict, and records that.
async fn unjudged(open: &Open, what: &str, reason: &str) -> End {
    match open.session.lock().await.refused(what, reason, None) {
        Ok(()) => End::Told { words: reason.to_owned(), status: REFUSED },
        Err(refusal) => End::refused(&refusal),
    }
}

impl Withdrawn {
    fn end(&self) -> End {
        match self {
            Self::Gone => End::Gone,
            Self::Cancelled => End::Told { words: "withdrawn".to_owned(), status: 130 },
            Self::TooMuch => End::Told {
                words: "more input came while it waited than is kept: send it once the command runs"
                    .to_owned(),
                status: REFUSED,
            },
        }
    }
}
