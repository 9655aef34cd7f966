//! What all sessions of one instance share.

use std::net::SocketAddr;
use std::sync::Arc;

use policy_core::{Digest, Principal};
use ring::hmac;

use super::{Refusal, Session, Statement, StatementParts};
use crate::config::{Config, TargetConfig};
use crate::session::Registry;

/// One running instance; cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    registry: Registry,
    digest_key: hmac::Key,
}

/// A client that has proven who it is and wants to reach a target.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// Who.
    pub principal: Principal,
    /// What.
    pub target: &'a Arc<TargetConfig>,
    /// Where from.
    pub source: Option<SocketAddr>,
    /// What the client calls itself, untrusted.
    pub client: &'a str,
    /// How the principal was proven, such as `scram-sha-256`.
    pub proven_by: &'a str,
    /// Whether the client's leg is encrypted.
    pub tls: bool,
}

impl Gateway {
    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The live sessions of this instance.
    pub fn sessions(&self) -> &Registry {
        &self.shared.registry
    }

    /// Judges `connect` and registers the session.
    ///
    /// # Errors
    /// The refusal, to be told to the client.
    pub async fn open_session(&self, _opening: Opening<'_>) -> Result<Session, Refusal> {
        std::future::ready(Err(Refusal::unavailable("no policy is loaded"))).await
    }

    /// Makes a statement that sessions can be asked about.
    pub fn statement(&self, parts: StatementParts<'_>) -> Arc<Statement> {
        Arc::new(Statement {
            actions: Arc::clone(parts.actions),
            raw: parts.raw.into(),
            shown: parts.shown.into(),
            digest: self.digest(&[parts.raw.as_bytes(), parts.definitions]),
        })
    }

    /// The digest of some byte strings in order, keyed by this installation's secret.
    pub fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.shared.digest_key);
        for part in parts {
            // Lengths keep ["ab", "c"] and ["a", "bc"] apart.
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        Digest(digest)
    }
}
