//! The fixture itself: a real kube-apiserver, and what compares two ways to it. `make conformance-kubernetes` runs this.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test states what it expects by failing"
)]

use std::net::TcpStream;
use std::path::{Path, PathBuf};

use portcullis_testkit::kubernetes::compare::{Commands, Way, compare};
use portcullis_testkit::kubernetes::{Cluster, Kubectl};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../http/tests/kubectl")
}

#[tokio::test]
async fn a_server_keeps_objects_and_knows_who_may_do_what() {
    let cluster = Cluster::start();
    let kubectl = cluster.kubectl();
    let _ = kubectl.run(&["create", "configmap", "palette", "--from-literal=color=blue"]).await.success();
    let color = kubectl.run(&["get", "configmap", "palette", "-o", "jsonpath={.data.color}"]).await.success();
    assert_eq!(color.text(), "blue");

    let guest = Kubectl::new(&cluster.guest).run(&["get", "configmaps"]).await;
    assert_eq!((guest.code, guest.text()), (Some(1), String::new()));
    assert!(guest.errors().contains("User \"guest\" cannot list"), "{}", guest.errors());

    let mut stranger = cluster.access.clone();
    stranger.token = Some("guessed".to_owned());
    let stranger = Kubectl::new(&stranger).run(&["get", "configmaps"]).await;
    assert!(stranger.errors().contains("You must be logged in"), "{}", stranger.errors());

    let (directory, url) = (cluster.directory.clone(), cluster.access.url.clone());
    drop(cluster);
    assert!(!directory.exists(), "its directory");
    assert!(TcpStream::connect(url.strip_prefix("https://").unwrap()).is_err(), "its port");
}

#[tokio::test]
async fn the_same_way_twice_makes_no_difference() {
    let cluster = Cluster::start();
    let commands = Commands::read(&data().join("commands.txt"));
    assert!(commands.len() >= 60, "only {} commands", commands.len());
    let first = Way::fresh(&cluster.access, &cluster.access, "compared-one").await;
    let second = Way::fresh(&cluster.access, &cluster.access, "compared-two").await;
    let differences = compare(&commands, &data().join("files"), &first, &second).await;
    for difference in &differences {
        println!("{difference}");
    }
    assert!(differences.is_empty(), "{} of {} commands differ", differences.len(), commands.len());
}

#[tokio::test]
async fn a_way_on_which_less_is_allowed_is_told_apart() {
    let cluster = Cluster::start();
    let commands = Commands::parse(
        "text kubectl create configmap plain --from-literal=a=1\n\
         text kubectl get configmap plain -o jsonpath={.data}\n\
         text kubectl version --client",
    );
    let first = Way::fresh(&cluster.access, &cluster.access, "compared-one").await;
    let second = Way::fresh(&cluster.guest, &cluster.access, "compared-two").await;
    let differences = compare(&commands, &data().join("files"), &first, &second).await;
    let numbers: Vec<usize> = differences.iter().map(|one| one.command.number).collect();
    assert_eq!(numbers, [1, 2], "{differences:?}");
    assert!(
        differences[0].to_string().contains("configmaps is forbidden: User \"guest\""),
        "{}",
        differences[0]
    );
}
