//! Where accounts come from, and the claim to be one of them.

use std::pin::Pin;

use policy_core::Principal;
use rustls_pki_types::CertificateDer;

use super::proof::Identified;
use super::scram::{NotAVerifier, Verifier};
use crate::store::StoreError;

/// Where accounts come from. A look-up that takes longer than two seconds counts as one that failed.
pub trait IdentitySource: Send + Sync + std::fmt::Debug {
    /// The claim to a name. Given for every name, so that whether it exists can't be told.
    fn claim<'a>(&'a self, name: &'a str) -> Answer<'a, Claim>;

    /// The account of this name as it is now: its groups, and whether it may still act.
    fn current<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Principal>>;

    /// The public keys that an account may prove to hold, in OpenSSH's text form; none where there is no such account, or
    /// it may not act.
    fn keys<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<String>>;

    /// Whom a token proves. To callers it is an opaque text: what it means is the source's to know. A password is no
    /// token, and no token is a password.
    fn token<'a>(&'a self, shown: &'a str) -> Answer<'a, Option<Identified>>;

    /// Whom a client certificate proves. TLS has verified it: its chain, its validity, that the client has its key.
    fn certificate<'a>(&'a self, verified: &'a CertificateDer<'_>) -> Answer<'a, Option<Identified>>;

    /// Somebody who was proven, as known now. `None` where they may not act any more, or what proved them no longer does.
    fn still<'a>(&'a self, who: &'a Identified) -> Answer<'a, Option<Identified>>;
}

/// What an [`IdentitySource`] answers with.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, IdentityError>> + Send + 'a>>;

/// Why an account could not be looked up. Nobody is let in.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The source did not answer.
    #[error("accounts could not be looked up within {} s", .0.as_secs())]
    Slow(std::time::Duration),
    /// The stored verifier is damaged.
    #[error("the verifier of `{0}` in the store is damaged: set its password again")]
    Verifier(String, #[source] NotAVerifier),
}

/// Somebody says that they are this account; not proven yet.
#[derive(Debug)]
pub struct Claim {
    verifier: Verifier,
    principal: Option<Principal>,
}

/// A proven account.
#[derive(Debug)]
pub struct Proven {
    /// Who it is.
    pub principal: Principal,
    /// Proves the server to the client: the `v=` of SCRAM's last message.
    pub server_signature: [u8; 32],
}

impl Claim {
    pub(super) fn new(verifier: Verifier, principal: Option<Principal>) -> Self {
        Self { verifier, principal }
    }

    /// The account's name, where there is one that may log in. For evidence: the client learns nothing of it.
    pub fn account(&self) -> Option<&str> {
        self.principal.as_ref().map(|principal| &*principal.id)
    }

    /// What the exchange is made with.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Checks the client's proof over the exchange's AuthMessage. `None` if it is wrong, or right for an account that
    /// doesn't exist or is disabled: the client learns nothing else.
    pub fn prove(self, auth_message: &[u8], proof: &[u8]) -> Option<Proven> {
        let server_signature = self.verifier.check(auth_message, proof)?;
        Some(Proven { principal: self.principal?, server_signature })
    }

    /// Checks a password, as [`Claim::prove`] checks a proof. Takes milliseconds.
    pub fn prove_by_password(self, password: &str) -> Option<Principal> {
        if self.verifier.fits(password) { self.principal } else { None }
    }
}
