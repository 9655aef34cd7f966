//! Rules as authors write them, and what gets past them.

use policy_core::rule::{Element, Expr, Literal};
use policy_core::{ActionSet, Effect, Policy, Principal, Protocol, Request, Target, Verdict};

use crate::{actions, attribute, fields, policy, rule};

const JSON: &str = "application/json";
const APPLY: &str = "application/apply-patch+yaml";

fn is_allowed(policy: &Policy, actions: &ActionSet) -> bool {
    let principal = Principal::human("ana", ["eng"]);
    let target =
        Target { name: "cluster".into(), protocol: Protocol::KUBERNETES, labels: Default::default() };
    let request =
        Request { principal: &principal, target: &target, actions, source: None, now: None, grants: &[] };
    matches!(policy.evaluate(&request).verdict, Verdict::Allow)
}

const VERBS: &[(&str, &str)] = &[
    ("create", ""),
    ("delete", ""),
    ("deletecollection", ""),
    ("get", ""),
    ("list", ""),
    ("patch", ""),
    ("update", ""),
    ("watch", ""),
];

#[test]
fn a_deny_of_a_program_is_met_however_it_is_run() {
    let rm = Expr::Shape(attribute("argv"), vec![Element::One("rm".into()), Element::AnyNumber]);
    let policy = policy(vec![
        rule("all", Effect::Allow, VERBS, None),
        rule("no rm", Effect::Deny, &[("create", "pods/exec")], Some(rm)),
    ]);
    for (command, expected) in [
        ("command=ls", true),
        ("command=sh", true),
        ("command=rm&command=-rf&command=/", false),
        ("command=sh&command=-c&command=rm+-rf+/", false),
        ("command=sh&command=-c&command=ls%3Brm+x", false),
        ("command=env&command=sh&command=-c&command=rm+x", false),
        ("command=sh&command=-c&command=ls", true),
        ("command=env&command=bash", false),
    ] {
        for method in ["GET", "POST"] {
            let target = format!("/api/v1/namespaces/d/pods/p/exec?{command}");
            let done = actions(method, &target, "", "", &fields(&[]));
            assert_eq!(is_allowed(&policy, &done), expected, "{command}");
        }
    }
}

#[test]
fn shells_are_told_from_programs() {
    let no_shell = policy(vec![
        rule("all", Effect::Allow, VERBS, None),
        rule("no shells", Effect::Deny, &[("create", "")], Some(Expr::Holds(attribute("shell")))),
    ]);
    for (target, expected) in [
        ("/api/v1/namespaces/d/pods/p/exec?command=bash", false),
        ("/api/v1/namespaces/d/pods/p/exec?command=env&command=bash", false),
        ("/api/v1/namespaces/d/pods/p/exec?command=ls", true),
        ("/api/v1/namespaces/d/pods/p/attach?stdin=true", false),
        ("/api/v1/namespaces/d/pods/p/attach", true),
        ("/api/v1/namespaces/d/pods/p/portforward", true),
    ] {
        let done = actions("POST", target, "", "", &fields(&[]));
        assert_eq!(is_allowed(&no_shell, &done), expected, "{target}");
    }
}

#[test]
fn any_element_of_a_list_meets_a_deny_and_all_an_allow() {
    let image = attribute("object.spec.containers.image");
    let privileged = attribute("object.spec.containers.securityContext.privileged");
    let trusted = Expr::Matches(image, "^trusted/".into());
    let names = fields(&["spec.containers.image", "spec.containers.securityContext.privileged"]);
    let pods: &[(&str, &str)] = &[("create", "pods"), ("patch", "pods")];
    let denies = policy(vec![
        rule("all", Effect::Allow, VERBS, None),
        rule("untrusted", Effect::Deny, pods, Some(Expr::Not(trusted.clone().into()))),
    ]);
    let allows = policy(vec![rule("trusted", Effect::Allow, pods, Some(trusted))]);
    let no_privileged = policy(vec![
        rule("all", Effect::Allow, VERBS, None),
        rule("privileged", Effect::Deny, &[("create", "pods")], Some(Expr::Holds(privileged))),
    ]);
    for (containers, is_trusted, is_plain) in [
        (r#"{"image": "trusted/a"}"#, true, true),
        (r#"{"image": "trusted/a"}, {"image": "trusted/b"}"#, true, true),
        (r#"{"image": "trusted/a"}, {"image": "evil/b"}"#, false, true),
        (
            r#"{"image": "trusted/a"}, {"image": "trusted/b", "securityContext": {"privileged": true}}"#,
            true,
            false,
        ),
        (r#"{"image": "trusted/a", "securityContext": {"privileged": "true"}}"#, true, false),
    ] {
        let body = format!(r#"{{"spec": {{"containers": [{containers}]}}}}"#);
        let created = actions("POST", "/api/v1/namespaces/d/pods", JSON, &body, &names);
        let applied = actions("PATCH", "/api/v1/namespaces/d/pods/p", APPLY, &body, &names);
        for done in [created, applied] {
            assert_eq!(is_allowed(&denies, &done), is_trusted, "{containers}");
            assert_eq!(is_allowed(&allows, &done), is_trusted, "{containers}");
            // Server-side apply makes what is not there: a rule on `create` meets it.
            assert_eq!(is_allowed(&no_privileged, &done), is_plain, "{containers}");
        }
    }
}

#[test]
fn many_objects_include_each_one() {
    let named = |name: &str, value: &str| Some(Expr::In(attribute(name), vec![Literal::Text(value.into())]));
    let reads: &[(&str, &str)] = &[("get", "secrets"), ("list", "secrets"), ("watch", "secrets")];
    let one = policy(vec![
        rule("all", Effect::Allow, VERBS, None),
        rule("root-ca", Effect::Deny, reads, named("name", "root-ca")),
    ]);
    let system = policy(vec![
        rule("all", Effect::Allow, VERBS, None),
        rule("system", Effect::Deny, reads, named("namespace", "kube-system")),
    ]);
    let no_get = policy(vec![
        rule("all", Effect::Allow, VERBS, None),
        rule("get", Effect::Deny, &[("get", "secrets")], None),
    ]);
    let only_list = policy(vec![rule("list", Effect::Allow, &[("list", "secrets")], None)]);
    for (target, expected) in [
        ("/api/v1/namespaces/d/secrets/x", [true, true, false, false]),
        ("/api/v1/namespaces/d/secrets/root-ca", [false, true, false, false]),
        ("/api/v1/namespaces/d/secrets", [false, true, true, true]),
        ("/api/v1/secrets", [false, false, true, true]),
        ("/api/v1/namespaces/d/secrets?fieldSelector=metadata.name=x", [true, true, false, false]),
        ("/api/v1/namespaces/d/secrets?fieldSelector=metadata.name=root-ca", [false, true, false, false]),
        ("/api/v1/secrets?fieldSelector=metadata.namespace=d", [false, true, true, true]),
        ("/api/v1/namespaces/d/secrets?watch=1", [false, true, true, false]),
    ] {
        let done = actions("GET", target, "", "", &fields(&[]));
        let found = [&one, &system, &no_get, &only_list].map(|policy| is_allowed(policy, &done));
        assert_eq!(found, expected, "{target}");
    }
}
