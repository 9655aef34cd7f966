//! The three ways to one target, started at the beginning and stopped at the end.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use portcullis_benches::gateway::{Gateway, free_port};
use portcullis_testkit::ssh::{Client, Key, Kind, Sshd};

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
            let (gateway, port, host_key) = self::gateway(&ways.target, &ana, masks)?;
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
        self.gateways.last().ok_or("no gateway")?.memory()
    }

    /// Fails unless what went through the gateway is in its recordings.
    pub fn was_recorded(&self) -> Result<(), Box<dyn Error>> {
        for gateway in &self.gateways {
            let recordings = gateway.at("state/evidence/recordings");
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

/// A gateway before this target, its port, and its host key.
fn gateway(target: &Sshd, ana: &Key, masks: &str) -> Result<(Gateway, u16, String), Box<dyn Error>> {
    let port = free_port()?;
    let configuration = format!(
        "policies = [\"bench.policy\"]\n[listen]\nssh = \"127.0.0.1:{port}\"\n[limits]\nconnections = 5000\n\
         connections_per_address = 5000\n[[target]]\nname = \"box\"\nprotocol = \"ssh\"\naddress = \"127.0.0.1:{}\"\n\
         user = \"{}\"\ncredential = {{ file = \"key\" }}\nhost_keys = [\"{}\"]\n",
        target.port, target.user, target.host_keys[0]
    );
    let mut gateway = Gateway::new(&format!("{POLICY}{masks}"), &configuration)?;
    gateway.keep("key", &target.client_key.private)?;
    fs::write(gateway.at("ana.pub"), &ana.public)?;
    gateway.run(&["user", "add", "ana", "--group", "eng"])?;
    gateway.run(&["user", "key", "add", "ana", &gateway.at("ana.pub").display().to_string()])?;
    gateway.serve(port)?;
    let host_key = fs::read_to_string(gateway.at("state/ssh_host_key.pub"))?.trim().to_owned();
    Ok((gateway, port, host_key))
}
