//! Just enough of a client to read a catalogue: one simple query at a time, rows as text.

use std::io;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The largest message that is taken, in bytes: a view's definition is one field.
const MAX_MESSAGE: usize = 16 << 20;

/// A connection on which the server is ready for a query.
#[derive(Debug)]
pub struct Client<S> {
    stream: S,
    message: Vec<u8>,
}

/// Why a query failed.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The connection failed.
    #[error("the connection to the catalogue failed: {0}")]
    Io(#[from] io::Error),
    /// The server said something that does not answer a query.
    #[error("the target broke the protocol while its catalogue was read: {0}")]
    Protocol(&'static str),
    /// The server refused the query. The connection goes on.
    #[error("the target refused to show its catalogue: {message} (SQLSTATE {state})")]
    Refused {
        /// The SQLSTATE.
        state: String,
        /// The message.
        message: String,
    },
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Takes over a connection that has just been ready for a query.
    pub fn new(stream: S) -> Self {
        Self { stream, message: Vec::new() }
    }

    /// Runs one query and gives each row to `take`, which may refuse it.
    ///
    /// # Errors
    /// Where the connection fails, the server refuses, or `take` does. After the first and the last kind the
    /// connection is not to be used again.
    pub async fn query(
        &mut self,
        sql: &str,
        mut take: impl FnMut(&mut Row<'_>) -> Option<()>,
    ) -> Result<(), QueryError> {
        let length = u32::try_from(sql.len() + 5).map_err(|_| QueryError::Protocol("a query too long"))?;
        self.message.clear();
        self.message.push(b'Q');
        self.message.extend_from_slice(&length.to_be_bytes());
        self.message.extend_from_slice(sql.as_bytes());
        self.message.push(0);
        self.stream.write_all(&self.message).await?;
        self.stream.flush().await?;
        let mut refused = None;
        loop {
            match self.receive().await? {
                b'D' => {
                    let mut row = Row::new(&self.message).ok_or(QueryError::Protocol("a short row"))?;
                    take(&mut row).ok_or(QueryError::Protocol("a row that was not asked for"))?;
                }
                b'E' => refused = Some(refusal(&self.message)),
                b'Z' => return refused.map_or(Ok(()), Err),
                // RowDescription, CommandComplete, notices, notifications and settings.
                b'T' | b'C' | b'N' | b'A' | b'S' => {}
                _ => return Err(QueryError::Protocol("a message that answers no query")),
            }
        }
    }

    /// Reads one message's body; gives its type.
    async fn receive(&mut self) -> Result<u8, QueryError> {
        let kind = self.stream.read_u8().await?;
        let length = self.stream.read_u32().await? as usize;
        let body = length.checked_sub(4).filter(|body| *body <= MAX_MESSAGE);
        let body = body.ok_or(QueryError::Protocol("a message of impossible length"))?;
        self.message.resize(body, 0);
        self.stream.read_exact(&mut self.message).await?;
        Ok(kind)
    }
}

/// The values of one row, taken from left to right.
#[derive(Debug)]
pub struct Row<'a> {
    rest: &'a [u8],
}

impl<'a> Row<'a> {
    fn new(body: &'a [u8]) -> Option<Self> {
        Some(Self { rest: body.get(2..)? })
    }

    /// The next value. `None` where there is none, or it is not UTF-8; `Some(None)` for NULL.
    pub fn text(&mut self) -> Option<Option<&'a str>> {
        let (length, rest) = self.rest.split_first_chunk()?;
        let length = u32::from_be_bytes(*length);
        if length == u32::MAX {
            self.rest = rest;
            return Some(None);
        }
        let (value, rest) = rest.split_at_checked(length as usize)?;
        self.rest = rest;
        Some(Some(std::str::from_utf8(value).ok()?))
    }

    /// The next value, which must not be NULL.
    pub fn some(&mut self) -> Option<&'a str> {
        self.text()?
    }

    /// The next value, which must be a number.
    pub fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.some()?.parse().ok()
    }

    /// The next value, which must be a truth value.
    pub fn flag(&mut self) -> Option<bool> {
        Some(self.some()? == "t")
    }
}

fn refusal(body: &[u8]) -> QueryError {
    let field = |kind: u8| {
        body.split(|byte| *byte == 0)
            .find_map(|field| field.split_first().filter(|(first, _)| **first == kind))
            .map_or_else(String::new, |(_, text)| String::from_utf8_lossy(text).into_owned())
    };
    QueryError::Refused { state: field(b'C'), message: field(b'M') }
}
