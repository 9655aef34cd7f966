//! Shells and terminals: admitted or not, masked, recorded, withdrawn.

use portcullis_evidence::recording::Event;

use crate::house::House;

#[tokio::test]
async fn a_shell_on_a_terminal_is_carried_and_recorded() {
    let house = House::new().await;
    let running = house.client("ana").start("ssh", &["-tt", "box"]);
    running.send(b"stty -a; echo mar''ker\n");
    running.until("marker").await;
    running.send(b"exit 7\n");
    let output = running.wait().await;
    assert_eq!(output.code, Some(7), "{}", output.text());
    house.until_evidence_says("\"event\":\"exit\"").await;
    let events = house.recorded();
    assert!(events.iter().any(|event| matches!(event, Event::Terminal { .. })));
    let said = |wanted: &str| {
        events.iter().any(|event| matches!(event, Event::Output { text, .. } if text.contains(wanted)))
    };
    assert!(said("marker"));
    assert!(events.iter().any(|event| matches!(event, Event::Exit { status: Some(7), .. })));
}

#[tokio::test]
async fn a_policy_refuses_terminals_and_admits_commands() {
    let policy = r#"
        policy "no terminals"
        default deny
        allow "commands" { by group "eng"  on ssh  do exec, shell }
        deny  "terminals" { on ssh  do pty  say "terminals are for emergencies: use ssh -T" }
    "#;
    let house = House::policed(policy).await;
    let output = house.client("ana").ssh(&["-tt", "box", "echo in"]).await;
    assert_eq!(output.code, Some(126));
    assert!(
        output.errors().contains("terminals are for emergencies")
            || output.text().contains("terminals are for"),
        "{output:?}"
    );
    let output = house.client("ana").ssh(&["-T", "box", "echo in"]).await.success();
    assert_eq!(output.text(), "in\n");
}

#[tokio::test]
async fn ctrl_c_withdraws_what_is_held() {
    let house = House::new().await;
    let running = house.client("ana").start("ssh", &["-tt", "box", "echo restart nginx"]);
    running.until("held for approval").await;
    let seen = house.waiting().await;
    running.send(&[3]);
    let output = running.wait().await;
    assert_eq!(output.code, Some(130));
    assert_eq!(house.state(seen.number).await, "withdrawn");
}

#[tokio::test]
async fn leaving_withdraws_what_is_held() {
    let house = House::new().await;
    let running = house.client("ana").start("ssh", &["box", "echo restart nginx"]);
    running.until("held for approval").await;
    let seen = house.waiting().await;
    running.kill();
    drop(running);
    house.until_evidence_says("client gone").await;
    assert_eq!(house.state(seen.number).await, "withdrawn");
}

#[tokio::test]
async fn a_held_channel_waits_beside_a_busy_one() {
    let house = House::new().await;
    let client = house.client("ana");
    let socket = client.directory().join("mux");
    let option = format!("ControlPath={}", socket.display());
    let master = client.start("ssh", &["-M", "-o", &option, "box", "echo restart nginx; cat"]);
    master.until("held for approval").await;
    let mux = |command: &'static str| {
        let (client, option) = (client.clone(), option.clone());
        async move { client.ssh(&["-o", &option, "box", command]).await }
    };
    let busy = mux("head -c 3000000 /dev/zero | wc -c").await.success();
    assert_eq!(busy.text().trim(), "3000000");
    assert!(!master.so_far().contains("nginx\n"));
    let seen = house.waiting().await;
    house.vote(&seen, true).await;
    master.until("restart nginx\n").await;
    assert_eq!(mux("echo beside").await.success().text(), "beside\n");
}

#[tokio::test]
async fn a_revoked_session_ends_within_a_second_and_says_why() {
    let house = House::new().await;
    let running = house.client("ana").start("ssh", &["box", "echo begun; sleep 60"]);
    running.until("begun").await;
    let began = std::time::Instant::now();
    house.revoke("ana").await;
    let output = running.wait().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(output.code, Some(255));
    assert!(output.errors().contains("left the company"), "{}", output.errors());
}

#[tokio::test]
async fn a_tightened_policy_ends_what_it_would_not_let_through() {
    let house = House::new().await;
    let running = house.client("ana").start("ssh", &["box", "echo begun; sleep 60"]);
    running.until("begun").await;
    house.police("policy \"closed\"\ndefault deny\nallow \"little\" { by group \"eng\"  on ssh  do exec  when argv is [\"true\"] }\n");
    let output = running.wait().await;
    assert_eq!(output.code, Some(255), "{}", output.errors());
    assert!(output.errors().contains("portcullis: "), "{}", output.errors());
}

#[tokio::test]
async fn variables_are_set_only_as_the_policy_permits() {
    let house = House::new().await;
    let client = house.client("ana");
    let output = client
        .clone()
        .option("SetEnv LC_ALL=C LD_PRELOAD=/tmp/evil.so BASH_ENV=/tmp/evil")
        .ssh(&["box", "printf '[%s] [%s] [%s]\\n' \"$LC_ALL\" \"$LD_PRELOAD\" \"$BASH_ENV\""])
        .await
        .success();
    assert_eq!(output.text(), "[C] [] []\n");
    assert!(output.errors().contains("LD_PRELOAD is not set"), "{}", output.errors());
}

#[tokio::test]
async fn a_password_that_was_not_echoed_is_in_no_recording() {
    let house = House::new().await;
    let running = house.client("ana").start("ssh", &["-tt", "box"]);
    running.send(b"echo rea''dy\n");
    running.until("ready").await;
    running.send(b"read -s -p 'Pass''word: ' word; echo \"got ${#word}\"\n");
    running.until("Password: ").await;
    running.send(b"hunter2-is-secret\n");
    running.until("got 17").await;
    running.send(b"exit\n");
    let _ = running.wait().await;
    house.until_evidence_says("\"event\":\"exit\"").await;
    let typed: String = house
        .recorded()
        .iter()
        .filter_map(|event| match event {
            Event::Input { text, .. } => Some(text.to_string()),
            _ => None,
        })
        .collect();
    assert!(typed.contains("read -s") && typed.contains("exit"), "{typed}");
    assert!(!typed.contains("hunter2"), "{typed}");
}
