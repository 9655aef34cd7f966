//! What compares two ways to one server, on what goes over streams.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test states what it expects by failing")]

use std::path::{Path, PathBuf};

use portcullis_testkit::kubernetes::Kubelet;
use portcullis_testkit::kubernetes::compare::{Commands, Way, compare};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../http/tests/kubectl")
}

#[tokio::test]
async fn both_protocols_do_the_same_straight_at_the_server() {
    let commands = Commands::read(&data().join("streams.txt"));
    let (one, other) = (Kubelet::start(), Kubelet::start());
    let way = |kubelet: &Kubelet, websockets: &str| {
        Way::new(&kubelet.access, "default")
            .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets)
            .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets)
    };
    let differences =
        compare(&commands, &data().join("files"), &way(&one, "true"), &way(&other, "false")).await;
    for difference in &differences {
        println!("{difference}");
    }
    assert!(differences.is_empty(), "{} of {} commands differ", differences.len(), commands.len());
    let upgrades =
        |kubelet: &Kubelet| kubelet.seen().into_iter().filter_map(|seen| seen.upgrade).collect::<Vec<_>>();
    assert!(upgrades(&one).len() >= 15 && upgrades(&one).iter().all(|upgrade| upgrade == "websocket"));
    assert!(upgrades(&other).len() >= 15 && upgrades(&other).iter().all(|upgrade| upgrade == "SPDY/3.1"));
}

#[tokio::test]
async fn a_server_that_says_something_else_is_told_apart() {
    let commands = Commands::parse(
        "text kubectl get pods -o name\ntext kubectl logs web\ntext kubectl exec web -- echo same",
    );
    let (one, other) = (Kubelet::start(), Kubelet::builder().log(&["another"]).start());
    let [first, second] = [&one, &other].map(|kubelet| Way::new(&kubelet.access, "default"));
    let differences = compare(&commands, &data().join("files"), &first, &second).await;
    let numbers: Vec<usize> = differences.iter().map(|difference| difference.command.number).collect();
    assert_eq!(numbers, [2], "{differences:?}");
    assert!(differences[0].to_string().contains("  - one\n  - two\n"), "{}", differences[0]);
}
