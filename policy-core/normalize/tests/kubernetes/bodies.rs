//! What bodies set.

use policy_core::Value;
use policy_normalize::http::Target;
use policy_normalize::kubernetes::{self, Object, Parts};

use crate::{actions, all, fields};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const PATCH: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

fn check(media_type: &str, body: &str, cases: &[(&str, &[Value])]) {
    let object = Object::read(media_type, body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
    for (name, expected) in cases {
        assert_eq!(object.values(name), *expected, "{name} of {body}");
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

const YES: &[Value] = &[Value::Bool(true)];
const NO: &[Value] = &[Value::Bool(false)];
const ABSENT: &[Value] = &[Value::Absent];
const UNCLEAR: &[Value] = &[Value::Undetermined];

#[test]
fn fields_go_through_objects_and_lists() {
    let pod = r#"{
        "metadata": {"labels": {"app.kubernetes.io/name": "web", "a": {"b": 1}, "a.b": 2}, "finalizers": ["x", "y"]},
        "spec": {
            "hostNetwork": true, "priority": 1.5, "nothing": null, "none": [],
            "containers": [
                {"image": "a", "securityContext": {"privileged": true}, "same": 1},
                {"image": "b", "securityContext": {}, "same": 1}
            ]
        }
    }"#;
    check(
        JSON,
        pod,
        &[
            ("spec.hostNetwork", YES),
            ("spec.hostPID", ABSENT),
            ("status.phase", ABSENT),
            ("spec.nothing", ABSENT),
            ("spec.nothing.x", ABSENT),
            ("spec.none", ABSENT),
            ("spec.none.x", ABSENT),
            ("spec.priority", UNCLEAR),
            ("spec.hostNetwork.x", UNCLEAR),
            ("spec.containers", UNCLEAR),
            ("spec", UNCLEAR),
            ("spec.containers.image", &[text("a"), text("b")]),
            ("spec.containers.same", &[Value::Integer(1)]),
            ("spec.containers.securityContext.privileged", &[Value::Bool(true), Value::Absent]),
            ("metadata.labels.app.kubernetes.io/name", &[text("web")]),
            ("metadata.labels.a.b", &[Value::Integer(1), Value::Integer(2)]),
            ("metadata.finalizers", &[text("x"), text("y")]),
            ("spec.hostnetwork", ABSENT),
        ],
    );
    check(JSON, r#"[{"spec": {"hostNetwork": true}}]"#, &[("spec.hostNetwork", UNCLEAR)]);
    check("", r#"{"a": true}"#, &[("a", YES)]);
    check("application/vnd.kubernetes.protobuf", "k8s\0", &[("spec.hostNetwork", UNCLEAR)]);
    check("application/cbor", "\u{1}", &[("spec.hostNetwork", UNCLEAR)]);
    check("application/apply-patch+cbor", "\u{1}", &[("spec.hostNetwork", UNCLEAR)]);
    check("text/plain", "{}", &[("spec.hostNetwork", UNCLEAR)]);
    check(JSON, "", &[("spec.hostNetwork", ABSENT)]);
}

#[test]
fn bodies_that_mean_two_things_are_refused() {
    for (media_type, body) in [
        (JSON, r#"{"a": 1, "a": 2}"#),
        (JSON, r#"{"a": 1} {"a": 2}"#),
        (JSON, "a: 1"),
        (MERGE, r#"{"a": 1, "\u0061": 2}"#),
        (STRATEGIC, "{"),
        (PATCH, r#"[{"op": "add", "op": "remove", "path": "/a", "value": 1}]"#),
    ] {
        assert!(Object::read(media_type, body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn patches_set_what_they_name() {
    let labels = r#"{"metadata": {"labels": {"a": "b"}}, "spec": {"hostPID": null}}"#;
    for media_type in [MERGE, STRATEGIC, APPLY] {
        check(
            media_type,
            labels,
            &[("spec.hostNetwork", ABSENT), ("spec.hostPID", ABSENT), ("metadata.labels.a", &[text("b")])],
        );
    }
    check(MERGE, r#"{"spec": {"$patch": "replace", "hostNetwork": true}}"#, &[("spec.hostNetwork", YES)]);
    for (body, cases) in [
        (r#"{"spec": {"hostNetwork": true}}"#, &[("spec.hostNetwork", YES), ("metadata.name", ABSENT)][..]),
        (
            r#"{"spec": {"$patch": "replace", "hostNetwork": true}}"#,
            &[("spec.hostNetwork", UNCLEAR), ("spec.hostPID", UNCLEAR), ("metadata.name", ABSENT)],
        ),
        (
            r#"{"spec": {"$retainKeys": ["x"], "x": 1}}"#,
            &[("spec.x", UNCLEAR), ("spec.hostPID", UNCLEAR), ("metadata.name", ABSENT)],
        ),
        (
            r#"{"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "a", "image": "b"}]}}"#,
            &[("spec.containers.image", UNCLEAR), ("spec.hostNetwork", ABSENT), ("spec.containersX", ABSENT)],
        ),
        (
            r#"{"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}"#,
            &[("metadata.finalizers", UNCLEAR), ("metadata.name", ABSENT)],
        ),
        (
            r#"{"spec": {"containers": [{"$patch": "delete", "name": "a"}, {"name": "b", "image": "c"}]}}"#,
            &[("spec.containers.image", UNCLEAR), ("spec.containers", UNCLEAR), ("spec.hostNetwork", ABSENT)],
        ),
    ] {
        check(STRATEGIC, body, cases);
    }
}

#[test]
fn json_patches_set_what_their_operations_do() {
    for (body, cases) in [
        (
            r#"[{"op": "add", "path": "/spec/hostNetwork", "value": true}]"#,
            &[
                ("spec.hostNetwork", YES),
                ("spec.hostPID", ABSENT),
                ("spec", UNCLEAR),
                ("spec.hostNetwork.x", UNCLEAR),
                ("spec.hostNetworkX", ABSENT),
            ][..],
        ),
        (
            r#"[{"op": "replace", "path": "/spec", "value": {"hostNetwork": true, "containers": [{"image": "a"}]}}]"#,
            &[("spec.hostNetwork", YES), ("spec.hostPID", ABSENT), ("spec.containers.image", &[text("a")])],
        ),
        (
            r#"[{"op": "add", "path": "/spec/containers/-", "value": {"image": "a", "securityContext": {"privileged": true}}}]"#,
            &[("spec.containers.securityContext.privileged", YES), ("spec.containers.image", &[text("a")])],
        ),
        (
            r#"[{"op": "add", "path": "/spec/containers/0/securityContext/privileged", "value": true},
                {"op": "add", "path": "/spec/containers/-1/securityContext/privileged", "value": false}]"#,
            &[("spec.containers.securityContext.privileged", &[Value::Bool(true), Value::Bool(false)])],
        ),
        // An index as the server reads it: any that a Go program takes for a number.
        (
            r#"[{"op": "add", "path": "/spec/containers/+0/securityContext/privileged", "value": true},
                {"op": "replace", "path": "/spec/containers/00/image", "value": "a"}]"#,
            &[("spec.containers.securityContext.privileged", YES), ("spec.containers.image", &[text("a")])],
        ),
        (
            r#"[{"op": "add", "path": "/metadata/finalizers/-", "value": "x"}]"#,
            &[("metadata.finalizers", &[text("x")])],
        ),
        (
            r#"[{"op": "add", "path": "/metadata/labels/app.kubernetes.io~1name", "value": "web"}]"#,
            &[("metadata.labels.app.kubernetes.io/name", &[text("web")]), ("metadata.labels", UNCLEAR)],
        ),
        // A key that may be an index.
        (
            r#"[{"op": "add", "path": "/data/0", "value": "x"}]"#,
            &[("data.0", UNCLEAR), ("data", &[text("x")])],
        ),
        (r#"[{"op": "remove", "path": "/spec/hostNetwork"}]"#, &[("spec.hostNetwork", ABSENT)]),
        (
            r#"[{"op": "test", "path": "/spec/hostNetwork", "value": false}]"#,
            &[("spec.hostNetwork", UNCLEAR), ("spec.hostPID", ABSENT)],
        ),
        (
            r#"[{"op": "move", "from": "/metadata/labels", "path": "/spec/selector"}]"#,
            &[("spec.selector.a", UNCLEAR), ("metadata.labels.a", UNCLEAR), ("spec.hostPID", ABSENT)],
        ),
        (
            r#"[{"op": "copy", "from": "/metadata/labels/a", "path": "/spec/hostNetwork"}]"#,
            &[("spec.hostNetwork", UNCLEAR), ("spec.hostPID", ABSENT)],
        ),
        ("[]", &[("spec.hostNetwork", ABSENT)]),
        // What libraries read in several ways, and what is no patch.
        (r#"[{"op": "add", "path": "x/spec/hostNetwork", "value": true}]"#, &[("spec.hostPID", UNCLEAR)]),
        (r#"[{"op": "add", "path": "", "value": {}}]"#, &[("spec.hostPID", UNCLEAR)]),
        (r#"[{"op": "add", "path": "/a~2", "value": {}}]"#, &[("spec.hostPID", UNCLEAR)]),
        (r#"[{"op": "merge", "path": "/a", "value": {}}]"#, &[("spec.hostPID", UNCLEAR)]),
        (r#"[{"op": "add", "path": "/a"}]"#, &[("spec.hostPID", UNCLEAR)]),
        (r#"{"op": "add", "path": "/a", "value": 1}"#, &[("spec.hostPID", UNCLEAR)]),
    ] {
        check(PATCH, body, cases);
    }
}

#[test]
fn yaml_of_one_meaning_is_read() {
    let pod = "---\n# a pod\napiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels:\n    app.kubernetes.io/name: \"web\"\n\nspec:\n  hostNetwork: true\n  hostPID:\n  containers:\n  - name: app\n    image: registry.example/app:1.2\n    args: [\"a\", \"b\"]\n    resources: {}\n    securityContext:\n      privileged: true\n      runAsUser: 1000\n  - image: 'b c'\n    name: side\n  tolerations:\n    - key: x\n      value: 500m\n";
    for media_type in [YAML, APPLY] {
        check(
            media_type,
            pod,
            &[
                ("metadata.name", &[text("web")]),
                ("metadata.labels.app.kubernetes.io/name", &[text("web")]),
                ("spec.hostNetwork", YES),
                ("spec.hostPID", ABSENT),
                ("spec.hostIPC", ABSENT),
                ("spec.containers.image", &[text("registry.example/app:1.2"), text("b c")]),
                ("spec.containers.args", &[text("a"), text("b"), Value::Absent]),
                ("spec.containers.securityContext.runAsUser", &[Value::Integer(1000), Value::Absent]),
                ("spec.tolerations.value", &[text("500m")]),
            ],
        );
        check(media_type, "{\"spec\":\n {\"hostNetwork\": false}}\n", &[("spec.hostNetwork", NO)]);
    }
}

#[test]
fn yaml_that_readers_take_for_different_things_is_undetermined() {
    for text in [
        "a: &x true\nspec: *x",
        "spec:\n  <<: {hostNetwork: true}",
        "a: yes",
        "a: On",
        "a: y",
        "yes: a",
        "a: 010",
        "a: 0x1f",
        "a: 1_000",
        "a: 12:30",
        "a: 1.5",
        "a: 2001-01-01",
        "a: ~",
        "a: !!str true",
        "a: |\n  b",
        "a: >\n  b",
        "a: b\n  c",
        "a: b\n  - c",
        "a: b\n  c: d",
        "- a: b\n   c: d",
        "a:\n- b\n  c",
        "a:\n- b: c\n d: e",
        "a: \"b\\x41\"",
        "a: \"b\" # c",
        "a: b # c",
        "a: 'it''s'",
        "a: \"b\n  c\"",
        "a: {b: c}",
        "a: {\"b\": 1, \"b\": 2}",
        "a: 1\na: 2",
        "a: 1\n---\na: 2",
        "a: 1\n...\n",
        "%YAML 1.1\n---\na: 1",
        "? a\n: b",
        "a:\tb",
        "\ta: b",
        "a: b\r\n",
        "a: é",
        "a:\n  - - b",
        "a:\n  -\n    b: c",
        " a: b\nc: d",
        "a:b",
        "a",
        "\u{feff}a: b",
        "{\"a\": \"x\u{85}y\"}",
        "{\"a\": \"\\/\"}",
        "{\"a\": 1}\n---\n{\"a\": 2}",
        "{\"a\": 1, \"a\": 2}",
        "{a: 1}",
        "[]",
    ] {
        check(YAML, text, &[("spec.hostNetwork", UNCLEAR)]);
    }
    let deep: String = (0..100).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    check(YAML, &deep, &[("spec.hostNetwork", UNCLEAR)]);
}

#[test]
fn elements_that_differ_are_actions_of_their_own() {
    let images = fields(&["spec.containers.image", "spec.hostNetwork"]);
    let post = |body: &str| all(&actions("POST", "/api/v1/namespaces/d/pods", JSON, body, &images));
    assert_eq!(
        post(r#"{"metadata": {"name": "p"}, "spec": {"containers": [{"image": "a"}, {"image": "b"}]}}"#),
        "create pods namespace=d name=p object.spec.containers.image=a; \
         create pods namespace=d name=p object.spec.containers.image=b"
    );
    let many: Vec<String> = (0..17).map(|number| format!(r#"{{"image": "{number}"}}"#)).collect();
    let body = format!(r#"{{"spec": {{"containers": [{}]}}}}"#, many.join(", "));
    check(JSON, &body, &[("spec.containers.image", UNCLEAR)]);
    assert_eq!(
        post(&format!(r#"{{"spec": {{"hostNetwork": true, "containers": [{}]}}}}"#, many.join(", "))),
        "create pods namespace=d name=? object.spec.containers.image=? object.spec.hostNetwork=true"
    );
    // Two fields of ten values each are too many together: the first to be given up is undetermined.
    let both = fields(&["a.x", "b.y"]);
    let list = |key: &str| {
        let elements: Vec<String> = (0..10).map(|number| format!(r#"{{"{key}": {number}}}"#)).collect();
        format!("[{}]", elements.join(", "))
    };
    let body = format!(r#"{{"a": {}, "b": {}}}"#, list("x"), list("y"));
    assert_eq!(actions("POST", "/api/v1/namespaces/d/pods", JSON, &body, &both).as_slice().len(), 10);
}

#[test]
fn the_body_says_names_and_dry_runs() {
    let none = fields(&[]);
    for (method, target, body, expected) in [
        (
            "POST",
            "/api/v1/namespaces",
            r#"{"metadata": {"name": "x"}}"#,
            "create namespaces namespace=x name=x",
        ),
        (
            "POST",
            "/api/v1/namespaces",
            r#"{"metadata": {"name": "", "generateName": "x"}}"#,
            "create namespaces namespace=? name=?",
        ),
        (
            "POST",
            "/api/v1/namespaces",
            r#"{"metadata": {"generateName": "x"}}"#,
            "create namespaces namespace=? name=?",
        ),
        ("DELETE", "/api/v1/namespaces/d/pods/p", "{}", "delete pods namespace=d name=p"),
        (
            "DELETE",
            "/api/v1/namespaces/d/pods/p",
            r#"{"dryRun": ["All"]}"#,
            "delete pods namespace=d name=p dry_run=true",
        ),
        ("DELETE", "/api/v1/namespaces/d/pods/p", r#"{"dryRun": []}"#, "delete pods namespace=d name=p"),
        (
            "DELETE",
            "/api/v1/namespaces/d/pods/p",
            r#"{"dryRun": ["All", "x"]}"#,
            "delete pods namespace=d name=p dry_run=?",
        ),
        // Options in the body take the place of the query's.
        ("DELETE", "/api/v1/namespaces/d/pods/p?dryRun=All", "{}", "delete pods namespace=d name=p"),
        (
            "DELETE",
            "/apis/x.io/v1/namespaces/d/ws/w",
            r#"{"dryRun": ["All"]}"#,
            "delete ws namespace=d name=w group=x.io builtin=false dry_run=?",
        ),
        ("POST", "/api/v1/namespaces/d/pods", r#"{"metadata": {"name": "x"}, "metadata": {}}"#, "unknown"),
    ] {
        assert_eq!(all(&actions(method, target, JSON, body, &none)), expected, "{target} {body}");
    }
    assert_eq!(
        all(&actions("DELETE", "/api/v1/namespaces/d/pods/p", "application/cbor", "\u{1}", &none)),
        "delete pods namespace=d name=p dry_run=?"
    );
}

/// A value that is copied stands where no mask of Secrets looks for it: in an annotation, say, which the answer shows.
#[test]
fn what_is_copied_within_a_secret_is_not_known() {
    const SECRET: &str = "/api/v1/namespaces/d/secrets/s";
    let none = fields(&[]);
    let plain = "patch secrets namespace=d name=s";
    let not_known = format!("{plain}; unknown");
    for (media_type, body, expected) in [
        (PATCH, r#"[{"op": "copy", "from": "/data/p", "path": "/metadata/annotations/a"}]"#, &*not_known),
        (PATCH, r#"[{"op": "move", "from": "/data", "path": "/metadata/annotations"}]"#, &not_known),
        (PATCH, r#"[{"op": "copy", "from": "x/data/p", "path": "x/metadata/annotations/a"}]"#, &not_known),
        (PATCH, r#"[{"op": "add", "path": "/metadata/annotations/a", "value": "b"}]"#, plain),
        (PATCH, r#"[{"op": "test", "path": "/data/p", "value": "b"}]"#, plain),
        (MERGE, r#"{"metadata": {"annotations": {"a": "b"}}}"#, plain),
    ] {
        assert_eq!(all(&actions("PATCH", SECRET, media_type, body, &none)), expected, "{body}");
    }
    let copies = r#"[{"op": "copy", "from": "/data/p", "path": "/metadata/annotations/a"}]"#;
    assert_eq!(
        all(&actions("PATCH", "/api/v1/namespaces/d/configmaps/c", PATCH, copies, &none)),
        "patch configmaps namespace=d name=c"
    );
    let target = Target::parse(SECRET).unwrap();
    assert!(none.need_body("PATCH", &target));
    let unread = Parts { method: "PATCH", target: &target, media_type: PATCH, body: None };
    assert_eq!(all(&kubernetes::action(&unread, &none)), not_known);
}

#[test]
fn a_body_that_was_not_read_is_undetermined() {
    let looked_at = fields(&["spec.hostNetwork"]);
    let unread = |method: &str, target: &str| {
        let target = Target::parse(target).unwrap();
        all(&kubernetes::action(&Parts { method, target: &target, media_type: JSON, body: None }, &looked_at))
    };
    assert_eq!(
        unread("POST", "/api/v1/namespaces/d/pods"),
        "create pods namespace=d name=? object.spec.hostNetwork=?"
    );
    assert_eq!(
        unread("DELETE", "/api/v1/namespaces/d/pods/p?dryRun=All"),
        "delete pods namespace=d name=p dry_run=? object.spec.hostNetwork=?"
    );
    assert_eq!(unread("GET", "/api/v1/namespaces/d/pods/p"), "get pods namespace=d name=p");
    let needs = |method: &str, target: &str| {
        let target = Target::parse(target).unwrap();
        (fields(&[]).need_body(method, &target), looked_at.need_body(method, &target))
    };
    assert_eq!(needs("POST", "/api/v1/namespaces/d/pods"), (true, true));
    assert_eq!(needs("DELETE", "/api/v1/namespaces/d/pods/p"), (true, true));
    assert_eq!(needs("PATCH", "/api/v1/namespaces/d/pods/p"), (false, true));
    assert_eq!(needs("PUT", "/api/v1/namespaces/d/pods/p"), (false, true));
    assert_eq!(needs("GET", "/api/v1/namespaces/d/pods/p"), (false, false));
    assert_eq!(needs("POST", "/api/v1/namespaces/d/pods/p/exec"), (false, false));
    assert_eq!(needs("POST", "/api/v1/namespaces/d/services/p/proxy/x"), (false, false));
    assert_eq!(needs("POST", "/version"), (false, false));
}
