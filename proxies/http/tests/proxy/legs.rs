//! Both legs: TLS, HTTP/2, and what each end is shown.

use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_testkit::{Authority, Issued};

use crate::house::{House, Origin, PASSWORD, TOKEN, authorization};
use crate::tokens::Kept;

pub const OPEN: &str = "policy \"open\"\ndefault deny\nallow \"all\" { on http  do get, post on \"/**\" }\n";
const MASKED: &str = "policy \"masked\"\ndefault deny\nallow \"all\" { on http  do get, post on \"/**\" }\n\
    mask \"cards\" { on http  values credit_card  with redact }\n";

/// What curl says to a URL of the gateway.
pub fn curl(house: &House, arguments: &[&str], url: &str) -> String {
    let ca = house.directory.path().join("state/server.crt");
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "-w", "\n%{http_code} %{http_version}"])
        .args(["--resolve", &format!("api.test:{}:127.0.0.1", house.address.port())])
        .args(["-u", &format!("ana:{PASSWORD}"), "--cacert"])
        .arg(ca)
        .args(arguments)
        .arg(url)
        .output()
        .expect("curl");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn clients_speak_tls_and_both_versions_over_it() {
    let origin = Origin::run("python3", "origin.py", &[]);
    let target = format!("address = \"http://127.0.0.1:{}\"\nprefix = \"/api\"\n", origin.port);
    let house = House::before(origin, OPEN, &target).await;
    let url = format!("https://localhost:{}/api/x?y=1", house.address.port());
    for (version, ends) in [("--http1.1", "200 1.1"), ("--http2", "200 2")] {
        let answer = curl(&house, &[version], &url);
        // What led here is not the target's.
        assert!(answer.contains("\"path\": \"/x?y=1\"") && answer.trim_end().ends_with(ends), "{answer}");
    }
    let stranger = curl(&house, &["--cacert", "/etc/hostname"], &url);
    assert!(!stranger.contains("200 "), "{stranger}");
    let elsewhere = curl(&house, &[], &format!("https://localhost:{}/apix", house.address.port()));
    assert!(elsewhere.contains("404 "), "{elsewhere}");
}

/// Files of a certificate for this name, its key, and the authority.
fn issued(directory: &Path, authority: &Authority, name: &str) -> [PathBuf; 3] {
    written(directory, authority, name, &authority.issue(&[name]))
}

fn written(directory: &Path, authority: &Authority, name: &str, issued: &Issued) -> [PathBuf; 3] {
    let write = |file: &str, content: &str| {
        let path = directory.join(format!("{name}.{file}"));
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    };
    [write("crt", &issued.certificate), write("key", &issued.key), write("ca", &authority.certificate())]
}

#[tokio::test]
async fn targets_are_known_by_their_certificate_and_shown_one() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let [certificate, key, ca] = issued(directory.path(), &authority, "localhost");
    let [own, own_key, _] = issued(directory.path(), &authority, "gateway.test");
    for (trusted, name, expected) in
        [(&ca, "localhost", "200 "), (&ca, "other.test", "502 "), (&certificate, "localhost", "502 ")]
    {
        let origin = Origin::run("node", "origin.js", &[&certificate, &key, &ca]);
        let target = format!(
            "address = \"https://localhost:{}\"\nhosts = [\"api.test\"]\n\
             tls = {{ ca = \"{}\", server_name = \"{name}\", certificate = \"{}\", key = \"{}\" }}\n",
            origin.port,
            trusted.display(),
            own.display(),
            own_key.display()
        );
        let house = House::before(origin, OPEN, &target).await;
        let url = format!("http://api.test:{}/x", house.address.port());
        let answer = curl(&house, &[], &url);
        assert!(answer.contains(expected), "{name}: {answer}");
        if expected == "200 " {
            // HTTP/2 by agreement; what the target was shown is hidden where it comes back.
            assert!(answer.contains("Bearer [redacted]") && answer.contains("\":authority\""), "{answer}");
            assert!(answer.contains("\"client\":\"rcgen self signed cert\""), "{answer}");
        }
    }
}

/// What a request means is remembered, in whose words its client is refused is not.
#[tokio::test]
async fn each_client_is_refused_in_its_own_words() {
    let house = House::policed("policy \"none\"\ndefault deny\nallow \"in\" { on http  do connect }\n").await;
    let ask = |fields: &str| house.ask("GET", "/x", fields, "");
    let mut kept = Kept::to(&house);
    for _ in 0..2 {
        assert_eq!(kept.ask(&format!("{}content-type: application/grpc\r\n", authorization("ana"))), "200");
        assert_eq!(kept.ask(&authorization("ana")), "403");
    }
    assert!(ask("content-type: application/grpc\r\n").contains("grpc-status: 7"));
}

/// A stream that is reset behind its answer is a failure to curl, and the answer is lost.
#[tokio::test]
async fn a_refusal_over_http_2_is_heard_whatever_is_sent() {
    let house = House::policed(OPEN).await;
    let large = house.directory.path().join("large");
    std::fs::write(&large, vec![b'x'; 3 << 20]).unwrap();
    let large = format!("@{}", large.display());
    let url = format!("http://api.test:{}/x", house.address.port());
    for body in ["{}", &large] {
        for _ in 0..5 {
            let arguments = ["--http2-prior-knowledge", "-X", "PUT", "--data-binary", body];
            let answer = curl(&house, &arguments, &url);
            assert!(answer.contains("denied by policy") && answer.trim_end().ends_with("403 2"), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_reload_tells_whether_what_a_target_is_shown_has_changed() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let [certificate, key, ca] = issued(directory.path(), &authority, "localhost");
    let [own, own_key, _] = issued(directory.path(), &authority, "gateway.test");
    let origin = Origin::run("node", "origin.js", &[&certificate, &key, &ca]);
    let target = format!(
        "address = \"https://localhost:{}\"\nhosts = [\"api.test\"]\n\
         tls = {{ ca = \"{}\", certificate = \"{}\", key = \"{}\" }}\n",
        origin.port,
        ca.display(),
        own.display(),
        own_key.display()
    );
    let house = House::before(origin, OPEN, &target).await;
    let changes = || house.evidence().matches("target http api").count();
    house.reconfigure(|text| text).await;
    assert_eq!(changes(), 0, "{}", house.evidence());
    issued(directory.path(), &authority, "gateway.test");
    house.reconfigure(|text| text).await;
    assert_eq!(changes(), 1, "{}", house.evidence());
    std::fs::write(&ca, Authority::new().certificate()).unwrap();
    house.reconfigure(|text| text).await;
    assert_eq!(changes(), 2, "{}", house.evidence());
    let answer = curl(&house, &[], &format!("http://api.test:{}/x", house.address.port()));
    assert!(answer.contains("502 "), "nobody that is trusted now vouches for it: {answer}");
}

#[tokio::test]
async fn trailers_come_through_and_say_no_secret() {
    let origin = Origin::run("node", "origin.js", &[]);
    let target =
        format!("address = \"http://127.0.0.1:{}\"\nhosts = [\"api.test\"]\nhttp2 = true\n", origin.port);
    let house = House::before(origin, OPEN, &target).await;
    let call = |path: &str| {
        let url = format!("http://api.test:{}{path}", house.address.port());
        let fields = ["-H", "content-type: application/grpc", "-H", "te: trailers"];
        let more = ["--http2-prior-knowledge", "-v", "--data-binary", "\u{1}message"];
        curl(&house, &[&fields[..], &more[..]].concat(), &url)
    };
    let answer = call("/grpc/fine");
    assert!(answer.contains("grpc-status: 0") && answer.contains("grpc-message: fine"), "{answer}");
    assert!(answer.contains("\u{1}message"), "{answer}");
    let answer = call("/grpc/secret");
    assert!(answer.contains("grpc-status: 0") && !answer.contains(TOKEN), "{answer}");
    assert!(!answer.contains("repr-digest"), "{answer}");
}

/// Sends trailers behind a body, which curl can't, and says what is answered.
const WITH_TRAILERS: &str = r#"
const [port, authorization] = process.argv.slice(1);
const client = require("node:http2").connect(`http://127.0.0.1:${port}`);
const fields = { ":method": "POST", ":path": "/x", ":authority": "api.test", authorization, te: "trailers" };
const request = client.request(fields, { waitForTrailers: true });
request.on("wantTrailers", () => request.sendTrailers({ "x-mode": "wet" }));
request.on("data", (piece) => process.stdout.write(piece));
request.on("end", () => client.close());
request.end("a body");
"#;

/// They are fields that nobody has judged, and that some servers put to the others.
#[tokio::test]
async fn trailers_of_a_request_do_not_go_on() {
    let origin = Origin::run("node", "origin.js", &[]);
    let target =
        format!("address = \"http://127.0.0.1:{}\"\nhosts = [\"api.test\"]\nhttp2 = true\n", origin.port);
    let house = House::before(origin, OPEN, &target).await;
    let proof = authorization("ana").replace("authorization: ", "");
    let output = Command::new("node")
        .args(["-e", WITH_TRAILERS, &house.address.port().to_string(), proof.trim()])
        .output()
        .expect("node");
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(answer.contains("\"body\":\"a body\"") && answer.contains("\"trailers\":{}"), "{output:?}");
}

#[tokio::test]
async fn what_a_mask_cannot_look_into_is_not_shown() {
    let origin = Origin::run("node", "origin.js", &[]);
    let target =
        format!("address = \"http://127.0.0.1:{}\"\nhosts = [\"api.test\"]\nhttp2 = true\n", origin.port);
    let house = House::before(origin, MASKED, &target).await;
    let url = format!("http://api.test:{}/grpc/fine", house.address.port());
    let call = ["-v", "-H", "content-type: application/grpc", "--data-binary", "x"];
    let answer = curl(&house, &call, &url);
    assert!(answer.contains("grpc-status: 14") && answer.contains("masks can't look into"), "{answer}");
}

#[tokio::test]
async fn a_credential_goes_into_the_field_that_is_named_and_into_no_other() {
    let origin = Origin::run("python3", "origin.py", &[]);
    let target = format!(
        "address = \"http://127.0.0.1:{}\"\nhosts = [\"api.test\"]\nheader = \"X-Api-Key\"\n",
        origin.port
    );
    let house = House::before(origin, OPEN, &target).await;
    let answer =
        curl(&house, &["-H", "x-api-key: mine"], &format!("http://api.test:{}/x", house.address.port()));
    assert!(answer.trim_end().ends_with("200 1.1"), "{answer}");
    let seen = house.origin.seen()[0]["headers"].to_string().to_lowercase();
    assert!(seen.contains(&format!("[\"x-api-key\",\"{TOKEN}\"]")), "{seen}");
    assert!(!seen.contains("authorization") && !seen.contains("mine"), "{seen}");
}

#[tokio::test]
async fn a_client_is_known_by_its_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let [ana, ana_key, ca] = written(directory.path(), &ours, "ana", &ours.issue_to("ana"));
    let [nobody, nobody_key, _] = written(directory.path(), &ours, "nobody", &ours.issue_to("nobody"));
    let [forged, forged_key, _] = written(directory.path(), &theirs, "forged", &theirs.issue_to("ana"));
    let origin = Origin::run("python3", "origin.py", &[]);
    let target = format!(
        "address = \"http://127.0.0.1:{}\"\nhosts = [\"localhost\"]\n[tls]\nclient_authorities = \"{}\"\n",
        origin.port,
        ca.display()
    );
    let house = House::before(origin, OPEN, &target).await;
    let ask = |shown: Option<(&PathBuf, &PathBuf)>| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--noproxy", "*", "-w", "\n%{http_code}", "--cacert"]);
        command.arg(house.directory.path().join("state/server.crt"));
        if let Some((certificate, key)) = shown {
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        let output =
            command.arg(format!("https://localhost:{}/x", house.address.port())).output().expect("curl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(ask(Some((&ana, &ana_key))).ends_with("200"));
    assert!(ask(None).ends_with("401"), "nobody has to show one, and is nobody then");
    assert!(ask(Some((&nobody, &nobody_key))).ends_with("401"), "there is no such user");
    assert!(ask(Some((&forged, &forged_key))).ends_with("000"), "nobody vouches for it");
    assert!(house.evidence().contains("\"proven_by\":\"certificate\""), "{}", house.evidence());
    house.disable("ana").await;
    assert!(ask(Some((&ana, &ana_key))).ends_with("401"));
}
