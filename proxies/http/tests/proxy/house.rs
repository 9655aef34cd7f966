//! A whole gateway in front of a real origin server: its policy, its users, its evidence.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use policy_core::PrincipalKind;
use portcullis_gateway::config::Config;
use portcullis_gateway::control::{ApprovalView, Client as Control, ControlServer, Credentials, Revoke};
use portcullis_gateway::credential::Secret;
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::identity::Verifier;
use portcullis_gateway::store::{Store, StoreError, User};
use portcullis_testkit::Serving;

pub const PASSWORD: &str = "correct horse";
/// What the target is shown.
pub const TOKEN: &str = "a-token-of-the-target-42";

/// An origin server, until this is dropped.
pub struct Origin {
    child: Child,
    pub port: u16,
}

impl Origin {
    fn start() -> Self {
        Self::run("python3", "origin.py", &[])
    }

    /// A script of this directory, which says its port in its first line.
    pub fn run(program: &str, script: &str, arguments: &[&Path]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxy").join(script);
        let mut command = Command::new(program);
        command
            .arg(script)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap() }
    }

    /// The requests that it has seen.
    pub fn seen(&self) -> Vec<serde_json::Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(b"GET /__seen HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A gateway that serves until this is dropped.
pub struct House {
    pub origin: Origin,
    pub address: SocketAddr,
    gateway: Gateway,
    pub directory: tempfile::TempDir,
    _control: ControlServer,
    _serving: Serving,
}

impl House {
    pub async fn policed(policy: &str) -> Self {
        let origin = Origin::start();
        let target = format!("address = \"127.0.0.1:{}\"\nhosts = [\"api.test\"]\n", origin.port);
        Self::before(origin, policy, &target).await
    }

    /// In front of this origin; `target` says how it is reached and asked for.
    pub async fn before(origin: Origin, policy: &str, target: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("test.policy"), policy).unwrap();
        std::fs::create_dir(path("state")).unwrap();
        std::fs::set_permissions(path("state"), std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(path("token"), TOKEN).unwrap();
        std::fs::set_permissions(path("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!(
            "policies = [\"test.policy\"]\n[listen]\nhttp = \"127.0.0.1:0\"\n[limits]\nstatement_bytes = 65536\n\
             [[target]]\nname = \"api\"\nprotocol = \"http\"\ncredential = {{ file = \"token\" }}\n\
             labels = {{ env = \"prod\" }}\n{target}\
             [[target]]\nname = \"other\"\nprotocol = \"http\"\naddress = \"127.0.0.1:{}\"\nhosts = [\"other.test\"]\n",
            origin.port
        );
        std::fs::write(path("portcullis.toml"), &text).unwrap();
        let config = Config::load(path("portcullis.toml")).unwrap_or_else(|error| panic!("{error}"));
        let gateway = Gateway::start(config).unwrap_or_else(|error| panic!("{error}"));
        let serving = serve(&gateway);
        let control = ControlServer::start(&gateway).unwrap_or_else(|error| panic!("{error}"));
        let address = serving.address;
        let house = Self { origin, address, gateway, directory, _control: control, _serving: serving };
        house.add("ana", PrincipalKind::Human, "eng", None).await;
        house.add("ben", PrincipalKind::Human, "sre", None).await;
        house.add("eve", PrincipalKind::Human, "eng", None).await;
        house
    }

    /// The same state and evidence under another gateway, once this one has ended.
    pub async fn restarted(self) -> Self {
        let Self { origin, gateway, directory, _control, _serving, .. } = self;
        let file = gateway.config().file.clone();
        drop((_serving, _control));
        gateway.close("test").unwrap();
        drop(gateway);
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let gateway = loop {
            match Gateway::start(Config::load(&file).unwrap()) {
                Ok(gateway) => break gateway,
                // The evidence is locked until the last connection of the one before has let go.
                Err(error) => assert!(std::time::Instant::now() < limit, "{error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        let serving = serve(&gateway);
        let address = serving.address;
        let _control = ControlServer::start(&gateway).unwrap_or_else(|error| panic!("{error}"));
        Self { origin, address, gateway, directory, _control, _serving: serving }
    }

    /// Puts another policy into force.
    pub async fn repolice(&self, policy: &str) {
        std::fs::write(self.directory.path().join("test.policy"), policy).unwrap();
        self.gateway.reload("test").await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Has the configuration read otherwise, and puts that into force.
    pub async fn reconfigure(&self, change: impl FnOnce(String) -> String) {
        let file = self.gateway.config().file.clone();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, change(text)).unwrap();
        self.gateway.reload("test").await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Sessions that are live.
    pub fn sessions(&self) -> usize {
        self.gateway.sessions().len()
    }

    /// Waits until so many requests wait.
    pub async fn until_held(&self, count: usize) {
        while self.control().status().await.unwrap().held != count {
            // The gateway tells nobody outside when they change.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// An approval as it is now.
    pub async fn approval(&self, number: u64) -> ApprovalView {
        self.control().approval(number).await.unwrap()
    }

    /// Checks the audit log as `portcullis verify` does.
    pub fn verify(&self) {
        let evidence = self.gateway.config().evidence.clone();
        let report = portcullis_evidence::verify(&evidence, &Default::default()).unwrap();
        assert!(report.is_intact(), "{report:?}");
    }

    pub async fn add(&self, name: &str, kind: PrincipalKind, group: &str, owner: Option<&str>) {
        let user = User {
            name: name.into(),
            verifier: Verifier::new(name, PASSWORD).unwrap().to_string(),
            kind,
            groups: vec![group.into()],
            person: None,
            owner: owner.map(Into::into),
            disabled: false,
            keys: Vec::new(),
        };
        self.store(move |store| store.put_user(&user)).await;
    }

    /// Does something to the store.
    pub async fn store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.gateway.store().ask(work).await.unwrap()
    }

    fn control(&self) -> Control {
        Control::new(self.gateway.config().control.clone())
    }

    /// The request that waits, once one does.
    pub async fn waiting(&self) -> ApprovalView {
        loop {
            if let Some(waiting) = self.control().approvals(false).await.unwrap().into_iter().next() {
                return waiting;
            }
            // The store tells nobody outside when it changes.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Waits until an approval has come to this.
    pub async fn until_state(&self, number: u64, state: &str) {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let now = self.control().approval(number).await.unwrap().state;
            if now == state {
                return;
            }
            assert!(std::time::Instant::now() < limit, "it is {now}");
            // The store tells nobody outside when it changes.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Waits until evidence holds this text.
    pub async fn until_said(&self, text: &str) {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !self.evidence().contains(text) {
            assert!(std::time::Instant::now() < limit, "evidence never said {text}");
            // A log tells nobody when it grows.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// ben votes.
    pub async fn vote(&self, seen: &ApprovalView, approve: bool) {
        self.try_vote(seen, approve).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// ben votes on what may wait no more.
    pub async fn try_vote(&self, seen: &ApprovalView, approve: bool) -> Result<(), String> {
        let password = Secret::new(PASSWORD.as_bytes().to_vec());
        let control = self.control().as_user(Credentials { user: "ben".into(), password });
        control.vote(seen, approve, "a reason").await.map(drop).map_err(|error| error.to_string())
    }

    /// The account has this password from now on.
    pub async fn password(&self, user: &str, password: &str) {
        let verifier = Verifier::new(user, password).unwrap().to_string();
        let user = user.to_owned();
        self.store(move |store| {
            let mut found = store.user(&user)?.expect("a user");
            found.verifier = verifier;
            store.put_user(&found)
        })
        .await;
    }

    /// The account may not log in any more.
    pub async fn disable(&self, user: &str) {
        let user = user.to_owned();
        let change = move |store: &mut dyn Store| {
            let mut found = store.user(&user)?.expect("a user");
            found.disabled = true;
            store.put_user(&found)
        };
        self.gateway.store().ask(change).await.unwrap();
    }

    /// Waits until every session has been told to stop.
    pub async fn until_stopped(&self) {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(2);
        while !self.gateway.sessions().list().iter().all(|entry| entry.stop.reached().is_some()) {
            assert!(std::time::Instant::now() < limit, "a session goes on");
            // The registry tells nobody when it changes.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    pub async fn revoke(&self, user: &str) {
        let revoke = Revoke { session: None, user: Some(user.into()), reason: "left the company".into() };
        self.control().revoke(&revoke).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// The records of the audit log, as JSON.
    pub fn evidence(&self) -> String {
        let entries = portcullis_evidence::entries(&self.gateway.config().evidence).unwrap();
        let lines: Vec<String> =
            entries.map(|entry| serde_json::to_string(&entry.unwrap().record).unwrap()).collect();
        lines.join("\n")
    }

    /// The events of all recordings, as JSON, once one of them says this.
    pub async fn until_recorded(&self, text: &str) -> Vec<String> {
        self.until_events(text, |events| events.iter().any(|event| event.contains(text))).await
    }

    /// The same, once so many recordings have come to their end: nothing that they have is still to be written.
    pub async fn until_recordings_end(&self, count: usize) -> Vec<String> {
        let is_end = |event: &&String| event.contains("\"event\":\"closed\"");
        self.until_events("their end", |events| events.iter().filter(is_end).count() >= count).await
    }

    async fn until_events(&self, what: &str, are_there: impl Fn(&[String]) -> bool) -> Vec<String> {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let events = self.recorded();
            if let Some(events) = events.as_ref().filter(|events| are_there(events)) {
                return events.clone();
            }
            assert!(std::time::Instant::now() < limit, "recordings never said {what}: {events:?}");
            // A file tells nobody when it grows.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// The events of all recordings; `None` where one comes to its end right now, and is called otherwise then.
    fn recorded(&self) -> Option<Vec<String>> {
        use portcullis_evidence::recording;
        let evidence = &self.gateway.config().evidence;
        let mut events = Vec::new();
        for session in recording::sessions(evidence).unwrap() {
            let played = recording::Reader::open(&recording::find(evidence, &session)?).ok()?;
            events.extend(played.map(|played| serde_json::to_string(&played.event).unwrap()));
        }
        Some(events)
    }

    /// A connection that sends bytes as they are.
    pub fn raw(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        stream
    }

    /// What a request comes to, bytes as they are, until the other side closes or has begun to answer and says nothing for a second.
    pub fn send(&self, request: &str) -> String {
        let mut stream = self.raw();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = vec![0];
        // Its beginning may take longer than what goes on behind it.
        if stream.read_exact(&mut answer).is_err() {
            return String::new();
        }
        stream.set_read_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// What a request comes to that has the connection closed behind it.
    fn wait(&self, request: &str) -> String {
        let mut stream = self.raw();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// ana asks; fields are lines with their ends.
    pub fn ask(&self, method: &str, target: &str, fields: &str, body: &str) -> String {
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        self.wait(&format!(
            "{method} {target} HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n{}{fields}{length}\r\n{body}",
            authorization("ana")
        ))
    }
}

/// The field that proves a user.
pub fn authorization(user: &str) -> String {
    format!("authorization: Basic {}\r\n", BASE64.encode(format!("{user}:{PASSWORD}")))
}

fn serve(gateway: &Gateway) -> Serving {
    let gateway = gateway.clone();
    Serving::on_a_thread(async move || {
        let serving = portcullis_http::serve(&gateway).unwrap_or_else(|error| panic!("{error}"));
        (serving.addresses[0], serving.run)
    })
}
