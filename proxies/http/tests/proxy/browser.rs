//! A browser's WebSockets: `make test-browser`.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::house::{House, Origin, PASSWORD};

const POLICY: &str = r#"
policy "page"
default deny
allow "page" { by group "eng"  on http  do get on "/page", "/said" }
allow "sockets" { by group "eng"  on http  do upgrade on "/ws/**" }
mask  "cards" { on http  values credit_card  with redact }
"#;

/// Chromium with a page open, until this is dropped.
struct Browser {
    chromium: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    fn open(house: &House, path: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let password = PASSWORD.replace(' ', "%20");
        let url = format!("http://ana:{password}@api.test:{}{path}", house.address.port());
        let mut chromium = Command::new("chromium");
        chromium.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--remote-debugging-port=0",
        ]);
        chromium.args(["--disable-background-networking", "--host-resolver-rules=MAP * 127.0.0.1"]);
        chromium.arg(format!("--user-data-dir={}", profile.path().display())).arg(url);
        chromium.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let chromium = chromium.spawn().expect("chromium, which `make test-browser` installs");
        Self { chromium, _profile: profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With all that it has started.
        let group = format!("-{}", self.chromium.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.chromium.wait();
    }
}

#[tokio::test]
#[ignore = "takes a browser: make test-browser"]
async fn a_page_opens_the_sockets_that_it_may_and_sees_them_masked() {
    let origin = Origin::run("python3", "websocket.py", &[]);
    let target = format!("address = \"127.0.0.1:{}\"\nhosts = [\"api.test\"]\n", origin.port);
    let house = House::before(origin, POLICY, &target).await;
    let _browser = Browser::open(&house, "/page");
    let limit = Instant::now() + Duration::from_secs(60);
    for said in ["message=a%20card%20%5Bredacted%5D%20and%20more", "closed=1000", "refused=1006"] {
        // The origin tells nobody when it is asked something.
        while !house.origin.seen().iter().any(|seen| seen.to_string().contains(said)) {
            assert!(Instant::now() < limit, "{said} was never said: {}", house.evidence());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert!(!house.origin.seen().iter().any(|seen| seen["request"].to_string().contains("/no")));
}
