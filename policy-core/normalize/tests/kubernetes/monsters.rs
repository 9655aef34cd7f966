//! Requests that are too much: they are unknown or undetermined, soon, and overflow nothing.

use std::time::{Duration, Instant};

use policy_normalize::http::{MAX_DEPTH, MAX_TARGET};
use policy_normalize::kubernetes::Object;

use crate::{actions, all, fields};

/// Runs on a thread whose stack is as small as a runtime's worker's.
fn is_bounded(name: &str, run: impl FnOnce() + Send + 'static) {
    let started = Instant::now();
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
    // Generous: tests run unoptimised, beside others.
    assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
}

#[test]
fn commands_that_are_too_much_are_unknown() {
    const EXEC: &str = "/api/v1/namespaces/d/pods/p/exec?container=c&command=sh&command=-c&command=";
    for (name, text) in [
        ("commands", "a%3B".repeat(10_000)),
        ("nesting", "%24(".repeat(15_000)),
        ("quotes", "sh+-c+%27".repeat(5_001)),
    ] {
        is_bounded(name, move || {
            let target = format!("{EXEC}{text}");
            assert!(target.len() <= MAX_TARGET);
            let found = all(&actions("POST", &target, "", "", &fields(&[])));
            assert!(found.starts_with("create pods/exec") && found.contains("unknown"), "{name}");
        });
    }
    is_bounded("words", || {
        let words = "&command=a".repeat(6_000);
        let found = all(&actions("POST", &format!("{EXEC}ls{words}"), "", "", &fields(&[])));
        assert!(found.contains("argv=[\"ls\"]"), "{found:.200}");
    });
}

#[test]
fn bodies_that_are_too_much_are_refused() {
    let deep = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    is_bounded("depth", move || {
        for media_type in ["application/json", "application/strategic-merge-patch+json"] {
            assert!(Object::read(media_type, deep(MAX_DEPTH).as_bytes()).is_ok());
            assert!(Object::read(media_type, deep(MAX_DEPTH + 1).as_bytes()).is_err());
            assert!(Object::read(media_type, deep(100_000).as_bytes()).is_err());
        }
        let yaml = Object::read("application/yaml", deep(100_000).as_bytes()).unwrap();
        assert_eq!(yaml.values("a"), [policy_core::Value::Undetermined]);
        let lists = format!("a:\n{}", "- b:\n".repeat(20_000));
        let _ = Object::read("application/yaml", lists.as_bytes()).unwrap().values("a.b");
    });
    is_bounded("width", || {
        let elements: Vec<String> = (0..20_000).map(|number| format!(r#"{{"image":"{number}"}}"#)).collect();
        let body = format!(r#"{{"spec":{{"containers":[{}]}}}}"#, elements.join(","));
        let looked_at = fields(&["spec.containers.image"]);
        let found = actions("POST", "/api/v1/namespaces/d/pods", "application/json", &body, &looked_at);
        assert_eq!(found.as_slice().len(), 1);
    });
    is_bounded("operations", || {
        let operation = r#"{"op":"add","path":"/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0","value":1}"#;
        let body = format!("[{}]", vec![operation; 2_000].join(","));
        let object = Object::read("application/json-patch+json", body.as_bytes()).unwrap();
        let _ = object.values("0.0.0.0.0.0.0.0.0.0.0.0");
    });
}
