//! The programs that are compared, started in front of one PostgreSQL and stopped at the end.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis_testkit::{Authority, Postgres};
use tempfile::TempDir;

/// The server and what stands in front of it.
pub struct Programs {
    pub all: Vec<Program>,
    pub server: &'static Postgres,
    pub is_tls: bool,
    /// Configuration and pgbench's logs; world-readable, because PgBouncer does not run as root.
    pub directory: TempDir,
}

/// One way to the server.
pub struct Program {
    pub name: &'static str,
    pub port: u16,
    process: Option<Child>,
}

/// The database that is measured.
pub const DATABASE: &str = "bench";

impl Programs {
    pub fn start(server: &'static Postgres, is_tls: bool) -> Result<Self, Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
        let issued = Authority::new().issue(&["localhost", "127.0.0.1"]);
        for (name, text) in [("gateway.crt", &issued.certificate), ("gateway.key", &issued.key)] {
            fs::write(directory.path().join(name), text)?;
        }
        let direct = Program { name: "direct", port: server.port, process: None };
        let mut programs = Self { all: vec![direct], server, is_tls, directory };
        programs.all.push(programs.pgbouncer()?);
        programs.all.push(programs.portcullis()?);
        Ok(programs)
    }

    /// pgbench's tables at scale 10, once.
    pub fn fill(&self) -> Result<(), Box<dyn Error>> {
        let admin = |sql: &str| {
            self.client("psql", self.server.port).args(["-XqAt", "-d", "postgres", "-c", sql]).output()
        };
        if admin(&format!("SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"))?.stdout.is_empty() {
            admin(&format!("CREATE DATABASE {DATABASE}"))?;
            let filled = self.client("pgbench", self.server.port).args(["-i", "-q", "-s", "10"]).output()?;
            if !filled.status.success() {
                return Err(String::from_utf8_lossy(&filled.stderr).into());
            }
            let people = "CREATE TABLE users (id int, email text, ssn text); INSERT INTO users SELECT i, \
                          'person' || i || '@example.com', '219-41-' || (7000 + i) FROM generate_series(1, 1000) AS i";
            let made = self.client("psql", self.server.port).args(["-Xqc", people]).output()?;
            if !made.status.success() {
                return Err(String::from_utf8_lossy(&made.stderr).into());
            }
        }
        Ok(())
    }

    /// A client program, set to reach `port`.
    pub fn client(&self, name: &str, port: u16) -> Command {
        let mut command = self.server.program(name);
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", port.to_string())
            .env("PGUSER", Postgres::SUPERUSER)
            .env("PGPASSWORD", &self.server.password)
            .env("PGDATABASE", DATABASE)
            .env("PGSSLMODE", if self.is_tls { "require" } else { "disable" })
            .current_dir(self.directory.path());
        command
    }

    fn pgbouncer(&self) -> Result<Program, Box<dyn Error>> {
        let (at, port) = (self.directory.path(), free_port()?);
        let tls = if self.is_tls {
            format!(
                "client_tls_sslmode = require\nclient_tls_cert_file = {0}/gateway.crt\nclient_tls_key_file = {0}/gateway.key\n\
                 server_tls_sslmode = verify-full\nserver_tls_ca_file = {1}\n",
                at.display(),
                self.server.authority.display()
            )
        } else {
            "server_tls_sslmode = disable\n".to_owned()
        };
        fs::write(at.join("users"), format!("\"{}\" \"{}\"\n", Postgres::SUPERUSER, self.server.password))?;
        fs::write(
            at.join("pgbouncer.ini"),
            format!(
                "[databases]\n{DATABASE} = host=127.0.0.1 port={} dbname={DATABASE}\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = scram-sha-256\n\
                 auth_file = {}/users\npool_mode = session\ndefault_pool_size = 100\nmax_client_conn = 200\n\
                 unix_socket_dir =\nlog_connections = 0\nlog_disconnections = 0\n{tls}",
                self.server.port,
                at.display()
            ),
        )?;
        let mut command = Command::new("pgbouncer");
        if is_root() {
            command.args(["-u", "nobody"]);
        }
        command.arg("-q").arg(at.join("pgbouncer.ini"));
        started("pgbouncer", port, &mut command)
    }

    /// The gateway with the sample policy (its row limit raised), masks and evidence on.
    fn portcullis(&self) -> Result<Program, Box<dyn Error>> {
        let (port, at) = (free_port()?, self.evidence());
        fs::create_dir(&at)?;
        fs::set_permissions(&at, fs::Permissions::from_mode(0o700))?;
        let sample = fs::read_to_string(root().join("examples/shop/policies/production.policy"))?;
        let raised = sample.replace("rows 10_000 ", "rows 900_000_000_000 ");
        if raised == sample {
            return Err("the sample policy has no limit of 10,000 rows any more".into());
        }
        fs::write(at.join("production.policy"), raised)?;
        let password = at.join("password");
        fs::write(&password, &self.server.password)?;
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600))?;
        let (client, target) = if self.is_tls {
            let crt = self.directory.path().join("gateway.crt");
            let key = self.directory.path().join("gateway.key");
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
            (
                format!("certificate = {:?}\nkey = {:?}\n", crt, key),
                format!(
                    "{{ mode = \"verify-full\", ca = {:?}, server_name = \"localhost\" }}",
                    self.server.authority
                ),
            )
        } else {
            ("required = false\n".to_owned(), "{ mode = \"disable\" }".to_owned())
        };
        let workers = std::env::var("BENCH_WORKERS").unwrap_or_else(|_| "1".to_owned());
        let config = at.join("portcullis.toml");
        fs::write(
            &config,
            format!(
                "evidence = \"evidence\"\npolicies = [\"production.policy\"]\nworkers = {workers}\n[listen]\npostgres = \"127.0.0.1:{port}\"\n\
                 [tls]\n{client}[log]\nlevel = \"warn\"\n[[target]]\nname = \"{DATABASE}\"\nprotocol = \"postgres\"\n\
                 address = \"127.0.0.1:{}\"\nuser = \"{}\"\ncredential = {{ file = \"password\" }}\ntls = {target}\n\
                 labels = {{ env = \"prod\" }}\n",
                self.server.port,
                Postgres::SUPERUSER
            ),
        )?;
        let added = portcullis()?
            .args(["user", "add", Postgres::SUPERUSER, "--group", "eng", "--config"])
            .arg(&config)
            .env("PORTCULLIS_PASSWORD", &self.server.password)
            .output()?;
        if !added.status.success() {
            return Err(String::from_utf8_lossy(&added.stderr).into());
        }
        started("portcullis", port, portcullis()?.args(["serve", "--config"]).arg(&config))
    }

    /// Where the gateway keeps its state.
    fn evidence(&self) -> std::path::PathBuf {
        self.directory.path().join("gateway")
    }

    /// Commands that the gateway's audit log has an admitted intent of, and values that it says were masked. Stops the
    /// gateway first, because outcomes are written a moment after they are known.
    pub fn recorded(&mut self) -> Result<(u64, u64), Box<dyn Error>> {
        let gateway = self.all.iter_mut().find(|program| program.name == "portcullis");
        if let Some(process) = gateway.and_then(|program| program.process.as_mut()) {
            Command::new("kill").arg(process.id().to_string()).status()?;
            process.wait()?;
        }
        let (mut intents, mut masked) = (0, 0);
        for entry in fs::read_dir(self.evidence().join("evidence"))? {
            let path = entry?.path();
            if !path.extension().is_some_and(|extension| extension == "ndjson" || extension == "log") {
                continue;
            }
            for line in BufReader::new(fs::File::open(path)?).lines() {
                let line = line?;
                intents +=
                    u64::from(line.contains("\"kind\":\"intent\"") && !line.contains("\"via\":\"parse\""));
                if let Some((_, rest)) = line.split_once("\"masked\":") {
                    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    masked += digits.parse::<u64>().unwrap_or(0);
                }
            }
        }
        Ok((intents, masked))
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The command that was built for this.
fn portcullis() -> Result<Command, Box<dyn Error>> {
    let program = root().join("target/release/portcullis");
    if !program.exists() {
        return Err(
            format!("`{}` is missing: cargo build --release -p portcullis-cli", program.display()).into()
        );
    }
    Ok(Command::new(program))
}

impl Program {
    /// The most memory that the program has ever had resident, in MiB; none for the server itself.
    pub fn peak_memory(&self) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.as_ref()?.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes / 1024.0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn started(name: &'static str, port: u16, command: &mut Command) -> Result<Program, Box<dyn Error>> {
    let process = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("{name}: {error}"))?;
    let mut program = Program { name, port, process: Some(process) };
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let gone = program.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
        if gone.is_some() || Instant::now() > deadline {
            return Err(format!("{name} does not listen").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(program)
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
