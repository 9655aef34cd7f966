//! What is known of a target.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;

/// A PostgreSQL server and database, and how the gateway gets in.
#[derive(Debug)]
pub struct Target {
    /// Its name: what clients give as the database.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// How its identity is proved.
    pub tls: Tls,
    /// The role that the gateway connects as.
    pub user: String,
    /// The database's name at the target.
    pub database: String,
    /// The password of that role.
    pub credential: Credential,
}

/// Where a target is.
#[derive(Debug, Clone)]
pub enum Address {
    /// Over the network.
    Tcp {
        /// A host name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket on this machine.
    Unix(PathBuf),
}

/// How a target's identity is proved.
#[derive(Clone)]
pub enum Tls {
    /// TLS with a certificate that an authority in `config` has issued for `name` (libpq's `verify-full`).
    VerifyFull {
        /// Roots, protocol versions and provider.
        config: Arc<rustls::ClientConfig>,
        /// The name that the certificate must have.
        name: ServerName<'static>,
    },
    /// No TLS: for Unix sockets, and where the network itself is trusted.
    Off,
}

/// A password that is shown to nobody but its target.
#[derive(Clone)]
pub struct Credential(Box<str>);

impl Credential {
    /// Takes a password into keeping.
    pub fn new(password: impl Into<Box<str>>) -> Self {
        Self(password.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VerifyFull { name, .. } => write!(f, "VerifyFull({name:?})"),
            Self::Off => f.write_str("Off"),
        }
    }
}
