//! Targets over HTTP: what plain `kubectl` gets to reach a cluster by, and what the doctor says of them.

#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test states what it expects by failing")]

mod common;

use common::Folder;
use serde_json::Value;

/// A folder with a cluster, of which this is said, and a service.
fn folder(listen: &str, cluster: &str) -> Folder {
    let folder = Folder::new();
    folder.write("p.policy", "policy \"p\"\ndefault deny\n");
    folder.write("token", "t");
    folder.mode("token", 0o600);
    let text = format!(
        "policies = [\"p.policy\"]\n[listen]\nhttp = {listen}\n\
         [[target]]\nname = \"prod\"\nprotocol = \"kubernetes\"\naddress = \"http://127.0.0.1:1\"\n\
         credential = {{ file = \"token\" }}\n{cluster}\n\
         [[target]]\nname = \"web\"\nprotocol = \"http\"\naddress = \"http://127.0.0.1:2\"\n"
    );
    folder.write("portcullis.toml", text);
    folder
}

#[test]
fn a_cluster_is_reached_where_the_gateway_listens_for_it() {
    for (listen, cluster, more, expected) in [
        ("\"127.0.0.1:8443\"", "", &[][..], "https://127.0.0.1:8443/prod"),
        ("\"[::1]:8443\"", "", &[], "https://[::1]:8443/prod"),
        ("\"127.0.0.1:8443\"", "prefix = \"/k8s\"", &[], "https://127.0.0.1:8443/k8s"),
        ("\"127.0.0.1:8443\"", "hosts = [\"prod.test\"]", &[], "https://prod.test:8443"),
        ("\"127.0.0.1:8443\"", "listen = \"127.0.0.1:9443\"", &[], "https://127.0.0.1:9443"),
        ("\"127.0.0.1:8443\"", "", &["--gateway", "gw.test"], "https://gw.test:8443/prod"),
        ("\"127.0.0.1:8443\"", "", &["--gateway", "gw.test:443"], "https://gw.test:443/prod"),
        ("\"127.0.0.1:8443\"", "", &["--gateway", "https://gw.test:443"], "https://gw.test:443/prod"),
        ("\"127.0.0.1:8443\"", "", &["--gateway", "https://gw.test/"], "https://gw.test:8443/prod"),
        ("\"127.0.0.1:8443\"", "", &["--gateway", "[::1]:443"], "https://[::1]:443/prod"),
        (
            "\"127.0.0.1:8443\"",
            "hosts = [\"prod.test\", \"k8s.test\"]",
            &["--gateway", "K8s.test:443"],
            "https://k8s.test:443",
        ),
    ] {
        let folder = folder(listen, cluster);
        let ran = folder.run(&[&["kubeconfig", "prod", "--token-file", "mine"], more].concat());
        assert_eq!(ran.code, 0, "{cluster}: {ran:?}");
        let config: Value = serde_json::from_str(&ran.out).expect("a document");
        let cluster = &config["clusters"][0]["cluster"];
        assert_eq!(cluster["server"], expected);
        assert!(cluster["certificate-authority-data"].is_string(), "the gateway made it: nobody knows it");
        // Wherever the document is put, it means the same file.
        let file = folder.path().join("mine");
        assert_eq!(config["users"][0]["user"]["tokenFile"], file.to_str().expect("a path"));
        assert!(ran.err.contains("there is no file `mine` yet"), "{}", ran.err);
        assert_eq!(config["current-context"], config["contexts"][0]["name"]);
    }
}

#[test]
fn what_names_no_host_is_refused() {
    for (cluster, gateway, code, place, way_out) in [
        ("", "::1", 2, "an IPv6 address stands in brackets", "--gateway '[::1]'"),
        ("", "x/y", 2, "`/y` is no part of a host's name", "--gateway gateway.example.org:8443"),
        ("", "https://https://x:1", 2, "`https://` is no part of a host", "--gateway gateway.example.org"),
        ("", "http://x", 2, "in the clear", "--gateway https://"),
        ("", "x:99999", 2, "`99999` is no port", "--gateway gateway.example.org:8443"),
        (
            "hosts = [\"prod.test\"]",
            "gw.test",
            3,
            "asked for by its host, which `gw.test` is not",
            "prod.test",
        ),
    ] {
        let folder = folder("\"127.0.0.1:8443\"", cluster);
        let ran = folder.run(&["kubeconfig", "prod", "--token-file", "mine", "--gateway", gateway]);
        assert!(ran.code == code && ran.out.is_empty(), "{gateway}: {ran:?}");
        assert!(ran.err.contains(place) && ran.err.contains(way_out), "{gateway}: {ran:?}");
    }
}

#[test]
fn a_certificate_that_names_another_host_is_warned_of() {
    for (listen, gateway, is_named) in [
        ("\"127.0.0.1:8443\"", &[][..], true),
        ("\"[::1]:8443\"", &[], true),
        ("\"127.0.0.1:8443\"", &["--gateway", "localhost:1"], true),
        ("\"127.0.0.1:8443\"", &["--gateway", "[::1]:1"], true),
        ("\"127.0.0.1:8443\"", &["--gateway", "gw.test"], false),
        ("\"10.0.0.1:8443\"", &[], false),
    ] {
        let folder = folder(listen, "");
        let ran = folder.run(&[&["kubeconfig", "prod", "--token-file", "mine"], gateway].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        let warned = ran.err.contains("does not name") && ran.err.contains("localhost, 127.0.0.1, ::1");
        assert_eq!(!warned, is_named, "{listen} {gateway:?}: {ran:?}");
    }
}

/// What the gateway proves itself by is a token here, not a role's password.
#[test]
fn the_doctor_asks_for_a_credential_in_the_words_of_the_protocol() {
    let folder = folder("\"127.0.0.1:0\"", "");
    let more = "[[target]]\nname = \"files\"\nprotocol = \"mcp\"\naddress = \"http://127.0.0.1:3\"\n";
    let config = folder.read("portcullis.toml").replace("credential = { file = \"token\" }\n", "") + more;
    folder.write("portcullis.toml", config);
    let doctor = folder.run(&["doctor"]).out;
    for (target, mend) in [
        (
            "prod",
            "give the gateway a service account there, and its token as `credential = { secret = \"…\" }`",
        ),
        ("web", "have the target ask for a token, and give that one as `credential = { secret = \"…\" }`"),
        ("files", "have the target ask for a token, and give that one as `credential = { secret = \"…\" }`"),
    ] {
        let (_, said) =
            doctor.split_once(&format!("target {target}: it has no credential")).expect("it is warned of");
        let mended = said.lines().find(|line| line.contains("mend: "));
        assert!(mended.is_some_and(|line| line.contains(mend)), "{target}: {mended:?}");
    }
    assert!(!doctor.contains("role a password"), "{doctor}");
}

#[test]
fn what_is_no_cluster_has_no_kubeconfig() {
    let folder = folder("\"127.0.0.1:8443\"", "");
    for name in ["web", "nothing"] {
        let ran = folder.run(&["kubeconfig", name]);
        assert!(ran.code != 0 && ran.err.contains("there is: prod"), "{ran:?}");
    }
}

#[test]
fn the_doctor_says_whether_targets_are_there_and_who_they_should_be() {
    // Connected to by the system alone: it says nothing, and no TLS either.
    let open = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = open.local_addr().expect("an address").port();
    std::thread::spawn(move || open.incoming().for_each(drop));
    let folder = folder("\"127.0.0.1:0\"", "");
    let more = format!(
        "[[target]]\nname = \"plain\"\nprotocol = \"http\"\naddress = \"http://127.0.0.1:{port}\"\nprefix = \"/plain\"\n\
         [[target]]\nname = \"tls\"\nprotocol = \"http\"\naddress = \"https://localhost:{port}\"\nprefix = \"/tls\"\n"
    );
    folder.write("portcullis.toml", folder.read("portcullis.toml") + &more);
    let doctor = folder.run(&["doctor"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    for said in [
        "ok       target plain: it is there, and HTTP/1.1 is spoken with it",
        "PROBLEM  target tls: at `localhost`",
        "PROBLEM  target web: at `127.0.0.1`, port 2: ",
    ] {
        assert!(doctor.out.contains(said), "no `{said}` in\n{}", doctor.out);
    }
    assert!(doctor.out.contains("try `curl -v http://127.0.0.1:2/`"), "{}", doctor.out);
}
