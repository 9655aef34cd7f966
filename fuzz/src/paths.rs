//! The path that is judged is the path that a server sees.

use std::sync::{LazyLock, Mutex};

use policy_normalize::http::Target;

use super::origins::Origin;

/// What is sent on is read again as the same, and every server that takes it resolves the path, and reads the query, that
/// were judged.
pub fn request_target(input: &[u8]) {
    static ORIGINS: LazyLock<Mutex<[Origin; 3]>> = LazyLock::new(|| Mutex::new(Origin::all()));
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(target) = Target::parse(text) else { return };
    let again = Target::parse(&target.sent).expect("what is sent is a target");
    assert_eq!((&again.segments, &again.query, &again.sent), (&target.segments, &target.query, &target.sent));
    let Some(judged) = &target.segments else { return };
    let mut origins = ORIGINS.lock().expect("no property has failed");
    for origin in &mut *origins {
        let Some(read) = origin.read(&target.sent) else { continue };
        let path = read.path.strip_prefix('/').expect("an absolute path");
        let path = path.strip_suffix('/').unwrap_or(path);
        let seen: Vec<&str> = path.split('/').filter(|_| !path.is_empty()).collect();
        assert_eq!(&seen, judged, "{} sees another path in {}", origin.name, target.sent);
        if let (Some(seen), Some(judged)) = (&read.query, &target.query) {
            assert_eq!(seen, judged, "{} reads another query in {}", origin.name, target.sent);
        }
    }
}
