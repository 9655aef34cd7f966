//! The real program, in front of the run's PostgreSQL, in a directory of its own.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a fixture that does not come up is a failed test"
)]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use policy_core::PrincipalKind;
use portcullis_gateway::config::Config;
use portcullis_gateway::identity::Verifier;
use portcullis_gateway::start::open_store;
use portcullis_gateway::store::{Store as _, User};
use portcullis_testkit::{Database, Postgres};
use tokio_postgres::{Client, NoTls};

pub const PASSWORD: &str = "correct horse battery";

/// A configuration with one user, `ann`, and one target, `shop`: a database of its own.
pub struct House {
    pub folder: tempfile::TempDir,
    pub database: Database,
    pub evidence: PathBuf,
    /// The file with the target's password.
    pub credential: PathBuf,
    pub port: u16,
}

/// A running gateway; killed when dropped.
pub struct Running {
    child: Child,
    /// The program's own process, where `child` is a shell around it.
    inner: Option<i32>,
    /// Where the evidence is found after the end, where that is not the configured place.
    pub kept_evidence: Option<PathBuf>,
}

/// How a program ended that was to fail.
pub struct Ended {
    pub code: Option<i32>,
    pub said: String,
}

impl House {
    pub async fn new(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::create().await;
        let (evidence, credential) = (folder.path().join("evidence"), folder.path().join("credential"));
        let house = Self { folder, database, evidence, credential, port: free_port() };
        fs::write(house.folder.path().join("all.policy"), policy).unwrap();
        fs::write(&house.credential, &house.database.server.password).unwrap();
        fs::set_permissions(&house.credential, fs::Permissions::from_mode(0o600)).unwrap();
        let config = house.configure("portcullis.toml", "evidence", house.port);
        let config = Config::load(&config).unwrap_or_else(|error| panic!("{error}"));
        let user = User {
            name: "ann".into(),
            verifier: Verifier::new("ann", PASSWORD).unwrap().to_string(),
            kind: PrincipalKind::Human,
            groups: vec!["eng".into()],
            person: None,
            owner: None,
            disabled: false,
            keys: Vec::new(),
        };
        open_store(&config).unwrap().put_user(&user).unwrap();
        house
    }

    fn configure(&self, name: &str, evidence: &str, port: u16) -> PathBuf {
        let path = self.folder.path().join(name);
        let (target, database) = (self.database.server.port, &self.database.name);
        let text = format!(
            "policies = [\"all.policy\"]\nevidence = {evidence:?}\n[listen]\npostgres = \"127.0.0.1:{port}\"\n\
             [tls]\nrequired = false\n[log]\nfile = \"gateway.log\"\nlevel = \"debug\"\n\
             [control]\nsocket = \"{name}.socket\"\n\
             [[target]]\nname = \"shop\"\nprotocol = \"postgres\"\naddress = \"127.0.0.1:{target}\"\n\
             database = {database:?}\nuser = {:?}\ncredential = {{ file = \"credential\" }}\ntls = {{ mode = \"disable\" }}\n",
            Postgres::SUPERUSER
        );
        fs::write(&path, text).unwrap();
        path
    }

    /// Changes the configuration's text.
    pub fn edit(&self, change: impl FnOnce(String) -> String) {
        let path = self.folder.path().join("portcullis.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, change(text)).unwrap();
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis-postgres"));
        command.arg(self.folder.path().join("portcullis.toml"));
        command
    }

    /// Starts the program, and waits until it takes connections.
    pub fn start(&self) -> Running {
        let child = self.program().stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut running = Running { child, inner: None, kept_evidence: None };
        assert!(self.is_up(&mut running.child), "the gateway stopped: {}", running.last_words());
        running
    }

    /// The same with the evidence on a file system of so many KiB. `None` where this user may not make one.
    pub fn start_on_a_small_disk(&self, kib: u32) -> Option<Running> {
        let may =
            Command::new("unshare").args(["-rm", "true"]).output().is_ok_and(|end| end.status.success());
        if !may {
            return None;
        }
        let (kept, pid) = (self.folder.path().join("kept"), self.folder.path().join("pid"));
        fs::create_dir(&self.evidence).unwrap();
        let script = format!(
            "mount -t tmpfs -o size={kib}k,mode=700 none '{evidence}' || exit 9\n\
             '{program}' '{config}' & echo $! >'{pid}.new'; mv '{pid}.new' '{pid}'\n\
             wait $!\ncp -r '{evidence}' '{kept}'",
            evidence = self.evidence.display(),
            program = env!("CARGO_BIN_EXE_portcullis-postgres"),
            config = self.folder.path().join("portcullis.toml").display(),
            pid = pid.display(),
            kept = kept.display(),
        );
        let child = Command::new("unshare")
            .args(["-rm", "sh", "-c", &script])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut running = Running { child, inner: None, kept_evidence: Some(kept) };
        assert!(self.is_up(&mut running.child), "the gateway stopped: {}", running.last_words());
        running.inner = fs::read_to_string(&pid).unwrap().trim().parse().ok();
        Some(running)
    }

    fn is_up(&self, child: &mut Child) -> bool {
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(60) {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Waits until the gateway's own log has this many lines with these words.
    pub fn logged(&self, words: &str, times: usize) {
        let since = Instant::now();
        loop {
            let log = fs::read_to_string(self.folder.path().join("gateway.log")).unwrap_or_default();
            if log.lines().filter(|line| line.contains(words)).count() >= times {
                return;
            }
            assert!(since.elapsed() < Duration::from_secs(10), "no `{words}` {times} times in\n{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs the program, which must fail.
    pub fn fail(&self) -> Ended {
        let output = self.program().output().unwrap();
        Ended { code: output.status.code(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// Runs the program once more, which must fail.
    pub fn run_again(&self, evidence: &str, port: u16) -> Ended {
        let config = self.configure("again.toml", evidence, port);
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis-postgres")).arg(config).output().unwrap();
        Ended { code: output.status.code(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    pub async fn connect(&self, user: &str, password: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user(user).password(password).dbname("shop");
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub async fn client(&self) -> Client {
        self.connect("ann", PASSWORD).await.expect("let in")
    }

    /// Runs statements past the gateway.
    pub async fn direct(&self, sql: &str) {
        self.database.direct().await.batch_execute(sql).await.expect("run");
    }

    /// The ids in the table `t`, past the gateway.
    pub async fn ids(&self) -> Vec<i32> {
        let rows = self.database.direct().await.query("SELECT id FROM t", &[]).await.expect("run");
        rows.iter().map(|row| row.get(0)).collect()
    }
}

impl Running {
    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) {
        let pid = self.inner.unwrap_or_else(|| i32::try_from(self.child.id()).unwrap());
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap();
    }

    /// Has it take up its configuration again.
    pub fn reload(&self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn last_words(&mut self) -> String {
        let _ = self.child.kill();
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = std::io::Read::read_to_string(&mut stderr, &mut said);
        }
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(pid) = self.inner.and_then(rustix::process::Pid::from_raw)
            && self.child.try_wait().is_ok_and(|ended| ended.is_none())
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// All files below a directory, with what is in them.
pub fn everything_in(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            all.extend(everything_in(&path));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap();
            all.push((path, bytes));
        }
    }
    all
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("gateway.log")).unwrap_or_default();
            // Past the lints: a test that fails shows what the gateway said.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), log.as_bytes());
        }
    }
}
