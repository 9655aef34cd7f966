//! A whole gateway in front of a cluster, as kubectl reaches it: over TLS with the gateway's own certificate, by a token.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use policy_core::PrincipalKind;
use portcullis_evidence::recording;
use portcullis_gateway::config::Config;
use portcullis_gateway::control::{Client as Control, ControlServer, Revoke};
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::identity::{TokenText, Verifier};
use portcullis_gateway::store::{NewToken, User};
use portcullis_gateway::tls::ServerCertificate;
use portcullis_testkit::Serving;
use portcullis_testkit::kubernetes::{Access, Kubectl, Kubelet};

/// Allows everything and looks for nothing but the target's credential.
pub const OPEN: &str = r#"
policy "cluster"
default allow
allow "what nobody knows" { by group "eng"  on kubernetes  do unknown }
"#;

/// A gateway that serves until this is dropped.
pub struct House {
    gateway: Gateway,
    pub address: SocketAddr,
    _directory: tempfile::TempDir,
    /// How ana reaches the cluster through it.
    pub access: Access,
    _control: ControlServer,
    _serving: Serving,
}

impl House {
    /// In front of a cluster that it reaches as `cluster` says.
    pub async fn before(cluster: &Access, policy: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("test.policy"), policy).unwrap();
        std::fs::create_dir(path("state")).unwrap();
        std::fs::set_permissions(path("state"), std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(path("token"), cluster.token.as_deref().unwrap()).unwrap();
        std::fs::set_permissions(path("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let tls = match &cluster.authority {
            Some(authority) => {
                std::fs::write(path("authority.pem"), authority).unwrap();
                "tls = { ca = \"authority.pem\" }\n"
            }
            None => "",
        };
        let text = format!(
            "policies = [\"test.policy\"]\n[listen]\nhttp = \"127.0.0.1:0\"\n\
             [[target]]\nname = \"prod\"\nprotocol = \"kubernetes\"\naddress = \"{}\"\n\
             {tls}credential = {{ file = \"token\" }}\n",
            cluster.url
        );
        std::fs::write(path("portcullis.toml"), &text).unwrap();
        let config = Config::load(path("portcullis.toml")).unwrap_or_else(|error| panic!("{error}"));
        let gateway = Gateway::start(config).unwrap_or_else(|error| panic!("{error}"));
        let serving = serve(&gateway);
        let address = serving.address;
        let control = ControlServer::start(&gateway).unwrap_or_else(|error| panic!("{error}"));
        let certificate = ServerCertificate::load(&gateway.config()).unwrap();
        let pem = BASE64.encode(certificate.chain.first().unwrap());
        let access = Access {
            url: format!("https://{address}/prod"),
            authority: Some(format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n")),
            token: Some(token(&gateway, "ana").await),
        };
        Self { gateway, address, _directory: directory, access, _control: control, _serving: serving }
    }

    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(&self.access)
    }

    pub async fn revoke(&self, user: &str) {
        let revoke = Revoke { session: None, user: Some(user.into()), reason: "left the company".into() };
        Control::new(self.gateway.config().control.clone())
            .revoke(&revoke)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// The records of the audit log, as JSON, a line each.
    pub fn evidence(&self) -> String {
        let entries = portcullis_evidence::entries(&self.gateway.config().evidence).unwrap();
        let lines: Vec<String> =
            entries.map(|entry| serde_json::to_string(&entry.unwrap().record).unwrap()).collect();
        lines.join("\n")
    }

    /// Waits until evidence holds this text.
    pub async fn until_said(&self, text: &str) {
        let limit = Instant::now() + Duration::from_secs(10);
        while !self.evidence().contains(text) {
            assert!(Instant::now() < limit, "evidence never said {text}:\n{}", self.evidence());
            // A log tells nobody when it grows.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The events of all recordings so far, as JSON, a line each; `None` where one comes to its end right now, and is called
    /// otherwise then.
    fn recorded(&self) -> Option<String> {
        let evidence = &self.gateway.config().evidence;
        let mut events = Vec::new();
        for session in recording::sessions(evidence).unwrap() {
            let played = recording::Reader::open(&recording::find(evidence, &session)?).ok()?;
            events.extend(played.map(|played| serde_json::to_string(&played.event).unwrap()));
        }
        Some(events.join("\n"))
    }

    /// Waits until the recordings hold this text, and returns all of them.
    pub async fn until_recorded(&self, text: &str) -> String {
        let limit = Instant::now() + Duration::from_secs(10);
        loop {
            let recorded = self.recorded();
            if let Some(recorded) = recorded.as_ref().filter(|recorded| recorded.contains(text)) {
                return recorded.clone();
            }
            assert!(Instant::now() < limit, "recordings never said {text}:\n{recorded:?}");
            // A file tells nobody when it grows.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Adds a user of the group `eng` and makes a token of it.
async fn token(gateway: &Gateway, name: &str) -> String {
    let user = User {
        name: name.into(),
        verifier: Verifier::new(name, "correct horse").unwrap().to_string(),
        kind: PrincipalKind::Human,
        groups: vec!["eng".into()],
        person: None,
        owner: None,
        disabled: false,
        keys: Vec::new(),
    };
    gateway.store().ask(move |store| store.put_user(&user)).await.unwrap();
    let text = TokenText::generate().unwrap();
    let created =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let new = NewToken {
        hash: text.hash(),
        user: name.into(),
        name: "kubectl".into(),
        owner: None,
        created,
        expires: created + 3_600_000,
    };
    gateway.store().ask(move |store| store.add_token(&new)).await.unwrap();
    text.expose().to_owned()
}

fn serve(gateway: &Gateway) -> Serving {
    let gateway = gateway.clone();
    Serving::on_a_thread(async move || {
        let serving = portcullis_http::serve(&gateway).unwrap_or_else(|error| panic!("{error}"));
        (serving.addresses[0], serving.run)
    })
}

/// What streams are carried by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    WebSocket,
    Spdy,
}

impl Over {
    pub const BOTH: [Self; 2] = [Self::WebSocket, Self::Spdy];

    pub fn kubectl(self, house: &House) -> Kubectl {
        Kubectl::new(&house.access).websockets(self == Self::WebSocket)
    }
}

/// A cluster and the gateway before it.
pub async fn house(policy: &str) -> (Kubelet, House) {
    let kubelet = Kubelet::start();
    let house = House::before(&kubelet.access, policy).await;
    (kubelet, house)
}
