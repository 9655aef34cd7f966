//! Accounts that are given, not stored: for tests, and for services that keep their own.

use std::collections::HashMap;

use policy_core::Principal;
use rustls_pki_types::CertificateDer;

use super::proof::{Identified, Proof};
use super::scram::Verifier;
use super::source::{Answer, Claim, IdentitySource};
use super::users::Mock;

/// Accounts in memory.
#[derive(Debug)]
pub struct FixedUsers {
    users: HashMap<Box<str>, (Principal, Verifier)>,
    mock: Mock,
}

impl FixedUsers {
    /// These accounts and no others. `secret` makes the salts of users that don't exist.
    pub fn new(users: impl IntoIterator<Item = (Principal, Verifier)>, secret: &[u8]) -> Self {
        let users = users.into_iter().map(|user| (user.0.id.clone(), user)).collect();
        Self { users, mock: Mock::new(secret) }
    }
}

impl IdentitySource for FixedUsers {
    fn claim<'a>(&'a self, name: &'a str) -> Answer<'a, Claim> {
        let claim = match self.users.get(name) {
            Some((principal, verifier)) => Claim::new(verifier.clone(), Some(principal.clone())),
            None => Claim::new(self.mock.verifier(name), None),
        };
        Box::pin(std::future::ready(Ok(claim)))
    }

    fn current<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Principal>> {
        let principal = self.users.get(name).map(|(principal, _)| principal.clone());
        Box::pin(std::future::ready(Ok(principal)))
    }

    /// Accounts that are given have passwords only.
    fn keys<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn token<'a>(&'a self, _: &'a str) -> Answer<'a, Option<Identified>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn certificate<'a>(&'a self, _: &'a CertificateDer<'_>) -> Answer<'a, Option<Identified>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn still<'a>(&'a self, who: &'a Identified) -> Answer<'a, Option<Identified>> {
        let found = self.users.get(&who.principal.id).filter(|_| matches!(who.proof, Proof::Account(_)));
        let still = found.map(|(now, _)| Identified { principal: now.clone(), proof: who.proof.clone() });
        Box::pin(std::future::ready(Ok(still)))
    }
}
