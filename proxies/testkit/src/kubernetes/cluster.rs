//! A real kube-apiserver with etcd.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::{Access, Kubectl, fresh_token};
use crate::Authority;
use crate::postgres::{free_port, server_user};

/// A running one. It ends, and its objects with it, when the value is dropped or the process dies.
///
/// `scripts/kubernetes-server` builds what it needs (`make conformance-kubernetes` does that first). It authorises by RBAC,
/// and takes pods without a service account's token, which nobody would make. Its own log is in [`Cluster::directory`].
#[derive(Debug)]
pub struct Cluster {
    /// Where it is, with a token of the group `system:masters`, which may do everything and impersonate everybody.
    pub access: Access,
    /// The same with a token of `guest`, of the group `guests`, to whom nothing is allowed.
    pub guest: Access,
    /// Everything it has, gone when it ends.
    pub directory: PathBuf,
    supervisor: Child,
    // Closed first of all when the value goes: that is what ends the supervisor.
    lease: Option<ChildStdin>,
}

impl Cluster {
    /// Starts one, which takes some seconds.
    ///
    /// # Panics
    /// When no server has been built, or it does not start; the message says which.
    #[must_use]
    pub fn start() -> Self {
        // Between finding free ports and listening on them somebody else may take one.
        let mut said = String::new();
        for _ in 0..5 {
            match Self::launch() {
                Ok(cluster) => return cluster,
                Err(line) if line.contains("address already in use") => said = line,
                Err(line) => panic!("kube-apiserver did not start: `{line}`"),
            }
        }
        panic!("kube-apiserver found no free port: `{said}`");
    }

    /// A client straight to it, which may do everything.
    #[must_use]
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(&self.access)
    }

    fn launch() -> Result<Self, String> {
        let bin = home();
        assert!(
            bin.join("kube-apiserver").exists() && bin.join("etcd").exists(),
            "there is no kube-apiserver with an etcd in `{}`; scripts/kubernetes-server builds them",
            bin.display()
        );
        let directory =
            tempfile::Builder::new().prefix("portcullis-kubernetes-").tempdir().expect("a directory").keep();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions of our own file");
        };
        mode(&directory, 0o755);
        // Its server's user reads these; nobody else does.
        let kept = directory.join("kept");
        fs::create_dir(&kept).expect("a directory of the kit");
        mode(&kept, 0o700);
        let write = |name: &str, text: &str| fs::write(kept.join(name), text).expect("a file of the kit");

        let authority = Authority::new();
        let server = authority.issue(&["localhost", "127.0.0.1"]);
        let (token, guest) = (fresh_token(), fresh_token());
        write("authority.crt", &authority.certificate());
        write("server.crt", &server.certificate);
        write("server.key", &server.key);
        // It takes a public key from a certificate too.
        let accounts = authority.issue(&["accounts"]);
        write("accounts.crt", &accounts.certificate);
        write("accounts.key", &accounts.key);
        write("tokens", &format!("{token},admin,1,\"system:masters\"\n{guest},guest,2,\"guests\"\n"));
        fs::write(directory.join("supervise.sh"), include_str!("supervise.sh")).expect("a file of the kit");

        let ports = [free_port(), free_port(), free_port()];
        let mut supervisor = Command::new("setsid")
            .arg("sh")
            .args([&directory.join("supervise.sh"), &directory, &bin])
            .args(ports.map(|port| port.to_string()))
            .arg(server_user().unwrap_or_default())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(directory.join("supervisor.log")).expect("the log"))
            .spawn()
            .expect("`setsid` of util-linux");
        let mut line = String::new();
        let said = supervisor.stdout.take().expect("a piped output");
        BufReader::new(said).read_line(&mut line).expect("a line from the supervisor");
        let lease = supervisor.stdin.take();
        if line.trim() != "ready" {
            drop(lease);
            let _ = supervisor.wait();
            return Err(line.trim().to_owned());
        }
        let [port, ..] = ports;
        let access = Access {
            url: format!("https://127.0.0.1:{port}"),
            authority: Some(authority.certificate()),
            token: Some(token),
        };
        let guest = Access { token: Some(guest), ..access.clone() };
        Ok(Self { access, guest, directory, supervisor, lease })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.lease.take());
        let _ = self.supervisor.wait();
    }
}

/// Where the programs are that no package installs: `PORTCULLIS_TEST_KUBERNETES`, or what the scripts have made.
pub(super) fn home() -> PathBuf {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kubernetes/bin");
    std::env::var_os("PORTCULLIS_TEST_KUBERNETES").map_or(made, PathBuf::from)
}
