//! Values that are masked in what a program says, however it is cut.

use crate::house::{Over, house};

const MASKED: &str = r#"
policy "cluster"
default allow
allow "what nobody knows" { by group "eng"  on kubernetes  do unknown }
record all { on kubernetes }
mask "cards" { on kubernetes  values credit_card  with redact }
"#;

/// Written in two parts, with a while between them that is longer than a packet waits.
fn in_two_parts(to: &str) -> String {
    format!("printf 'a card 4111 1111 ' {to}; sleep 0.2; printf '1111 1111 and more\\n' {to}")
}

#[tokio::test]
async fn a_card_in_two_packets_is_masked() {
    for over in Over::BOTH {
        let (_kubelet, house) = house(MASKED).await;
        let kubectl = over.kubectl(&house);
        let out = kubectl.run(&["exec", "web", "--", "sh", "-c", &in_two_parts("")]).await;
        assert_eq!(
            (out.code, out.text().as_str()),
            (Some(0), "a card [redacted] and more\n"),
            "{over:?}: {}",
            out.errors()
        );
        let err = kubectl.run(&["exec", "web", "--", "sh", "-c", &in_two_parts(">&2")]).await;
        assert_eq!(err.errors(), "a card [redacted] and more\n", "{over:?}");
        let given = kubectl.start(&["exec", "-i", "web", "--", "cat"]);
        given.send(b"4111 1111 1111 1111\n");
        assert_eq!(given.finish().await.success().text(), "[redacted]\n", "{over:?}");
        let recorded = house.until_recorded("and more").await;
        assert!(!recorded.contains("1111 1111"), "{over:?}: {recorded}");
    }
}

#[tokio::test]
async fn how_a_program_ended_is_masked() {
    for over in Over::BOTH {
        let (_kubelet, house) = house(MASKED).await;
        let ended = over.kubectl(&house).run(&["exec", "web", "--", "/no/4111111111111111"]).await;
        assert_ne!(ended.code, Some(0), "{over:?}");
        let said = ended.errors();
        assert!(said.contains("error executing command in container"), "{over:?}: {said}");
        assert!(said.contains("[redacted]") && !said.contains("4111111111111111"), "{over:?}: {said}");
    }
}

#[tokio::test]
async fn the_credential_of_the_cluster_does_not_come_back() {
    for over in Over::BOTH {
        let (kubelet, house) = house(crate::house::OPEN).await;
        let token = kubelet.access.token.clone().unwrap();
        let (one, two) = token.split_at(12);
        let line = format!("printf {one}; sleep 0.2; printf {two}");
        let ended = over.kubectl(&house).run(&["exec", "web", "--", "sh", "-c", &line]).await;
        assert!(!ended.text().contains(&token), "{over:?}: {}", ended.text());
    }
}
