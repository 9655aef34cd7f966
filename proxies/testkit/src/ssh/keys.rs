//! Keys and certificates, made by `ssh-keygen`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

/// What a key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Ed25519.
    #[default]
    Ed25519,
    /// ECDSA on the curve P-256.
    Ecdsa,
    /// RSA of 3072 bits, which takes a moment to make.
    Rsa,
}

impl Kind {
    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Ed25519 => &["-t", "ed25519"],
            Self::Ecdsa => &["-t", "ecdsa", "-b", "256"],
            Self::Rsa => &["-t", "rsa", "-b", "3072"],
        }
    }
}

/// A key pair in a directory of its own, which goes with the last copy of the value.
#[derive(Debug, Clone)]
pub struct Key {
    /// File of the private key, without a passphrase. The public key is beside it, with `.pub` at its end.
    pub path: PathBuf,
    /// What that file holds: OpenSSH's own format.
    pub private: String,
    /// The public key as a line of OpenSSH, without a comment: `ssh-ed25519 AAAA…`.
    pub public: String,
    _directory: Arc<TempDir>,
}

impl Key {
    /// Makes one.
    #[must_use]
    pub fn generate(kind: Kind) -> Self {
        let directory = tempfile::Builder::new().prefix("portcullis-key-").tempdir().expect("a directory");
        let path = directory.path().join("key");
        run(keygen().args(kind.arguments()).args(["-q", "-N", "", "-C", "", "-f"]).arg(&path));
        let read = |path: &Path| fs::read_to_string(path).expect("a key that was just made");
        let public = read(&path.with_extension("pub")).trim().to_owned();
        Self { private: read(&path), path, public, _directory: Arc::new(directory) }
    }

    /// Certifies `subject`, this key being the authority.
    ///
    /// # Panics
    /// When `ssh-keygen` refuses, for example a validity that it can't read.
    #[must_use]
    pub fn certify(&self, subject: &Self, wanted: &Wanted) -> Certificate {
        let directory = tempfile::Builder::new().prefix("portcullis-cert-").tempdir().expect("a directory");
        let copy = directory.path().join("key.pub");
        fs::write(&copy, format!("{}\n", subject.public)).expect("a copy of the public key");
        let mut command = keygen();
        command.args(["-q", "-s"]).arg(&self.path).args(["-I", &wanted.identity, "-z"]);
        command.arg(wanted.serial.to_string());
        if wanted.is_host {
            command.arg("-h");
        }
        if !wanted.principals.is_empty() {
            command.args(["-n", &wanted.principals.join(",")]);
        }
        if let Some(validity) = &wanted.validity {
            command.args(["-V", validity]);
        }
        for option in &wanted.options {
            command.args(["-O", option]);
        }
        run(command.arg(&copy));
        let path = directory.path().join("key-cert.pub");
        let text = fs::read_to_string(&path).expect("a certificate that was just made").trim().to_owned();
        Certificate { path, text, _directory: Arc::new(directory) }
    }
}

/// A certificate as it is ordered from an authority.
#[derive(Debug, Clone)]
pub struct Wanted {
    is_host: bool,
    identity: String,
    principals: Vec<String>,
    validity: Option<String>,
    options: Vec<String>,
    serial: u64,
}

impl Wanted {
    /// For a user who may log in as any of `principals`; with none the certificate names none.
    #[must_use]
    pub fn user(principals: &[&str]) -> Self {
        Self::new(false, principals)
    }

    /// For a host that goes by any of `names`.
    #[must_use]
    pub fn host(names: &[&str]) -> Self {
        Self::new(true, names)
    }

    /// Its key id, which `sshd` logs: `testkit` unless told.
    #[must_use]
    pub fn identity(mut self, identity: &str) -> Self {
        identity.clone_into(&mut self.identity);
        self
    }

    /// When it holds, as `ssh-keygen -V` takes it: `-5m:+5m`, `20200101:20200102`. For ever unless told.
    #[must_use]
    pub fn validity(mut self, validity: &str) -> Self {
        self.validity = Some(validity.to_owned());
        self
    }

    /// An option as `ssh-keygen -O` takes it: `force-command=…`, `source-address=…`, `clear`, `critical:NAME=…`.
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Its serial number, 0 unless told.
    #[must_use]
    pub const fn serial(mut self, serial: u64) -> Self {
        self.serial = serial;
        self
    }

    fn new(is_host: bool, principals: &[&str]) -> Self {
        Self {
            is_host,
            identity: "testkit".to_owned(),
            principals: principals.iter().map(|&name| name.to_owned()).collect(),
            validity: None,
            options: Vec::new(),
            serial: 0,
        }
    }
}

/// A certificate in a directory of its own, which goes with the last copy of the value.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Its file.
    pub path: PathBuf,
    /// The certificate as a line of OpenSSH.
    pub text: String,
    _directory: Arc<TempDir>,
}

fn keygen() -> Command {
    Command::new("ssh-keygen")
}

fn run(command: &mut Command) {
    let output = command.output().expect("`ssh-keygen` of Debian's openssh-client");
    assert!(output.status.success(), "ssh-keygen: {}", String::from_utf8_lossy(&output.stderr));
}
