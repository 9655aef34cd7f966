//! Files of all sizes there and back, by all the ways there are, byte for byte, recorded and with keys that are renewed.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use portcullis_testkit::ssh::Client;
use ring::digest::{Context, SHA256};

use crate::house::{House, Plan};

const POLICY: &str = r#"
policy "files"
default deny
allow "engineers" { by group "eng"  on ssh  do exec, unknown, read, write, append, list, readlink, remove, rmdir, rename, mkdir, setstat, symlink, extended }
record all { on ssh  do exec, unknown, read, write }
"#;

/// Sizes about the borders of packets, windows, buffers and powers of two, and many small ones: 200 files.
fn sizes() -> Vec<usize> {
    let mut sizes = vec![0, 1, 2, 3, 100];
    let largest = if crate::is_large() { 16 << 20 } else { 2 << 20 };
    for border in [4_096, 32_768, 65_535, 262_144, largest] {
        sizes.extend([border - 1, border, border + 1]);
    }
    sizes.extend((sizes.len()..200).map(|number| number * number % 9_973));
    sizes
}

/// Bytes that no compression and no luck makes equal.
fn content(seed: usize, size: usize) -> Vec<u8> {
    let mut state = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend((state ^ (state >> 29)).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

fn fill(directory: &Path) {
    fs::create_dir(directory).unwrap();
    for (number, size) in sizes().into_iter().enumerate() {
        fs::write(directory.join(format!("file-{number:03}")), content(number, size)).unwrap();
    }
}

/// Name and hash of every file below a directory, but git's own.
fn hashes(directory: &Path) -> Vec<(String, String)> {
    let mut found: Vec<_> = fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), hash(&path)))
        .collect();
    found.sort();
    found
}

fn hash(path: &Path) -> String {
    let mut context = Context::new(&SHA256);
    context.update(&fs::read(path).unwrap());
    format!("{:?}", context.finish())
}

/// A house, a client whose keys are renewed each megabyte, and 200 files.
async fn setting() -> (House, Client, PathBuf, Vec<(String, String)>) {
    let house = House::policed(POLICY).await;
    let client = house.client("ana").option("RekeyLimit 1M").limit(Duration::from_secs(300));
    let here = client.directory().join("here");
    fill(&here);
    let wanted = hashes(&here);
    assert_eq!(wanted.len(), 200);
    (house, client, here, wanted)
}

fn there(house: &House) -> String {
    house.sshd.home.join("there").display().to_string()
}

#[tokio::test]
async fn two_hundred_files_by_scp_in_both_modes() {
    let (house, client, here, wanted) = setting().await;
    for mode in ["-s", "-O"] {
        let there = format!("{}{mode}", there(&house));
        let back = client.directory().join(format!("back{mode}"));
        let (from, to) = (here.display().to_string(), format!("box:{there}"));
        let _ = client.scp(&[mode, "-q", "-r", &from, &to]).await.success();
        let _ = client.scp(&[mode, "-q", "-r", &to, &back.display().to_string()]).await.success();
        assert_eq!(hashes(&back), wanted, "{mode}");
    }
    recorded(&house).await;
}

#[tokio::test]
async fn two_hundred_files_by_sftp() {
    let (house, client, here, wanted) = setting().await;
    let back = client.directory().join("back");
    let batch =
        format!("put -R {} {}\nget -R {} {}\n", here.display(), there(&house), there(&house), back.display());
    let _ = client.sftp(&batch).await.success();
    assert_eq!(hashes(&back), wanted);
    recorded(&house).await;
}

#[tokio::test]
async fn two_hundred_files_by_rsync() {
    let (house, client, here, wanted) = setting().await;
    let back = client.directory().join("back");
    let (from, to) = (format!("{}/", here.display()), format!("box:{}/", there(&house)));
    let _ = client.rsync(&["-rt", &from, &to]).await.success();
    let _ = client.rsync(&["-rtz", &to, &back.display().to_string()]).await.success();
    assert_eq!(hashes(&back), wanted);
    // A second time, when rsync compares what is there.
    fs::write(here.join("file-199"), "changed").unwrap();
    let _ = client.rsync(&["-rc", "--delete", &from, &to]).await.success();
    let _ = client.rsync(&["-rc", &to, &back.display().to_string()]).await.success();
    assert_eq!(hashes(&back), hashes(&here));
    recorded(&house).await;
}

#[tokio::test]
async fn two_hundred_files_by_git() {
    let (house, client, here, wanted) = setting().await;
    let at = here.display().to_string();
    let url = format!("ssh://box{}.git", there(&house));
    let _ = client.ssh(&["box", &format!("git init -q --bare {}.git", there(&house))]).await.success();
    let who = ["-C", &at, "-c", "user.name=ana", "-c", "user.email=ana@example.com"];
    for rest in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "all"]] {
        let _ = client.git(&[&who[..], rest].concat()).await.success();
    }
    let _ = client.git(&["-C", &at, "push", "-q", &url, "HEAD:refs/heads/main"]).await.success();
    let back = client.directory().join("back");
    let _ = client.git(&["clone", "-q", "-b", "main", &url, &back.display().to_string()]).await.success();
    assert_eq!(hashes(&back), wanted);
    recorded(&house).await;
}

/// Beyond every window and packet: 100 MB, and a gigabyte in `make test-ssh-large`, when the gateway renews the keys by itself.
#[tokio::test]
async fn one_large_file_there_and_back() {
    let house = House::policed(POLICY).await;
    let client = house.client("ana").limit(Duration::from_secs(1_800));
    let here = client.directory().join("here");
    let size = if crate::is_large() { (1 << 30) + 12_345 } else { 100_000_000 };
    fs::write(&here, content(7, size)).unwrap();
    let (from, to) = (here.display().to_string(), format!("box:{}", there(&house)));
    let _ = client.scp(&["-q", &from, &to]).await.success();
    let back = client.directory().join("back");
    let _ = client.scp(&["-q", &to, &back.display().to_string()]).await.success();
    assert!(hash(&back) == hash(&here), "another file came back");
    fs::set_permissions(&back, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Begun by the target each quarter of a megabyte, in the middle of what flows either way.
#[tokio::test]
async fn keys_that_the_target_renews_lose_nothing() {
    let sshd = ["RekeyLimit 256K", "LogLevel DEBUG1"].map(str::to_owned).to_vec();
    let house = House::with(Plan { policy: Some(POLICY.to_owned()), sshd, ..Plan::default() }).await;
    let client = house.client("ana");
    let (here, back) = (client.directory().join("here"), client.directory().join("back"));
    fs::write(&here, content(7, 4_000_000)).unwrap();
    let (from, to) = (here.display().to_string(), format!("box:{}", there(&house)));
    let _ = client.scp(&["-q", &from, &to]).await.success();
    let up = renewed(&house);
    let _ = client.scp(&["-q", "-O", &to, &back.display().to_string()]).await.success();
    assert!(hash(&back) == hash(&here), "another file came back");
    let down = renewed(&house) - up;
    assert!(up > 2 && down > 2, "renewed {up} times on the way there, {down} times back");
}

/// How often the target has taken new keys into use.
fn renewed(house: &House) -> usize {
    house.sshd.log().matches("SSH2_MSG_NEWKEYS received").count()
}

/// What was done is in the log, whichever way it was done.
async fn recorded(house: &House) {
    let judged = house.judged();
    // git's variable, which is not needed.
    let mut others = judged.iter().filter(|line| !line.starts_with("env GIT_PROTOCOL"));
    assert!(!judged.is_empty() && others.all(|line| line.ends_with("allow")), "{judged:?}");
}

/// Two sides that each wait for the other to read: the client for its output to be taken, the program for its own.
#[tokio::test]
async fn a_client_that_reads_late_gets_everything() {
    use std::io::Read as _;
    use std::process::Stdio;

    const BYTES: usize = 40_000_000;
    let house = House::new().await;
    let client = house.client("ana");
    let file = client.directory().join("input");
    fs::write(&file, vec![b'x'; BYTES]).unwrap();
    let mut command = client.command("ssh");
    command.args(["box", "cat"]).stdin(File::open(&file).unwrap()).stdout(Stdio::piped());
    let mut running = command.spawn().unwrap();
    let mut output = running.stdout.take().unwrap();
    let read = tokio::task::spawn_blocking(move || {
        let mut first = [0];
        output.read_exact(&mut first).unwrap();
        // Nothing tells that everything stands still: this is how long all windows take to fill, many times over.
        thread::sleep(Duration::from_secs(2));
        let mut rest = Vec::new();
        output.read_to_end(&mut rest).unwrap();
        rest.len() + 1
    });
    let read = tokio::time::timeout(Duration::from_secs(50), read).await;
    let _ = running.kill();
    let _ = running.wait();
    assert_eq!(read.expect("it went on").unwrap(), BYTES);
}

#[tokio::test]
async fn a_program_that_reads_no_input_leaves_the_others_of_its_connection_alone() {
    use std::process::Stdio;

    let house = House::new().await;
    let client = house.client("ana");
    let option = format!("ControlPath={}", client.directory().join("mux").display());
    let master = client.start("ssh", &["-M", "-o", &option, "box", "echo ready; cat"]);
    master.until("ready").await;
    let mut command = client.command("ssh");
    let file = client.directory().join("input");
    fs::write(&file, vec![b'x'; 40_000_000]).unwrap();
    command.args(["-o", &option, "box", "sleep 60"]).stdin(File::open(&file).unwrap()).stdout(Stdio::null());
    let mut deaf = command.spawn().unwrap();
    for _ in 0..3 {
        let output = client.ssh(&["-o", &option, "box", "head -c 3000000 /dev/zero | wc -c"]).await.success();
        assert_eq!(output.text().trim(), "3000000");
    }
    let _ = deaf.kill();
    let _ = deaf.wait();
}

/// A channel that is closed behind its last bytes: they stand in a queue when the close is heard of.
#[tokio::test]
async fn nothing_is_lost_of_what_a_tunnel_brings_before_its_close() {
    use std::io::{Read as _, Write as _};

    const BYTES: usize = 8_000_000;
    let house = House::policed(
        "policy \"tunnels\"\ndefault deny\nallow \"work\" { by group \"eng\"  on ssh  do exec, forward, write }\n",
    )
    .await;
    let origin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = origin.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = origin.accept().unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        stream.write_all(&vec![b'x'; BYTES]).unwrap();
    });
    let output = house.client("ana").ssh(&["-W", &format!("127.0.0.1:{port}"), "box"]).await;
    assert_eq!(output.stdout.len(), BYTES);
}
