//! What kubectl is used for, against a real kube-apiserver: through the gateway it does what it does without, and what a policy
//! denies it tells in its own words. `make conformance-kubernetes` runs this.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test states what it expects by failing"
)]
#![allow(dead_code, unreachable_pub, reason = "the house serves another program, too")]

mod house;

use std::path::{Path, PathBuf};

use portcullis_testkit::kubernetes::compare::{Commands, Way, compare};
use portcullis_testkit::kubernetes::{Access, Cluster, Kubectl};

use crate::house::{House, OPEN};

const MASKED: &str = r#"
policy "cluster"
default allow
allow "what nobody knows" { by group "eng"  on kubernetes  do unknown }
mask "cards" { on kubernetes  values credit_card  with redact }
"#;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl")
}

async fn differ(policy: &str) -> Vec<String> {
    let cluster = Cluster::start();
    let house = House::before(&cluster.access, policy).await;
    let commands = Commands::read(&data().join("commands.txt"));
    let first = Way::fresh(&cluster.access, &cluster.access, "compared-one").await;
    let second = Way::fresh(&house.access, &cluster.access, "compared-two").await;
    let differences = compare(&commands, &data().join("files"), &first, &second).await;
    for difference in &differences {
        println!("{difference}");
    }
    println!("{} of {} commands do the same", commands.len() - differences.len(), commands.len());
    differences.into_iter().map(|difference| difference.command.line).collect()
}

/// All but those that act as somebody else, which is refused.
#[tokio::test]
async fn what_is_allowed_is_as_it_is_without_a_gateway() {
    let others = differ(OPEN).await;
    assert!(others.iter().all(|line| line.contains("--as")), "{others:#?}");
}

#[tokio::test]
async fn what_is_looked_through_is_as_it_is_where_nothing_is_found() {
    let others = differ(MASKED).await;
    assert!(others.iter().all(|line| line.contains("--as")), "{others:#?}");
}

/// `denied.txt` has a line for each command, in their order: the rule that denies it, `-` where none does.
#[tokio::test]
async fn what_is_denied_says_by_which_rule() {
    let cluster = Cluster::start();
    let policy = std::fs::read_to_string(data().join("strict.policy")).unwrap();
    let house = House::before(&cluster.access, &policy).await;
    let admin = Kubectl::new(&cluster.access);
    let _ = admin.run(&["create", "namespace", "strict"]).await.success();
    let files = data().join("files").display().to_string();
    let kubectl = |access: &Access| {
        Kubectl::with_config(&access.kubeconfig("strict")).env("NS", "strict").env("FILES", &files)
    };
    let (strict, direct) = (kubectl(&house.access), kubectl(&cluster.access));
    let mut told = String::new();
    for command in Commands::read(&data().join("commands.txt")).iter() {
        let said = strict.shell(&command.line).await;
        told += &format!("{:<42} {}\n", rule(&format!("{}{}", said.text(), said.errors())), command.line);
        // What it would have made is there for those behind it.
        let _ = direct.shell(&command.line).await;
    }
    let expected = std::fs::read_to_string(data().join("denied.txt")).unwrap();
    let expected: String =
        expected.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let differing: Vec<_> =
        told.lines().zip(expected.lines()).filter(|(told, expected)| told != expected).collect();
    assert!(told == expected, "{differing:#?}\n{told}");
}

/// The rules that kubectl's words name, or what nothing permits.
fn rule(said: &str) -> String {
    let mut found: Vec<String> = said.split("(denied by the rule `").skip(1).map(first_name).collect();
    found.extend(
        said.split("no rule permits `").skip(1).map(|rest| format!("nothing permits {}", first_name(rest))),
    );
    if said.contains("act as somebody else") {
        found.push("as somebody else".to_owned());
    }
    found.dedup();
    if found.is_empty() { "-".to_owned() } else { found.join(", ") }
}

fn first_name(rest: &str) -> String {
    rest.split('`').next().unwrap_or_default().to_owned()
}
