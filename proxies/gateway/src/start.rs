//! From a configuration to a running instance: directories, keys, store, evidence, policy, in this order.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_evidence::record::GatewayStarted;
use portcullis_evidence::recording::{Recorder, RecorderError, RecorderOptions};
use portcullis_evidence::{
    AppendError, AuditLog, KeyError, LogOptions, OpenError, Record, Scope, SigningKey,
};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::config::Config;
use crate::enforce::{Gateway, Parts};
use crate::identity::LocalUsers;
use crate::policies::{Policies, PolicyError};
use crate::store::{Keeper, Sqlite, StoreError};

/// The store's file in the state directory.
pub const STORE_FILE: &str = "portcullis.db";

impl Gateway {
    /// Starts an instance. Whatever it needs and lacks is made: directories (mode 0700), keys (mode 0600), the store.
    ///
    /// # Errors
    /// Where anything is missing, broken or taken by another instance. Nothing has been served then.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let policies = Policies::load(&config).map_err(StartError::Policy)?;
        let store = open_store(&config)?;
        let watched = open_store(&config)?;
        let secret = secret(&config.state.join("digest.key"))?;
        let derived = |what: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*secret), what);
        private_directory(&config.evidence)?;
        let key = SigningKey::load_or_create(&config.state)?;
        let log = Arc::new(AuditLog::open(&config.evidence, key, LogOptions::default())?);
        let store = Keeper::start(Box::new(store)).map_err(StartError::System)?;
        let clock = Clock::system();
        let unknown = derived(b"users that don't exist");
        let identity = Arc::new(LocalUsers::new(store.clone(), clock.clone(), unknown.as_ref()));
        let digest = policies.current().policy.digest().to_string();
        let recorder = Recorder::start(Arc::clone(&log), RecorderOptions::default())?;
        let parts = Parts {
            clock,
            policies,
            identity,
            store,
            watched: Box::new(watched),
            log: Arc::clone(&log),
            recorder,
            digest_key: *secret,
            config,
        };
        let gateway = Self::assemble(parts).map_err(StartError::System)?;
        let config = fs::read(&gateway.config().file).unwrap_or_default();
        let host = rustix::system::uname();
        log.append_one(
            &Scope::gateway(),
            &Record::GatewayStarted(GatewayStarted {
                build: concat!("portcullis ", env!("CARGO_PKG_VERSION")).into(),
                host: host.nodename().to_string_lossy(),
                pid: std::process::id(),
                policy: digest.into(),
                config: gateway.digest(&[&config]).to_string().into(),
            }),
        )?;
        Ok(gateway)
    }
}

/// Opens the store of a configuration, making it and its directory where there is none.
///
/// # Errors
/// Where the directory or the file can't be made, opened or trusted.
pub fn open_store(config: &Config) -> Result<Sqlite, StartError> {
    private_directory(&config.state)?;
    Ok(Sqlite::open(&config.state.join(STORE_FILE))?)
}

/// Opens the store of a configuration where there is one. Nothing is made by looking.
///
/// # Errors
/// Where it can't be told whether there is one, and as [`open_store`].
pub fn open_existing_store(config: &Config) -> Result<Option<Sqlite>, StartError> {
    let exists = config.state.join(STORE_FILE).try_exists();
    match exists.map_err(|error| StartError::Directory(config.state.clone(), error))? {
        true => open_store(config).map(Some),
        false => Ok(None),
    }
}

/// Makes a directory that is nobody else's, or checks that it is.
pub(crate) fn private_directory(path: &Path) -> Result<(), StartError> {
    let failed = |error| StartError::Directory(path.to_owned(), error);
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.mode() & 0o022 != 0 {
        return Err(StartError::Exposed(path.to_owned(), metadata.mode() & 0o777));
    }
    Ok(())
}

/// The installation's secret: made at first start.
fn secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, StartError> {
    let failed = |error| StartError::Secret(path.to_owned(), error);
    let mut secret = Zeroizing::new([0; 32]);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            SystemRandom::new().fill(&mut *secret).map_err(|_| failed(io::Error::other("no randomness")))?;
            file.write_all(&*secret).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::metadata(path).map_err(failed)?;
            if metadata.mode() & 0o077 != 0 {
                return Err(StartError::Exposed(path.to_owned(), metadata.mode() & 0o777));
            }
            let found = Zeroizing::new(fs::read(path).map_err(failed)?);
            let found: &[u8; 32] = found
                .as_slice()
                .try_into()
                .map_err(|_| failed(io::Error::other("it is not 32 bytes long")))?;
            *secret = *found;
        }
        Err(error) => return Err(failed(error)),
    }
    Ok(secret)
}

/// Why an instance does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policy can't be loaded.
    #[error("{0}")]
    Policy(#[source] PolicyError),
    /// A directory can't be made.
    #[error("the directory `{}` can't be used: {_1}", _0.display())]
    Directory(PathBuf, #[source] io::Error),
    /// Others may write to the state.
    #[error("`{}` has mode {_1:o}, so others can get at it: run `chmod go-rwx` on it", _0.display())]
    Exposed(PathBuf, u32),
    /// The installation's secret can't be read or made.
    #[error("the key `{}` can't be used: {_1}", _0.display())]
    Secret(PathBuf, #[source] io::Error),
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key of the audit log can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The audit log can't be opened.
    #[error(transparent)]
    Evidence(#[from] OpenError),
    /// Sessions can't be recorded.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The audit log can't be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The system has no thread or randomness to give.
    #[error("the system refuses: {0}")]
    System(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn config(directory: &Path) -> Config {
        let path = directory.join("portcullis.toml");
        fs::create_dir_all(directory.join("policies")).expect("made");
        fs::write(directory.join("policies/production.policy"), "default deny\n").expect("written");
        fs::write(&path, Config::example()).expect("written");
        Config::load(&path).expect("the example is right")
    }

    #[test]
    fn the_example_starts_and_starts_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let config = config(directory.path());
        let first = Gateway::start(config.clone()).unwrap_or_else(|error| panic!("{error}"));
        let digest = first.digest(&[b"text"]);
        first.close("test").expect("closed");
        drop(first);
        let second = Gateway::start(config.clone()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(second.digest(&[b"text"]), digest, "evidence stays comparable");
        assert!(
            matches!(Gateway::start(config.clone()), Err(StartError::Evidence(_))),
            "one instance a directory"
        );
        for path in [&config.state, &config.state.join("digest.key"), &config.evidence] {
            let mode = fs::metadata(path).expect("there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
        }
    }

    #[test]
    fn looking_for_a_store_makes_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let config = config(directory.path());
        assert!(open_existing_store(&config).expect("looked for").is_none());
        assert!(!config.state.exists());
        drop(open_store(&config).expect("made"));
        assert!(open_existing_store(&config).expect("looked for").is_some());
        fs::remove_dir_all(&config.state).expect("removed");
        fs::write(&config.state, "no directory").expect("written");
        assert!(matches!(open_existing_store(&config), Err(StartError::Directory(..))));
    }

    #[test]
    fn what_others_can_change_is_not_trusted() {
        let directory = tempfile::tempdir().expect("a directory");
        let config = config(directory.path());
        fs::create_dir(&config.state).expect("made");
        fs::set_permissions(&config.state, fs::Permissions::from_mode(0o777)).expect("changed");
        assert!(matches!(Gateway::start(config.clone()), Err(StartError::Exposed(..))));
        fs::set_permissions(&config.state, fs::Permissions::from_mode(0o700)).expect("changed");
        fs::write(config.state.join("digest.key"), [0; 32]).expect("written");
        fs::set_permissions(config.state.join("digest.key"), fs::Permissions::from_mode(0o644))
            .expect("changed");
        assert!(matches!(Gateway::start(config), Err(StartError::Exposed(..))));
    }

    #[test]
    fn a_wrong_policy_or_a_missing_one_starts_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let config = config(directory.path());
        fs::write(&config.policies[0], "allow { on postgers }").expect("written");
        let error = Gateway::start(config.clone()).expect_err("a wrong policy").to_string();
        assert!(error.contains("postgers") && error.contains("did you mean"), "{error}");
        fs::remove_file(&config.policies[0]).expect("removed");
        let error = Gateway::start(config.clone()).expect_err("no policy").to_string();
        assert!(error.contains("production.policy"), "{error}");
        assert!(!config.state.exists(), "nothing was made");
    }
}
