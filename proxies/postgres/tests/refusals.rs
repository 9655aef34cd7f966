//! A refused command: the client gets the error where it belongs, the target's transaction fails with it, and
//! the session goes on. The rule is a toy: a statement that contains `forbidden` is refused, one with `held` waits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::Gateway;
use common::raw::{extended, query, shape, sync};
use portcullis_postgres::refuse::{Refusal, SqlState};
use portcullis_postgres::relay::{ClientFrame, Disposition, Judge, Leave, Transparent, View};
use portcullis_postgres::wire::frontend::Frontend;
use portcullis_postgres::{Opening, Policing};
use portcullis_testkit::Database;
use portcullis_testkit::peer::{Raw, message};
use tokio::sync::{Notify, Semaphore};

/// What the toy's tests watch and steer.
#[derive(Default)]
struct Toy {
    /// Commands that were put to the judge.
    judged: AtomicUsize,
    /// A unit for each held command that may go.
    released: Arc<Released>,
    stop: Arc<Notify>,
}

struct Released(Semaphore);

impl Default for Released {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

#[derive(Clone)]
struct ToyPolicing(Arc<Toy>);

struct ToyJudge(Arc<Toy>);

impl Policing for ToyPolicing {
    type Judge = ToyJudge;
    type Veil = Transparent;

    async fn open(&self, _: Opening<'_>) -> Result<(ToyJudge, Transparent), Refusal> {
        Ok((ToyJudge(self.0.clone()), Transparent))
    }
}

impl Judge for ToyJudge {
    type Plan = ();
    type Held = ();

    async fn on_client_frame(&mut self, frame: ClientFrame<'_>, _: View) -> Disposition<(), ()> {
        self.0.judged.fetch_add(1, Ordering::SeqCst);
        let text = String::from_utf8_lossy(frame.body);
        let is_statement = matches!(frame.kind, Frontend::Query | Frontend::Parse | Frontend::Bind);
        if is_statement && text.contains("forbidden") {
            // Judged after a trip to somewhere else, as a look-up in a catalogue would be.
            tokio::task::yield_now().await;
            return Disposition::Refuse(
                Refusal::new(SqlState::DENIED, "the toy forbids it").hint("ask nicely"),
            );
        }
        if is_statement && text.contains("held") {
            return Disposition::Hold(Refusal::new(SqlState(*b"00000"), "waiting for approval 7"), ());
        }
        Disposition::Forward(Leave::unjudged(), ())
    }

    async fn on_hold(&mut self, (): &mut ()) -> Disposition<(), Infallible> {
        self.0.released.0.acquire().await.unwrap().forget();
        Disposition::Forward(Leave::unjudged(), ())
    }

    fn stopped(&self) -> impl Future<Output = Refusal> + Send + 'static {
        let stop = self.0.stop.clone();
        async move {
            stop.notified().await;
            Refusal::new(SqlState::SHUTDOWN, "the session was revoked")
        }
    }
}

struct Scene {
    database: Database,
    gateway: Gateway,
    toy: Arc<Toy>,
}

impl Scene {
    async fn new() -> Self {
        let database = Database::create().await;
        let toy = Arc::new(Toy::default());
        let (settings, authority) = common::settings(common::target(&database));
        let gateway = common::start(settings, &authority, ToyPolicing(toy.clone()));
        database.direct().await.batch_execute("CREATE TABLE t (a int)").await.unwrap();
        Self { database, gateway, toy }
    }

    async fn rows(&self) -> i64 {
        self.database.direct().await.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0)
    }

    fn raw(&self) -> Raw {
        common::raw::session(&self.gateway)
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_the_session_goes_on() {
    let scene = Scene::new().await;
    let told = common::run(scene.gateway.program("psql").args([
        "-XAtq",
        "-c",
        "SELECT 'forbidden'",
        "-c",
        "SELECT 'still here'",
    ]));
    assert!(told.contains("ERROR:  the toy forbids it\nHINT:  ask nicely"), "{told}");
    assert!(told.contains("still here"), "{told}");
    let client = scene.gateway.client().await;
    let error = client.query("SELECT 'forbidden'", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42501");
    assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
}

#[tokio::test]
async fn simple_protocol_a_denial_in_a_transaction_rolls_it_back() {
    let scene = Scene::new().await;
    let mut raw = scene.raw();
    let mut shapes = Vec::new();
    for text in ["BEGIN", "INSERT INTO t VALUES (1)", "SELECT 'forbidden'", "SELECT 1", "COMMIT"] {
        raw.send(&query(text));
        shapes.push(shape(&raw.until(b'Z')));
    }
    assert_eq!(shapes, ["C Z(T)", "C Z(T)", "E(denied) Z(E)", "E Z(E)", "C Z(I)"]);
    assert_eq!(scene.rows().await, 0);
}

#[tokio::test]
async fn simple_protocol_queries_sent_ahead_keep_their_places() {
    let scene = Scene::new().await;
    let mut raw = scene.raw();
    let all = [
        "BEGIN",
        "INSERT INTO t VALUES (1)",
        "SELECT 'forbidden'",
        "COMMIT",
        "SELECT 'forbidden'",
        "SELECT 1",
    ];
    raw.send(&all.map(query).concat());
    let shapes: Vec<_> = all.iter().map(|_| shape(&raw.until(b'Z'))).collect();
    assert_eq!(
        shapes,
        ["C Z(T)", "C Z(T)", "E(denied) Z(E)", "C Z(I)", "E(denied) Z(I)", "T D C Z(I)"],
        "each answer in its place"
    );
    assert_eq!(scene.rows().await, 0);
}

#[tokio::test]
async fn extended_protocol_a_denial_in_a_transaction_rolls_it_back() {
    let scene = Scene::new().await;
    let mut raw = scene.raw();
    let mut shapes = Vec::new();
    for text in ["BEGIN", "INSERT INTO t VALUES (1)", "SELECT 'forbidden'", "SELECT 1", "COMMIT"] {
        raw.send(&[extended(text), sync()].concat());
        shapes.push(shape(&raw.until(b'Z')));
    }
    assert_eq!(shapes, ["1 2 C Z(T)", "1 2 C Z(T)", "E(denied) Z(E)", "E Z(E)", "1 2 C Z(I)"]);
    assert_eq!(scene.rows().await, 0);
}

#[tokio::test]
async fn a_denial_in_a_pipeline_fails_its_implicit_transaction() {
    let scene = Scene::new().await;
    let mut raw = scene.raw();
    // Up to Sync it is one transaction: what came before the refusal must not stay, what comes after must not run.
    raw.send(
        &[
            extended("INSERT INTO t VALUES (1)"),
            extended("SELECT 'forbidden'"),
            extended("INSERT INTO t VALUES (2)"),
            sync(),
            extended("SELECT 1"),
            sync(),
        ]
        .concat(),
    );
    assert_eq!(shape(&raw.until(b'Z')), "1 2 C E(denied) Z(I)");
    assert_eq!(shape(&raw.until(b'Z')), "1 2 D C Z(I)");
    assert_eq!(scene.rows().await, 0);
    // The same when the replies before it were fetched by a Flush, so that nothing is owed any more.
    raw.send(&[extended("INSERT INTO t VALUES (1)"), message(b'H', b"")].concat());
    assert_eq!(shape(&raw.until(b'C')), "1 2 C");
    raw.send(&[extended("SELECT 'forbidden'"), sync()].concat());
    assert_eq!(shape(&raw.until(b'Z')), "E(denied) Z(I)");
    assert_eq!(scene.rows().await, 0);
}

#[tokio::test]
async fn a_pipeline_with_its_own_begin_and_commit_ends_in_a_rollback() {
    let scene = Scene::new().await;
    let mut raw = scene.raw();
    let all = ["BEGIN", "INSERT INTO t VALUES (1)", "SELECT 'forbidden'", "COMMIT"];
    // Each statement with a Sync of its own, all sent at once.
    raw.send(&all.map(|text| [extended(text), sync()].concat()).concat());
    let shapes: Vec<_> = all.iter().map(|_| shape(&raw.until(b'Z'))).collect();
    assert_eq!(shapes, ["1 2 C Z(T)", "1 2 C Z(T)", "E(denied) Z(E)", "1 2 C Z(I)"]);
    assert_eq!(scene.rows().await, 0);
}

#[tokio::test]
async fn after_a_refusal_nothing_is_judged_up_to_sync() {
    let scene = Scene::new().await;
    let mut raw = scene.raw();
    raw.send(&[extended("SELECT 'forbidden'"), extended("SELECT 1"), query("SELECT 2"), sync()].concat());
    assert_eq!(shape(&raw.until(b'Z')), "E(denied) Z(I)");
    assert_eq!(scene.toy.judged.load(Ordering::SeqCst), 1);
    // As after an error of the target's own.
    raw.send(&[extended("SELECT nonsense"), message(b'H', b"")].concat());
    assert_eq!(shape(&raw.until(b'E')), "E");
    let before = scene.toy.judged.load(Ordering::SeqCst);
    raw.send(&[extended("SELECT 1"), query("SELECT 2"), sync(), query("SELECT 3")].concat());
    assert_eq!(shape(&raw.until(b'Z')), "Z(I)");
    assert_eq!(shape(&raw.until(b'Z')), "T D C Z(I)");
    assert_eq!(scene.toy.judged.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn an_earlier_error_of_the_target_swallows_the_refusal_behind_it() {
    let scene = Scene::new().await;
    let mut raw = scene.raw();
    raw.send(
        &[extended("SELECT nonsense"), extended("SELECT 'forbidden'"), sync(), query("SELECT 1")].concat(),
    );
    assert_eq!(shape(&raw.until(b'Z')), "E Z(I)");
    assert_eq!(shape(&raw.until(b'Z')), "T D C Z(I)");
}

#[tokio::test]
async fn a_failed_copy_in_extended_mode_leaves_no_doubt_about_what_comes_next() {
    let scene = Scene::new().await;
    let mut raw = scene.raw();
    // As libpq does it: a Sync behind the COPY, which the target swallows, and another behind the data.
    raw.send(&[extended("COPY t FROM STDIN"), sync()].concat());
    assert_eq!(shape(&raw.until(b'G')), "1 2 G");
    raw.send(&[message(b'd', b"no number\n"), message(b'c', b""), sync()].concat());
    assert_eq!(shape(&raw.until(b'Z')), "E Z(I)");
    raw.send(&query("SELECT 'forbidden'"));
    assert_eq!(shape(&raw.until(b'Z')), "E(denied) Z(I)");
    // And one that succeeds, with a Sync in its middle.
    raw.send(&[extended("COPY t FROM STDIN"), sync()].concat());
    assert_eq!(shape(&raw.until(b'G')), "1 2 G");
    raw.send(&[message(b'd', b"1\n"), sync(), message(b'd', b"2\n"), message(b'c', b""), sync()].concat());
    assert_eq!(shape(&raw.until(b'Z')), "C Z(I)");
    raw.send(&[extended("SELECT 'forbidden'"), sync(), query("SELECT 1")].concat());
    assert_eq!(shape(&raw.until(b'Z')), "E(denied) Z(I)");
    assert_eq!(shape(&raw.until(b'Z')), "T D C Z(I)");
    assert_eq!(scene.rows().await, 2);
}

#[tokio::test]
async fn data_behind_a_refused_copy_goes_nowhere() {
    let scene = Scene::new().await;
    let mut raw = scene.raw();
    raw.send(&query("COPY t FROM STDIN -- forbidden"));
    raw.send(&[message(b'd', b"1\n"), message(b'c', b""), query("SELECT 1")].concat());
    assert_eq!(shape(&raw.until(b'Z')), "E(denied) Z(I)");
    assert_eq!(shape(&raw.until(b'Z')), "T D C Z(I)");
    assert_eq!(scene.rows().await, 0);
}

#[tokio::test]
async fn function_calls_are_refused_and_what_was_begun_fails() {
    let scene = Scene::new().await;
    let mut raw = scene.raw();
    raw.send(&message(b'F', b"\0\0\0\x01\0\0\0\0\0\0"));
    assert_eq!(shape(&raw.until(b'Z')), "E Z(I)");
    raw.send(&[query("BEGIN"), message(b'F', b"\0\0\0\x01\0\0\0\0\0\0"), query("COMMIT")].concat());
    assert_eq!(shape(&raw.until(b'Z')), "C Z(T)");
    assert_eq!(shape(&raw.until(b'Z')), "E Z(E)");
    assert_eq!(shape(&raw.until(b'Z')), "C Z(I)");
}

#[tokio::test]
async fn messages_over_the_cap_are_refused_and_their_bytes_dropped() {
    let scene = Scene::new().await;
    let mut raw = scene.raw();
    let long = format!("SELECT '{}'", "x".repeat(2 << 20));
    raw.send(&[query(&long), query("SELECT 1")].concat());
    assert_eq!(shape(&raw.until(b'Z')), "E Z(I)");
    assert_eq!(shape(&raw.until(b'Z')), "T D C Z(I)");
    raw.send(&[extended(&long), sync(), query("SELECT 1")].concat());
    assert_eq!(shape(&raw.until(b'Z')), "E Z(I)");
    assert_eq!(shape(&raw.until(b'Z')), "T D C Z(I)");
    assert_eq!(scene.toy.judged.load(Ordering::SeqCst), 2, "none of the long ones");
}

#[tokio::test]
async fn a_held_command_waits_in_its_place_and_goes_on_when_released() {
    let scene = Scene::new().await;
    let mut raw = scene.raw();
    raw.send(
        &[query("INSERT INTO t VALUES (1)"), query("SELECT 'held'"), query("INSERT INTO t VALUES (2)")]
            .concat(),
    );
    // What was sent before is answered; the notice comes before or after that, but never inside a message.
    let mut told = raw.until(b'N');
    if told.len() == 1 {
        told.extend(raw.until(b'Z'));
    }
    assert_eq!(shape(&told).replace("N", "").trim(), "C Z(I)");
    assert_eq!(scene.rows().await, 1, "what is behind waits too");
    scene.toy.released.0.add_permits(1);
    assert_eq!(shape(&raw.until(b'Z')), "T D C Z(I)");
    assert_eq!(shape(&raw.until(b'Z')), "C Z(I)");
    assert_eq!(scene.rows().await, 2);
}

#[tokio::test]
async fn a_cancel_request_ends_a_hold_with_an_error() {
    let scene = Scene::new().await;
    let client = scene.gateway.client().await;
    let cancel = client.cancel_token();
    let judged = scene.toy.clone();
    let waiting = tokio::spawn(async move {
        let error = client.batch_execute("SELECT 'held'").await.unwrap_err();
        (client, error)
    });
    while judged.judged.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // The hold begins within the same wake-up of the session's task as the judging; a request too early goes to
    // the idle target, which ignores it.
    while !waiting.is_finished() {
        cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
        tokio::task::yield_now().await;
    }
    let (client, error) = waiting.await.unwrap();
    assert_eq!(error.code().unwrap().code(), "57014");
    assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
}

#[tokio::test]
async fn a_stopped_session_ends_its_running_query_and_says_why() {
    let scene = Scene::new().await;
    let direct = scene.database.direct().await;
    let client = scene.gateway.client().await;
    let running = tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(60), 'revoke me'").await });
    let asleep =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%revoke me%'
                  AND pid <> pg_backend_pid() AND datname = current_database()";
    let count = async || direct.query_one(asleep, &[]).await.unwrap().get::<_, i64>(0);
    while count().await == 0 {
        tokio::task::yield_now().await;
    }
    scene.toy.stop.notify_one();
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57P01");
    while count().await > 0 {
        tokio::task::yield_now().await;
    }
}
