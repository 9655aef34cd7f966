//! A whole gateway in front of a real `sshd`: its policy, its users, its reviewers, its evidence.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use policy_core::PrincipalKind;
use portcullis_evidence::Record;
use portcullis_evidence::recording::{self, Event};
use portcullis_gateway::config::Config;
use portcullis_gateway::control::{ApprovalView, Client as Control, ControlServer, Credentials, Revoke};
use portcullis_gateway::credential::Secret;
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::identity::Verifier;
use portcullis_gateway::store::User;
use portcullis_testkit::Serving;
use portcullis_testkit::ssh::{Client, Key, Kind, Sshd};

pub const PASSWORD: &str = "correct horse";

/// What engineers may do, unless a test says otherwise.
pub const POLICY: &str = r#"
policy "tests"
default deny
set oncall = group "sre"
allow "engineers" { by group "eng"  on ssh  do exec, shell, read, write, append, list, readlink, remove, rmdir, rename, mkdir, setstat, symlink, extended }
allow "locale"    { on ssh  do env on "LANG", "LC_*" }
deny  "destruction" { on ssh  do exec  when argv is ["rm", **]  say "files are removed by the platform team" }
hold  "restarts"  { by group "eng"  on ssh  do exec  when argv is ["echo", "restart", **]  until 1 of oncall approve within 10m }
mask  "secrets"   { on ssh  do exec, shell  values credit_card, aws_key  with redact }
record all { on ssh  do exec, shell }
"#;

/// A gateway that serves until this is dropped.
pub struct House {
    pub sshd: Sshd,
    pub address: SocketAddr,
    pub host_key: String,
    pub ana: Key,
    gateway: Option<Gateway>,
    directory: tempfile::TempDir,
    _control: ControlServer,
    /// Dropped, it ends the runtime that serves.
    _serving: Serving,
}

/// What is different from the plain house.
#[derive(Default)]
pub struct Plan {
    pub policy: Option<String>,
    /// Lines of the configuration's top level and tables, before the targets.
    pub config: String,
    /// Lines of the target.
    pub target: String,
    /// Whether the gateway logs in with a certificate of its own.
    pub by_authority: bool,
    /// What the gateway logs in with, in place of a key.
    pub password: Option<String>,
    /// Where the target is, in place of the real one's port.
    pub target_port: Option<u16>,
    /// The host key that the target is pinned by, in place of its own.
    pub pinned: Option<String>,
    /// Lines of the target's `sshd_config`.
    pub sshd: Vec<String>,
}

impl House {
    pub async fn new() -> Self {
        Self::with(Plan::default()).await
    }

    pub async fn policed(policy: &str) -> Self {
        Self::with(Plan { policy: Some(policy.to_owned()), ..Plan::default() }).await
    }

    pub async fn with(plan: Plan) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("test.policy"), plan.policy.as_deref().unwrap_or(POLICY)).unwrap();
        std::fs::create_dir(path("state")).unwrap();
        std::fs::set_permissions(path("state"), std::fs::Permissions::from_mode(0o700)).unwrap();
        let mut builder = plan.sshd.iter().fold(Sshd::builder(), |builder, line| builder.option(line));
        if plan.by_authority {
            // What the gateway would make at its start, made before so that the target can trust it.
            let authority = Key::generate(Kind::Ed25519);
            private(&path("state/ssh_user_ca"), &authority.private);
            std::fs::write(path("state/ssh_user_ca.pub"), &authority.public).unwrap();
            builder = builder.authority(&authority);
        }
        let sshd = builder.start();
        private(&path("key"), plan.password.as_ref().unwrap_or(&sshd.client_key.private));
        let credential =
            if plan.by_authority { String::new() } else { "credential = { file = \"key\" }\n".to_owned() };
        let pinned = plan.pinned.unwrap_or_else(|| sshd.host_keys[0].clone());
        let text = format!(
            "policies = [\"test.policy\"]\n{}\n[listen]\nssh = \"127.0.0.1:0\"\n[[target]]\nname = \"web-1\"\n\
             protocol = \"ssh\"\naddress = \"127.0.0.1:{}\"\nuser = \"{}\"\n{credential}host_keys = [\"{pinned}\"]\n{}\n\
             labels = {{ env = \"prod\" }}\n",
            plan.config,
            plan.target_port.unwrap_or(sshd.port),
            sshd.user,
            plan.target
        );
        std::fs::write(path("portcullis.toml"), &text).unwrap();
        let config = Config::load(path("portcullis.toml")).unwrap_or_else(|error| panic!("{error}"));
        let gateway = Gateway::start(config).unwrap_or_else(|error| panic!("{error}"));
        let serving = serve(&gateway);
        let control = ControlServer::start(&gateway).unwrap_or_else(|error| panic!("{error}"));
        let host_key = std::fs::read_to_string(path("state/ssh_host_key.pub")).unwrap().trim().to_owned();
        let ana = Key::generate(Kind::Ed25519);
        let house = Self {
            sshd,
            address: serving.address,
            host_key,
            gateway: Some(gateway),
            directory,
            _control: control,
            _serving: serving,
            ana: ana.clone(),
        };
        house.add_user("ana", "eng", &[&ana.public]).await;
        house.add_user("ben", "sre", &[]).await;
        house
    }

    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub async fn add_user(&self, name: &str, group: &str, keys: &[&str]) {
        let user = User {
            name: name.into(),
            verifier: Verifier::new(name, PASSWORD).unwrap().to_string(),
            kind: PrincipalKind::Human,
            groups: vec![group.into()],
            person: None,
            owner: None,
            disabled: false,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        self.gateway().store().ask(move |store| store.put_user(&user)).await.unwrap();
    }

    pub async fn disable(&self, name: &str) {
        let name = name.to_owned();
        let disabled = self.gateway().store().ask(move |store| {
            let mut user = store.user(&name)?.expect("a user");
            user.disabled = true;
            store.put_user(&user)
        });
        disabled.await.unwrap();
    }

    /// The clients of somebody on `web-1`, who has ana's key.
    pub fn client(&self, user: &str) -> Client {
        Client::new(self.address.port(), &format!("{user}:web-1")).key(&self.ana).host_key(&self.host_key)
    }

    /// Another policy comes into force.
    pub fn police(&self, text: &str) {
        std::fs::write(self.path("test.policy"), text).unwrap();
        self.gateway().policies().reload().unwrap_or_else(|error| panic!("{error}"));
    }

    /// The control API, as a local user.
    pub fn control_as(&self, user: &str) -> Control {
        let password = Secret::new(PASSWORD.as_bytes().to_vec());
        self.control().as_user(Credentials { user: user.into(), password })
    }

    /// The one session that is live.
    pub fn session(&self) -> String {
        let live = self.gateway().sessions().list();
        assert_eq!(live.len(), 1, "{live:?}");
        live[0].id.to_string()
    }

    /// The same, once there is one.
    pub async fn session_once_live(&self) -> String {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while self.gateway().sessions().is_empty() {
            assert!(std::time::Instant::now() < limit, "no session");
            // The registry tells nobody when it grows.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        self.session()
    }

    fn control(&self) -> Control {
        Control::new(self.gateway().config().control.clone())
    }

    /// The command that waits, once one does.
    pub async fn waiting(&self) -> ApprovalView {
        self.control().approvals(false).await.unwrap().into_iter().next().expect("a command that waits")
    }

    pub async fn state(&self, number: u64) -> String {
        self.control().approval(number).await.unwrap().state
    }

    /// ben votes.
    pub async fn vote(&self, seen: &ApprovalView, approve: bool) {
        let credentials =
            Credentials { user: "ben".into(), password: Secret::new(PASSWORD.as_bytes().to_vec()) };
        let control = self.control().as_user(credentials);
        control.vote(seen, approve, "a reason").await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Ends a user's sessions.
    pub async fn revoke(&self, user: &str) {
        let revoke = Revoke { session: None, user: Some(user.into()), reason: "left the company".into() };
        self.control().revoke(&revoke).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// The records of the audit log, oldest first, as JSON.
    pub fn evidence(&self) -> Vec<String> {
        let entries = portcullis_evidence::entries(&self.gateway().config().evidence).unwrap();
        entries.map(|entry| serde_json::to_string(&entry.unwrap().record).unwrap()).collect()
    }

    /// What was judged, in short: how it came, its text, the answer.
    pub fn judged(&self) -> Vec<String> {
        let entries = portcullis_evidence::entries(&self.gateway().config().evidence).unwrap();
        let short = |record: &Record<'_>| match record {
            Record::Intent(intent) => {
                let verdict = intent.verdict.value().map(|verdict| format!("{:?}", verdict.decision));
                let text = intent.text.as_deref().unwrap_or("(known text)");
                Some(format!("{} {text}: {}", intent.via, verdict.unwrap_or_default().to_lowercase()))
            }
            Record::Refusal(refusal) => Some(format!("refused {}: {}", refusal.what, refusal.reason)),
            _ => None,
        };
        entries.filter_map(|entry| short(&entry.unwrap().record)).collect()
    }

    /// The events of all recordings, once they are closed.
    pub fn recorded(&self) -> Vec<Event<'static>> {
        let evidence = &self.gateway().config().evidence;
        let mut events = Vec::new();
        for session in recording::sessions(evidence).unwrap() {
            let file = recording::find(evidence, &session).unwrap();
            events.extend(recording::Reader::open(&file).unwrap().map(|played| played.event));
        }
        events
    }

    /// Waits until the recordings or the log, as JSON, say `text`; sessions write their ends after their clients have left.
    pub async fn until_evidence_says(&self, text: &str) -> String {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let mut all = self.evidence();
            all.extend(self.recorded().iter().map(|event| serde_json::to_string(event).unwrap()));
            if all.iter().any(|line| line.contains(text)) {
                return all.join("\n");
            }
            assert!(std::time::Instant::now() < limit, "`{text}` is not in\n{}", all.join("\n"));
            // A file tells nobody when it grows.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

fn serve(gateway: &Gateway) -> Serving {
    let gateway = gateway.clone();
    Serving::on_a_thread(async move || {
        let serving = portcullis_ssh::serve(&gateway).unwrap_or_else(|error| panic!("{error}"));
        (serving.addresses[0], serving.run)
    })
}

pub fn private(path: &std::path::Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
