//! The enforcement as a proxy sees it: a gateway on a temporary directory, a policy in text, a clock that tests set.

mod come_back;
mod hold;
mod judge;
mod proof;
mod speed;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use policy_core::{Action, ActionSet, Policy, Principal, Protocol, Resource, Value, Verb};
use policy_lang::{Environment, Source};
use portcullis_evidence::recording::{Recorder, RecorderOptions};
use portcullis_evidence::{AuditLog, LogOptions, SigningKey};

use super::*;
use crate::clock::Clock;
use crate::config::Config;
use crate::identity::LocalUsers;
use crate::policies::Policies;
use crate::store::{Keeper, Sqlite, User, Vote};

const START: i64 = 1_795_000_000_000;

pub(crate) struct House {
    pub(crate) gateway: Gateway,
    now: Arc<AtomicI64>,
    directory: tempfile::TempDir,
}

fn policy(text: &str) -> Policy {
    let environment = Environment::default();
    let loaded = policy_lang::load(&[Source::new("test.policy", text)], &environment)
        .unwrap_or_else(|wrong| panic!("{}", wrong.render(policy_lang::Style::Plain)));
    Policy::compile([&loaded.rules], &environment.vocabularies).expect("the policy compiles")
}

fn config(directory: &Path) -> Config {
    let source = "policies = [\"p\"]\n[limits]\nheld_commands = 3\nheld_per_principal = 2\n[[target]]\nname = \"shop\"\nprotocol = \"postgres\"\n\
        address = \"127.0.0.1\"\nuser = \"app\"\ntls = { mode = \"disable\" }\nlabels = { env = \"prod\" }\n\
        [[target]]\nname = \"api\"\nprotocol = \"http\"\naddress = \"127.0.0.1\"\nhosts = [\"api.test\"]\n\
        [[target]]\nname = \"other\"\nprotocol = \"http\"\naddress = \"127.0.0.1\"\nhosts = [\"other.test\"]\n";
    Config::parse(&directory.join("portcullis.toml"), source).expect("the configuration is right")
}

impl House {
    pub(crate) fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self::in_directory(directory, text)
    }

    fn in_directory(directory: tempfile::TempDir, text: &str) -> Self {
        let now = Arc::new(AtomicI64::new(START));
        let told = Arc::clone(&now);
        let gateway = Self::gateway(
            directory.path(),
            text,
            Clock::new(move || told.load(Ordering::SeqCst)),
            "evidence",
        );
        Self { gateway, now, directory }
    }

    fn gateway(directory: &Path, text: &str, clock: Clock, evidence: &str) -> Gateway {
        let path = directory.join("store.db");
        let open = || Box::new(Sqlite::open(&path).expect("a store"));
        let store = Keeper::start(open()).expect("a thread");
        let key = SigningKey::load_or_create(directory).expect("a key");
        let log =
            Arc::new(AuditLog::open(&directory.join(evidence), key, LogOptions::default()).expect("a log"));
        let recorder = Recorder::start(Arc::clone(&log), RecorderOptions::default()).expect("a recorder");
        Gateway::assemble(Parts {
            config: config(directory),
            clock: clock.clone(),
            policies: Policies::fixed(policy(text)),
            identity: Arc::new(LocalUsers::new(store.clone(), clock, b"secret")),
            store,
            watched: open(),
            log,
            recorder,
            digest_key: [7; 32],
        })
        .expect("a gateway")
    }

    async fn user(&self, name: &str, groups: &[&str]) {
        let user = User {
            name: name.into(),
            verifier: String::new(),
            kind: policy_core::PrincipalKind::Human,
            groups: groups.iter().map(ToString::to_string).collect(),
            person: None,
            owner: None,
            disabled: false,
            keys: Vec::new(),
        };
        self.gateway.store().ask(move |store| store.put_user(&user)).await.expect("stored");
    }

    /// Stored, where nobody of this name is yet: only who has an account opens a session.
    async fn has(&self, name: &str, groups: &[&str]) {
        let named = name.to_owned();
        let known = self.gateway.store().ask(move |store| store.user(&named)).await.expect("looked up");
        if known.is_none() {
            self.user(name, groups).await;
        }
    }

    async fn try_open(&self, name: &str, groups: &[&str]) -> Result<Session, Refusal> {
        self.has(name, groups).await;
        let target = self.gateway.config().target(&Protocol::POSTGRES, "shop").expect("a target").clone();
        let opening = Opening {
            principal: Principal::human(name, groups.iter().copied()),
            target: &target,
            source: None,
            client: "psql",
            proven_by: "scram-sha-256".into(),
            tls: true,
        };
        self.gateway.open_session(opening, &mut |_| {}).await
    }

    pub(crate) async fn open(&self, name: &str) -> Session {
        self.try_open(name, &["eng"]).await.expect("admitted")
    }

    fn statement(&self, raw: &str, actions: impl IntoIterator<Item = Action>) -> Arc<Statement> {
        let parts = StatementParts {
            protocol: &Protocol::POSTGRES,
            raw,
            shown: raw,
            actions: &Arc::new(ActionSet::new(actions)),
            definitions: &[],
        };
        self.gateway.statement(parts).expect("a statement")
    }

    fn select(&self) -> Arc<Statement> {
        self.statement("select * from orders", [action("select", "orders")])
    }

    fn alter(&self) -> Arc<Statement> {
        self.statement("alter table orders add x int", [action("alter", "orders")])
    }

    /// The kinds of the records in the audit log, and the whole lines.
    fn records(&self) -> Vec<(String, serde_json::Value)> {
        let mut records = Vec::new();
        let mut files: Vec<_> = walk(&self.directory.path().join("evidence"));
        files.sort();
        for file in files {
            let bytes = match std::fs::read(file) {
                // A recording gets its last name when it is sealed.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                bytes => bytes.expect("read"),
            };
            let text = String::from_utf8_lossy(&bytes);
            for line in text.lines() {
                let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else { continue };
                if let Some(kind) = line.get("kind").and_then(serde_json::Value::as_str) {
                    records.push((kind.to_owned(), line.clone()));
                }
            }
        }
        records
    }

    fn kinds(&self) -> Vec<String> {
        let boring = ["segment", "checkpoint"];
        self.records()
            .into_iter()
            .map(|(kind, _)| kind)
            .filter(|kind| !boring.contains(&kind.as_str()))
            .collect()
    }
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    entries
        .flat_map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

fn action(verb: &'static str, table: &str) -> Action {
    Action::new(Verb::new(verb), Resource::named(["public", table]))
}

fn asked<'a>(statement: &'a Arc<Statement>, stage: Stage) -> Asked<'a> {
    Asked::new(statement, stage, "query")
}

async fn run(session: &mut Session, statement: &Arc<Statement>) -> Judgement {
    session.judge(&asked(statement, Stage::Execute)).await
}

fn admitted(judgement: Judgement) -> Permit {
    match judgement {
        Judgement::Admit(permit) => permit,
        other => panic!("not admitted: {other:?}"),
    }
}

fn refused(judgement: Judgement) -> Refusal {
    match judgement {
        Judgement::Refuse(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn held(judgement: Judgement) -> Box<Held> {
    match judgement {
        Judgement::Hold(held) => held,
        other => panic!("not held: {other:?}"),
    }
}
