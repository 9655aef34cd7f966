//! A client that puts catalogue, lineage, plan and masker together the way a relay does, in front of a real server.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

mod replies;

use std::io;
use std::sync::{Arc, Mutex};

use policy_core::mask::{Detectors, MaskKey, Transform};
use policy_core::rule::{Fallback, Mask, Masked, Mode, Pattern, Predicates, RuleSet, Scope, Unresolved};
use policy_core::{
    ActionSet, Decision, Effect, Lineage, Policy, Principal, Protocol, Request, Rule, RuleId, Target,
    Verdict, vocabulary,
};
use policy_normalize::sql::{Environment, Grammar as _, Postgres as PostgresGrammar, Statement};
use portcullis_postgres::catalogue::{Dial, Known, Live, Overlay, Pin, Pins};
use portcullis_postgres::mask::{Finder, Format, Found, Masker, ValueMasks};
use portcullis_postgres::relay::Passage;
use portcullis_postgres::wire::backend::Backend;
use portcullis_postgres::wire::frame::Header;
use portcullis_testkit::{Database, Postgres};
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
pub use replies::{Circumstances, Described, Permitted, Replies};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Opens connections to a test's database as its owner.
#[derive(Clone, Debug)]
pub struct Door {
    port: u16,
    password: String,
    database: String,
}

impl Door {
    pub fn to(database: &Database) -> Self {
        Self {
            port: database.server.port,
            password: database.server.password.clone(),
            database: database.name.clone(),
        }
    }

    /// A connection that is ready for a query.
    pub async fn open(&self) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let mut out = bytes::BytesMut::new();
        let parameters = [
            ("user", Postgres::SUPERUSER),
            ("database", self.database.as_str()),
            ("client_encoding", "UTF8"),
        ];
        frontend::startup_message(parameters, &mut out)?;
        stream.write_all(&out).await?;
        let mut scram = ScramSha256::new(self.password.as_bytes(), ChannelBinding::unsupported());
        loop {
            let (tag, body) = read(&mut stream).await?;
            out.clear();
            match (tag, body.get(3)) {
                (b'R', Some(10)) => {
                    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut out)?
                }
                (b'R', Some(11)) => {
                    scram.update(&body[4..])?;
                    frontend::sasl_response(scram.message(), &mut out)?;
                }
                (b'R', Some(12)) => scram.finish(&body[4..])?,
                (b'E', _) => panic!("the server refused: {}", String::from_utf8_lossy(&body)),
                (b'Z', _) => return Ok(stream),
                _ => {}
            }
            stream.write_all(&out).await?;
        }
    }
}

impl Dial for Door {
    type Stream = TcpStream;

    async fn dial(&self) -> io::Result<TcpStream> {
        self.open().await
    }
}

/// Keeps pins as a store would.
#[derive(Clone, Debug, Default)]
pub struct Kept(pub Arc<Mutex<Vec<Pin>>>);

impl Pins for Kept {
    fn load(&self) -> Vec<Pin> {
        self.0.lock().unwrap().clone()
    }

    fn save(&self, new: &[Pin]) {
        self.0.lock().unwrap().extend_from_slice(new);
    }
}

async fn read(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let tag = stream.read_u8().await?;
    let length = stream.read_u32().await?;
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body).await?;
    Ok((tag, body))
}

/// A policy that allows everything and masks these columns.
pub fn policy(columns: &[(&str, Transform)], unresolved: Unresolved) -> Policy {
    let pattern = |text: &str| Pattern { segments: text.split('.').map(Box::from).collect() };
    let rule = |id: &str, effect| Rule {
        id: RuleId(id.into()),
        mode: Mode::Enforce,
        scope: Scope {
            on: vec![policy_core::rule::Selector {
                protocol: Protocol::POSTGRES,
                names: vec![],
                labels: None,
            }],
            ..Scope::default()
        },
        effect,
        say: None,
        place: None,
    };
    let mask = Mask {
        what: Masked::Columns {
            columns: columns.iter().map(|(column, _)| pattern(column)).collect(),
            with: columns.iter().map(|(column, transform)| (pattern(column), *transform)).collect(),
            otherwise: Transform::Redact,
        },
        unresolved,
        predicates: Predicates::Record,
    };
    let unknown = policy_core::rule::Do { verbs: vec![policy_core::Verb::UNKNOWN], resources: vec![] };
    let mut anything = rule("even what is unknown", Effect::Allow);
    anything.scope.does = Some(vec![unknown]);
    let mut rules = vec![rule("allow", Effect::Allow), anything];
    if !columns.is_empty() {
        rules.push(rule("mask", Effect::Mask(mask)));
    }
    let rules = RuleSet { name: "test".into(), fallback: Fallback::Allow, rules };
    Policy::compile([&rules], &vocabulary::shipped()).expect("the policy compiles")
}

/// What reached the client.
#[derive(Debug, Default)]
pub struct Shown {
    /// Every byte of every message.
    pub bytes: Vec<u8>,
    /// The statement was refused before it was sent.
    pub refused: bool,
    /// The values of the first column of each row.
    pub rows: Vec<Vec<Option<String>>>,
}

/// One session behind masks.
pub struct Session {
    stream: TcpStream,
    pub live: Arc<Live<Door>>,
    pub policy: Arc<Policy>,
    overlay: Overlay,
    masker: Masker,
}

impl Session {
    pub async fn open(door: &Door, policy: Policy, live: Arc<Live<Door>>) -> Self {
        let masks = ValueMasks { key: MaskKey::new(&[7; 32]).unwrap(), finder: None };
        let stream = door.open().await.expect("a connection");
        let (policy, overlay) = (Arc::new(policy), Overlay::default());
        Self { stream, live, policy, overlay, masker: Masker::new(masks) }
    }

    fn parse(&self, known: &Known, sql: &str) -> Vec<Statement> {
        let catalogue = self.overlay.over(&known.snapshot);
        let mut environment = Environment::new(known.snapshot.search_path.iter().cloned(), &catalogue);
        environment.role = Some(known.snapshot.role.clone());
        PostgresGrammar::new().parse(sql, &environment).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn decide(&self, known: &Known, statement: &Statement) -> Decision {
        let directory = known.directory(&self.overlay);
        let mut written = policy_normalize::sql::ColumnSet::new();
        for flow in &statement.flows {
            written.merge(&flow.sources);
        }
        let lineage = Lineage {
            shown: directory.sources(&statement.outputs.sources()),
            written: directory.sources(&written),
            predicates: directory.sources(&statement.predicates),
        };
        let actions = ActionSet::new(statement.actions.iter().cloned()).with_lineage(lineage);
        let principal = Principal::human("ana", ["eng"]);
        let target = Target { name: "shop".into(), protocol: Protocol::POSTGRES, labels: Default::default() };
        self.policy.evaluate(&Request {
            principal: &principal,
            target: &target,
            actions: &actions,
            source: None,
            now: None,
            grants: &[],
        })
    }

    /// Looks for these from now on.
    pub fn look_for(&mut self, detectors: Detectors) {
        let key = MaskKey::new(&[7; 32]).unwrap();
        let finder: Arc<dyn Finder> = Arc::new(Detecting { detectors, key: key.clone() });
        self.masker = Masker::new(ValueMasks { key, finder: Some(finder) });
    }

    /// The statements of a text and their decisions; `None` where one is refused.
    fn judge(&mut self, known: &Known, sql: &str) -> Option<Vec<Permitted>> {
        let statements = self.parse(known, sql);
        let decisions: Vec<Decision> = statements.iter().map(|s| self.decide(known, s)).collect();
        if decisions.iter().any(|decision| matches!(decision.verdict, Verdict::Deny(_))) {
            return None;
        }
        let permitted = statements.into_iter().zip(decisions).map(|(statement, decision)| Permitted {
            text: sql.into(),
            statement: Arc::new(statement),
            obligations: Arc::new(decision.obligations),
        });
        Some(permitted.collect())
    }

    fn circumstances(&self, known: &Known) -> Circumstances {
        Circumstances {
            known: known.clone(),
            overlay: Arc::new(self.overlay.clone()),
            policy: self.policy.clone(),
        }
    }

    /// Runs a text by the simple protocol: judged by lineage first, then masked message by message.
    pub async fn run(&mut self, sql: &str) -> Shown {
        let known = self.live.current().expect("a snapshot");
        let Some(permitted) = self.judge(&known, sql) else {
            return Shown { refused: true, ..Shown::default() };
        };
        for permitted in &permitted {
            self.overlay.note(&permitted.statement, sql, &known.snapshot);
        }
        let replies = Replies::query(self.circumstances(&known), permitted);
        let mut out = bytes::BytesMut::new();
        frontend::query(sql, &mut out).unwrap();
        self.stream.write_all(&out).await.unwrap();
        self.receive(sql, vec![replies]).await
    }

    /// Runs one statement by the extended protocol, its results in the binary format if asked for.
    pub async fn execute(&mut self, sql: &str, binary: bool, describe: bool) -> Shown {
        let known = self.live.current().expect("a snapshot");
        let Some(permitted) = self.judge(&known, sql).and_then(|mut all| all.pop()) else {
            return Shown { refused: true, ..Shown::default() };
        };
        let described = Described::default();
        let formats = vec![if binary { Format::Binary } else { Format::Text }];
        let mut out = bytes::BytesMut::new();
        frontend::parse("", sql, [], &mut out).unwrap();
        let none = std::iter::empty::<()>();
        let bound = frontend::bind("", "", [], none, |(), _| unreachable!(), [i16::from(binary)], &mut out);
        assert!(bound.is_ok());
        let circumstances = self.circumstances(&known);
        let mut replies = Vec::new();
        let step = || Replies::describe(circumstances.clone(), permitted.clone(), described.clone());
        replies.extend([step(), step()]);
        if describe {
            frontend::describe(b'P', "", &mut out).unwrap();
            replies.push(step());
        }
        frontend::execute("", 0, &mut out).unwrap();
        frontend::sync(&mut out);
        replies.push(Replies::execute(circumstances.clone(), permitted.clone(), described.clone(), formats));
        self.stream.write_all(&out).await.unwrap();
        self.receive(sql, replies).await
    }

    /// Reads up to ReadyForQuery; `replies` are those to each message that was sent.
    async fn receive(&mut self, sql: &str, mut replies: Vec<Replies>) -> Shown {
        let mut shown = Shown::default();
        replies.iter_mut().for_each(|replies| replies.detects = self.masker.masks().detects());
        replies.reverse();
        loop {
            let (tag, body) = read(&mut self.stream).await.unwrap();
            let header = Header { tag, body: body.len() };
            let kind = Backend::from_header(header).expect("a message that a target may send");
            let answered = replies.last_mut().expect("a command that is answered");
            let mut frame = Vec::new();
            match answered.passage(kind) {
                Passage::Pass => frame.extend_from_slice(&[&[tag, 0, 0, 0, 0][..], &body].concat()),
                Passage::Rewrite(cap) => {
                    assert!(body.len() <= cap);
                    let masked = answered.rewrite(&mut self.masker, kind, &body, &mut frame);
                    masked.unwrap_or_else(|error| panic!("{sql}: {error}"));
                }
            }
            let shown_body = frame.get(5..).unwrap_or_default();
            if kind == Backend::DataRow {
                shown.rows.push(values(shown_body));
            }
            shown.bytes.extend_from_slice(shown_body);
            match kind {
                Backend::ParseComplete | Backend::BindComplete => drop(replies.pop()),
                Backend::RowDescription | Backend::NoData if replies.len() > 1 => drop(replies.pop()),
                Backend::ReadyForQuery => {
                    if body == b"I" && self.overlay.end(false) {
                        self.live.refresh().await.expect("a snapshot");
                    }
                    return shown;
                }
                _ => {}
            }
        }
    }
}

fn values(body: &[u8]) -> Vec<Option<String>> {
    let mut rest = &body[2..];
    let mut values = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap());
        rest = &rest[4..];
        if length == u32::MAX {
            values.push(None);
            continue;
        }
        let (value, after) = rest.split_at(length as usize);
        values.push(Some(String::from_utf8_lossy(value).into_owned()));
        rest = after;
    }
    values
}

/// The policy's own detectors.
struct Detecting {
    detectors: Detectors,
    key: MaskKey,
}

impl Finder for Detecting {
    fn rewrite(&self, text: &[u8], out: &mut Vec<u8>) -> Found {
        match self.detectors.mask_into(text, &self.key, &mut policy_core::mask::Scratch::default(), out) {
            0 => Found::Nothing,
            _ => Found::Text,
        }
    }
}
