//! A gateway before an origin, on a thread of its own.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use policy_core::PrincipalKind;
use portcullis_gateway::config::Config;
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::identity::Verifier;
use portcullis_gateway::process;
use portcullis_gateway::store::User;
use portcullis_testkit::Serving;

const PASSWORD: &str = "correct horse";

/// A gateway that serves until this is dropped.
pub struct House {
    pub address: SocketAddr,
    directory: tempfile::TempDir,
    _serving: Serving,
}

impl House {
    /// Before a port of this host, which clients ask for as `api.test`. A head has as long as `head` says, and whoever says nothing.
    pub fn before(port: u16, policy: &str, head: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("test.policy"), policy).unwrap();
        std::fs::create_dir(path("state")).unwrap();
        std::fs::set_permissions(path("state"), std::fs::Permissions::from_mode(0o700)).unwrap();
        let text = format!(
            "policies = [\"test.policy\"]\n[listen]\nhttp = \"127.0.0.1:0\"\n[tls]\nrequired = false\n\
             [limits]\nstatement_bytes = 65536\nauthentication_time = \"{head}\"\nidle_time = \"{head}\"\n\
             [[target]]\nname = \"api\"\nprotocol = \"http\"\naddress = \"127.0.0.1:{port}\"\nhosts = [\"api.test\"]\n"
        );
        std::fs::write(path("portcullis.toml"), text).unwrap();
        let file = path("portcullis.toml");
        let serving = Serving::on_a_thread(async move || {
            let serving = start(&file).await;
            (serving.addresses[0], serving.run)
        });
        Self { address: serving.address, directory, _serving: serving }
    }

    /// A connection that sends bytes as they are.
    pub fn raw(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The actions of every request that was let through, in their order.
    pub fn admitted(&self) -> Vec<String> {
        let config = Config::load(self.directory.path().join("portcullis.toml")).unwrap();
        let entries = portcullis_evidence::entries(&config.evidence).unwrap();
        let records = entries.map(|entry| serde_json::to_value(entry.unwrap().record).unwrap());
        let mut admitted = Vec::new();
        for record in records {
            let text = record.to_string();
            if text.contains("\"decision\":\"allow\"") {
                let actions = find(&record, "actions").unwrap_or_default();
                admitted.push(actions);
            }
        }
        admitted
    }
}

/// The first action below this key, wherever it is.
fn find(value: &serde_json::Value, key: &str) -> Option<String> {
    let object = value.as_object()?;
    match object.get(key) {
        Some(found) => found.as_array()?.first()?.as_str().map(str::to_owned),
        None => object.values().find_map(|value| find(value, key)),
    }
}

/// The field that proves ana.
pub fn authorization() -> String {
    format!("authorization: {}\r\n", proof())
}

/// Its value.
pub fn proof() -> String {
    format!("Basic {}", BASE64.encode(format!("ana:{PASSWORD}")))
}

async fn start(file: &Path) -> process::Serving {
    let config = Config::load(file).unwrap_or_else(|error| panic!("{error}"));
    let gateway = Gateway::start(config).unwrap_or_else(|error| panic!("{error}"));
    let user = User {
        name: "ana".into(),
        verifier: Verifier::new("ana", PASSWORD).unwrap().to_string(),
        kind: PrincipalKind::Human,
        groups: vec!["eng".into()],
        person: None,
        owner: None,
        disabled: false,
        keys: Vec::new(),
    };
    gateway.store().ask(move |store| store.put_user(&user)).await.unwrap();
    portcullis_http::serve(&gateway).unwrap_or_else(|error| panic!("{error}"))
}
