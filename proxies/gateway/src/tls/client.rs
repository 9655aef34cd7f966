//! How the gateway speaks TLS to a target: whom it trusts, and what it shows.

use std::path::Path;
use std::sync::Arc;

use ring::digest::{Context, SHA256};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, TrustAnchor};

use super::unverified::AnyCertificate;
use super::{TlsError, pair, provider};
use crate::config::TargetTls;
use crate::credential::read_private;

/// TLS to one target, ready to be spoken.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// What rustls goes by. No ALPN is set.
    pub config: Arc<ClientConfig>,
    /// The name that is asked for, and expected in the certificate where that is checked.
    pub name: ServerName<'static>,
    /// Whom its certificate may come from; none where it is not checked.
    pub roots: Vec<TrustAnchor<'static>>,
}

/// A chain and its key, shown to a target that asks who the gateway is.
#[derive(Debug)]
pub struct ClientIdentity {
    /// The chain, the gateway's own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    /// Reads a PEM chain, and a PEM key that only its owner can read.
    ///
    /// # Errors
    /// Where a file can't be read, is empty of what it should hold, the key could have been read by others, or is another
    /// certificate's.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(certificate)?;
        let key_file = key;
        let key = PrivateKeyDer::from_pem_slice(&read_private(key_file)?)
            .map_err(|_| TlsError::NoKey(key_file.to_owned()))?;
        pair(&chain, &key, certificate, key_file)?;
        Ok(Self { chain, key })
    }

    /// A digest that only the same chain with the same key has.
    pub fn digest(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        for part in self.chain.iter().map(|certificate| &**certificate).chain([self.key.secret_der()]) {
            // Lengths keep ["ab", "c"] and ["a", "bc"] apart.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        digest
    }
}

impl ClientTls {
    /// TLS that takes any certificate, for a connector that wants one and is only ever asked to connect in the clear.
    ///
    /// # Errors
    /// Where the host is no name.
    pub fn unchecked(host: &str) -> Result<Self, TlsError> {
        Self::of(&TargetTls::Require, host, None)?.ok_or(TlsError::NoRoots)
    }

    /// What a target's configuration comes to; `None` where it says that nothing is encrypted.
    ///
    /// # Errors
    /// Where nobody would be trusted, a name is no name, or certificate and key don't belong together.
    pub fn of(
        wanted: &TargetTls,
        host: &str,
        identity: Option<ClientIdentity>,
    ) -> Result<Option<Self>, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?;
        let (builder, name, roots) = match wanted {
            TargetTls::Disable => return Ok(None),
            TargetTls::Require => {
                let any = Arc::new(AnyCertificate(provider()));
                (builder.dangerous().with_custom_certificate_verifier(any), host, Vec::new())
            }
            TargetTls::VerifyFull { ca, server_name } => {
                let trusted = trusted(ca.as_deref())?;
                let anchors = trusted.roots.clone();
                (builder.with_root_certificates(trusted), server_name.as_str(), anchors)
            }
        };
        let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::NoName(name.into()))?;
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(ClientIdentity { chain, key }) => {
                builder.with_client_auth_cert(chain, key).map_err(TlsError::Unusable)?
            }
        };
        Ok(Some(Self { config: Arc::new(config), name, roots }))
    }
}

/// The authorities in a file, or those that the system trusts.
fn trusted(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(TlsError::Unusable)?;
            }
        }
        None => {
            let native = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(native.certs);
            if roots.is_empty() {
                return Err(TlsError::NoRoots);
            }
        }
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = || TlsError::NoCertificate(file.to_owned());
    let chain: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(|_| none())?
        .collect::<Result<_, _>>()
        .map_err(|_| none())?;
    if chain.is_empty() { Err(none()) } else { Ok(chain) }
}
