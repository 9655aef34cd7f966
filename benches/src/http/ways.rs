//! The ways to one origin: through nginx, through Portcullis, and through Portcullis with a mask.

use std::error::Error;
use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis_benches::gateway::{Gateway, free_port};
use tempfile::TempDir;

/// What is asked for: about 120 bytes.
const JSON: &str = r#"{"id":42,"customer":"ana","items":[{"sku":"A-1","quantity":2},{"sku":"B-7","quantity":1}],"total":1299}"#;

const POLICY: &str = "policy \"bench\"
default deny
allow \"reads\"   { by group \"eng\"  on http  do get, head on \"/**\" }
deny  \"secrets\" { on http  do get on \"/secret/**\" }
";

const MASK: &str = "mask \"customers\" { on http  do get on \"/**\"  fields \"**.customer\"  with redact }
mask \"cards\" { on http  do get on \"/**\"  values credit_card, email, jwt  with redact }
";

/// All ways, until this is dropped.
pub struct Ways {
    pub all: Vec<Way>,
    _nginx: Vec<Nginx>,
    _gateways: Vec<Gateway>,
}

/// One way: where it is reached by each version of the protocol, and what is shown there.
pub struct Way {
    pub name: &'static str,
    pub ports: [u16; 2],
    pub token: Option<String>,
}

pub struct Nginx {
    process: Child,
    _directory: TempDir,
}

impl Ways {
    pub fn start() -> Result<Self, Box<dyn Error>> {
        let (origin, one, two) = (free_port()?, free_port()?, free_port()?);
        let serves = |directory: &TempDir| {
            format!(
                "server {{ listen 127.0.0.1:{origin} backlog=4096; root {}; }}",
                directory.path().display()
            )
        };
        let passes = |_: &TempDir| {
            let location = "location / { proxy_pass http://origin; proxy_http_version 1.1; \
                            proxy_set_header Connection \"\"; }";
            format!(
                "upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 100000000; }}
                 server {{ listen 127.0.0.1:{one} backlog=4096; {location} }}
                 server {{ listen 127.0.0.1:{two} http2 backlog=4096; {location} }}"
            )
        };
        let nginx = vec![Nginx::start(origin, serves)?, Nginx::start(one, passes)?];
        let mut ways = Self {
            all: vec![Way { name: "nginx", ports: [one, two], token: None }],
            _nginx: nginx,
            _gateways: Vec::new(),
        };
        for (name, masks) in [("portcullis", ""), ("with masks", MASK)] {
            let target = format!("address = \"http://127.0.0.1:{origin}\"");
            let (gateway, port, token) = gateway(&format!("{POLICY}{masks}"), &target)?;
            ways._gateways.push(gateway);
            ways.all.push(Way { name, ports: [port, port], token: Some(token) });
        }
        Ok(ways)
    }
}

/// A gateway before a target that is asked for by its address, its port, and a token that lets in.
pub fn gateway(policy: &str, target: &str) -> Result<(Gateway, u16, String), Box<dyn Error>> {
    let port = free_port()?;
    let configuration = format!(
        "policies = [\"bench.policy\"]\n[listen]\nhttp = \"127.0.0.1:{port}\"\n[limits]\nconnections = 50000\n\
         connections_per_address = 50000\n[log]\nlevel = \"warn\"\n[[target]]\nname = \"api\"\nprotocol = \"http\"\n\
         hosts = [\"127.0.0.1\"]\n{target}\n"
    );
    let mut gateway = Gateway::new(policy, &configuration)?;
    gateway.run(&["user", "add", "ana", "--group", "eng"])?;
    let token = gateway.run(&["token", "create", "--user", "ana"])?.trim().to_owned();
    gateway.serve(port)?;
    Ok((gateway, port, token))
}

impl Nginx {
    /// Passes on what an origin says, at once; and where.
    pub fn before_events(origin: u16) -> Result<(Self, u16), Box<dyn Error>> {
        let port = free_port()?;
        let passes = |_: &TempDir| {
            format!(
                "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{origin}; \
                 proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off; }} }}"
            )
        };
        Ok((Self::start(port, passes)?, port))
    }

    /// Serves what `servers` says of its folder; listens on this port once it is ready.
    fn start(port: u16, servers: impl Fn(&TempDir) -> String) -> Result<Self, Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let at = directory.path();
        // Its workers are nobody's, who has to get at the file.
        fs::set_permissions(at, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        fs::write(at.join("order.json"), JSON)?;
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {}/{kind}; ", at.display()))
            .collect();
        let text = format!(
            "worker_processes 2; daemon off; pid {0}/pid; error_log {0}/error.log; events {{ worker_connections 4096; }}
             http {{ access_log off; types {{ application/json json; }} keepalive_requests 100000000; {temporary} {1} }}",
            at.display(),
            servers(&directory)
        );
        fs::write(at.join("nginx.conf"), text)?;
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"]
            .into_iter()
            .find(|program| fs::exists(program).unwrap_or(false))
            .ok_or("nginx is not installed: `scripts/packages bench`")?;
        let process =
            Command::new(program).arg("-c").arg(at.join("nginx.conf")).stderr(Stdio::null()).spawn()?;
        let nginx = Self { process, _directory: directory };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                return Err("nginx does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed outright it would leave its workers behind.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}
