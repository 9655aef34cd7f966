//! What is typed into a shell: noticed, warned of, or the end of the session.

use crate::house::House;

fn policy(deny: &str) -> String {
    format!(
        "policy \"typed\"\ndefault deny\nallow \"engineers\" {{ by group \"eng\"  on ssh  do exec, shell }}\n\
         record all {{ on ssh  do shell }}\n{deny}\n"
    )
}

const ENDS: &str = r#"deny "no rm" { on ssh  do typed  when argv is ["rm", **]  say "files are removed by the platform team" }"#;

#[tokio::test]
async fn a_line_that_a_rule_forbids_ends_the_session() {
    let house = House::policed(&policy(ENDS)).await;
    let running = house.client("ana").start("ssh", &["-tt", "box"]);
    running.send(b"echo rea''dy\r");
    running.until("ready").await;
    running.send(b"rm -f /tmp/portcullis-no-such-file\r");
    let output = running.wait().await;
    let said = output.text() + &output.errors();
    assert!(
        said.contains("session ended by the rule `no rm`: files are removed by the platform team"),
        "{said}"
    );
    house.until_evidence_says("\"via\":\"typed\"").await;
    let judged = house.judged();
    assert!(judged.contains(&"typed rm -f /tmp/portcullis-no-such-file: deny".to_owned()), "{judged:?}");
}

#[tokio::test]
async fn a_wrapped_command_is_noticed_too_and_others_are_let_be() {
    let house = House::policed(&policy(ENDS)).await;
    let running = house.client("ana").start("ssh", &["-tt", "box"]);
    running.send(b"echo one; echo rea''dy\r");
    running.until("ready").await;
    running.send(b"true && env rm -f /tmp/portcullis-no-such-file\r");
    let output = running.wait().await;
    assert!((output.text() + &output.errors()).contains("by the rule `no rm`"));
}

#[tokio::test]
async fn an_observed_rule_only_records() {
    let house = House::policed(&policy(&ENDS.replace(" say", " mode observe  say"))).await;
    let running = house.client("ana").start("ssh", &["-tt", "box"]);
    running.send(b"rm -f /tmp/portcullis-no-such-file; echo go''ing\r");
    running.until("going").await;
    running.send(b"exit 4\r");
    let output = running.wait().await;
    assert_eq!(output.code, Some(4));
    assert!(!output.text().contains("platform team"));
    let evidence = house.until_evidence_says("\"via\":\"typed\"").await;
    assert!(evidence.contains("\"observed\":{\"decision\":\"deny\",\"rules\":[\"no rm\"]"), "{evidence}");
}

#[tokio::test]
async fn a_warning_is_shown_in_the_terminal_and_the_session_goes_on() {
    let house = House::policed(&policy(&ENDS.replace(" say", " mode warn  say"))).await;
    let running = house.client("ana").start("ssh", &["-tt", "box"]);
    running.send(b"rm -f /tmp/portcullis-no-such-file; echo go''ing\r");
    running.until("portcullis: files are removed by the platform team").await;
    running.until("going").await;
    running.send(b"exit 5\r");
    assert_eq!(running.wait().await.code, Some(5));
}

#[tokio::test]
async fn lines_piped_into_a_shell_are_judged_before_it_gets_them() {
    let house = House::policed(&policy(ENDS)).await;
    let running = house.client("ana").start("ssh", &["-T", "box"]);
    running.send(b"echo fi''rst\n");
    running.until("first").await;
    running.send(b"echo sec''ond\nrm -f /tmp/portcullis-no-such-file\n");
    let output = running.wait().await;
    assert!(output.errors().contains("by the rule `no rm`"), "{}", output.errors());
    assert!(!output.text().contains("second"), "what came with it did not reach the shell");
}

#[tokio::test]
async fn what_comes_with_a_line_that_ends_the_session_does_not_reach_the_shell() {
    let house = House::policed(&policy(ENDS)).await;
    let running = house.client("ana").start("ssh", &["-T", "box"]);
    running.send(b"echo \"shell $$.\"\n");
    let said = running.until(".\n").await;
    let shell = said.trim().trim_start_matches("shell ").trim_end_matches('.').to_owned();
    let marker = house.sshd.home.join("marker");
    running.send(format!("touch {}\nrm -f /tmp/portcullis-no-such-file\n", marker.display()).as_bytes());
    let _ = running.wait().await;
    let shell = std::path::Path::new("/proc").join(shell);
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while shell.exists() {
        assert!(std::time::Instant::now() < limit, "the shell goes on");
        // A process tells nobody but its parent that it ends.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!marker.exists(), "what came with the line has run");
}

#[tokio::test]
async fn a_password_is_no_line() {
    let house = House::policed(&policy(ENDS)).await;
    let running = house.client("ana").start("ssh", &["-tt", "box"]);
    running.send(b"echo rea''dy\r");
    running.until("ready").await;
    running.send(b"read -s -p 'Pass''word: ' word; echo \"got ${#word}\"\r");
    running.until("Password: ").await;
    running.send(b"rm hunter2\r");
    running.until("got 10").await;
    running.send(b"exit 6\r");
    assert_eq!(running.wait().await.code, Some(6));
    assert!(!house.judged().iter().any(|line| line.contains("hunter2")));
}

#[tokio::test]
async fn a_rule_about_lines_that_comes_later_is_followed_from_then_on() {
    let house = House::policed(&policy("")).await;
    let running = house.client("ana").start("ssh", &["-tt", "box"]);
    running.send(b"rm -f /tmp/portcullis-no-such-file; echo rea''dy\r");
    running.until("ready").await;
    house.police(&policy(ENDS));
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    running.send(b"rm -f /tmp/portcullis-no-such-file\r");
    let output = running.wait().await;
    assert!((output.text() + &output.errors()).contains("by the rule `no rm`"));
}
