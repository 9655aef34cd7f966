//! Who is there: `USER:TARGET` and the proof that this is the user.
//!
//! A key that is offered proves nothing; only what this module returns from a `prove_…` does, and the SSH library calls
//! those after it has checked the signature. Names that don't exist get the same answers as those that do.

pub(crate) mod certificate;

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use policy_core::Principal;
use portcullis_gateway::identity::{IdentityError, IdentitySource};
use russh::keys::{Certificate, PublicKey};

use self::certificate::{Demands, NotValid, Permits};
use crate::keys::{self, is_same};

/// What a client gives as its user name: the account, and after a colon the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    pub(crate) account: &'a str,
    /// `None` where no target was named.
    pub(crate) target: Option<&'a str>,
}

impl<'a> Asked<'a> {
    pub(crate) fn read(user: &'a str) -> Self {
        match user.split_once(':') {
            Some((account, target)) => {
                Self { account, target: Some(target).filter(|target| !target.is_empty()) }
            }
            None => Self { account: user, target: None },
        }
    }
}

/// Somebody who has proven who they are.
#[derive(Clone, Debug)]
pub(crate) struct Proven {
    pub(crate) principal: Principal,
    pub(crate) target: Option<String>,
    /// How, for evidence.
    pub(crate) by: &'static str,
    /// The only command that may run, where the certificate says so.
    pub(crate) force_command: Option<String>,
    pub(crate) permits: Permits,
}

/// Why nobody is let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("nobody was proven")]
    Unproven,
    #[error("the certificate does not let them in: {0}")]
    Certificate(#[from] NotValid),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Whether a key is one of the account's, so that a proof of it is worth asking for.
pub(crate) async fn knows(
    identity: &dyn IdentitySource,
    account: &str,
    key: &PublicKey,
) -> Result<bool, IdentityError> {
    let known = identity.keys(account).await?;
    Ok(known.iter().filter_map(|text| keys::public(text).ok()).any(|known| is_same(&known, key)))
}

/// A proven key makes somebody of whom it belongs to.
pub(crate) async fn prove_by_key(
    identity: &dyn IdentitySource,
    user: &str,
    key: &PublicKey,
) -> Result<Proven, Refused> {
    let asked = Asked::read(user);
    if !knows(identity, asked.account, key).await? {
        return Err(Refused::Unproven);
    }
    let principal = identity.current(asked.account).await?.ok_or(Refused::Unproven)?;
    Ok(proven(principal, asked, "publickey", Demands { force_command: None, permits: Permits::ALL }))
}

/// A proven certificate does the same, if its authority is trusted and it says what it must.
pub(crate) async fn prove_by_certificate(
    identity: &dyn IdentitySource,
    user: &str,
    certificate: &Certificate,
    authorities: &[PublicKey],
    source: IpAddr,
) -> Result<Proven, Refused> {
    let asked = Asked::read(user);
    let demands = certificate::check(certificate, authorities, asked.account, source, seconds())?;
    let principal = identity.current(asked.account).await?.ok_or(Refused::Unproven)?;
    Ok(proven(principal, asked, "certificate", demands))
}

/// A password, by keyboard-interactive.
pub(crate) async fn prove_by_password(
    identity: &dyn IdentitySource,
    user: &str,
    password: &str,
) -> Result<Proven, Refused> {
    let asked = Asked::read(user);
    let claim = identity.claim(asked.account).await?;
    let principal = claim.prove_by_password(password).ok_or(Refused::Unproven)?;
    Ok(proven(principal, asked, "password", Demands { force_command: None, permits: Permits::ALL }))
}

fn proven(principal: Principal, asked: Asked<'_>, by: &'static str, demands: Demands) -> Proven {
    let Demands { force_command, permits } = demands;
    Proven { principal, target: asked.target.map(str::to_owned), by, force_command, permits }
}

/// Seconds since the epoch; a clock before it counts as the epoch, when no certificate is valid.
pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_holds_account_and_target() {
        for (user, account, target) in [
            ("ana:web-1", "ana", Some("web-1")),
            ("ana", "ana", None),
            ("ana:", "ana", None),
            (":web-1", "", Some("web-1")),
            ("ana:web:1", "ana", Some("web:1")),
        ] {
            assert_eq!(Asked::read(user), Asked { account, target }, "{user}");
        }
    }
}
