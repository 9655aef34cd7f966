//! Saying no in PostgreSQL's own words.

use crate::wire::make::{message, text};

/// Five characters that tell a client's code what kind of error it got (documentation, appendix "Error Codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlState(pub [u8; 5]);

impl SqlState {
    /// What a policy forbids: `insufficient_privilege`.
    pub const DENIED: Self = Self(*b"42501");
    /// Something that the gateway never lets through: `feature_not_supported`.
    pub const UNSUPPORTED: Self = Self(*b"0A000");
    /// A message that breaks the protocol: `protocol_violation`.
    pub const PROTOCOL: Self = Self(*b"08P01");
    /// A statement longer than the gateway takes: `program_limit_exceeded`.
    pub const TOO_LONG: Self = Self(*b"54000");
    /// A command that its own user cancelled: `query_canceled`.
    pub const CANCELLED: Self = Self(*b"57014");
    /// Wrong user or password: `invalid_password`.
    pub const PASSWORD: Self = Self(*b"28P01");
    /// A client that may not connect in this way: `invalid_authorization_specification`.
    pub const AUTHORIZATION: Self = Self(*b"28000");
    /// No such target: `invalid_catalog_name`.
    pub const NO_DATABASE: Self = Self(*b"3D000");
    /// A setting that may not be chosen at the start: `invalid_parameter_value`.
    pub const PARAMETER: Self = Self(*b"22023");
    /// No room for another session: `too_many_connections`.
    pub const TOO_MANY: Self = Self(*b"53300");
    /// The target can't be reached: `sqlclient_unable_to_establish_sqlconnection`.
    pub const UNREACHABLE: Self = Self(*b"08001");
    /// A command that waits for approval: a warning, not an error.
    pub const HELD: Self = Self(*b"01000");
    /// A limit of the policy is reached: `configuration_limit_exceeded`.
    pub const LIMIT: Self = Self(*b"53400");
    /// The gateway can't do its part now: `cannot_connect_now`.
    pub const UNAVAILABLE: Self = Self(*b"57P03");
    /// A prepared statement, portal or cursor that the session did not make: `invalid_sql_statement_name`.
    pub const NO_STATEMENT: Self = Self(*b"26000");
    /// What a statement means has changed: `object_not_in_prerequisite_state`.
    pub const CHANGED: Self = Self(*b"55000");
    /// Not in PostgreSQL's language: `syntax_error`.
    pub const SYNTAX: Self = Self(*b"42601");
    /// A slip of the gateway's own: `internal_error`.
    pub const INTERNAL: Self = Self(*b"XX000");
    /// Nothing has happened in the session for too long: `idle_session_timeout`.
    pub const IDLE: Self = Self(*b"57P05");
    /// The session is ended from this side: `admin_shutdown`.
    pub const SHUTDOWN: Self = Self(*b"57P01");
}

impl SqlState {
    /// As text.
    pub fn as_str(&self) -> &str {
        // A code made of anything but ASCII would be our own slip: say "internal error" instead.
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }
}

/// Why something does not go through, for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of error.
    pub state: SqlState,
    /// What happened.
    pub message: Box<str>,
    /// What can be done about it.
    pub hint: Option<Box<str>>,
}

/// How far an error reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The command failed; the session goes on.
    Error,
    /// The session is over.
    Fatal,
    /// Nothing failed: a NoticeResponse.
    Notice,
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(state: SqlState, message: impl Into<Box<str>>) -> Self {
        Self { state, message: message.into(), hint: None }
    }

    /// With a way out.
    #[must_use]
    pub fn hint(self, hint: impl Into<Box<str>>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The ErrorResponse (or NoticeResponse) that says it.
    #[must_use]
    pub fn encode(&self, severity: Severity) -> Vec<u8> {
        let (tag, word) = match severity {
            Severity::Error => (b'E', "ERROR"),
            Severity::Fatal => (b'E', "FATAL"),
            Severity::Notice => (b'N', "NOTICE"),
        };
        let mut out = Vec::with_capacity(64 + self.message.len());
        message(&mut out, tag, |out| {
            let mut field = |kind: u8, value: &str| {
                out.push(kind);
                text(out, value);
            };
            field(b'S', word);
            field(b'V', word);
            out_state(&mut field, self.state);
            field(b'M', &self.message);
            if let Some(hint) = &self.hint {
                field(b'H', hint);
            }
            out.push(0);
        });
        out
    }
}

fn out_state(field: &mut impl FnMut(u8, &str), SqlState(state): SqlState) {
    field(b'C', SqlState(state).as_str());
}
