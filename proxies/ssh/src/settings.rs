//! What a running proxy goes by: from the configuration to keys, algorithms and ways to targets.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use policy_core::Protocol;
use portcullis_gateway::config::{Config, TargetConfig};
use portcullis_gateway::credential::{self, CredentialError, Secret};
use portcullis_gateway::finders::Finders;
use portcullis_gateway::listen::Unavailable;
use portcullis_gateway::reload::Change;
use portcullis_gateway::renew::{self, targets_changed};
use portcullis_gateway::throttle::Bounds;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};
use russh::{MethodKind, Preferred, SshId, cipher, kex, mac, server};

use crate::authority::Authority;
use crate::connect::host_key::Pins;
use crate::connect::{Credential, Way};
use crate::flow::{CLIENT_QUEUE, FIRST_WINDOW};
use crate::keys::{self, KeyError};

/// How often a silent client is asked whether it is there, and how many answers may be missing.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVES: usize = 3;
/// How many proofs a client may fail at in one connection.
const ATTEMPTS: usize = 6;
/// How long a wrong proof takes to be refused, right names or wrong.
const REJECTION: Duration = Duration::from_millis(300);

/// What it calls itself, with a comment for clients that look for OpenSSH's name to know which way round the target's
/// sftp-server reads the two paths of a symbolic link.
const IDENTIFICATION: &str = "SSH-2.0-Portcullis OpenSSH_9.9";

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No address is configured.
    #[error("`listen.ssh` is empty: name an address, such as \"127.0.0.1:2222\"")]
    NoAddress,
    /// An address can't be had.
    #[error("`listen.ssh`: {0}")]
    Listen(#[from] Unavailable),
    /// A key can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A target's host keys can't be used.
    #[error("the host keys of target `{0}`: {1}")]
    HostKey(Box<str>, #[source] KeyError),
    /// A target's credential can't be loaded.
    #[error("the credential of target `{0}`: {1}")]
    Credential(Box<str>, #[source] CredentialError),
    /// A target's credential is neither a key nor a password.
    #[error("the credential of target `{0}` is neither a private key without a passphrase nor a password")]
    NotACredential(Box<str>),
    /// What is looked for can't be compiled.
    #[error("the detectors can't be compiled: {0}")]
    Detectors(#[from] policy_core::mask::DetectorsError),
}

/// What is in force.
pub(crate) struct Settings {
    pub(crate) server: Arc<server::Config>,
    pub(crate) fingerprint: String,
    pub(crate) user_authorities: Vec<PublicKey>,
    pub(crate) ways: HashMap<String, Arc<Way>>,
    pub(crate) bounds: Bounds,
    /// From accept to proven identity.
    pub(crate) login: Duration,
    /// How long a session may be idle.
    pub(crate) idle: Option<Duration>,
}

impl renew::Settings for Settings {
    type Error = ServeError;

    fn of(config: &Config, before: Option<&Self>) -> Result<Self, ServeError> {
        let host_key = keys::host_key(config)?;
        let fingerprint = keys::fingerprint(host_key.public_key());
        let authority = Authority::of(config)?;
        let mut user_authorities = Vec::new();
        for file in &config.ssh.user_authorities {
            user_authorities.extend(keys::public_file(file)?);
        }
        let mut ways = HashMap::new();
        for target in config.targets_of(&Protocol::SSH) {
            let name = target.subject.name.to_string();
            let way = way(config, target, &authority)?;
            let old = before.and_then(|before| before.ways.get(&name)).filter(|old| old.is_as(&way));
            ways.insert(name, old.cloned().unwrap_or_else(|| Arc::new(way)));
        }
        let server = server::Config {
            server_id: SshId::Standard(Cow::Borrowed(IDENTIFICATION)),
            methods: [MethodKind::PublicKey, MethodKind::KeyboardInteractive].as_slice().into(),
            auth_rejection_time: REJECTION,
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys: vec![host_key],
            window_size: FIRST_WINDOW,
            maximum_packet_size: PACKET,
            channel_buffer_size: CLIENT_QUEUE,
            preferred: algorithms(),
            max_auth_attempts: ATTEMPTS,
            // Sessions that wait for approval are silent for longer than any such limit.
            inactivity_timeout: None,
            keepalive_interval: Some(KEEPALIVE),
            keepalive_max: KEEPALIVES,
            ..server::Config::default()
        };
        Ok(Self {
            server: Arc::new(server),
            fingerprint,
            user_authorities,
            ways,
            bounds: config.limits.bounds(),
            login: config.limits.authentication_time,
            idle: config.limits.idle_time,
        })
    }

    fn changes(&self, before: &Self) -> Vec<Change> {
        let mut changes = targets_changed(&before.ways, &self.ways, Arc::ptr_eq);
        if before.fingerprint != self.fingerprint {
            changes.push(Change { what: "SSH host key".to_owned(), to: self.fingerprint.clone() });
        }
        changes
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// One target: who it is, and what it is shown.
pub(crate) fn way(
    config: &Config,
    target: &Arc<TargetConfig>,
    authority: &Authority,
) -> Result<Way, ServeError> {
    let name = &target.subject.name;
    let pins = Pins::of(target).map_err(|error| ServeError::HostKey(name.clone(), error))?;
    let secret = match &target.credential {
        Some(source) => {
            let secret = credential::load(source, &config.secrets)
                .map_err(|error| ServeError::Credential(name.clone(), error))?;
            Some(secret)
        }
        None => None,
    };
    let finders = Finders::new(secret.iter().flat_map(spellings).collect())?;
    let credential = match secret {
        None => Credential::Authority(authority.clone()),
        Some(secret) => credential_of(secret).ok_or_else(|| ServeError::NotACredential(name.clone()))?,
    };
    Ok(Way { config: Arc::clone(target), pins, credential, finders })
}

/// How a target may say the credential back. A private key is known by each line of its body: a terminal ends lines in
/// another way than the file does, and one line is enough to know it by. The first is left out, which all keys of its
/// kind begin with.
fn spellings(secret: &Secret) -> Vec<Secret> {
    let text = match std::str::from_utf8(secret.expose()) {
        Ok(text) if text.starts_with("-----BEGIN") => text,
        _ => return vec![secret.clone()],
    };
    let body = text.lines().filter(|line| !line.starts_with("-----")).skip(1);
    body.filter(|line| line.len() >= LINE).map(|line| Secret::new(line.as_bytes().to_vec())).collect()
}

/// The shortest line of a key's body that is looked for, in bytes.
const LINE: usize = 16;

impl Credential {
    /// What it is, in a word.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Password(_) => "password",
            Self::Authority(_) => "certificate",
        }
    }
}

/// A private key by its first line; anything else is a password, which is text in one line.
fn credential_of(secret: Secret) -> Option<Credential> {
    if secret.expose().starts_with(b"-----BEGIN") {
        return keys::private(secret.expose()).map(|key| Credential::Key(Arc::new(key)));
    }
    let text = std::str::from_utf8(secret.expose()).ok()?;
    (!text.contains(['\n', '\0'])).then_some(())?;
    Some(Credential::Password(secret))
}

impl Way {
    /// Whether nothing about the way has changed.
    fn is_as(&self, other: &Self) -> bool {
        let same_credential = match (&self.credential, &other.credential) {
            (Credential::Key(one), Credential::Key(other)) => one.key_data() == other.key_data(),
            (Credential::Password(one), Credential::Password(other)) => one.expose() == other.expose(),
            (Credential::Authority(one), Credential::Authority(other)) => {
                keys::is_same(one.public_key(), other.public_key())
            }
            _ => false,
        };
        same_credential && *self.config == *other.config && self.pins == other.pins
    }
}

/// The largest packet, in bytes. With the library's default a fast network is a fifth as fast.
pub(crate) const PACKET: u32 = 65_535;

/// Algorithms without known weaknesses, those of OpenSSH 9's defaults; the fastest ciphers first.
pub(crate) fn algorithms() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(&[
            kex::MLKEM768X25519_SHA256,
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::EXTENSION_SUPPORT_AS_CLIENT,
            kex::EXTENSION_SUPPORT_AS_SERVER,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
        ]),
        key: Cow::Borrowed(&[
            Algorithm::Ed25519,
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
            Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
            Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
        ]),
        cipher: Cow::Borrowed(&[
            cipher::AES_128_GCM,
            cipher::AES_256_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_CTR,
        ]),
        mac: Cow::Borrowed(&[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM]),
        ..Preferred::DEFAULT
    }
}
