//! One real PostgreSQL a test run, shared by every test process.
//!
//! A runner may start one process for all tests or one for each; neither tells its children when the run
//! begins or ends. So the first process that needs the server starts it, under an exclusive lock, through
//! a detached supervisor (`supervise.sh`). Every process holds a shared lock for as long as it lives,
//! which the kernel releases even after `kill -9`; when nobody has held it for ten seconds, the
//! supervisor takes the server down and removes its data.

mod database;
mod install;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

pub use database::Database;
pub(crate) use install::server_user;

use crate::Authority;

/// Where the run's PostgreSQL listens and how to get in.
#[derive(Debug)]
pub struct Postgres {
    /// The TCP port on 127.0.0.1. The certificate names `localhost` and 127.0.0.1.
    pub port: u16,
    /// The directory of its Unix socket.
    pub sockets: PathBuf,
    /// The password of the superuser, [`Postgres::SUPERUSER`], and of `scram_user`, `md5_user` and
    /// `cleartext_user`, unprivileged roles that prove it in the way they are named after.
    pub password: String,
    /// PEM file of the authority behind the server's certificate.
    pub authority: PathBuf,
    /// Whether the server was built with TLS. Some that are packaged for other ends are not.
    pub has_tls: bool,
    /// Where `psql` and `pgbench` are.
    pub bin: PathBuf,
    /// Held for the life of the process: it is what keeps the server up.
    _user: File,
}

impl Postgres {
    /// The role that owns everything in the test server.
    pub const SUPERUSER: &str = "testkit";

    /// The run's server, started if this is the first to ask.
    ///
    /// # Panics
    /// When no PostgreSQL from 15 to 18 is installed, or it does not start; the message says which.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(join_or_start)
    }

    /// A client program, its environment cleared of `PG…` variables.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("PG") {
                command.env_remove(key);
            }
        }
        command.env("PGCONNECT_TIMEOUT", "20");
        command
    }
}

fn join_or_start() -> Postgres {
    let bin = install::bin();
    let directory = directory(&bin);
    let start = lock_file(&directory.join("start"));
    start.lock().expect("the start lock");
    // Waits here while a supervisor that found nobody is taking its server down.
    let user = lock_file(&directory.join("users"));
    user.lock_shared().expect("the users lock");

    let running = fs::read_to_string(directory.join("ready")).ok().and_then(|port| port.trim().parse().ok());
    let running = running.filter(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok());
    let port = running.unwrap_or_else(|| launch(&directory, &bin));
    let password = fs::read_to_string(directory.join("password")).expect("the password file");
    Postgres {
        port,
        sockets: directory.join("sockets"),
        password,
        authority: directory.join("authority.crt"),
        has_tls: directory.join("tls").exists(),
        bin: install::client_bin(&bin),
        _user: user,
    }
}

/// One directory per user, checkout and server, so that no run gets the kit or the server of another version.
fn directory(bin: &Path) -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    let checkout = env!("CARGO_MANIFEST_DIR")
        .bytes()
        .chain(bin.as_os_str().as_encoded_bytes().iter().copied())
        .fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let path = std::env::temp_dir().join(format!("portcullis-testkit-{uid}-{checkout:08x}"));
    match fs::DirBuilder::new().mode(0o755).create(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            panic!("cannot make `{}`: {error}", path.display())
        }
        _ => {}
    }
    let metadata = fs::symlink_metadata(&path).expect("the directory just made");
    assert!(metadata.is_dir() && metadata.uid() == uid, "`{}` belongs to somebody else", path.display());
    path
}

fn lock_file(path: &Path) -> File {
    File::options().create(true).append(true).open(path).expect("a lock file")
}

#[expect(clippy::zombie_processes, reason = "the supervisor outlives this process on purpose")]
fn launch(directory: &Path, bin: &Path) -> u16 {
    let authority = Authority::new();
    let server = authority.issue(&["localhost", "127.0.0.1"]);
    let write = |name: &str, text: &str| fs::write(directory.join(name), text).expect("a file of the kit");
    write("authority.crt", &authority.certificate());
    write("server.crt", &server.certificate);
    write("server.key", &server.key);
    write(
        "password",
        &format!(
            "testkit-{:016x}",
            std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), 0)
        ),
    );
    write("supervise.sh", include_str!("supervise.sh"));

    let port = free_port();
    let log = File::create(directory.join("supervisor.log")).expect("the log");
    let mut supervisor = Command::new("setsid")
        .arg("sh")
        .args([&directory.join("supervise.sh"), directory, bin])
        .arg(port.to_string())
        .arg(server_user().unwrap_or_default())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("`setsid` of util-linux");
    let mut line = String::new();
    let said = supervisor.stdout.take().expect("a piped output");
    BufReader::new(said).read_line(&mut line).expect("a line from the supervisor");
    assert!(
        line.trim() == "ready",
        "PostgreSQL did not start: `{}`; see {}",
        line.trim(),
        directory.display()
    );
    port
}

pub(crate) fn free_port() -> u16 {
    let probe = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    probe.local_addr().expect("its address").port()
}
