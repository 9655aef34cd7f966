//! `port-forward`: a tunnel, carried where no rule looks for anything in it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use portcullis_testkit::Running;

use crate::house::{OPEN, Over, house};

/// What is heard at the other end of a forwarded port that was sent this.
async fn fetched(running: &Running, said: &[u8]) -> String {
    let told = running.until("Forwarding from 127.0.0.1:").await;
    let port = told.split("127.0.0.1:").nth(1).unwrap().split(' ').next().unwrap().parse::<u16>().unwrap();
    let said = said.to_vec();
    let asking = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = stream.write_all(&said);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        String::from_utf8_lossy(&heard).into_owned()
    });
    asking.await.unwrap()
}

#[tokio::test]
async fn a_port_is_forwarded() {
    for over in Over::BOTH {
        let (_kubelet, house) = house(OPEN).await;
        let running = over.kubectl(&house).start(&["port-forward", "web", ":7"]);
        for _ in 0..3 {
            assert_eq!(fetched(&running, b"4111 1111 1111 1111").await, "4111 1111 1111 1111", "{over:?}");
        }
    }
}

#[tokio::test]
async fn a_tunnel_under_a_mask_is_not_opened() {
    let policy = format!("{OPEN}\nmask \"cards\" {{ on kubernetes  values credit_card  with redact }}");
    for over in Over::BOTH {
        let (kubelet, house) = house(&policy).await;
        let ended = over.kubectl(&house).run(&["port-forward", "web", ":7"]).await;
        assert_eq!(ended.code, Some(1), "{over:?}");
        assert!(ended.errors().contains("would have to be masked"), "{over:?}: {}", ended.errors());
        assert!(kubelet.seen().iter().all(|seen| seen.upgrade.is_none()), "{over:?}: it was opened");
    }
}

#[tokio::test]
async fn the_credential_does_not_come_back_over_a_tunnel() {
    for over in Over::BOTH {
        let (kubelet, house) = house(OPEN).await;
        let token = kubelet.access.token.clone().unwrap();
        let running = over.kubectl(&house).start(&["port-forward", "web", ":7"]);
        let heard = fetched(&running, format!("and it is {token}, said").as_bytes()).await;
        assert!(!heard.contains(&token), "{over:?}: {heard}");
        house.until_said("it can't be shown").await;
    }
}
