//! A Portcullis of the release build, from a configuration until it is dropped.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A gateway that serves, and the folder that it has.
pub struct Gateway {
    directory: TempDir,
    process: Option<Child>,
}

/// A port that nobody has at the moment.
///
/// # Errors
///
/// The system has none.
pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Gateway {
    /// A gateway with this policy and configuration, which names the policy `bench.policy`. It does not serve yet.
    ///
    /// # Errors
    ///
    /// A file can't be written.
    pub fn new(policy: &str, configuration: &str) -> Result<Self, Box<dyn Error>> {
        let gateway = Self { directory: tempfile::tempdir()?, process: None };
        fs::write(gateway.at("bench.policy"), policy)?;
        fs::write(gateway.at("portcullis.toml"), configuration)?;
        Ok(gateway)
    }

    /// A file of its folder.
    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file that only its owner can read.
    ///
    /// # Errors
    ///
    /// It can't be written.
    pub fn keep(&self, name: &str, content: &str) -> std::io::Result<()> {
        fs::write(self.at(name), content)?;
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o600))
    }

    /// Runs a command of `portcullis`; what it prints.
    ///
    /// # Errors
    ///
    /// It fails, with its own words.
    pub fn run(&self, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
        let output = self.command(arguments).output()?;
        if output.status.success() {
            Ok(String::from_utf8(output.stdout)?)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into())
        }
    }

    /// Serves, and waits until it listens on this port.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn serve(&mut self, port: u16) -> Result<(), Box<dyn Error>> {
        let mut process = self.command(&["serve"]).stderr(Stdio::piped()).spawn()?;
        let log = process.stderr.take().ok_or("no log")?;
        std::thread::spawn(move || BufReader::new(log).lines().for_each(drop));
        self.process = Some(process);
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > Duration::from_secs(20) {
                return Err("the gateway does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// What it holds in memory, in KiB.
    ///
    /// # Errors
    ///
    /// It does not serve.
    pub fn memory(&self) -> Result<f64, Box<dyn Error>> {
        let process = self.process.as_ref().ok_or("it does not serve")?;
        let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/portcullis");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("PORTCULLIS_CONFIG", self.at("portcullis.toml"))
            .env("PORTCULLIS_PASSWORD", "correct horse battery");
        command
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
