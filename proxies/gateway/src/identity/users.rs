//! Local users and their tokens, kept in the store.

use policy_core::{Principal, PrincipalKind};
use ring::hmac;
use rustls_pki_types::CertificateDer;

use super::certificate;
use super::proof::{Identified, Proof};
use super::scram::{SALT_BYTES, Verifier};
use super::source::{Answer, Claim, IdentityError, IdentitySource};
use super::token::TokenText;
use crate::clock::Clock;
use crate::store::{Keeper, Number, Store, StoreError, Token, User};

/// The accounts in the store.
#[derive(Clone)]
pub struct LocalUsers {
    store: Keeper,
    clock: Clock,
    mock: Mock,
}

/// How much later a token must be used again for that to be noted.
const USED_AGAIN_MS: i64 = 3_600_000;

/// Makes verifiers for users that don't exist: always the same for a name, and never satisfied.
#[derive(Clone, Debug)]
pub(super) struct Mock(hmac::Key);

impl LocalUsers {
    /// `secret` makes the salts of users that don't exist: it stays the same for an installation.
    pub fn new(store: Keeper, clock: Clock, secret: &[u8]) -> Self {
        Self { store, clock, mock: Mock::new(secret) }
    }

    /// The account of this name, and who it is if it may act.
    async fn find(&self, name: &str) -> Result<Option<(User, Option<Principal>)>, IdentityError> {
        let name = name.to_owned();
        let found = self.store.ask(move |store| {
            let Some(user) = store.user(&name)? else { return Ok(None) };
            let principal = active(store, &user, None)?;
            Ok(Some((user, principal)))
        });
        Ok(found.await?)
    }

    /// Whom the token proves that `find` finds, as long as it is good.
    async fn by_token(
        &self,
        find: impl FnOnce(&mut dyn Store) -> Result<Option<Token>, StoreError> + Send + 'static,
    ) -> Result<Option<(Token, Principal)>, IdentityError> {
        let now = self.clock.millis();
        let found = self.store.ask(move |store| {
            let Some(token) = find(store)?.filter(|token| token.is_good(now)) else { return Ok(None) };
            let Some(user) = store.user(&token.user)? else { return Ok(None) };
            let principal = active(store, &user, token.owner.as_deref())?;
            Ok(principal.map(|principal| (token, principal)))
        });
        Ok(found.await?)
    }

    /// Says that a token was used, at most once an hour, and lets nobody wait for it.
    fn note_use(&self, token: &Token) {
        let (number, now) = (token.number, self.clock.millis());
        if token.used.is_none_or(|used| used <= now - USED_AGAIN_MS) {
            self.store.tell("note that a token was used", move |store| store.token_used(number, now));
        }
    }
}

impl Mock {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub(super) fn verifier(&self, name: &str) -> Verifier {
        let part = |what: &[u8]| {
            let mut context = hmac::Context::with_key(&self.0);
            context.update(what);
            context.update(name.as_bytes());
            let mut part = [0; 32];
            part.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
            part
        };
        let mut salt = [0; SALT_BYTES];
        salt.iter_mut().zip(part(b"salt\0")).for_each(|(to, from)| *to = from);
        Verifier::mock(salt, part(b"stored\0"), part(b"server\0"))
    }
}

impl std::fmt::Debug for LocalUsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalUsers")
    }
}

impl IdentitySource for LocalUsers {
    fn claim<'a>(&'a self, name: &'a str) -> Answer<'a, Claim> {
        Box::pin(async move {
            let Some((user, principal)) = self.find(name).await? else {
                return Ok(Claim::new(self.mock.verifier(name), None));
            };
            let verifier =
                user.verifier.parse().map_err(|error| IdentityError::Verifier(name.to_owned(), error))?;
            Ok(Claim::new(verifier, principal))
        })
    }

    fn current<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Principal>> {
        Box::pin(async move { Ok(self.find(name).await?.and_then(|(_, principal)| principal)) })
    }

    fn keys<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(async move {
            let active = self.find(name).await?.filter(|(_, principal)| principal.is_some());
            Ok(active.map(|(user, _)| user.keys).unwrap_or_default())
        })
    }

    fn token<'a>(&'a self, shown: &'a str) -> Answer<'a, Option<Identified>> {
        Box::pin(async move {
            let Some(hash) = TokenText::parse(shown).map(|text| text.hash()) else { return Ok(None) };
            let found = self.by_token(move |store| store.token_of(&hash)).await?;
            Ok(found.map(|(token, principal)| {
                self.note_use(&token);
                Identified { principal, proof: Proof::Token { number: token.number, expires: token.expires } }
            }))
        })
    }

    fn certificate<'a>(&'a self, verified: &'a CertificateDer<'_>) -> Answer<'a, Option<Identified>> {
        Box::pin(async move {
            let named = match certificate::read(verified) {
                Ok(named) => named,
                Err(error) => {
                    tracing::warn!(%error, "a client's certificate proves nobody");
                    return Ok(None);
                }
            };
            let proof = Proof::Certificate { expires: named.expires };
            if proof.has_expired(self.clock.millis()) {
                return Ok(None);
            }
            let principal = self.current(&named.name).await?;
            Ok(principal.map(|principal| Identified { principal, proof }))
        })
    }

    fn still<'a>(&'a self, who: &'a Identified) -> Answer<'a, Option<Identified>> {
        Box::pin(async move {
            let principal = match who.proof {
                Proof::Token { number, .. } => self.of_number(number, &who.principal.id).await?,
                Proof::Certificate { .. } if who.proof.has_expired(self.clock.millis()) => None,
                Proof::Certificate { .. } | Proof::Account(_) => self.current(&who.principal.id).await?,
            };
            Ok(principal.map(|principal| Identified { principal, proof: who.proof.clone() }))
        })
    }
}

impl LocalUsers {
    async fn of_number(&self, number: Number, user: &str) -> Result<Option<Principal>, IdentityError> {
        let found = self.by_token(move |store| store.token(number)).await?;
        Ok(found.map(|(_, principal)| principal).filter(|principal| *principal.id == *user))
    }
}

/// Who an account is, if it may act: not while it is disabled, nor as an agent without somebody who may act and whom it
/// acts for. `owner` is whom a token says.
fn active(store: &mut dyn Store, user: &User, owner: Option<&str>) -> Result<Option<Principal>, StoreError> {
    if user.disabled {
        return Ok(None);
    }
    let mut principal = Principal::human(user.name.as_str(), user.groups.iter().map(String::as_str));
    principal.kind = user.kind;
    principal.person = user.person.as_deref().map(Into::into);
    if user.kind != PrincipalKind::Agent {
        principal.owner = user.owner.as_deref().map(Into::into);
        // Whoever acts for themselves acts for nobody else.
        return Ok(owner.is_none().then_some(principal));
    }
    let name = match (user.owner.as_deref(), owner) {
        (Some(lasting), Some(said)) if lasting != said => return Ok(None),
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return Ok(None),
    };
    let owner = store.user(name)?.filter(|owner| !owner.disabled && owner.kind != PrincipalKind::Agent);
    Ok(owner.map(|owner| {
        principal.owner = Some(owner.name.into());
        principal.owner_groups = Some(owner.groups.into_iter().map(Into::into).collect());
        principal
    }))
}

#[cfg(test)]
mod tests {
    use policy_core::PrincipalKind;

    use super::*;
    use crate::store::Sqlite;

    async fn users() -> (tempfile::TempDir, LocalUsers) {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Sqlite::open(&directory.path().join("store.db")).expect("a store");
        let keeper = Keeper::start(Box::new(store)).expect("a thread");
        for (name, disabled) in [("ana", false), ("gone", true)] {
            let verifier = Verifier::new(name, "correct horse").expect("taken").to_string();
            let user = User {
                name: name.into(),
                verifier,
                kind: PrincipalKind::Human,
                groups: vec!["eng".into()],
                person: None,
                owner: None,
                disabled,
                keys: Vec::new(),
            };
            keeper.ask(move |store| store.put_user(&user)).await.expect("stored");
        }
        (directory, LocalUsers::new(keeper, Clock::system(), b"secret"))
    }

    #[tokio::test]
    async fn only_the_right_password_of_an_active_user_proves() {
        let (_directory, users) = users().await;
        for (name, password, proven) in [
            ("ana", "correct horse", true),
            ("ana", "wrong horse", false),
            ("gone", "correct horse", false),
            ("nobody", "correct horse", false),
        ] {
            let claim = users.claim(name).await.expect("looked up");
            assert_eq!(claim.prove_by_password(password).is_some(), proven, "{name} {password}");
        }
        assert!(users.current("ana").await.expect("looked up").is_some());
        assert!(users.current("gone").await.expect("looked up").is_none());
    }

    #[tokio::test]
    async fn unknown_users_look_like_known_ones() {
        let (_directory, users) = users().await;
        let known = users.claim("ana").await.expect("looked up");
        let unknown = users.claim("nobody").await.expect("looked up");
        let again = users.claim("nobody").await.expect("looked up");
        let other = users.claim("somebody").await.expect("looked up");
        assert_eq!(unknown.verifier().iterations(), known.verifier().iterations());
        assert_eq!(unknown.verifier().salt().len(), known.verifier().salt().len());
        assert_eq!(unknown.verifier().salt(), again.verifier().salt());
        assert_ne!(unknown.verifier().salt(), other.verifier().salt());
    }
}
