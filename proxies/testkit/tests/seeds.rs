//! Every seed of the fuzz targets, as an ordinary test: what must hold for all inputs holds for these.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test states what it expects by failing"
)]

#[path = "../../../fuzz/src/lib.rs"]
mod properties;

/// Feeds each seed of a target to its property; a failure names the file.
fn each(target: &str, property: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let seed = std::fs::read(&path).unwrap();
        println!("{}", path.display());
        property(&seed);
        count += 1;
    }
    assert!(count >= 5, "only {count} seeds for {target}");
}

#[test]
fn language() {
    each("language", properties::language);
}

#[test]
fn wire() {
    each("wire", properties::wire);
}

#[test]
fn sql() {
    each("sql", properties::sql);
}

#[test]
fn shell() {
    each("shell", properties::shell);
}

#[test]
fn stream_masker() {
    each("stream_masker", properties::stream_masker);
}

#[test]
fn terminal() {
    each("terminal", properties::terminal);
}

#[test]
fn json_mask() {
    each("json_mask", |seed| drop(properties::json_mask(seed)));
}

#[test]
fn evaluator() {
    each("evaluator", properties::evaluator);
}

#[test]
fn sftp() {
    each("sftp", properties::sftp);
}

#[test]
fn kubernetes_request() {
    each("kubernetes_request", properties::kubernetes_request);
}

#[test]
fn mcp_message() {
    each("mcp_message", properties::mcp_message);
}

#[test]
fn graphql() {
    each("graphql", properties::graphql);
}

#[test]
fn websocket() {
    each("websocket", properties::websocket);
}

#[test]
fn spdy() {
    each("spdy", properties::spdy);
}

#[test]
fn request_target() {
    each("request_target", properties::request_target);
}
