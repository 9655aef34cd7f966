//! What proved somebody, and until when it does.

use policy_core::Principal;

use crate::store::Number;

/// Somebody who was proven, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// Who it is.
    pub principal: Principal,
    /// What proved it.
    pub proof: Proof,
}

/// What proved somebody. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// What the account has, so that it lasts as long: a password, a key. Named for evidence, such as `scram-sha-256`.
    Account(&'static str),
    /// A token of the account's.
    Token {
        /// Its number.
        number: Number,
        /// From when on it proves nobody.
        expires: i64,
    },
    /// A client certificate that TLS has verified.
    Certificate {
        /// From when on it proves nobody.
        expires: i64,
    },
}

impl Proof {
    /// The word for it in evidence.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Account(how) => how,
            Self::Token { .. } => "token",
            Self::Certificate { .. } => "certificate",
        }
    }

    /// From when on it proves nobody, where that is before its account ends.
    pub const fn expires(&self) -> Option<i64> {
        match self {
            Self::Account(_) => None,
            Self::Token { expires, .. } | Self::Certificate { expires } => Some(*expires),
        }
    }

    /// The token's number, if it is one.
    pub const fn token(&self) -> Option<Number> {
        match self {
            Self::Token { number, .. } => Some(*number),
            Self::Account(_) | Self::Certificate { .. } => None,
        }
    }

    /// Whether it proves nobody any more at this moment.
    pub(crate) fn has_expired(&self, now: i64) -> bool {
        self.expires().is_some_and(|expires| expires <= now)
    }
}

impl From<&'static str> for Proof {
    fn from(how: &'static str) -> Self {
        Self::Account(how)
    }
}
