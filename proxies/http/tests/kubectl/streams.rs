//! What runs in a pod, by the real `kubectl`: its streams, its end, what is recorded of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use portcullis_testkit::kubernetes::Kubelet;
use portcullis_testkit::kubernetes::compare::{Commands, Way, compare};

use crate::house::{House, OPEN, Over, house};

const RECORDED: &str = r#"
policy "cluster"
default allow
allow "what nobody knows" { by group "eng"  on kubernetes  do unknown }
record all { on kubernetes }
"#;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl")
}

/// Every command of `streams.txt` does the same through the gateway as straight at the cluster.
#[tokio::test]
async fn nothing_is_different_through_the_gateway() {
    let commands = Commands::read(&data().join("streams.txt"));
    for over in Over::BOTH {
        let direct = Kubelet::start();
        let (kubelet, house) = house(OPEN).await;
        let way = |access| {
            let websockets = if over == Over::WebSocket { "true" } else { "false" };
            Way::new(access, "default")
                .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets)
                .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets)
        };
        let differences =
            compare(&commands, &data().join("files"), &way(&direct.access), &way(&house.access)).await;
        let told: String = differences.iter().map(ToString::to_string).collect();
        assert!(
            differences.is_empty(),
            "{over:?}: {} of {} differ\n{told}",
            differences.len(),
            commands.len()
        );
        let expected = if over == Over::WebSocket { "websocket" } else { "SPDY/3.1" };
        let upgrades: Vec<String> = kubelet.seen().into_iter().filter_map(|seen| seen.upgrade).collect();
        assert!(upgrades.len() >= 15 && upgrades.iter().all(|one| one == expected), "{upgrades:?}");
    }
}

#[tokio::test]
async fn a_log_is_followed_line_by_line() {
    let gap = Duration::from_millis(400);
    let kubelet = Kubelet::builder().gap(gap).start();
    let house = House::before(&kubelet.access, OPEN).await;
    let running = house.kubectl().start(&["logs", "-f", "web"]);
    let mut arrived = Vec::new();
    for line in ["one", "two", "three"] {
        running.until(line).await;
        arrived.push(Instant::now());
    }
    for pair in arrived.windows(2) {
        let between = pair[1] - pair[0];
        assert!(between > gap / 2 && between < gap * 2, "{between:?}: lines come as they are said");
    }
    let _ = running.finish().await.success();
}

#[tokio::test]
async fn what_runs_is_recorded() {
    for over in Over::BOTH {
        let (_kubelet, house) = house(RECORDED).await;
        let kubectl = over.kubectl(&house);
        let running = kubectl.start(&["exec", "-i", "web", "--", "sh", "-c", "cat; echo oops >&2; exit 3"]);
        running.send(b"given\n");
        let ended = running.finish().await;
        assert_eq!((ended.code, ended.text().as_str()), (Some(3), "given\n"), "{over:?}: {}", ended.errors());
        let recorded = house.until_recorded("\"status\":3").await;
        for line in ["\"Input\"", "given", "\"stderr\"", "oops"] {
            assert!(recorded.to_lowercase().contains(&line.to_lowercase()), "{over:?}, {line}: {recorded}");
        }
    }
}

#[tokio::test]
async fn a_terminal_is_recorded_with_its_sizes() {
    for over in Over::BOTH {
        let (kubelet, house) = house(RECORDED).await;
        let line = "sleep 3 | script -qec 'stty rows 30 cols 90; kubectl exec -it web -- \
                    sh -c \"while [ \\\"\\$(stty size)\\\" != \\\"30 90\\\" ]; do sleep 0.1; done; stty size; exit 5\"' /dev/null";
        let ended = over.kubectl(&house).shell(line).await;
        assert!(ended.text().contains("30 90"), "{over:?}: {}{}", ended.text(), ended.errors());
        assert!(kubelet.seen().iter().any(|seen| seen.sizes.contains(&(90, 30))), "{over:?}");
        let recorded = house.until_recorded("\"status\":5").await.to_lowercase();
        for line in ["terminal", "\"columns\":90,\"rows\":30", "30 90"] {
            assert!(recorded.contains(line), "{over:?}, {line}: {recorded}");
        }
    }
}

#[tokio::test]
async fn whoever_is_out_is_out_at_once() {
    for over in Over::BOTH {
        let (kubelet, house) = house(OPEN).await;
        let running = over.kubectl(&house).start(&["exec", "web", "--", "sh", "-c", "echo began; sleep 30"]);
        running.until("began").await;
        let began = Instant::now();
        house.revoke("ana").await;
        let ended = running.wait().await;
        assert!(began.elapsed() < Duration::from_secs(1), "{over:?}: {:?}", began.elapsed());
        assert_eq!(ended.code, Some(1), "{over:?}");
        assert!(ended.errors().contains("the session was ended"), "{over:?}: {}", ended.errors());
        // The kubelet ends what nobody listens to.
        let limit = Instant::now() + Duration::from_secs(5);
        while kubelet.seen().iter().all(|seen| seen.exit.is_none()) {
            assert!(Instant::now() < limit, "{over:?}: it goes on in the pod");
            // The kubelet tells nobody when it changes.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn a_limit_in_bytes_ends_it() {
    let policy = format!("{OPEN}\nlimit \"little\" {{ on kubernetes  bytes 200_000 per command }}");
    for over in Over::BOTH {
        let (_kubelet, house) = house(&policy).await;
        let ended =
            over.kubectl(&house).run(&["exec", "web", "--", "head", "-c", "900000", "/dev/zero"]).await;
        assert_eq!(ended.code, Some(1), "{over:?}");
        assert!(ended.errors().contains("a limit was reached"), "{over:?}: {}", ended.errors());
        assert!(ended.stdout.len() <= 200_000, "{over:?}: {}", ended.stdout.len());
        house.until_said("a limit was reached").await;
    }
}
