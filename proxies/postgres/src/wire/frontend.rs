//! What a client may send once it is admitted.

use super::Malformed;
use super::frame::{Header, LARGEST, within};

/// PostgreSQL's own cap on messages that carry a name and little else (`PQ_SMALL_MESSAGE_LIMIT`).
const SMALL: usize = 10_000;

/// A client message's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Frontend {
    /// A simple query: one or more statements as text.
    Query,
    /// Prepares a statement.
    Parse,
    /// Binds parameters to a prepared statement, making a portal.
    Bind,
    /// Asks what a statement or portal takes and returns.
    Describe,
    /// Runs a portal.
    Execute,
    /// Forgets a statement or portal.
    Close,
    /// Ends a run of extended messages.
    Sync,
    /// Asks for the replies so far.
    Flush,
    /// A piece of a COPY from the client.
    CopyData,
    /// The end of a COPY from the client.
    CopyDone,
    /// The client gives a COPY up.
    CopyFail,
    /// Calls a function by its OID, past any statement. Never forwarded.
    FunctionCall,
    /// The client leaves.
    Terminate,
}

/// How much of a message the gateway holds before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// All of it: it is decoded and judged.
    Whole,
    /// None of it: its bytes pass as they come.
    Stream,
    /// It is judgeable, but longer than the gateway's own cap: refused, and its bytes dropped.
    Oversized,
}

/// The most bytes of body that the gateway assembles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// For Query and Parse.
    pub statement: usize,
    /// For Bind.
    pub bind: usize,
}

impl Frontend {
    /// The type that `tag` stands for, which must be one that a client may send now.
    ///
    /// # Errors
    /// [`Malformed::Type`] for everything else, a password message and a second startup packet included.
    pub fn from_tag(tag: u8) -> Result<Self, Malformed> {
        Ok(match tag {
            b'Q' => Self::Query,
            b'P' => Self::Parse,
            b'B' => Self::Bind,
            b'D' => Self::Describe,
            b'E' => Self::Execute,
            b'C' => Self::Close,
            b'S' => Self::Sync,
            b'H' => Self::Flush,
            b'd' => Self::CopyData,
            b'c' => Self::CopyDone,
            b'f' => Self::CopyFail,
            b'F' => Self::FunctionCall,
            b'X' => Self::Terminate,
            _ => return Err(Malformed::Type(tag)),
        })
    }

    /// Its name, as the protocol's documentation has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "Query",
            Self::Parse => "Parse",
            Self::Bind => "Bind",
            Self::Describe => "Describe",
            Self::Execute => "Execute",
            Self::Close => "Close",
            Self::Sync => "Sync",
            Self::Flush => "Flush",
            Self::CopyData => "CopyData",
            Self::CopyDone => "CopyDone",
            Self::CopyFail => "CopyFail",
            Self::FunctionCall => "FunctionCall",
            Self::Terminate => "Terminate",
        }
    }

    /// How a message of this type and length is taken in.
    ///
    /// # Errors
    /// [`Malformed::TooLong`] for a length that PostgreSQL itself would not read.
    pub fn handling(self, header: Header, caps: Caps) -> Result<Handling, Malformed> {
        let (hard, own) = match self {
            Self::Query | Self::Parse => (LARGEST, caps.statement),
            Self::Bind => (LARGEST, caps.bind),
            Self::CopyData => (LARGEST, 0),
            // The argument values of a call that is refused whatever they are.
            Self::FunctionCall => (LARGEST, SMALL),
            Self::Describe | Self::Execute | Self::Close | Self::CopyFail => (SMALL, SMALL),
            Self::Sync | Self::Flush | Self::CopyDone | Self::Terminate => (0, 0),
        };
        within(header, hard)?;
        Ok(match self {
            Self::CopyData => Handling::Stream,
            _ if header.body > own => Handling::Oversized,
            _ => Handling::Whole,
        })
    }
}
