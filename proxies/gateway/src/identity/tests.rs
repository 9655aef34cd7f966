//! Whom tokens and certificates prove, and until when.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use policy_core::{Principal, PrincipalKind};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::clock::Clock;
use crate::store::{Keeper, NewToken, Number, Sqlite, Store, User};

const START: i64 = 1_795_000_000_000;
const DAY: i64 = 86_400_000;

struct House {
    users: LocalUsers,
    keeper: Keeper,
    now: Arc<AtomicI64>,
    _directory: tempfile::TempDir,
}

fn user(name: &str, kind: PrincipalKind, owner: Option<&str>) -> User {
    User {
        name: name.into(),
        verifier: Verifier::new(name, "correct horse").expect("taken").to_string(),
        kind,
        groups: vec![format!("{name}s")],
        person: None,
        owner: owner.map(Into::into),
        disabled: false,
        keys: vec!["ssh-ed25519 AAAA".into()],
    }
}

impl House {
    /// ana and ben; `bot` acts for ana, `helper` for whomever its token says, `botbot` for `bot`.
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Sqlite::open(&directory.path().join("store.db")).expect("a store");
        let keeper = Keeper::start(Box::new(store)).expect("a thread");
        let now = Arc::new(AtomicI64::new(START));
        let told = Arc::clone(&now);
        let clock = Clock::new(move || told.load(Ordering::SeqCst));
        let users = LocalUsers::new(keeper.clone(), clock, b"secret");
        let house = Self { users, keeper, now, _directory: directory };
        for user in [
            user("ana", PrincipalKind::Human, None),
            user("ben", PrincipalKind::Human, None),
            user("bot", PrincipalKind::Agent, Some("ana")),
            user("helper", PrincipalKind::Agent, None),
            user("botbot", PrincipalKind::Agent, Some("bot")),
        ] {
            house.change(move |store| store.put_user(&user)).await;
        }
        house
    }

    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, crate::store::StoreError> + Send + 'static,
    ) -> T {
        self.keeper.ask(work).await.expect("stored")
    }

    async fn disable(&self, name: &str) {
        let name = name.to_owned();
        self.change(move |store| {
            let mut user = store.user(&name)?.expect("a user");
            user.disabled = true;
            store.put_user(&user)
        })
        .await;
    }

    async fn token(&self, user: &str, owner: Option<&str>) -> (TokenText, Number) {
        let text = TokenText::generate().expect("made");
        let new = NewToken {
            hash: text.hash(),
            user: user.into(),
            name: String::new(),
            owner: owner.map(Into::into),
            created: START,
            expires: START + DAY,
        };
        let number = self.change(move |store| store.add_token(&new)).await;
        (text, number)
    }

    async fn shown(&self, text: &str) -> Option<Identified> {
        self.users.token(text).await.expect("looked up")
    }

    async fn still(&self, who: &Identified) -> bool {
        self.users.still(who).await.expect("looked up").is_some()
    }
}

#[tokio::test]
async fn a_token_proves_its_user_until_it_ends() {
    let house = House::new().await;
    let (text, number) = house.token("ana", None).await;
    let ana = house.shown(text.expose()).await.expect("proven");
    assert_eq!(ana.principal, Principal::human("ana", ["anas"]));
    assert_eq!(ana.proof, Proof::Token { number, expires: START + DAY });
    assert!(house.still(&ana).await);
    let (never_stored, slip) = (TokenText::generate().expect("made"), text.expose().replace("pcl_", "pcl-"));
    for nobody in [never_stored.expose(), &slip, "", "correct horse", "ana"] {
        assert!(house.shown(nobody).await.is_none(), "{nobody}");
    }

    house.now.store(START + DAY - 1, Ordering::SeqCst);
    assert!(house.shown(text.expose()).await.is_some());
    house.now.store(START + DAY, Ordering::SeqCst);
    assert!(house.shown(text.expose()).await.is_none(), "expired");
    assert!(!house.still(&ana).await, "expired");

    house.now.store(START, Ordering::SeqCst);
    assert!(house.still(&ana).await);
    house.change(move |store| store.revoke_token(number, "root", "", START)).await;
    assert!(house.shown(text.expose()).await.is_none(), "revoked");
    assert!(!house.still(&ana).await, "revoked");
}

#[tokio::test]
async fn a_token_of_somebody_who_may_not_act_proves_nobody() {
    let house = House::new().await;
    let (of_ana, _) = house.token("ana", None).await;
    let (of_ben, _) = house.token("ben", None).await;
    let (ana, ben) = (house.shown(of_ana.expose()).await, house.shown(of_ben.expose()).await);
    house.disable("ana").await;
    house.change(|store| store.remove_user("ben")).await;
    assert!(house.shown(of_ana.expose()).await.is_none(), "disabled");
    assert!(house.shown(of_ben.expose()).await.is_none(), "removed");
    assert!(!house.still(&ana.expect("proven before")).await);
    assert!(!house.still(&ben.expect("proven before")).await);
    let again = user("ben", PrincipalKind::Human, None);
    house.change(move |store| store.put_user(&again)).await;
    assert!(house.shown(of_ben.expose()).await.is_none(), "another ben");
}

#[tokio::test]
async fn a_token_is_no_password_and_a_password_no_token() {
    let house = House::new().await;
    let (text, _) = house.token("ana", None).await;
    let claim = house.users.claim("ana").await.expect("looked up");
    assert!(!claim.verifier().fits(text.expose()));
    assert!(claim.prove_by_password(text.expose()).is_none());
    assert!(house.shown("correct horse").await.is_none());
    assert_eq!(Verifier::new("ana", text.expose()), Err(PasswordRefused::Token));
}

#[tokio::test]
async fn the_use_of_a_token_is_noted_to_the_hour() {
    let house = House::new().await;
    let (text, number) = house.token("ana", None).await;
    let used = async || house.change(move |store| store.token(number)).await.expect("there").used;
    house.shown(text.expose()).await.expect("proven");
    assert_eq!(used().await, Some(START));
    house.now.store(START + 60_000, Ordering::SeqCst);
    house.shown(text.expose()).await.expect("proven");
    assert_eq!(used().await, Some(START), "a write for each request");
    house.now.store(START + 3_600_000, Ordering::SeqCst);
    house.shown(text.expose()).await.expect("proven");
    assert_eq!(used().await, Some(START + 3_600_000));
}

#[tokio::test]
async fn an_agent_acts_for_somebody_who_may_act_or_not_at_all() {
    let house = House::new().await;
    for (agent, said, owner) in [
        ("bot", None, Some("ana")),
        ("bot", Some("ana"), Some("ana")),
        ("bot", Some("ben"), None),
        ("helper", Some("ana"), Some("ana")),
        ("helper", Some("ben"), Some("ben")),
        ("helper", None, None),
        ("helper", Some("nobody"), None),
        ("helper", Some("bot"), None),
        ("botbot", None, None),
        ("ana", Some("ben"), None),
    ] {
        let (text, _) = house.token(agent, said).await;
        let proven = house.shown(text.expose()).await.map(|who| who.principal);
        assert_eq!(
            proven.as_ref().and_then(|agent| agent.owner.as_deref()),
            owner,
            "{agent} for {said:?}: {proven:?}"
        );
        assert_eq!(proven.is_some(), owner.is_some(), "{agent} for {said:?}");
        let groups = proven.and_then(|agent| agent.owner_groups);
        assert_eq!(groups, owner.map(|owner| [Box::from(format!("{owner}s"))].into()), "{agent}");
    }
}

#[tokio::test]
async fn an_agents_access_ends_with_its_owners() {
    let house = House::new().await;
    let (text, _) = house.token("bot", None).await;
    let (for_ana, _) = house.token("helper", Some("ana")).await;
    let (for_ben, _) = house.token("helper", Some("ben")).await;
    let bot = house.shown(text.expose()).await.expect("proven");
    let password = async || {
        let claim = house.users.claim("bot").await.expect("looked up");
        claim.prove_by_password("correct horse").is_some()
    };
    assert!(password().await);
    assert_eq!(house.users.keys("bot").await.expect("looked up").len(), 1);
    house.disable("ana").await;
    assert!(house.shown(text.expose()).await.is_none());
    assert!(house.shown(for_ana.expose()).await.is_none());
    assert!(house.shown(for_ben.expose()).await.is_some(), "ben is still there");
    assert!(!house.still(&bot).await);
    assert!(!password().await);
    assert!(house.users.keys("bot").await.expect("looked up").is_empty());
    assert!(house.users.current("bot").await.expect("looked up").is_none());
}

fn certificate(name: &str, until: (i32, u8, u8)) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    params.self_signed(&KeyPair::generate().expect("a key")).expect("made").der().clone()
}

#[tokio::test]
async fn a_certificate_proves_the_local_user_it_names_while_both_last() {
    let house = House::new().await;
    let shown = async |certificate: CertificateDer<'_>| {
        house.users.certificate(&certificate).await.expect("looked up")
    };
    // 2026-11-18 is when the clock starts.
    let ana = shown(certificate("ana", (2026, 12, 1))).await.expect("proven");
    assert_eq!(ana.principal, Principal::human("ana", ["anas"]));
    assert_eq!(ana.proof.as_str(), "certificate");
    assert!(house.still(&ana).await);
    assert!(shown(certificate("ana", (2026, 11, 1))).await.is_none(), "expired");
    assert!(shown(certificate("nobody", (2026, 12, 1))).await.is_none());
    assert!(shown(CertificateDer::from_slice(b"ana")).await.is_none());
    assert_eq!(
        shown(certificate("bot", (2026, 12, 1))).await.and_then(|bot| bot.principal.owner).as_deref(),
        Some("ana")
    );
    house.now.store(ana.proof.expires().expect("an end"), Ordering::SeqCst);
    assert!(!house.still(&ana).await, "expired meanwhile");
    house.now.store(START, Ordering::SeqCst);
    house.disable("ana").await;
    assert!(!house.still(&ana).await);
    assert!(shown(certificate("ana", (2026, 12, 1))).await.is_none(), "disabled");
}
