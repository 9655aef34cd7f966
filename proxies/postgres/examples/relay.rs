//! The bare relay in front of one target, for measuring what it costs: nothing is judged, masked or recorded.
//!
//! `relay LISTEN_PORT TARGET_PORT USER PASSWORD [WORKERS]`: clients log in with the target's own user, password and
//! database names; neither leg uses TLS unless `RELAY_CERT`, `RELAY_KEY` and `RELAY_CA` name PEM files.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use policy_core::Principal;
use portcullis_gateway::identity::{FixedUsers, Verifier};
use portcullis_postgres::connect::{Address, Credential, Target, Tls};
use portcullis_postgres::{Limits, Server, ServerTls, Settings, Unpoliced};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, port, user, password, rest @ ..] = arguments.as_slice() else {
        return Err("usage: relay LISTEN_PORT TARGET_PORT USER PASSWORD [WORKERS]".into());
    };
    let workers = rest.first().map_or(Ok(1), |workers| workers.parse())?;
    let database = std::env::var("RELAY_DATABASE").unwrap_or_else(|_| "postgres".to_owned());
    let target = Target {
        name: database.clone(),
        address: Address::Tcp { host: "127.0.0.1".to_owned(), port: port.parse()? },
        tls: target_tls()?,
        user: user.clone(),
        database,
        credential: Credential::new(password.as_str()),
    };
    let settings = Settings {
        listen: vec![([127, 0, 0, 1], listen.parse()?).into()],
        tls: client_tls()?,
        allow_plaintext: true,
        identity: Arc::new(FixedUsers::new(
            [(Principal::human(user.as_str(), ["eng"]), Verifier::new(user, password)?)],
            b"measuring",
        )),
        targets: HashMap::from([(target.name.clone(), Arc::new(target))]),
        limits: Limits { workers, ..Limits::default() },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        Server::bind(settings, Unpoliced)?.serve().await?;
        Ok(())
    })
}

fn client_tls() -> Result<Option<ServerTls>, Box<dyn Error>> {
    let (Ok(certificate), Ok(key)) = (std::env::var("RELAY_CERT"), std::env::var("RELAY_KEY")) else {
        return Ok(None);
    };
    let certificate = CertificateDer::from_pem_file(certificate)?;
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], PrivateKeyDer::from_pem_file(key)?)?;
    Ok(Some(ServerTls::new(config, &certificate)))
}

fn target_tls() -> Result<Tls, Box<dyn Error>> {
    let Ok(authority) = std::env::var("RELAY_CA") else { return Ok(Tls::Off) };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority)?)?;
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Tls::VerifyFull { config: Arc::new(config), name: "localhost".try_into()? })
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
