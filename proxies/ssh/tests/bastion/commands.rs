//! Commands: run, refused, held, masked, recorded.

use crate::house::House;

#[tokio::test]
async fn a_command_runs_with_its_streams_and_its_status() {
    let house = House::new().await;
    let output = house.client("ana").ssh(&["box", "echo hello; echo oops >&2; cat; exit 3"]).await;
    assert_eq!(
        (output.text().as_str(), output.errors().as_str(), output.code),
        ("hello\n", "oops\n", Some(3))
    );
}

#[tokio::test]
async fn what_a_rule_forbids_is_refused_in_its_words() {
    let house = House::new().await;
    let output = house.client("ana").ssh(&["box", "rm -rf /tmp/nothing"]).await;
    assert_eq!(output.code, Some(126));
    assert!(
        output.errors().contains("portcullis: files are removed by the platform team"),
        "{}",
        output.errors()
    );
    assert!(!house.sshd.log().contains("rm -rf"));
}

#[tokio::test]
async fn a_held_command_runs_once_it_is_approved() {
    let house = House::new().await;
    let running = house.client("ana").start("ssh", &["box", "echo restart nginx"]);
    running.until("held for approval").await;
    let seen = house.waiting().await;
    house.vote(&seen, true).await;
    let output = running.finish().await.success();
    assert_eq!(output.text(), "restart nginx\n");
    assert!(output.errors().contains("approved by ben"), "{}", output.errors());
}

#[tokio::test]
async fn what_a_program_prints_is_masked() {
    let house = House::new().await;
    let output = house
        .client("ana")
        .ssh(&["box", "printf '4111 1111 '; sleep 0.01; echo '1111 1111'"])
        .await
        .success();
    assert!(!output.text().contains("1111 1111"), "{}", output.text());
}

#[tokio::test]
async fn a_refusal_says_which_command_of_a_line_it_is_about() {
    let policy =
        "policy \"some\"\ndefault deny\nallow \"ls\" { on ssh  do exec  when argv is [\"ls\", **] }\n";
    let house = House::policed(policy).await;
    let output = house.client("ana").ssh(&["box", "ls / | grep -v 'a b' $HOME"]).await;
    assert!(output.errors().contains("no rule permits `exec grep -v a b …`"), "{}", output.errors());
}

#[tokio::test]
async fn a_rule_that_asks_why_is_told_by_a_variable_that_the_target_does_not_get() {
    let policy = r#"
        policy "why"
        default deny
        hold "work" { by group "eng"  on ssh  do exec, write, list  until 1 of group "sre" approve within 10m  justify }
    "#;
    let house = House::policed(policy).await;
    let mute = house.client("ana").ssh(&["box", "echo ran"]).await;
    assert_eq!(mute.code, Some(126));
    assert!(mute.errors().contains("SetEnv=PORTCULLIS_JUSTIFICATION"), "{}", mute.errors());

    let telling = house.client("ana").option("SetEnv=PORTCULLIS_JUSTIFICATION=ticket-42");
    let running = telling.start("ssh", &["box", "echo [$PORTCULLIS_JUSTIFICATION]"]);
    running.until("held for approval").await;
    let seen = house.waiting().await;
    assert_eq!(seen.justification.as_deref(), Some("ticket-42"));
    house.vote(&seen, true).await;
    assert_eq!(running.finish().await.success().text(), "[]\n");
}

#[tokio::test]
async fn a_target_that_is_lost_in_the_middle_is_named() {
    let house = House::new().await;
    let output = house.client("ana").ssh(&["box", "echo begun; kill -9 $PPID; sleep 60"]).await;
    assert_eq!(output.code, Some(255));
    assert!(output.errors().contains("the target closed the channel"), "{}", output.errors());
    house.until_evidence_says("\"reason\":\"target lost\"").await;
}
