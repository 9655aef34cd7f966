//! TLS on both legs: the certificate that clients are shown, the operator's or one made at first start, and those that they may
//! show; and, in `client`, how targets are spoken to.

mod client;
mod unverified;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use ring::digest;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
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
    /// Where a file can't be read, has no certificate or key in it, the key could have been read by others, or is another
    /// certificate's.
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
        let key_file = key;
        let key = PrivateKeyDer::from_pem_slice(&read_private(&key_file)?)
            .map_err(|_| TlsError::NoKey(key_file.clone()))?;
        pair(&chain, &key, &certificate, &key_file)?;
        Ok(Self { chain, key, fingerprint, generated })
    }

    /// A configuration for accepting clients: TLS 1.2 and 1.3, no client certificates, no ALPN.
    ///
    /// # Errors
    /// Where key and certificate do not belong together.
    pub fn server_config(self) -> Result<ServerConfig, TlsError> {
        self.server_config_for(Clients::default())
    }

    /// A configuration for accepting clients: TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// Where key and certificate do not belong together.
    pub fn server_config_for(self, clients: Clients) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?;
        let Clients { authorities, alpn } = clients;
        let asks = authorities.is_some();
        let builder = match authorities {
            None => builder.with_no_client_auth(),
            Some(ClientAuthorities(verifier)) => builder.with_client_cert_verifier(verifier),
        };
        let mut config = builder.with_single_cert(self.chain, self.key).map_err(TlsError::Unusable)?;
        config.alpn_protocols = alpn;
        if asks {
            // A session that is resumed brings its certificate along without it being verified again.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }
}

/// What is asked of clients, and offered to them.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// Whose certificates they may show. A client that shows none is served, one that shows another's is not.
    pub authorities: Option<ClientAuthorities>,
    /// The application protocols (ALPN, RFC 7301) that are spoken, the preferred first; none is none offered.
    pub alpn: Vec<Vec<u8>>,
}

/// The authorities whose certificates clients may prove themselves by. Lists of revoked certificates are not looked at:
/// a user who is disabled is let in by none.
#[derive(Clone, Debug)]
pub struct ClientAuthorities(Arc<dyn ClientCertVerifier>);

impl ClientAuthorities {
    /// Loads those that a configuration names (`tls.client_authorities`); `None` where it names none.
    ///
    /// # Errors
    /// Where the file can't be read, or a certificate in it, or there is none.
    pub fn load(config: &Config) -> Result<Option<Self>, TlsError> {
        config.tls.client_authorities.as_deref().map(Self::read).transpose()
    }

    fn read(path: &Path) -> Result<Self, TlsError> {
        let pem = fs::read(path).map_err(|error| TlsError::File(path.to_owned(), error))?;
        let unusable = |error: rustls::Error| TlsError::Authority(path.to_owned(), error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|_| TlsError::NoCertificate(path.to_owned()))?;
            roots.add(certificate).map_err(unusable)?;
        }
        if roots.is_empty() {
            return Err(TlsError::NoCertificate(path.to_owned()));
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .allow_unauthenticated()
            .build()
            .map_err(|error| TlsError::Authority(path.to_owned(), error.to_string()))?;
        Ok(Self(verifier))
    }
}

/// Tells which files they are from, where a certificate and a key are not each other's. What else is wrong with them is
/// said by whoever uses them.
fn pair(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    certificate_file: &Path,
    key_file: &Path,
) -> Result<(), TlsError> {
    use rustls::{Error, InconsistentKeys};
    match CertifiedKey::from_der(chain.to_vec(), key.clone_key(), &provider()) {
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(TlsError::Mismatch(certificate_file.to_owned(), key_file.to_owned()))
        }
        _ => Ok(()),
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
    /// An authority of clients' certificates is none.
    #[error("`{}` has a certificate in it that can't be an authority of clients': {_1}", _0.display())]
    Authority(PathBuf, String),
    /// Key and certificate do not belong together.
    #[error("`{}` is not the key of the certificate in `{}`", _1.display(), _0.display())]
    Mismatch(PathBuf, PathBuf),
    /// Key and certificate can't be used.
    #[error("the certificate and its key can't be used: {0}")]
    Unusable(#[source] rustls::Error),
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer};
    use rustls::ClientConfig;

    use super::*;
    use crate::identity::client_name;

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
        let other = tempfile::tempdir().expect("a directory");
        ServerCertificate::load(&config(other.path(), "")).expect("made");
        fs::copy(other.path().join("state/server.key"), &key).expect("copied");
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("changed");
        let words = ServerCertificate::load(&own).expect_err("another's").to_string();
        assert!(words.contains("state/server.key` is not the key of the certificate in"), "{words}");
        fs::write(&key, "no key").expect("written");
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("changed");
        assert!(matches!(ServerCertificate::load(&own), Err(TlsError::NoKey(_))));
    }

    /// An authority, and what it issues.
    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        pem: String,
    }

    impl Authority {
        fn new() -> Self {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(Vec::new()).expect("no names");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, "an authority");
            let pem = params.self_signed(&key).expect("made").pem();
            Self { issuer: Issuer::new(params, key), pem }
        }

        /// A client's certificate, with its key.
        fn issue(
            &self,
            user: &str,
            refine: impl FnOnce(&mut CertificateParams),
        ) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(Vec::new()).expect("no names");
            params.distinguished_name.push(DnType::CommonName, user);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            refine(&mut params);
            let certificate = params.signed_by(&key, &self.issuer).expect("issued");
            let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
            (certificate.der().clone(), key)
        }
    }

    type Shown = (CertificateDer<'static>, PrivateKeyDer<'static>);

    /// A handshake in memory: what the server knows of the client afterwards.
    fn shake(
        server: &Arc<ServerConfig>,
        root: &CertificateDer<'static>,
        shows: Option<Shown>,
    ) -> Result<rustls::ServerConnection, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match shows {
            Some((certificate, key)) => {
                builder.with_client_auth_cert(vec![certificate], key).expect("a pair")
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        exchange(Arc::new(config), server)
    }

    fn exchange(
        config: Arc<ClientConfig>,
        server: &Arc<ServerConfig>,
    ) -> Result<rustls::ServerConnection, rustls::Error> {
        let name = "localhost".try_into().expect("a name");
        let mut client = rustls::ClientConnection::new(config, name).expect("a client");
        let mut server = rustls::ServerConnection::new(Arc::clone(server)).expect("a server");
        while client.is_handshaking() || server.is_handshaking() {
            let mut sent = Vec::new();
            client.write_tls(&mut sent).expect("written");
            server.read_tls(&mut sent.as_slice()).expect("read");
            server.process_new_packets()?;
            let mut answered = Vec::new();
            server.write_tls(&mut answered).expect("written");
            client.read_tls(&mut answered.as_slice()).expect("read");
            client.process_new_packets().expect("the server is trusted");
        }
        Ok(server)
    }

    #[test]
    fn a_client_may_show_a_certificate_of_an_authority_and_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let (ours, theirs) = (Authority::new(), Authority::new());
        fs::write(directory.path().join("clients.pem"), &ours.pem).expect("written");
        let config = config(directory.path(), "[tls]\nclient_authorities = \"clients.pem\"");
        let own = ServerCertificate::load(&config).expect("made");
        let root = own.chain[0].clone();
        let authorities = ClientAuthorities::load(&config).expect("read");
        let alpn = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let server = own.server_config_for(Clients { authorities, alpn }).expect("usable");
        let server = Arc::new(server);

        let unknown = shake(&server, &root, None).expect("nobody has to show one");
        assert!(unknown.peer_certificates().is_none());
        assert_eq!(unknown.alpn_protocol(), Some(&b"h2"[..]));

        let ana = ours.issue("ana", |_| {});
        let known = shake(&server, &root, Some((ana.0.clone(), ana.1.clone_key()))).expect("verified");
        let [certificate] = known.peer_certificates().expect("shown") else { panic!("more than one") };
        assert_eq!(client_name(certificate).as_deref(), Ok("ana"));

        let old = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let server_only = |params: &mut CertificateParams| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
        };
        for (what, shown) in [
            ("another authority's", theirs.issue("ana", |_| {})),
            ("expired", ours.issue("ana", old)),
            ("not for clients", ours.issue("ana", server_only)),
        ] {
            assert!(shake(&server, &root, Some(shown)).is_err(), "{what}");
        }
        let (certificate, _) = ours.issue("ana", |_| {});
        let (_, key) = ours.issue("ben", |_| {});
        assert!(shake_with_wrong_key(&server, &root, certificate, key), "the key is not the certificate's");
    }

    /// Whether the server refuses a client that signs with another key than its certificate's.
    fn shake_with_wrong_key(
        server: &Arc<ServerConfig>,
        root: &CertificateDer<'static>,
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> bool {
        #[derive(Debug)]
        struct Resolves(Arc<CertifiedKey>);

        impl rustls::client::ResolvesClientCert for Resolves {
            fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
                Some(Arc::clone(&self.0))
            }

            fn has_certs(&self) -> bool {
                true
            }
        }

        let key = provider().key_provider.load_private_key(key).expect("a key");
        let pair = CertifiedKey::new(vec![certificate], key);
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(Resolves(Arc::new(pair))));
        exchange(Arc::new(config), server).is_err()
    }

    #[test]
    fn authorities_that_are_none_are_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("clients.pem");
        assert!(ClientAuthorities::load(&config(directory.path(), "")).expect("none named").is_none());
        for (content, is_right) in [
            (Authority::new().pem + &Authority::new().pem, true),
            (String::new(), false),
            ("no certificate".to_owned(), false),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(), false),
            (Authority::new().pem + "-----BEGIN CERTIFICATE-----\nA\n", false),
        ] {
            fs::write(&path, &content).expect("written");
            let config = config(directory.path(), "[tls]\nclient_authorities = \"clients.pem\"");
            assert_eq!(ClientAuthorities::load(&config).is_ok(), is_right, "{content}");
        }
    }
}
