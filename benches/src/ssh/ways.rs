//! The three ways to one target, started at the beginning and stopped at the end.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis_testkit::ssh::{Client, Key, Kind, Sshd};
use tempfile::TempDir;

/// Everything that is allowed, and recorded with its output.
const POLICY: &str = "policy \"bench\"
default deny
use \"ssh/basics\"
allow \"work\" { by group \"eng\"  on ssh  do exec, shell, read, write, append, list, readlink, remove, rename, mkdir, setstat, extended }
record all { on ssh }
";

/// What is masked besides, on the last way.
const MASKS: &str = "mask \"secrets\" { on ssh  do exec, shell  values credit_card, aws_key, jwt, private_key  with redact }\n";

/// The target and the ways there.
pub struct Ways {
    pub all: Vec<Way>,
    target: Sshd,
    /// The file that is read.
    pub file: PathBuf,
    gateways: Vec<Gateway>,
    _jump: Sshd,
}

/// One way.
pub struct Way {
    pub name: &'static str,
    /// OpenSSH's clients, set to go this way.
    pub client: Client,
    /// For a client library: where to connect, as whom, with which key; and through where, for the jump host.
    pub hops: Vec<Hop>,
}

/// One server on the way.
#[derive(Clone)]
pub struct Hop {
    pub port: u16,
    pub user: String,
    pub key: String,
}

struct Gateway {
    directory: TempDir,
    process: Child,
}

impl Ways {
    pub fn start(megabytes: u32) -> Result<Self, Box<dyn Error>> {
        let order = || Sshd::builder().option("MaxStartups 2000").option("MaxSessions 1000");
        let (target, jump) = (order().start(), order().start());
        let file = target.home.join("bulk");
        write_text(&file, megabytes)?;
        let to_target =
            Hop { port: target.port, user: target.user.clone(), key: target.client_key.private.clone() };
        let direct = Way { name: "direct", client: target.client(), hops: vec![to_target.clone()] };
        let proxy = format!(
            "ProxyCommand ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -i {} \
             -p {} {}@127.0.0.1 -W 127.0.0.1:{}",
            jump.client_key.path.display(),
            jump.port,
            jump.user,
            target.port
        );
        let by_jump = Hop { port: jump.port, user: jump.user.clone(), key: jump.client_key.private.clone() };
        let jumped =
            Way { name: "jump host", client: target.client().option(&proxy), hops: vec![by_jump, to_target] };
        let ana = Key::generate(Kind::Ed25519);
        let mut ways = Self { all: vec![direct, jumped], target, file, gateways: Vec::new(), _jump: jump };
        for (name, masks) in [("portcullis", ""), ("with masks", MASKS)] {
            let (gateway, port, host_key) = Gateway::start(&ways.target, &ana, masks)?;
            ways.gateways.push(gateway);
            ways.all.push(Way {
                name,
                client: Client::new(port, "ana:box").key(&ana).host_key(&host_key),
                hops: vec![Hop { port, user: "ana:box".to_owned(), key: ana.private.clone() }],
            });
        }
        Ok(ways)
    }

    /// The last gateway's resident memory, in KiB.
    pub fn memory(&self) -> Result<f64, Box<dyn Error>> {
        let gateway = self.gateways.last().ok_or("no gateway")?;
        let status = fs::read_to_string(format!("/proc/{}/status", gateway.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Fails unless what went through the gateway is in its recordings.
    pub fn was_recorded(&self) -> Result<(), Box<dyn Error>> {
        for gateway in &self.gateways {
            let recordings = gateway.directory.path().join("state/evidence/recordings");
            let files = fs::read_dir(recordings)?.flatten().filter_map(|file| file.metadata().ok());
            let bytes: u64 = files.map(|file| file.len()).sum();
            eprintln!("{bytes} bytes of recordings");
            if bytes == 0 {
                return Err("nothing was recorded".into());
            }
        }
        Ok(())
    }
}

/// A log as they are: lines of text, no two alike, nothing in them to mask.
fn write_text(file: &Path, megabytes: u32) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::BufWriter::new(fs::File::create(file)?);
    let (mut written, mut line) = (0, 0_u64);
    while written < u64::from(megabytes) * 1_000_000 {
        let text = format!(
            "2026-11-25T12:{:02}:{:02} web-1 nginx[{}]: GET /items/{} 200 {} \"-\" \"curl/8.5.0\"\n",
            line / 60 % 60,
            line % 60,
            1000 + line % 7,
            line.wrapping_mul(2_654_435_761) % 100_000,
            line % 5000
        );
        out.write_all(text.as_bytes())?;
        written += text.len() as u64;
        line += 1;
    }
    out.flush()?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o644))?;
    Ok(())
}

impl Gateway {
    fn start(target: &Sshd, ana: &Key, masks: &str) -> Result<(Self, u16, String), Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let at = |name: &str| directory.path().join(name);
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        fs::write(at("bench.policy"), format!("{POLICY}{masks}"))?;
        fs::write(at("key"), &target.client_key.private)?;
        fs::set_permissions(at("key"), fs::Permissions::from_mode(0o600))?;
        fs::write(at("ana.pub"), &ana.public)?;
        fs::write(
            at("portcullis.toml"),
            format!(
                "policies = [\"bench.policy\"]\n[listen]\nssh = \"127.0.0.1:{port}\"\n[limits]\nconnections = 5000\n\
                 connections_per_address = 5000\n[[target]]\nname = \"box\"\nprotocol = \"ssh\"\naddress = \"127.0.0.1:{}\"\n\
                 user = \"{}\"\ncredential = {{ file = \"key\" }}\nhost_keys = [\"{}\"]\n",
                target.port, target.user, target.host_keys[0]
            ),
        )?;
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/portcullis");
        let run = |arguments: &[&str]| -> Result<(), Box<dyn Error>> {
            let output = Command::new(&program)
                .args(arguments)
                .env("PORTCULLIS_CONFIG", at("portcullis.toml"))
                .env("PORTCULLIS_PASSWORD", "correct horse battery")
                .output()?;
            if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
        };
        run(&["user", "add", "ana", "--group", "eng"])?;
        run(&["user", "key", "add", "ana", &at("ana.pub").display().to_string()])?;
        let mut process = Command::new(&program)
            .arg("serve")
            .env("PORTCULLIS_CONFIG", at("portcullis.toml"))
            .stderr(Stdio::piped())
            .spawn()?;
        let log = process.stderr.take().ok_or("no log")?;
        std::thread::spawn(move || BufReader::new(log).lines().for_each(drop));
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > Duration::from_secs(20) {
                return Err("the gateway does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let host_key = fs::read_to_string(at("state/ssh_host_key.pub"))?.trim().to_owned();
        Ok((Self { directory, process }, port, host_key))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
