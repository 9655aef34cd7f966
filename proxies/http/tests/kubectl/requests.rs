//! Requests by the real `kubectl`: in which form answers are asked for, and as whom.

use crate::house::{OPEN, house};

#[tokio::test]
async fn nobody_acts_as_somebody_else() {
    let (kubelet, house) = house(OPEN).await;
    let kubectl = house.kubectl();
    for line in [
        &["--as", "admin", "get", "pods"][..],
        &["--as", "admin", "--as-group", "system:masters", "exec", "web", "--", "id"],
    ] {
        let refused = kubectl.run(line).await;
        assert_eq!(refused.code, Some(1), "{line:?}");
        let said = refused.errors();
        assert!(said.contains("Forbidden") && said.contains("somebody else"), "{line:?}: {said}");
    }
    for seen in kubelet.seen() {
        assert!(!seen.path.contains("pods"), "{seen:?}");
        let is_believed = |name: &str| name.to_ascii_lowercase().starts_with("impersonate");
        assert!(seen.headers.iter().all(|(name, _)| !is_believed(name)), "{seen:?}");
    }
    house.until_said("somebody else").await;
}
