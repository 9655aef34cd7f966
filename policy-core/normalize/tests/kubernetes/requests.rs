//! Requests without bodies: `tests/data/kubernetes.txt`.

use policy_normalize::kubernetes::Fields;

use crate::{actions, all};

#[test]
fn requests_are_what_the_api_server_sees() {
    let (mut count, mut wrong) = (0, vec![]);
    for line in include_str!("../data/kubernetes.txt").lines() {
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        let (request, expected) = line.split_once("  → ").unwrap();
        let (method, target) = request.split_once(' ').unwrap();
        let (target, media_type) = target.split_once(' ').unwrap_or((target, ""));
        let found = all(&actions(method, target, media_type, "", &Fields::default()));
        if found != expected {
            wrong.push(format!("{request}  → {found}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{} are read otherwise:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 150, "only {count} requests");
}
