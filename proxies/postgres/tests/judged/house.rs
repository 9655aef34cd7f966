//! A whole gateway in front of the run's PostgreSQL: its policy, its users, its reviewers, its evidence.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use policy_core::PrincipalKind;
use portcullis_evidence::Record;
use portcullis_evidence::recording::{self, Event};
use portcullis_gateway::config::Config;
use portcullis_gateway::control::{ApprovalView, Client, ControlServer, Credentials, Revoke};
use portcullis_gateway::credential::Secret;
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::identity::Verifier;
use portcullis_gateway::start::StartError;
use portcullis_gateway::store::User;
use portcullis_testkit::peer::{Raw, message, startup};
use portcullis_testkit::{Database, Postgres};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::common::PASSWORD;
use crate::common::raw::log_in;
use crate::reply::Reply;

/// The shop's policy, and what these tests need besides.
pub const POLICY: &str = concat!(
    include_str!("../../../../examples/shop/policies/production.policy"),
    r#"
allow "tests: a pause" { by group "eng"  on postgres  do call on "pg_catalog.pg_sleep" }
allow "tests: fraud"   { by group "fraud"  on postgres  do select on "public.*" }
hold "tests: the ledger" {
  by group "eng"  on postgres  do insert on "public.ledger"
  until 1 of oncall approve within 15m
}
hold "tests: in haste" {
  by group "eng"  on postgres  do insert on "public.hasty"
  until 1 of oncall approve within 1s
}
"#
);

/// The shop's data, and what these tests need besides.
const TABLES: &str = concat!(
    include_str!("../../../../examples/shop/shop.sql"),
    "CREATE TABLE ledger (note text);
     CREATE TABLE ledger2 (n int);
     CREATE TABLE hasty (note text);
     CREATE TABLE numbers (n int);
     INSERT INTO numbers SELECT generate_series(1, 300);
     CREATE SCHEMA other;
     CREATE TABLE other.orders (id int, item text);
     INSERT INTO other.orders VALUES (1, 'secret');
     CREATE FUNCTION public.bump() RETURNS int VOLATILE LANGUAGE sql AS 'SELECT 1';"
);

/// A gateway that serves until this is dropped.
pub struct House {
    gateway: Option<Gateway>,
    pub address: SocketAddr,
    pub database: Database,
    serving: Option<JoinHandle<()>>,
    /// What the gateway runs on; its end ends what the gateway left running.
    proxy: Background,
    control: Option<ControlServer>,
    directory: tempfile::TempDir,
    runtime: Background,
    limits: &'static str,
}

impl House {
    /// A house of a test's own, under [`POLICY`].
    pub fn new() -> Self {
        Self::with_limits("")
    }

    /// The same with these lines under `[limits]`.
    pub fn with_limits(limits: &'static str) -> Self {
        let runtime = Background::start();
        let database = runtime.block_on(Database::create());
        runtime.block_on(async { database.direct().await.batch_execute(TABLES).await.unwrap() });
        let directory = tempfile::tempdir().unwrap();
        let address = ([127, 0, 0, 1], 0).into();
        let proxy = Background::start();
        let mut house = Self {
            gateway: None,
            address,
            database,
            serving: None,
            proxy,
            control: None,
            directory,
            runtime,
            limits,
        };
        private(&house.path("password"), &house.database.server.password);
        house.write_policy(POLICY);
        house.start();
        for (name, group) in [("ana", "eng"), ("ben", "sre"), ("carl", "fraud")] {
            house.add_user(name, group);
        }
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn config(&self) -> Config {
        let (port, database) = (self.database.server.port, &self.database.name);
        let text = format!(
            "policies = [\"test.policy\"]\n[listen]\npostgres = \"127.0.0.1:0\"\n[tls]\nrequired = false\n[[target]]\n\
             name = \"shop\"\nprotocol = \"postgres\"\naddress = \"127.0.0.1:{port}\"\ndatabase = \"{database}\"\n\
             user = \"{}\"\ncredential = {{ file = \"password\" }}\ntls = {{ mode = \"disable\" }}\n\
             labels = {{ env = \"prod\" }}\n[limits]\n{}\n",
            Postgres::SUPERUSER,
            self.limits
        );
        Config::parse(&self.path("portcullis.toml"), &text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn start(&mut self) {
        let began = std::time::Instant::now();
        let gateway = loop {
            match Gateway::start(self.config()) {
                Ok(gateway) => break gateway,
                // The threads of the one before have been told to end, and are about to.
                Err(StartError::Evidence(_)) if began.elapsed().as_secs() < 10 => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        };
        let proxy =
            self.proxy.block_on(portcullis_postgres::serve(&gateway)).unwrap_or_else(|e| panic!("{e}"));
        self.address = proxy.addresses().unwrap()[0];
        self.serving = Some(self.proxy.spawn(async move { proxy.run().await.unwrap() }));
        self.control = Some(ControlServer::start(&gateway).unwrap_or_else(|error| panic!("{error}")));
        self.gateway = Some(gateway);
    }

    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    fn add_user(&self, name: &str, group: &str) {
        let user = User {
            name: name.into(),
            verifier: Verifier::new(name, PASSWORD).unwrap().to_string(),
            kind: PrincipalKind::Human,
            groups: vec![group.into()],
            person: None,
            owner: None,
            disabled: false,
            keys: Vec::new(),
        };
        self.runtime
            .block_on(self.gateway().store().ask(move |store| store.put_user(&user)))
            .expect("a user is added");
    }

    /// Stops accepting, as the first SIGTERM does.
    pub fn stop_accepting(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = self.runtime.block_on(serving);
        }
    }

    /// Ends the gateway with all its sessions, and starts another in its place.
    pub fn restart(&mut self) {
        self.stop_accepting();
        self.control = None;
        let gateway = self.gateway.take().unwrap();
        self.runtime.block_on(gateway.drain(std::time::Duration::ZERO));
        gateway.close("restarted by a test").unwrap();
        drop(gateway);
        self.proxy = Background::start();
        self.start();
    }

    fn write_policy(&self, text: &str) {
        std::fs::write(self.path("test.policy"), text).unwrap();
    }

    /// Another policy comes into force.
    pub fn police(&self, text: &str) {
        self.write_policy(text);
        self.gateway().policies().reload().unwrap_or_else(|error| panic!("{error}"));
    }

    /// A session of a user on `shop`.
    pub fn log_in(&self, user: &str) -> Person {
        self.log_in_with(&[("user", user), ("database", "shop")])
    }

    /// A session with these startup parameters.
    pub fn log_in_with(&self, parameters: &[(&str, &str)]) -> Person {
        let mut raw = Raw::connect(self.address);
        raw.send(&startup(parameters));
        let greeting = log_in(&mut raw);
        let key = greeting.into_iter().find(|(tag, _)| *tag == b'K').unwrap().1;
        Person { raw, key, address: self.address }
    }

    fn client(&self) -> Client {
        Client::new(self.gateway().config().control.clone())
    }

    /// The command that waits.
    pub fn waiting(&self) -> ApprovalView {
        let found = self.runtime.block_on(self.client().approvals(false)).unwrap();
        found.into_iter().next().expect("a command that waits")
    }

    /// The state of an approval.
    pub fn state(&self, number: u64) -> String {
        self.runtime.block_on(self.client().approval(number)).unwrap().state
    }

    /// ben votes.
    pub fn vote(&self, seen: &ApprovalView, approve: bool) {
        let credentials =
            Credentials { user: "ben".into(), password: Secret::new(PASSWORD.as_bytes().to_vec()) };
        let client = self.client().as_user(credentials);
        self.runtime
            .block_on(client.vote(seen, approve, "not on a Friday"))
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Ends a user's sessions.
    pub fn revoke(&self, user: &str) {
        let revoke = Revoke { session: None, user: Some(user.into()), reason: "left the company".into() };
        self.runtime.block_on(self.client().revoke(&revoke)).unwrap_or_else(|error| panic!("{error}"));
    }

    pub fn drain(&self, patience: std::time::Duration) {
        self.runtime.block_on(self.gateway().drain(patience));
    }

    /// What the target says past any gateway: the first column of the rows.
    pub fn direct(&self, sql: &str) -> String {
        let messages = self.runtime.block_on(async {
            self.database.direct().await.simple_query(sql).await.unwrap_or_else(|error| panic!("{error}"))
        });
        let row = |message: &tokio_postgres::SimpleQueryMessage| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        };
        messages.iter().filter_map(row).collect::<Vec<_>>().join(" ")
    }

    /// The records of the audit log about commands and approvals, oldest first, each in short.
    pub fn evidence(&self) -> Vec<String> {
        let entries = portcullis_evidence::entries(&self.gateway().config().evidence).unwrap();
        entries.filter_map(|entry| short(&entry.unwrap().record)).collect()
    }

    /// What the audit log says of messages that no policy was asked about: what, the decision, why, and whether there is
    /// a digest.
    pub fn unjudged(&self) -> Vec<String> {
        let entries = portcullis_evidence::entries(&self.gateway().config().evidence).unwrap();
        let unjudged = |record: &Record<'_>| match record {
            Record::Refusal(refusal) => Some(format!(
                "{} {:?} {}{}",
                refusal.what,
                refusal.decision,
                refusal.reason,
                if refusal.digest.is_some() { " #" } else { "" }
            )),
            _ => None,
        };
        entries.filter_map(|entry| unjudged(&entry.unwrap().record)).collect()
    }

    /// The events of all recordings of sessions that are over.
    pub fn recorded(&self) -> Vec<Event<'static>> {
        let evidence = &self.gateway().config().evidence;
        let sessions = recording::sessions(evidence).unwrap();
        let files = sessions.iter().filter_map(|session| recording::find(evidence, session));
        files.flat_map(|file| recording::Reader::open(&file).unwrap()).map(|played| played.event).collect()
    }

    /// What the audit log says the gateway made itself, oldest first.
    pub fn made(&self) -> Vec<String> {
        let entries = portcullis_evidence::entries(&self.gateway().config().evidence).unwrap();
        let made = |record: &Record<'_>| match record {
            Record::GatewayBytes(bytes) => Some(format!("{:?}", bytes.made)),
            _ => None,
        };
        entries.filter_map(|entry| made(&entry.unwrap().record)).collect()
    }
}

impl House {
    /// Waits until the audit log has a line of [`House::evidence`] that begins like this: sessions write their
    /// last lines a moment after their client has its answer.
    pub fn told(&self, beginning: &str) {
        let began = std::time::Instant::now();
        while !self.evidence().iter().any(|line| line.starts_with(beginning)) {
            let waited = began.elapsed().as_secs();
            assert!(waited < 10, "no `{beginning}` in {:#?}", self.evidence());
            std::thread::yield_now();
        }
    }

    /// Asks the target directly until it answers this.
    pub fn becomes(&self, sql: &str, expected: &str) {
        let began = std::time::Instant::now();
        loop {
            let now = self.direct(sql);
            if now == expected {
                return;
            }
            assert!(began.elapsed().as_secs() < 10, "`{sql}` is {now}, not {expected}");
        }
    }
}

fn short(record: &Record<'_>) -> Option<String> {
    Some(match record {
        Record::Held(held) => format!("held {}", held.approval),
        Record::Vote(vote) => format!("vote {}", vote.approval),
        Record::Released(released) => format!("released {}", released.approval),
        Record::Expired(expired) => format!("expired {}", expired.approval),
        Record::Withdrawn(withdrawn) => format!("withdrawn {}: {}", withdrawn.approval, withdrawn.reason),
        Record::SessionClosed(closed) => format!("closed {}", closed.reason),
        Record::GatewayBytes(made) => format!("made {:?}", made.made),
        Record::Limit(limit) => format!("limit {}", limit.rule),
        Record::Outcome(outcome) => {
            format!("outcome {:?} {:?} {:?}", outcome.result, outcome.rows, outcome.error)
        }
        _ => return None,
    })
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A runtime on a thread of its own, so that tests themselves may block.
struct Background {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

impl Background {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::spawn(move || runtime.block_on(stopped));
        Self { handle, _stop: stop }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.handle.spawn(future)
    }
}

/// Somebody with a session.
pub struct Person {
    pub raw: Raw,
    key: Vec<u8>,
    address: SocketAddr,
}

impl Person {
    /// The answer to a simple query.
    pub fn ask(&mut self, sql: &str) -> Reply {
        self.send(&crate::common::raw::query(sql));
        self.reply()
    }

    /// The answer to a statement in the extended protocol, without a Describe.
    pub fn ask_extended(&mut self, sql: &str) -> Reply {
        self.send(&[crate::common::raw::extended(sql), crate::common::raw::sync()].concat());
        self.reply()
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.raw.send(bytes);
    }

    /// Sends a Sync; the shape of all up to its ReadyForQuery.
    pub fn raw_reply_to_sync(&mut self) -> String {
        self.send(&say::sync());
        self.reply().shape()
    }

    /// Everything up to the next ReadyForQuery.
    pub fn reply(&mut self) -> Reply {
        Reply(self.raw.until(b'Z'))
    }

    /// What still comes before the connection ends.
    pub fn rest(&mut self) -> Reply {
        Reply::split(&self.raw.rest())
    }

    /// Sends a cancel request for what runs, on a connection of its own.
    pub fn cancel(&self) {
        let mut other = Raw::connect(self.address);
        let mut packet = u32::try_from(8 + self.key.len()).unwrap().to_be_bytes().to_vec();
        packet.extend_from_slice(&80_877_102_u32.to_be_bytes());
        packet.extend_from_slice(&self.key);
        other.send(&packet);
        let _ = other.rest();
    }
}

/// The messages of the extended protocol, with names.
pub mod say {
    use super::message;

    pub use crate::common::raw::{query, sync};

    pub fn parse(name: &str, sql: &str) -> Vec<u8> {
        message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
    }

    /// Text parameters; results in `format`.
    pub fn bind(portal: &str, statement: &str, values: &[&str], format: u16) -> Vec<u8> {
        let mut body = format!("{portal}\0{statement}\0\0\0").into_bytes();
        body.extend_from_slice(&u16::try_from(values.len()).unwrap().to_be_bytes());
        for value in values {
            body.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
            body.extend_from_slice(value.as_bytes());
        }
        body.extend_from_slice(&1_u16.to_be_bytes());
        body.extend_from_slice(&format.to_be_bytes());
        message(b'B', &body)
    }

    pub fn describe(kind: char, name: &str) -> Vec<u8> {
        message(b'D', format!("{kind}{name}\0").as_bytes())
    }

    pub fn execute(portal: &str, most: u32) -> Vec<u8> {
        let mut body = format!("{portal}\0").into_bytes();
        body.extend_from_slice(&most.to_be_bytes());
        message(b'E', &body)
    }

    pub fn close(kind: char, name: &str) -> Vec<u8> {
        message(b'C', format!("{kind}{name}\0").as_bytes())
    }
}
