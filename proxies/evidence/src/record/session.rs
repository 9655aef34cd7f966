//! Records about sessions.

use serde::{Deserialize, Serialize};

use crate::json::Text;

/// A principal was admitted to a target.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionOpened<'a> {
    /// The protocol's name.
    pub protocol: Text<'a>,
    /// `human`, `service` or `agent`.
    pub principal_kind: Text<'a>,
    /// The groups that the identity source vouched for; absent where it said nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<Text<'a>>>,
    /// For an agent: the principal it acts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text<'a>>,
    /// How the principal was proven, such as `scram-sha-256`.
    pub proven_by: Text<'a>,
    /// The number of the token that proved it, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<u64>,
    /// The address and port the client connects from.
    pub source: Text<'a>,
    /// What the client calls itself; anyone can claim anything here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Text<'a>>,
    /// Whether the client's leg is encrypted.
    pub tls: bool,
    /// The digest of the policy in force.
    pub policy: Text<'a>,
    /// The rule that covered the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Text<'a>>,
}

/// A client was turned away before it had a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refused<'a> {
    /// How far it came: `tls`, `startup`, `authentication`, `target`, `policy`, `capacity`.
    pub stage: Text<'a>,
    /// The name it gave, proven or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Text<'a>>,
    /// The target it asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Text<'a>>,
    /// The address and port it connects from.
    pub source: Text<'a>,
    /// Why.
    pub reason: Text<'a>,
}

/// The session ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionClosed<'a> {
    /// Why: `client`, `target`, `revoked`, `drain`, or an error in words.
    pub reason: Text<'a>,
    /// How many commands were judged.
    pub commands: u64,
    /// Bytes sent to the client.
    pub bytes_out: u64,
    /// Bytes received from the client.
    pub bytes_in: u64,
    /// How long it was open, in microseconds.
    pub micros: u64,
}

/// Access was withdrawn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Revocation<'a> {
    /// The session, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_session: Option<Text<'a>>,
    /// The principal, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_principal: Option<Text<'a>>,
    /// The token, by its number, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_token: Option<Text<'a>>,
    /// Who withdrew it.
    pub by: Text<'a>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<'a>>,
    /// How many sessions of this gateway it ended.
    pub sessions: u64,
}
