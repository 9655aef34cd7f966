//! A gateway in front of the run's PostgreSQL, on a thread of its own.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a fixture that does not come up is a failed test"
)]

pub mod raw;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use policy_core::Principal;
use portcullis_gateway::identity::{FixedUsers, Verifier};
use portcullis_postgres::connect::{Address, Credential, Target, Tls};
use portcullis_postgres::{Limits, Policing, Server, ServerTls, Settings, Unpoliced};
use portcullis_testkit::{Authority, Database, Postgres};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub const USER: &str = "ann";
pub const PASSWORD: &str = "correct horse";

/// A gateway that runs until the test's process ends.
pub struct Gateway {
    pub address: SocketAddr,
    /// PEM file of the authority behind the gateway's certificate.
    pub authority: tempfile::NamedTempFile,
    pub server: &'static Postgres,
}

/// The target `shop`: `database`, over TCP, with TLS where the server has it, as the superuser.
pub fn target(database: &Database) -> Target {
    Target {
        name: "shop".to_owned(),
        address: Address::Tcp { host: "127.0.0.1".to_owned(), port: database.server.port },
        tls: match database.server.has_tls {
            true => verify_full(&database.server.authority, "localhost"),
            false => Tls::Off,
        },
        user: Postgres::SUPERUSER.to_owned(),
        database: database.name.clone(),
        credential: Credential::new(database.server.password.as_str()),
    }
}

/// TLS that trusts the authority in a PEM file alone.
pub fn verify_full(authority: &PathBuf, name: &'static str) -> Tls {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Tls::VerifyFull { config: Arc::new(config), name: name.try_into().unwrap() }
}

/// Settings for a gateway with one user and one target, and the authority that its certificate comes from.
pub fn settings(target: Target) -> (Settings, Authority) {
    let authority = Authority::new();
    let issued = authority.issue(&["localhost", "127.0.0.1"]);
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let settings = Settings {
        listen: vec![([127, 0, 0, 1], 0).into()],
        tls: Some(ServerTls::new(config, &certificate)),
        allow_plaintext: true,
        identity: Arc::new(FixedUsers::new(
            [(Principal::human(USER, ["eng"]), Verifier::new(USER, PASSWORD).unwrap())],
            b"tests",
        )),
        targets: HashMap::from([(target.name.clone(), Arc::new(target))]),
        limits: Limits::default(),
    };
    (settings, authority)
}

/// A gateway that polices nothing.
pub fn plain(database: &Database) -> Gateway {
    let (settings, authority) = settings(target(database));
    start(settings, &authority, Unpoliced)
}

/// Starts a gateway.
pub fn start<P: Policing>(settings: Settings, authority: &Authority, policing: P) -> Gateway {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::bind(settings, policing).unwrap();
            tell.send(server.addresses().unwrap()[0]).unwrap();
            server.serve().await.unwrap();
        });
    });
    let pem = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(pem.path(), authority.certificate()).unwrap();
    Gateway { address: told.recv().unwrap(), authority: pem, server: Postgres::shared() }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Gateway {
    /// `psql` or `pgbench`, set to reach the gateway.
    pub fn program(&self, name: &str) -> Command {
        let mut command = self.server.program(name);
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.address.port().to_string())
            .env("PGUSER", USER)
            .env("PGPASSWORD", PASSWORD)
            .env("PGDATABASE", "shop")
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", self.authority.path());
        command
    }

    /// Runs a script in psql without its start-up file; output and errors together, failing never.
    pub fn psql(&self, script: &str) -> String {
        run(self.program("psql").args(["-X", "-A", "-t", "-q", "-c", script]))
    }

    /// A tokio-postgres configuration that reaches the gateway without TLS.
    pub fn config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.address.port()).user(USER).password(PASSWORD).dbname("shop");
        config
    }

    pub async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) = self.config().connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).unwrap().trim().to_owned()
}
