//! How a session ends.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use crate::refuse::{Refusal, SqlState};
use crate::wire::Malformed;
use crate::wire::backend::Backend;
use crate::wire::frontend::Frontend;

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// The client said that it leaves.
    #[error("the client left")]
    Left,
    /// The client hung up.
    #[error("the client closed the connection")]
    ClientClosed,
    /// The target hung up.
    #[error("the target closed the connection")]
    TargetClosed,
    /// Reading from the client or writing to it failed.
    #[error("the client's connection failed: {0}")]
    Client(#[source] io::Error),
    /// Reading from the target or writing to it failed.
    #[error("the target's connection failed: {0}")]
    Target(#[source] io::Error),
    /// The client broke the protocol.
    #[error("the client broke the protocol: {0}")]
    ClientMalformed(#[source] Malformed),
    /// The client sent a command while the target was reading a COPY's data.
    #[error("the client sent a command in the middle of a COPY")]
    CommandInCopy,
    /// The target broke the protocol.
    #[error("the target broke the protocol: {0}")]
    TargetMalformed(#[source] Malformed),
    /// The target sent what nothing had asked for.
    #[error("the target sent a {0:?} that nothing had asked for")]
    OutOfTurn(Backend),
    /// The target sent a message that had to be read and was too long for that.
    #[error("the target sent a {kind:?} that has to be read and is longer than {cap} bytes")]
    TooLong {
        /// Its type.
        kind: Backend,
        /// The most bytes that are read.
        cap: usize,
    },
    /// A setting changed under which statements would be read in another way than they were judged.
    #[error("the setting `{0}` was changed")]
    Unpinned(&'static str),
    /// A command that has effects came with leave for one that has none: a slip of the gateway's own.
    #[error("leave for a harmless message was given to a {0:?}")]
    Unfit(Frontend),
    /// The client was not heard, and nothing ran or waited for it, for as long as that may last.
    #[error("the session was idle for {0:?}")]
    Idle(Duration),
    /// Somebody decided so.
    #[error("{}", .0.message)]
    Refused(Refusal),
}

impl End {
    /// Why, as evidence has it.
    pub(super) fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::Left | Self::ClientClosed => "client".into(),
            Self::TargetClosed => "target".into(),
            other => other.to_string().into(),
        }
    }

    /// What the client is told at last, if it can still be told something.
    pub(super) fn last_word(&self) -> Option<Refusal> {
        let protocol = |text: String| Some(Refusal::new(SqlState::PROTOCOL, text));
        match self {
            Self::Left | Self::ClientClosed | Self::TargetClosed | Self::Client(_) => None,
            Self::Target(_) => {
                Some(Refusal::new(SqlState::UNREACHABLE, "the connection to the target failed"))
            }
            Self::ClientMalformed(malformed) => protocol(malformed.to_string()),
            Self::CommandInCopy => protocol("a command came in the middle of a COPY".to_owned()),
            Self::Unfit(_) => {
                Some(Refusal::new(SqlState::INTERNAL, "the gateway can't tell whether this is allowed"))
            }
            Self::TargetMalformed(_) | Self::OutOfTurn(_) | Self::TooLong { .. } => Some(
                Refusal::new(SqlState::PROTOCOL, "the target sent what the gateway can't let through")
                    .hint("the gateway's log says what it was"),
            ),
            Self::Unpinned(name) => Some(
                Refusal::new(
                    SqlState::UNSUPPORTED,
                    format!("`{name}` may not be changed in a session through the gateway"),
                )
                .hint("leave `client_encoding` at UTF8 and `standard_conforming_strings` on"),
            ),
            Self::Idle(_) => Some(
                Refusal::new(SqlState::IDLE, self.to_string())
                    .hint("the gateway ends idle sessions, and an open transaction with them; connect again"),
            ),
            Self::Refused(refusal) => Some(refusal.clone()),
        }
    }
}
