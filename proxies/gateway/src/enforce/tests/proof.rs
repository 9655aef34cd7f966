//! Sessions end with what proved their principal, and with whom an agent acts for.

use policy_core::PrincipalKind;

use super::*;
use crate::config::TargetConfig;
use crate::identity::{Identified, Proof, TokenText};
use crate::session::{Stop, StopReason};
use crate::store::{NewToken, Revocation, RevocationSubject};

const POLICY: &str = r#"allow "work" { by group "eng" or agent on behalf of group "eng"  on postgres  do select on "public.*" }"#;
const DAY: i64 = 86_400_000;

impl House {
    async fn token(&self, user: &str) -> Identified {
        let text = TokenText::generate().expect("made");
        let new = NewToken {
            hash: text.hash(),
            user: user.into(),
            name: String::new(),
            owner: None,
            created: START,
            expires: START + DAY,
        };
        self.gateway.store().ask(move |store| store.add_token(&new)).await.expect("stored");
        self.gateway.identity().token(text.expose()).await.expect("looked up").expect("proven")
    }

    async fn open_as(&self, who: &Identified) -> Result<Session, Refusal> {
        let target = self.gateway.config().target(&Protocol::POSTGRES, "shop").expect("a target").clone();
        self.open_at(who, &target).await
    }

    async fn open_at(&self, who: &Identified, target: &Arc<TargetConfig>) -> Result<Session, Refusal> {
        let opening = Opening {
            principal: who.principal.clone(),
            target,
            source: None,
            client: "curl",
            proven_by: who.proof.clone(),
            tls: true,
        };
        self.gateway.open_session(opening, &mut |_| {}).await
    }

    async fn revoke_token(&self, who: &Identified) {
        let number = who.proof.token().expect("a token");
        let revoke =
            move |store: &mut dyn crate::store::Store| store.revoke_token(number, "root", "leaked", START);
        assert!(self.gateway.store().ask(revoke).await.expect("stored"));
    }
}

async fn within_a_second(stop: &Stop) -> StopReason {
    let reason = tokio::time::timeout(std::time::Duration::from_secs(1), stop.wait()).await;
    reason.expect("stopped within a second").clone()
}

#[tokio::test]
async fn a_revoked_token_ends_its_own_sessions_within_a_second() {
    let house = House::new(POLICY);
    house.user("ana", &["eng"]).await;
    let (one, two) = (house.token("ana").await, house.token("ana").await);
    let first = house.open_as(&one).await.expect("admitted");
    let second = house.open_as(&two).await.expect("admitted");
    let by_password = house.open("ana").await;
    house.revoke_token(&one).await;
    let reason = within_a_second(first.stop()).await;
    assert_eq!(reason.to_string(), "session revoked by root: leaked");
    assert_eq!(second.stop().reached(), None, "the other token's");
    assert_eq!(by_password.stop().reached(), None, "the password's");
    let records = house.records();
    let opened = records.iter().find(|(kind, _)| kind == "session_opened").expect("recorded");
    assert_eq!(opened.1["proven_by"], "token");
    assert_eq!(opened.1["token"], one.proof.token().expect("a token"));
    let recorded = async {
        while !house.kinds().contains(&"revocation".to_owned()) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), recorded).await.expect("recorded");
    let records = house.records();
    let revoked = records.iter().find(|(kind, _)| kind == "revocation").expect("recorded");
    assert_eq!(revoked.1["of_token"], one.proof.token().expect("a token").to_string());
}

#[tokio::test]
async fn an_expired_token_ends_its_sessions_within_a_second() {
    let house = House::new(POLICY);
    house.user("ana", &["eng"]).await;
    let session = house.open_as(&house.token("ana").await).await.expect("admitted");
    house.now.store(START + DAY - 1, Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(session.stop().reached(), None, "a millisecond too early");
    house.now.store(START + DAY, Ordering::SeqCst);
    assert_eq!(within_a_second(session.stop()).await, StopReason::Expired);
}

/// Proven, then revoked and the revocation carried out, then opened: nothing would ever end such a session.
#[tokio::test]
async fn a_token_that_was_revoked_since_it_was_proven_opens_nothing() {
    let house = House::new(POLICY);
    house.user("ana", &["eng"]).await;
    let ana = house.token("ana").await;
    house.revoke_token(&ana).await;
    let refusal = house.open_as(&ana).await.expect_err("revoked");
    assert_eq!(refusal.kind, RefusalKind::Stopped);
    assert!(house.gateway.sessions().is_empty());
}

/// A client may take its time between the two.
#[tokio::test]
async fn an_account_that_was_disabled_since_it_was_proven_opens_nothing() {
    let house = House::new(POLICY);
    house.user("ana", &["eng"]).await;
    let principal = house.gateway.identity().current("ana").await.expect("looked up").expect("an account");
    let ana = Identified { principal, proof: "scram-sha-256".into() };
    drop(house.open_as(&ana).await.expect("admitted"));
    let disable = |store: &mut dyn crate::store::Store| {
        let mut ana = store.user("ana")?.expect("an account");
        ana.disabled = true;
        store.put_user(&ana)
    };
    house.gateway.store().ask(disable).await.expect("stored");
    assert_eq!(house.open_as(&ana).await.expect_err("disabled").kind, RefusalKind::Stopped);
    assert!(house.gateway.sessions().is_empty());
}

/// Looked up, then removed by a reload that ended its sessions, then opened.
#[tokio::test]
async fn a_target_that_was_removed_since_it_was_looked_up_is_not_reached() {
    let house = House::new(POLICY);
    house.user("ana", &["eng"]).await;
    let ana = house.token("ana").await;
    let mut removed =
        (**house.gateway.config().target(&Protocol::POSTGRES, "shop").expect("a target")).clone();
    removed.subject = Arc::new(policy_core::Target { name: "old".into(), ..(*removed.subject).clone() });
    let refusal = house.open_at(&ana, &Arc::new(removed)).await.expect_err("removed");
    assert_eq!(refusal.kind, RefusalKind::Stopped);
    assert!(refusal.message.contains("`old` was removed"), "{refusal}");
    assert!(house.gateway.sessions().is_empty());
}

#[tokio::test]
async fn an_agents_sessions_end_with_its_owners() {
    let house = House::new(POLICY);
    house.user("ana", &["eng"]).await;
    let bot = User {
        name: "bot".into(),
        verifier: String::new(),
        kind: PrincipalKind::Agent,
        groups: Vec::new(),
        person: None,
        owner: Some("ana".into()),
        disabled: false,
        keys: Vec::new(),
    };
    house.gateway.store().ask(move |store| store.put_user(&bot)).await.expect("stored");
    let bot = house.token("bot").await;
    let mut session = house.open_as(&bot).await.expect("its owner is in the group");
    drop(admitted(run(&mut session, &house.select()).await));
    assert_eq!(
        house.records().iter().find(|(kind, _)| kind == "session_opened").expect("recorded").1["owner"],
        "ana"
    );
    let revocation = Revocation {
        subject: RevocationSubject::User("ana".into()),
        by: "root".into(),
        reason: "left".into(),
        at: START,
    };
    house.gateway.store().ask(move |store| store.revoke(&revocation)).await.expect("stored");
    assert!(matches!(within_a_second(session.stop()).await, StopReason::Revoked { .. }));
    assert_eq!(refused(run(&mut session, &house.select()).await).kind, RefusalKind::Stopped);
}

#[test]
fn a_proof_says_what_it_is() {
    for (proof, word, expires, token) in [
        (Proof::from("scram-sha-256"), "scram-sha-256", None, None),
        (Proof::Token { number: 7, expires: 9 }, "token", Some(9), Some(7)),
        (Proof::Certificate { expires: 9 }, "certificate", Some(9), None),
    ] {
        assert_eq!((proof.as_str(), proof.expires(), proof.token()), (word, expires, token));
    }
}
