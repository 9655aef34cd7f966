//! Every endpoint × every role: a golden table, and what the words in it stand for.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hyper::StatusCode;
use policy_core::{Action, ActionSet, Principal, PrincipalKind, Protocol, Resource, Verb};
use portcullis_evidence::recording::{Event, Recorder, RecorderOptions};
use portcullis_evidence::{AuditLog, LogOptions, Record, SigningKey};

use super::*;
use crate::clock::Clock;
use crate::config::Config;
use crate::credential::Secret;
use crate::enforce::{Asked, Gateway, Held, Judgement, Opening, Parts, Session, Stage, StatementParts};
use crate::identity::{LocalUsers, Verifier};
use crate::policies::Policies;
use crate::store::{Keeper, Sqlite, User};

const POLICY: &str = r#"
allow "engineers connect" { by group "eng"  on postgres  do select }
hold "schema change" {
  by group "eng"  on postgres  do alter
  until 1 of group "sre" approve within 15m
  reveal
}
"#;
const PASSWORD: &str = "correct horse";

struct House {
    gateway: Gateway,
    server: Option<ControlServer>,
    _session: Session,
    held: Box<Held>,
    number: u64,
    /// How far the gateway's clock is ahead, in milliseconds.
    ahead: Arc<AtomicI64>,
    _directory: tempfile::TempDir,
}

impl House {
    /// With one command held for ana. `operator` says whether this process is one.
    async fn new(operator: bool) -> Self {
        Self::with(POLICY, Principal::human("ana", ["eng", "sre"]), operator).await
    }

    /// The same under another policy, for another.
    async fn with(text: &str, principal: Principal, operator: bool) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let policy = directory.path().join("test.policy");
        std::fs::write(&policy, text).expect("written");
        let source = "policies = [\"test.policy\"]\n[[target]]\nname = \"shop\"\nprotocol = \"postgres\"\n\
            address = \"127.0.0.1\"\nuser = \"app\"\ntls = { mode = \"disable\" }\n[control]\nsocket = \"run/control.sock\"\n";
        let file = directory.path().join("portcullis.toml");
        std::fs::write(&file, source).expect("written");
        let config = Config::load(&file).expect("right");
        let open = || Box::new(Sqlite::open(&directory.path().join("store.db")).expect("a store"));
        let store = Keeper::start(open()).expect("a thread");
        let verifier = Verifier::new("someone", PASSWORD).expect("taken").to_string();
        for (name, kind, groups, owner) in [
            ("ana", PrincipalKind::Human, &["eng", "sre"][..], None),
            ("bob", PrincipalKind::Human, &["sre"], None),
            ("cat", PrincipalKind::Human, &["sre"], None),
            ("fay", PrincipalKind::Human, &["finance"], None),
            ("eve", PrincipalKind::Human, &["sales"], None),
            ("anas-agent", PrincipalKind::Agent, &["sre"], Some("ana".to_owned())),
        ] {
            let user = User {
                name: name.into(),
                verifier: verifier.clone(),
                kind,
                groups: groups.iter().map(ToString::to_string).collect(),
                person: None,
                owner,
                disabled: false,
                keys: Vec::new(),
            };
            store.ask(move |store| store.put_user(&user)).await.expect("stored");
        }
        let key = SigningKey::load_or_create(directory.path()).expect("a key");
        let log = Arc::new(
            AuditLog::open(&directory.path().join("evidence"), key, LogOptions::default()).expect("a log"),
        );
        let recorder = Recorder::start(Arc::clone(&log), RecorderOptions::default()).expect("a recorder");
        let ahead = Arc::new(AtomicI64::new(0));
        let (system, by) = (Clock::system(), Arc::clone(&ahead));
        let gateway = Gateway::assemble(Parts {
            policies: Policies::load(&config).unwrap_or_else(|error| panic!("{error}")),
            clock: Clock::new(move || system.millis() + by.load(Ordering::Relaxed)),
            identity: Arc::new(LocalUsers::new(store.clone(), Clock::system(), b"secret")),
            store,
            watched: open(),
            log,
            recorder,
            digest_key: [7; 32],
            config,
        })
        .expect("a gateway");
        let own = if operator { rustix::process::geteuid().as_raw() } else { u32::MAX };
        let server = ControlServer::start_with(&gateway, own, operator).expect("a server");
        let target = gateway.config().target(&Protocol::POSTGRES, "shop").expect("a target").clone();
        let opening = Opening {
            principal,
            target: &target,
            source: None,
            client: "psql",
            proven_by: "scram-sha-256".into(),
            tls: true,
        };
        let mut session = gateway.open_session(opening, &mut |_| {}).await.expect("admitted");
        let actions = ActionSet::new([Action::new(Verb::new("alter"), Resource::named(["public", "t"]))]);
        let parts = StatementParts {
            protocol: &Protocol::POSTGRES,
            raw: "alter table t add x int default 42",
            shown: "alter table t add x int default •",
            actions: &Arc::new(actions),
            definitions: &[],
        };
        let statement = gateway.statement(parts).expect("a statement");
        let asked = Asked::new(&statement, Stage::Execute, "query");
        let Judgement::Hold(mut held) = session.judge(&asked).await else { panic!("not held") };
        let number = held.open().await.expect("opened").number;
        Self { gateway, server: Some(server), _session: session, held, number, ahead, _directory: directory }
    }

    fn evidence(&self) -> Vec<String> {
        let entries = portcullis_evidence::entries(self.gateway.log().directory()).expect("read");
        entries.map(|entry| serde_json::to_string(&entry.expect("whole").record).expect("text")).collect()
    }

    /// Why each of somebody's votes did not count, by evidence; `None` where it did.
    fn votes(&self, of: &str) -> Vec<Option<String>> {
        let entries = portcullis_evidence::entries(self.gateway.log().directory()).expect("read");
        let vote = |entry: portcullis_evidence::Entry| match entry.record {
            Record::Vote(vote) if *vote.voter == *of => Some(vote.ignored.map(|why| why.to_string())),
            _ => None,
        };
        entries.filter_map(|entry| vote(entry.expect("whole"))).collect()
    }

    /// Something that no rule permits.
    async fn refused_command(&mut self) {
        let actions = ActionSet::new([Action::new(Verb::new("drop"), Resource::named(["public", "t"]))]);
        let parts = StatementParts {
            protocol: &Protocol::POSTGRES,
            raw: "drop table t",
            shown: "drop table t",
            actions: &Arc::new(actions),
            definitions: &[],
        };
        let statement = self.gateway.statement(parts).expect("a statement");
        let asked = Asked::new(&statement, Stage::Execute, "query");
        assert!(matches!(self._session.judge(&asked).await, Judgement::Refuse(_)));
    }

    fn client(&self, user: Option<&str>, password: &str) -> Client {
        let client = Client::new(&self.gateway.config().control);
        match user {
            Some(user) => client.as_user(Credentials {
                user: user.into(),
                password: Secret::new(password.as_bytes().to_vec()),
            }),
            None => client,
        }
    }
}

fn word<T>(result: &Result<T, ClientError>) -> u16 {
    match result {
        Ok(_) => 200,
        Err(ClientError::Refused { status, .. }) => *status,
        Err(other) => panic!("{other}"),
    }
}

/// One row of the table: what each endpoint answers. Votes are last, since one ends the approval.
async fn row(house: &House, user: Option<&str>) -> [u16; 9] {
    let client = house.client(user, PASSWORD);
    let seen = ApprovalView {
        number: house.number,
        fingerprint: house
            .client(Some("bob"), PASSWORD)
            .approval(house.number)
            .await
            .expect("bob sees it")
            .fingerprint,
        ..house.client(Some("bob"), PASSWORD).approval(house.number).await.expect("bob sees it")
    };
    let nobody = Revoke { user: Some("nobody".into()), ..Revoke::default() };
    [
        word(&client.status().await),
        word(&client.sessions().await),
        word(&client.revoke(&nobody).await),
        word(&client.reload().await),
        word(&client.approvals(true).await),
        word(&client.approval(house.number).await),
        word(&client.watch(&house._session.id().to_string()).await),
        word(&client.end("0000000000000000", "").await),
        word(&client.vote(&seen, true, "").await),
    ]
}

#[tokio::test]
async fn every_endpoint_for_every_role() {
    //             status sessions revoke reload approvals approval watch end vote
    let expected = [
        (false, None, [403, 403, 403, 403, 401, 401, 401, 401, 401]),
        (false, Some("eve"), [403, 403, 403, 403, 200, 404, 404, 404, 404]),
        (false, Some("ana"), [403, 403, 403, 403, 200, 200, 403, 404, 403]),
        (false, Some("anas-agent"), [403, 403, 403, 403, 200, 404, 403, 404, 404]),
        (false, Some("bob"), [403, 403, 403, 403, 200, 200, 200, 404, 200]),
        (true, None, [200, 200, 200, 200, 200, 200, 200, 404, 401]),
        (true, Some("ana"), [200, 200, 200, 200, 200, 200, 403, 404, 403]),
        (true, Some("eve"), [200, 200, 200, 200, 200, 200, 200, 404, 403]),
        (true, Some("bob"), [200, 200, 200, 200, 200, 200, 200, 404, 200]),
    ];
    for operator in [false, true] {
        let house = House::new(operator).await;
        for (_, user, row_expected) in expected.iter().filter(|(it, ..)| *it == operator) {
            assert_eq!(row(&house, *user).await, *row_expected, "operator: {operator}, user: {user:?}");
        }
    }
}

#[tokio::test]
async fn a_vote_by_the_api_releases() {
    let mut house = House::new(true).await;
    let bob = house.client(Some("bob"), PASSWORD);
    let seen = bob.approval(house.number).await.expect("seen");
    bob.vote(&seen, true, "fine").await.expect("taken");
    let released = house.held.wait().await.expect("released");
    assert_eq!(released.approved_by, ["bob"]);
    assert_eq!(bob.approval(house.number).await.expect("seen").state, "consumed");
    assert_eq!(word(&bob.vote(&seen, true, "").await), 409);
}

#[tokio::test]
async fn literals_are_shown_to_reviewers_alone() {
    let house = House::new(true).await;
    for (user, sees) in [(None, false), (Some("ana"), false), (Some("eve"), false), (Some("bob"), true)] {
        let view = house.client(user, PASSWORD).approval(house.number).await.expect("an operator sees it");
        assert!(!view.command.contains("42"));
        assert_eq!(view.revealed.is_some_and(|text| text.contains("42")), sees, "{user:?}");
    }
}

const TWO_HOLDS: &str = r#"
hold "schema change" { by group "eng"  on postgres  do alter  until 2 of group "sre" approve within 15m }
hold "money" { by group "eng"  on postgres  do alter  until 1 of group "finance" approve within 15m  reveal }
"#;

#[tokio::test]
async fn a_hold_reveals_to_its_own_reviewers_alone() {
    let house = House::with(TWO_HOLDS, Principal::human("ana", ["eng"]), true).await;
    for (user, sees) in [(None, false), (Some("ana"), false), (Some("bob"), false), (Some("fay"), true)] {
        let view = house.client(user, PASSWORD).approval(house.number).await.expect("seen");
        assert_eq!(view.revealed.is_some_and(|text| text.contains("42")), sees, "{user:?}");
        let reveals: Vec<_> = view.holds.iter().map(|hold| (&*hold.rule, hold.reveal)).collect();
        assert_eq!(reveals, [("money", true), ("schema change", false)]);
    }
}

#[tokio::test]
async fn a_voter_is_told_what_is_still_needed() {
    let mut house = House::with(TWO_HOLDS, Principal::human("ana", ["eng"]), true).await;
    let counts = |holds: &[HoldView]| -> Vec<_> { holds.iter().map(HoldView::approvals).collect() };
    for (user, expected) in [("bob", [0, 1]), ("fay", [1, 1]), ("cat", [1, 2])] {
        let client = house.client(Some(user), PASSWORD);
        let seen = client.approval(house.number).await.expect("seen");
        let voted = client.vote(&seen, true, "").await.expect("taken");
        assert_eq!(counts(&voted.holds), expected.map(Some), "{user}");
        let view = client.approval(house.number).await.expect("seen");
        assert_eq!(counts(&view.holds), expected.map(Some), "{user}");
        let again = client.vote(&seen, true, "").await.expect_err("once").to_string();
        assert!(again.contains("you have approved approval 1 already"), "{again}");
    }
    house.held.wait().await.expect("released");
    let late = house.client(Some("bob"), PASSWORD);
    let seen = late.approval(house.number).await.expect("seen");
    assert_eq!(counts(&seen.holds), [None, None]);
    let over = late.vote(&seen, true, "").await.expect_err("over").to_string();
    assert!(over.contains("is over"), "{over}");
}

#[tokio::test]
async fn where_each_hold_is_is_told() {
    let mut house = House::with(TWO_HOLDS, Principal::human("ana", ["eng"]), true).await;
    let (bob, fay) = (house.client(Some("bob"), PASSWORD), house.client(Some("fay"), PASSWORD));
    let states = |holds: &[HoldView]| -> Vec<_> { holds.iter().filter_map(|hold| hold.state).collect() };
    let seen = bob.approval(house.number).await.expect("seen");
    let pending = HoldState::Pending { approvals: 0 };
    assert_eq!(states(&seen.holds), [pending, pending]);
    let voted = fay.vote(&seen, true, "").await.expect("taken");
    assert_eq!(states(&voted.holds), [HoldState::Approved, pending]);
    let without = TWO_HOLDS.lines().filter(|line| !line.contains("money")).collect::<Vec<_>>().join("\n");
    std::fs::write(&house.gateway.config().policies[0], without).expect("written");
    house.client(None, "").reload().await.expect("loaded");
    assert_eq!(states(&bob.approval(house.number).await.expect("seen").holds), [HoldState::Gone, pending]);
    let voted = bob.vote(&seen, false, "").await.expect("taken");
    assert_eq!(states(&voted.holds), [HoldState::Gone, HoldState::Refused]);
    house.held.wait().await.expect_err("refused");
    let over = bob.approval(house.number).await.expect("seen");
    assert_eq!(states(&over.holds), [HoldState::Over; 1]);
}

#[tokio::test]
async fn a_refusal_ends_it_whatever_the_other_holds_wait_for() {
    let mut house = House::with(TWO_HOLDS, Principal::human("ana", ["eng"]), true).await;
    for user in ["bob", "fay"] {
        let client = house.client(Some(user), PASSWORD);
        let seen = client.approval(house.number).await.expect("seen");
        client.vote(&seen, false, "no").await.expect("taken");
        let soon = tokio::time::timeout(std::time::Duration::from_secs(5), house.held.wait()).await;
        let refused = soon.expect("it is over").expect_err("refused");
        assert!(refused.message.contains(&format!("refused by {user}")), "{}", refused.message);
        house = House::with(TWO_HOLDS, Principal::human("ana", ["eng"]), true).await;
    }
}

#[tokio::test]
async fn a_vote_that_is_not_taken_does_not_stand_in_evidence_as_one_that_counts() {
    let mut house = House::with(TWO_HOLDS, Principal::human("ana", ["eng"]), true).await;
    let (bob, cat) = (house.client(Some("bob"), PASSWORD), house.client(Some("cat"), PASSWORD));
    let seen = bob.approval(house.number).await.expect("seen");
    bob.vote(&seen, true, "").await.expect("taken");
    assert_eq!(word(&bob.vote(&seen, true, "").await), 409);
    assert_eq!(
        house.votes("bob"),
        [None, Some("you have approved approval 1 already, and a person's vote counts once".into())]
    );
    // At once, so that neither sees the other's before it is recorded.
    let both = tokio::join!(cat.vote(&seen, true, ""), cat.vote(&seen, true, ""));
    assert_eq!(word(&both.0) + word(&both.1), 200 + 409, "{both:?}");
    let ignored = house.votes("cat").into_iter().flatten().collect::<Vec<_>>();
    assert!(matches!(&*ignored, [why] if why.contains("approved approval 1 already")), "{ignored:?}");
    let fay = house.client(Some("fay"), PASSWORD);
    fay.vote(&seen, true, "").await.expect("taken");
    house.held.wait().await.expect("released");
    let spent = bob.approval(house.number).await.expect("seen");
    assert_eq!(word(&bob.vote(&spent, false, "").await), 409);
    let why = house.votes("bob").pop().flatten().expect("a vote that came too late");
    assert!(why.contains("is over"), "{why}");
}

#[tokio::test]
async fn a_vote_after_the_end_counts_nowhere() {
    let mut house = House::new(true).await;
    let bob = house.client(Some("bob"), PASSWORD);
    let seen = bob.approval(house.number).await.expect("seen");
    // Nobody has noticed yet that it is over.
    house.ahead.store(15 * 60 * 1000, Ordering::Relaxed);
    let late = bob.vote(&seen, true, "").await.expect_err("too late").to_string();
    assert!(late.contains("approval 1 is over"), "{late}");
    assert!(
        matches!(&*house.votes("bob"), [Some(why)] if why.contains("is over")),
        "{:?}",
        house.votes("bob")
    );
    assert_eq!(bob.approval(house.number).await.expect("seen").votes, []);
    let expired = house.held.wait().await.expect_err("expired");
    assert!(expired.message.contains("expired"), "{}", expired.message);
}

#[tokio::test]
async fn reviewers_see_whom_an_agent_asks_for() {
    let agent = Principal {
        kind: PrincipalKind::Agent,
        owner: Some("ana".into()),
        ..Principal::human("anas-agent", ["sre"])
    };
    let house = House::with(&POLICY.replace("\"eng\"", "\"sre\""), agent, true).await;
    let view = house.client(Some("bob"), PASSWORD).approval(house.number).await.expect("seen");
    assert_eq!((&*view.principal, view.owner.as_deref()), ("anas-agent", Some("ana")));
}

#[tokio::test]
async fn a_vote_on_something_else_than_was_seen_is_refused() {
    let house = House::new(true).await;
    let bob = house.client(Some("bob"), PASSWORD);
    let mut seen = bob.approval(house.number).await.expect("seen");
    seen.fingerprint = "0".repeat(64);
    assert_eq!(word(&bob.vote(&seen, true, "").await), 409);
}

#[tokio::test]
async fn wrong_passwords_slow_down() {
    let house = House::new(true).await;
    let wrong = house.client(Some("bob"), "wrong horse");
    for expected in [401, 401, 401, 401, 429] {
        assert_eq!(word(&wrong.approvals(false).await), expected);
    }
    let right = house.client(Some("bob"), PASSWORD);
    assert_eq!(word(&right.approvals(false).await), 429, "the right password does not skip the queue");
    assert_eq!(word(&house.client(Some("ana"), PASSWORD).approvals(false).await), 200);
    let unknown = house.client(Some("nobody"), PASSWORD);
    assert_eq!(word(&unknown.approvals(false).await), 401);
}

#[tokio::test]
async fn a_revocation_reaches_the_session() {
    let house = House::new(true).await;
    let operator = house.client(None, "");
    let sessions = operator.sessions().await.expect("listed");
    assert_eq!((sessions.len(), sessions[0].principal.as_str(), sessions[0].here), (1, "ana", true));
    let order =
        Revoke { session: Some(sessions[0].id.clone()), reason: "lost laptop".into(), ..Revoke::default() };
    let acknowledged = std::time::Instant::now();
    assert_eq!(operator.revoke(&order).await.expect("revoked").sessions, [sessions[0].id.clone()]);
    house._session.stop().wait().await;
    assert!(acknowledged.elapsed() < std::time::Duration::from_secs(1));
    for wrong in [
        Revoke::default(),
        Revoke { session: Some("x".into()), ..Revoke::default() },
        Revoke { user: Some("a".into()), session: Some("b".into()), ..Revoke::default() },
    ] {
        assert_eq!(word(&operator.revoke(&wrong).await), 400, "{wrong:?}");
    }
    let absent = Revoke { session: Some("0".repeat(16)), ..Revoke::default() };
    assert_eq!(word(&operator.revoke(&absent).await), 404);
}

#[tokio::test]
async fn a_broken_policy_keeps_the_old_one() {
    let house = House::new(true).await;
    let operator = house.client(None, "");
    let before = operator.status().await.expect("answered").policy;
    let file = house.gateway.config().policies[0].clone();
    std::fs::write(&file, "deny \"x\" { on postgers }").expect("written");
    let Err(ClientError::Refused { status: 422, message }) = operator.reload().await else { panic!("taken") };
    assert!(message.contains("postgers"), "{message}");
    assert_eq!(operator.status().await.expect("answered").policy, before);
    std::fs::write(file, format!("{POLICY}\ndeny \"x\" {{ on postgres  do drop }}")).expect("written");
    let after = operator.reload().await.expect("loaded").policy;
    assert_eq!((after.generation, after.rules), (before.generation + 1, before.rules + 1));
}

#[tokio::test]
async fn one_gateway_a_socket() {
    let mut house = House::new(true).await;
    assert!(matches!(ControlServer::start(&house.gateway), Err(ServeError::Taken(_))));
    house.server = None;
    let path = &house.gateway.config().control.clone();
    assert!(!path.exists());
    assert!(matches!(house.client(None, "").status().await, Err(ClientError::NotRunning(_))));
    drop(std::os::unix::net::UnixListener::bind(path).expect("what a killed gateway leaves"));
    let _server = ControlServer::start(&house.gateway).expect("a stale socket is replaced");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let house = House::new(true).await;
    for (line, status) in [
        ("GET /v2/status", StatusCode::NOT_FOUND),
        ("GET /v1/", StatusCode::NOT_FOUND),
        ("GET /v1/approvals/x", StatusCode::NOT_FOUND),
        ("GET /v1/approvals/1/vote/x", StatusCode::NOT_FOUND),
        ("GET /v1/revoke", StatusCode::METHOD_NOT_ALLOWED),
        ("POST /v1/status", StatusCode::METHOD_NOT_ALLOWED),
        ("POST /v1/revoke", StatusCode::BAD_REQUEST),
    ] {
        let path = house.gateway.config().control.clone();
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        let answer = tokio::task::spawn_blocking(move || {
            use std::io::{Read, Write};
            let mut stream = std::os::unix::net::UnixStream::connect(path).expect("connected");
            stream.write_all(request.as_bytes()).expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("answered");
            answer
        })
        .await
        .expect("answered");
        assert!(answer.starts_with(&format!("HTTP/1.1 {}", status.as_u16())), "{line}: {answer}");
    }
}

#[tokio::test]
async fn a_watcher_sees_what_happens_and_ends_it_in_their_name() {
    let mut house = House::new(false).await;
    let id = house._session.id().to_string();
    let bob = house.client(Some("bob"), PASSWORD);
    let mut watching = bob.watch(&id).await.expect("bob reviews such sessions");
    let Some(Told::Session { principal, watchers, .. }) = watching.next().await.expect("told") else {
        panic!("no header")
    };
    assert_eq!((principal.as_str(), watchers.as_slice()), ("ana", &["bob".to_owned()][..]));
    house.refused_command().await;
    let Some(Told::Event { event, .. }) = watching.next().await.expect("told") else { panic!("no event") };
    assert!(matches!(event, Event::Command { text, .. } if text == "drop table t"));
    bob.end(&id, "that was enough").await.expect("ended");
    assert_eq!(house._session.stop().wait().await.to_string(), "session revoked by bob: that was enough");
    drop(watching);
    let gone = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !house.evidence().iter().any(|line| line.contains("watch_ended")) {
        assert!(std::time::Instant::now() < gone, "{:?}", house.evidence());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let evidence = house.evidence();
    let at = |what: &str| evidence.iter().position(|line| line.contains(what) && line.contains("bob"));
    assert!(at("watch_began") < at("watch_ended") && at("watch_began").is_some());
}

#[tokio::test]
async fn a_watcher_who_may_not_any_more_loses_the_watch() {
    let house = House::new(false).await;
    let bob = house.client(Some("bob"), PASSWORD);
    let mut watching = bob.watch(&house._session.id().to_string()).await.expect("watching");
    watching.next().await.expect("a header");
    house
        .gateway
        .store()
        .ask(|store| {
            let mut user = store.user("bob")?.expect("a user");
            user.groups.clear();
            store.put_user(&user)
        })
        .await
        .expect("stored");
    let told = tokio::time::timeout(std::time::Duration::from_secs(10), watching.next()).await;
    let Ok(Ok(Some(Told::Over { reason }))) = told else { panic!("{told:?}") };
    assert!(reason.contains("may not"), "{reason}");
}

#[tokio::test]
async fn watchers_leave_room_for_other_requests() {
    let house = House::new(true).await;
    let operator = house.client(None, "");
    let id = house._session.id().to_string();
    let mut watches = Vec::new();
    for _ in 0..watch::WATCHES {
        watches.push(operator.watch(&id).await.expect("watching"));
    }
    assert_eq!(word(&operator.watch(&id).await), 503);
    assert_eq!(word(&operator.status().await), 200);
}
