//! The gateway's own certificate authority: targets that trust it need no credential of their own kept here.
//!
//! For each session a key is made that nobody keeps, and a certificate that is good for minutes and for one account.
//! Source: OpenSSH's PROTOCOL.certkeys.

use std::io;
use std::sync::Arc;

use portcullis_gateway::config::Config;
use ring::rand::{SecureRandom, SystemRandom};
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::{Certificate, PrivateKey, PublicKey};

use crate::keys::{self, KeyError};

/// How long a certificate is good for, in seconds: long enough to log in, and for clocks that are a little apart.
const VALID: u64 = 300;
/// How far back its validity begins, in seconds, for a target whose clock is behind.
const SKEW: u64 = 60;

/// The authority.
#[derive(Clone)]
pub(crate) struct Authority(Arc<PrivateKey>);

impl Authority {
    /// The one of this installation, made at first use. Targets trust its public part, `ssh_user_ca.pub` in the state
    /// directory, by `TrustedUserCAKeys`.
    pub(crate) fn of(config: &Config) -> Result<Self, KeyError> {
        Ok(Self(Arc::new(keys::own(&config.state.join("ssh_user_ca"))?)))
    }

    pub(crate) fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    /// A new key and its certificate for one account on a target. `id` is what the target's log says.
    pub(crate) fn issue(&self, account: &str, id: &str, now: u64) -> io::Result<(PrivateKey, Certificate)> {
        let failed = |error: russh::keys::ssh_key::Error| io::Error::other(error);
        let key = keys::generate()?;
        let mut nonce = vec![0; 32];
        SystemRandom::new().fill(&mut nonce).map_err(|_| io::Error::other("the system has no randomness"))?;
        let mut builder = Builder::new(
            nonce,
            key.public_key().key_data().clone(),
            now.saturating_sub(SKEW),
            now.saturating_add(VALID),
        )
        .map_err(failed)?;
        builder.cert_type(CertType::User).map_err(failed)?;
        builder.key_id(id).map_err(failed)?;
        builder.valid_principal(account).map_err(failed)?;
        for extension in
            ["permit-pty", "permit-port-forwarding", "permit-agent-forwarding", "permit-X11-forwarding"]
        {
            builder.extension(extension, "").map_err(failed)?;
        }
        let certificate = builder.sign(&*self.0).map_err(failed)?;
        Ok((key, certificate))
    }
}
