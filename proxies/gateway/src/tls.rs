//! TLS on both legs: the certificate that clients are shown, the operator's or one made at first start; and, in `client`, how
//! targets are spoken to.

mod client;
mod unverified;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use ring::digest;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Config;
use crate::credential::{CredentialError, read_private};

pub use client::{ClientIdentity, ClientTls};

/// A chain and its key, ready for rustls.
#[derive(Debug)]
pub struct ServerCertificate {
    /// The chain, the server's own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
    /// The SHA-256 of the server's own certificate, as `AB:CD:…`: for people to compare.
    pub fingerprint: String,
    /// Whether it was made by the gateway, so that clients know it from its fingerprint alone.
    pub generated: bool,
}

impl ServerCertificate {
    /// Loads the certificate that a configuration names, or the generated one, making it if there is none yet.
    ///
    /// # Errors
    /// Where a file can't be read, has no certificate or key in it, or the key could have been read by others.
    pub fn load(config: &Config) -> Result<Self, TlsError> {
        let (certificate, key, generated) = match &config.tls.files {
            Some((certificate, key)) => (certificate.clone(), key.clone(), false),
            None => {
                crate::start::private_directory(&config.state)
                    .map_err(|error| TlsError::File(config.state.clone(), io::Error::other(error)))?;
                let (certificate, key) = (config.state.join("server.crt"), config.state.join("server.key"));
                if !certificate.exists() || !key.exists() {
                    generate(&certificate, &key)?;
                }
                (certificate, key, true)
            }
        };
        let pem = fs::read(&certificate).map_err(|error| TlsError::File(certificate.clone(), error))?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::NoCertificate(certificate.clone()))?;
        let Some(own) = chain.first() else { return Err(TlsError::NoCertificate(certificate)) };
        let fingerprint = fingerprint(own);
        let key = PrivateKeyDer::from_pem_slice(&read_private(&key)?).map_err(|_| TlsError::NoKey(key))?;
        Ok(Self { chain, key, fingerprint, generated })
    }

    /// A configuration for accepting clients: TLS 1.2 and 1.3, no client certificates, no ALPN.
    ///
    /// # Errors
    /// Where key and certificate do not belong together.
    pub fn server_config(self) -> Result<ServerConfig, TlsError> {
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_single_cert(self.chain, self.key)
            .map_err(TlsError::Unusable)
    }
}

/// The one crypto provider of this program, given explicitly wherever rustls asks.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Makes a self-signed certificate for this machine's name and loopback, valid for ever as far as clients care.
fn generate(certificate: &Path, key: &Path) -> Result<(), TlsError> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !host.is_empty() && host.is_ascii() && host != "localhost" {
        names.push(host);
    }
    let pair = KeyPair::generate().map_err(TlsError::Generate)?;
    let params = CertificateParams::new(names).map_err(TlsError::Generate)?;
    let own = params.self_signed(&pair).map_err(TlsError::Generate)?;
    write(key, pair.serialize_pem().as_bytes(), 0o600)?;
    write(certificate, own.pem().as_bytes(), 0o644)
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), TlsError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let failed = |error| TlsError::File(path.to_owned(), error);
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = digest::digest(&digest::SHA256, certificate);
    let pairs: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or written.
    #[error("`{}`: {_1}", _0.display())]
    File(PathBuf, #[source] io::Error),
    /// The file has no certificate in it.
    #[error("`{}` has no certificate in PEM form in it", _0.display())]
    NoCertificate(PathBuf),
    /// The file has no key in it.
    #[error("`{}` has no private key in PEM form in it", _0.display())]
    NoKey(PathBuf),
    /// The key can't be read, or could have been by others.
    #[error(transparent)]
    Key(#[from] CredentialError),
    /// The system trusts nobody.
    #[error("the system has no certificate authorities: name those of the target with `ca`")]
    NoRoots,
    /// A target is asked for by what is no name of a server.
    #[error("`{0}` is no name that a certificate could have")]
    NoName(Box<str>),
    /// A certificate can't be made.
    #[error("a certificate can't be generated: {0}")]
    Generate(#[source] rcgen::Error),
    /// Key and certificate do not belong together.
    #[error("the certificate and its key can't be used: {0}")]
    Unusable(#[source] rustls::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(directory: &Path, tls: &str) -> Config {
        let source = format!(
            "policies = [\"p\"]\n{tls}\n[[target]]\nname = \"a\"\nprotocol = \"postgres\"\naddress = \"127.0.0.1\"\nuser = \"u\"\n"
        );
        Config::parse(&directory.join("portcullis.toml"), &source).expect("right")
    }

    #[test]
    fn a_certificate_is_made_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let config = config(directory.path(), "");
        let first = ServerCertificate::load(&config).expect("made");
        assert!(first.generated);
        assert_eq!(first.fingerprint.len(), 32 * 3 - 1);
        let second = ServerCertificate::load(&config).expect("read");
        assert_eq!(second.fingerprint, first.fingerprint);
        second.server_config().expect("usable");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(directory.path().join("state/server.key")).expect("there").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let made = ServerCertificate::load(&config(directory.path(), "")).expect("made");
        let own =
            config(directory.path(), "[tls]\ncertificate = \"state/server.crt\"\nkey = \"state/server.key\"");
        assert_eq!(ServerCertificate::load(&own).expect("read").fingerprint, made.fingerprint);
        let key = directory.path().join("state/server.key");
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("changed");
        assert!(matches!(ServerCertificate::load(&own), Err(TlsError::Key(CredentialError::Exposed(..)))));
        fs::write(&key, "no key").expect("written");
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("changed");
        assert!(matches!(ServerCertificate::load(&own), Err(TlsError::NoKey(_))));
    }
}
