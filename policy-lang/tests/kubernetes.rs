//! The shipped policies for Kubernetes: what clients ask by themselves passes; what Secrets hold is not shown, in JSON that clients
//! can still decode.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test states what it expects by failing")]

use policy_core::mask::{Detectors, JsonMasker, MaskKey};
use policy_core::{
    Action, ActionSet, Decision, Policy, Principal, Protocol, Request, Resource, Target, Value, Verb,
};
use policy_lang::{Environment, Source, load};
use policy_normalize::http::Target as Path;
use policy_normalize::kubernetes::{self, Fields, Parts};

fn policy(text: &str) -> Policy {
    let environment = Environment::default();
    let loaded =
        load(&[Source::new("a.policy", text)], &environment).unwrap_or_else(|problems| panic!("{problems}"));
    Policy::compile([&loaded.rules], &environment.vocabularies).unwrap()
}

fn decision(policy: &Policy, action: Action) -> Decision {
    let principal = Principal::human("ana", ["eng"]);
    let target =
        Target { name: "cluster".into(), protocol: Protocol::KUBERNETES, labels: Default::default() };
    let actions = ActionSet::new([action]);
    policy.evaluate(&Request {
        principal: &principal,
        target: &target,
        actions: &actions,
        source: None,
        now: None,
        grants: &[],
    })
}

fn action(verb: &'static str, resource: &'static str) -> Action {
    Action::new(Verb::new(verb), Resource::named(resource.split('/')))
}

#[test]
fn discovery_is_allowed_and_no_object() {
    let policy = policy("use \"kubernetes/basics\"");
    for (method, path, expected) in [
        ("get", "version", true),
        ("get", "api", true),
        ("get", "api/v1", true),
        ("get", "apis", true),
        ("get", "apis/apps", true),
        ("get", "apis/apps/v1", true),
        ("get", "openapi/v3", true),
        ("get", "openapi/v3/apis/apps/v1", true),
        ("head", "readyz", true),
        ("get", "readyz/etcd", false),
        ("post", "version", false),
        ("get", "logs/kube-apiserver.log", false),
        ("get", "debug/pprof/heap", false),
        ("get", "metrics", false),
        ("get", ".", false),
    ] {
        let action = action("nonresource", path).with("method", Value::Text(method.into()));
        assert_eq!(decision(&policy, action).is_allow(), expected, "{method} {path}");
    }
    assert!(!decision(&policy, action("list", "pods")).is_allow());
}

/// All is allowed, what Secrets hold is masked.
const SECRETS: &str = "use \"kubernetes/secrets\"\nallow \"all\" { on kubernetes }\nallow \"the rest\" { on kubernetes  do unknown }";

/// Whatever a request does that a Secret may come back from, its answer is masked; nothing else is.
#[test]
fn whatever_may_show_a_secret_is_masked() {
    let policy = policy(SECRETS);
    let check = |method: &str, target: &str, expected: bool| {
        let parsed = Path::parse(target).unwrap();
        let media_type = "application/merge-patch+json";
        let parts = Parts { method, target: &parsed, media_type, body: None };
        for action in kubernetes::action(&parts, &Fields::of(&policy)).iter() {
            let decision = decision(&policy, action.clone());
            let masked = policy.field_masks(&decision.obligations).is_some();
            assert_eq!(masked, expected, "{method} {target}: {action:?}");
        }
    };
    for (method, target) in [
        ("GET", "/api/v1/namespaces/d/secrets/x"),
        ("GET", "/api/v1/secrets"),
        ("GET", "/api/v1/secrets?watch=1"),
        ("GET", "/api/v1/watch/secrets"),
        ("DELETE", "/api/v1/namespaces/d/secrets"),
        ("POST", "/api/v1/namespaces/d/secrets"),
        ("PATCH", "/api/v1/namespaces/d/secrets/x"),
        ("GET", "/apis/x.io/v1/namespaces/d/secrets/x"),
        ("POST", "/api/v1/namespaces/d/serviceaccounts/x/token"),
        ("GET", "/api/v1/namespaces/d//secrets"),
    ] {
        check(method, target, true);
    }
    for target in ["/api/v1/namespaces/d/pods", "/version", "/api/v1/namespaces/secrets/pods/x"] {
        check("GET", target, false);
    }
}

/// What is shown of an answer.
fn shown(action: Action, answer: &str) -> String {
    let policy = policy(SECRETS);
    let decision = decision(&policy, action);
    assert!(decision.is_allow());
    let Some(fields) = policy.field_masks(&decision.obligations) else { return answer.to_owned() };
    let mut masker = JsonMasker::new(Some(fields));
    let (detectors, key) =
        (Detectors::new(&[]).unwrap(), MaskKey::new(b"32 random bytes of a deployment.").unwrap());
    let mut out = Vec::new();
    masker.push(&detectors, &key, answer.as_bytes(), &mut out).unwrap();
    masker.finish(&detectors, &key, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_secret_is_shown_without_what_it_holds() {
    let own = |verb, resource| action(verb, resource).with("builtin", Value::Bool(true));
    let others = |verb, resource| action(verb, resource).with("builtin", Value::Bool(false));
    let last = r#""annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"p\":\"c2VjcmV0\"}}","a":"b"}"#;
    let without =
        r#""annotations":{"kubectl.kubernetes.io/last-applied-configuration":"[redacted]","a":"b"}"#;
    for (name, action, answer, expected) in [
        (
            "one",
            own("get", "secrets"),
            format!(
                r#"{{"kind":"Secret","data":{{"p":"c2VjcmV0"}},"type":"Opaque","metadata":{{"name":"x",{last}}}}}"#
            ),
            format!(
                r#"{{"kind":"Secret","data":{{"p":null}},"type":"Opaque","metadata":{{"name":"x",{without}}}}}"#
            ),
        ),
        (
            "a list",
            own("list", "secrets"),
            r#"{"items":[{"data":{"p":"c2VjcmV0"}},{"stringData":{"p":"secret"}}]}"#.into(),
            r#"{"items":[{"data":{"p":null}},{"stringData":{"p":null}}]}"#.into(),
        ),
        (
            "a line of a watch",
            own("watch", "secrets"),
            "{\"type\":\"ADDED\",\"object\":{\"data\":{\"p\":\"c2VjcmV0\"}}}\n".into(),
            "{\"type\":\"ADDED\",\"object\":{\"data\":{\"p\":null}}}\n".into(),
        ),
        (
            "a table",
            own("list", "secrets"),
            format!(r#"{{"rows":[{{"cells":["x","Opaque",1],"object":{{"metadata":{{{last}}}}}}}]}}"#),
            format!(r#"{{"rows":[{{"cells":["x","Opaque",1],"object":{{"metadata":{{{without}}}}}}}]}}"#),
        ),
        (
            "what managers set, by key",
            own("patch", "secrets"),
            r#"{"metadata":{"managedFields":[{"fieldsV1":{"f:data":{".":{},"f:p":{}}}}]}}"#.into(),
            r#"{"metadata":{"managedFields":[{"fieldsV1":{"f:data":{".":{},"f:p":{}}}}]}}"#.into(),
        ),
        (
            "a custom resource of that name",
            others("list", "secrets"),
            r#"{"data":"c2VjcmV0","rows":[{"cells":["x",7]}]}"#.into(),
            r#"{"data":null,"rows":[{"cells":["[redacted]",null]}]}"#.into(),
        ),
        (
            "a subresource",
            own("update", "secrets/status"),
            r#"{"data":{"p":"c2VjcmV0"}}"#.into(),
            r#"{"data":{"p":null}}"#.into(),
        ),
        (
            "a token",
            own("create", "serviceaccounts/token"),
            r#"{"status":{"token":"ey.a.b"}}"#.into(),
            r#"{"status":{"token":"[redacted]"}}"#.into(),
        ),
        (
            "the error of a patch that leaves no Secret, in which the server repeats all that it left",
            own("patch", "secrets"),
            r#"{"kind":"Status","status":"Failure","message":"patch: Invalid value: \"{\\\"data\\\":{\\\"p\\\":\\\"c2VjcmV0\\\"}}\"","reason":"Invalid","details":{"causes":[{"reason":"FieldValueInvalid","message":"Invalid value: c2VjcmV0","field":"patch"}]},"code":422}"#.into(),
            r#"{"kind":"Status","status":"Failure","message":"[redacted]","reason":"Invalid","details":{"causes":[{"reason":"FieldValueInvalid","message":"[redacted]","field":"patch"}]},"code":422}"#.into(),
        ),
        (
            "the error of another verb, which knows what was asked alone",
            own("get", "secrets"),
            r#"{"kind":"Status","message":"secrets \"x\" not found"}"#.into(),
            r#"{"kind":"Status","message":"secrets \"x\" not found"}"#.into(),
        ),
        (
            "what other programs keep of the whole object",
            own("get", "secrets"),
            r#"{"metadata":{"annotations":{"kapp.k14s.io/original":"c2VjcmV0","banzaicloud.com/last-applied":"c2VjcmV0","objectset.rio.cattle.io/applied":"c2VjcmV0"}}}"#.into(),
            r#"{"metadata":{"annotations":{"kapp.k14s.io/original":"[redacted]","banzaicloud.com/last-applied":"[redacted]","objectset.rio.cattle.io/applied":"[redacted]"}}}"#.into(),
        ),
        (
            "whatever comes of what nobody knows, which may be a Secret by another spelling",
            Action::unknown(),
            r#"{"items":[{"data":{"p":"c2VjcmV0"}}],"status":{"token":"ey.a.b"}}"#.into(),
            r#"{"items":[{"data":null}],"status":{"token":"[redacted]"}}"#.into(),
        ),
        (
            "another object",
            own("get", "configmaps"),
            r#"{"data":{"p":"plain"}}"#.into(),
            r#"{"data":{"p":"plain"}}"#.into(),
        ),
    ] {
        assert_eq!(shown(action, &answer), expected, "{name}");
    }
}
