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
