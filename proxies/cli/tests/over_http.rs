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
    ] {
        let folder = folder(listen, cluster);
        let ran = folder.run(&[&["kubeconfig", "prod", "--token-file", "mine"], more].concat());
        assert_eq!(ran.code, 0, "{cluster}: {ran:?}");
        let config: Value = serde_json::from_str(&ran.out).expect("a document");
        let cluster = &config["clusters"][0]["cluster"];
        assert_eq!(cluster["server"], expected);
        assert!(cluster["certificate-authority-data"].is_string(), "the gateway made it: nobody knows it");
        assert_eq!(config["users"][0]["user"]["tokenFile"], "mine");
        assert_eq!(config["current-context"], config["contexts"][0]["name"]);
    }
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
