//! Spellings that no name of a protocol has: what is written with them would load, and never match.
//!
//! Only what is certain is an error. Where a stranger server or document could have such a name after all, it is a warning.

use policy_core::Protocol;
use policy_core::vocabulary::{VerbSpec, Vocabulary, parse_field};

use super::Lowering;
use crate::ast::{Text, Word};
use crate::diagnostic::Diagnostic;
use crate::span::Span;

/// Resources of Kubernetes' own, in the plural and in lower case as paths of its API have them.
const RESOURCES: &[&str] = &[
    "apiservices",
    "certificatesigningrequests",
    "clusterrolebindings",
    "clusterroles",
    "configmaps",
    "controllerrevisions",
    "cronjobs",
    "csidrivers",
    "csinodes",
    "customresourcedefinitions",
    "daemonsets",
    "deployments",
    "endpoints",
    "endpointslices",
    "events",
    "horizontalpodautoscalers",
    "ingressclasses",
    "ingresses",
    "jobs",
    "leases",
    "limitranges",
    "mutatingwebhookconfigurations",
    "namespaces",
    "networkpolicies",
    "nodes",
    "persistentvolumeclaims",
    "persistentvolumes",
    "poddisruptionbudgets",
    "pods",
    "podtemplates",
    "priorityclasses",
    "replicasets",
    "replicationcontrollers",
    "resourcequotas",
    "rolebindings",
    "roles",
    "secrets",
    "serviceaccounts",
    "services",
    "statefulsets",
    "storageclasses",
    "validatingwebhookconfigurations",
    "volumeattachments",
];

/// What `kubectl` takes in their place; paths do not.
const SHORT: &[(&str, &str)] = &[
    ("cj", "cronjobs"),
    ("cm", "configmaps"),
    ("crd", "customresourcedefinitions"),
    ("deploy", "deployments"),
    ("ds", "daemonsets"),
    ("ep", "endpoints"),
    ("hpa", "horizontalpodautoscalers"),
    ("ing", "ingresses"),
    ("netpol", "networkpolicies"),
    ("no", "nodes"),
    ("ns", "namespaces"),
    ("pdb", "poddisruptionbudgets"),
    ("po", "pods"),
    ("pv", "persistentvolumes"),
    ("pvc", "persistentvolumeclaims"),
    ("rs", "replicasets"),
    ("sa", "serviceaccounts"),
    ("sts", "statefulsets"),
    ("svc", "services"),
];

/// What a path of its API may name behind a resource.
const SUBRESOURCES: &[&str] = &[
    "approval",
    "attach",
    "binding",
    "ephemeralcontainers",
    "eviction",
    "exec",
    "finalize",
    "log",
    "portforward",
    "proxy",
    "resize",
    "scale",
    "status",
    "token",
];

impl Lowering<'_> {
    /// Names of header fields are judged in lower case, whatever the client sent.
    pub(super) fn check_header_name(&mut self, span: Span, name: &str, with: &Vocabulary) {
        let Some(field) = name.strip_prefix("header.") else { return };
        if with.protocol == Protocol::HTTP && field.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let message = format!("`{name}` is in no request: names of header fields are in lower case here");
            let way_out = format!("write `header.{}`", field.to_ascii_lowercase());
            self.error(span, message, way_out);
        }
    }

    /// A resource as `kubectl` or a manifest has it, not as the API's paths do. `specs` are all that are done to it.
    pub(super) fn check_kubernetes_resource(
        &mut self,
        text: &Text,
        verb: &Word,
        with: &Vocabulary,
        specs: &[&VerbSpec],
    ) {
        let are_objects = specs.iter().all(|spec| spec.resource && spec.attributes.contains_key("group"));
        if with.protocol != Protocol::KUBERNETES || !are_objects {
            return;
        }
        let written = text.value.strip_prefix('/').unwrap_or(&text.value);
        let parts: Vec<&str> = written.split('/').collect();
        if parts.iter().filter(|part| **part != "**").count() > 2 {
            let message = format!(
                "`{written}` never matches: `{}` is done to a resource, or its subresource",
                verb.value
            );
            let found = Diagnostic::error(text.span, message, "can never match")
                .help("write `deployments` or `pods/exec`; group, namespace and name are attributes: `when namespace == \"…\"`");
            self.found.push(found);
            return;
        }
        if written.contains('.') {
            self.found.push(with_a_dot(text.span, written));
            return;
        }
        let lower = written.to_ascii_lowercase();
        let (resource, behind) = lower.split_at(lower.find('/').unwrap_or(lower.len()));
        let own = known(resource);
        if lower != written {
            let message = format!("`{written}` never matches: resources of Kubernetes are in lower case");
            let meant = format!("write `{}{behind}`", own.unwrap_or(resource));
            // Of a server behind the API server it is not known how it calls its own.
            self.found.push(match own {
                Some(_) => Diagnostic::error(text.span, message, meant),
                None => Diagnostic::warning(text.span, message, meant),
            });
        } else if let Some(own) = own.filter(|own| *own != resource) {
            let message = format!("Kubernetes has no resource `{resource}`: paths of its API say `{own}`");
            let found = Diagnostic::warning(text.span, message, format!("did you mean `{own}{behind}`?"));
            self.found.push(found);
        }
    }

    /// A path of JSONPath, jq or a JSON pointer, where fields are keys between dots.
    ///
    /// Says whether it was an error.
    pub(super) fn check_field_path(&mut self, text: &Text) -> bool {
        let written = &*text.value;
        let is_pointer = written.starts_with('/');
        let is_json_path = written == "$" || written.starts_with("$.") || written.starts_with("$[");
        let is_plain = !written.contains('\'');
        let has_brackets = is_plain && written.split('.').any(is_subscripted);
        let meant = meant_field(written);
        if is_pointer || is_json_path || has_brackets {
            let message = format!("`{written}` is a path of another language, and names no field here");
            let mut found = Diagnostic::error(text.span, message, "fields are keys between dots");
            if let Some(meant) = meant {
                found = found.help(format!(
                    "write `\"{meant}\"`: lists are stepped through, and have no name of their own"
                ));
            }
            self.found.push(
                found.help("a key that really has such characters stands in single quotes: `\"'$'.id\"`"),
            );
            return true;
        }
        let index =
            written.split('.').find(|key| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit()));
        if let (true, Some(index), Some(meant)) = (is_plain, index, meant) {
            let message = format!("`{index}` is a key called so, not an element of a list");
            let found = Diagnostic::warning(text.span, message, "matches no list's element")
                .help(format!(
                    "write `\"{meant}\"`: lists are stepped through, and have no name of their own"
                ))
                .help(format!("a key that is called so stands in single quotes: `'{index}'`"));
            self.found.push(found);
        }
        false
    }
}

fn with_a_dot(span: Span, written: &str) -> Diagnostic {
    let (first, rest) = written.split_once('.').unwrap_or((written, ""));
    let lower = first.to_ascii_lowercase();
    let own = known(&lower);
    let message = format!("`{written}` never matches: names of resources have no dot");
    let found = match own {
        Some(_) => Diagnostic::error(span, message, "can never match"),
        None => {
            Diagnostic::warning(span, message, "matches nothing of Kubernetes' own, and no custom resource")
        }
    };
    let resource = own.unwrap_or(&lower);
    found.help(if SUBRESOURCES.contains(&rest) {
        format!("a subresource stands behind a slash: `{resource}/{rest}`")
    } else {
        format!("the group is an attribute: `on \"{resource}\"` and `when group == \"{rest}\"`")
    })
}

/// What Kubernetes calls the resource that somebody writes in the singular or in short.
fn known(resource: &str) -> Option<&'static str> {
    let is_meant = |known: &&&str| {
        **known == resource
            || known.strip_suffix("es") == Some(resource)
            || known.strip_suffix('s') == Some(resource)
            || known.strip_suffix("ies").is_some_and(|stem| resource.strip_suffix('y') == Some(stem))
    };
    let short = || SHORT.iter().find(|(short, _)| *short == resource).map(|(_, known)| *known);
    RESOURCES.iter().find(is_meant).copied().or_else(short)
}

/// `people[*]`, `people[]`, `people[0]`, `people[1:3]`, `people[?(…)]`.
fn is_subscripted(key: &str) -> bool {
    let Some((_, inside)) = key.split_once('[') else { return false };
    inside.starts_with('?')
        || inside.split_once(']').is_some_and(|(inside, _)| {
            inside.bytes().all(|byte| matches!(byte, b'*' | b':' | b'-' | b'0'..=b'9'))
        })
}

/// The same path as this language writes it, where that can be told.
fn meant_field(written: &str) -> Option<String> {
    let keys: Vec<String> = match written.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|key| key.replace("~1", "/").replace("~0", "~")).collect(),
        None => {
            let rest = written.strip_prefix('$').unwrap_or(written).replace("..", ".**.");
            rest.split('.').map(|key| key.split('[').next().unwrap_or_default().to_owned()).collect()
        }
    };
    let is_index = |key: &String| key == "-" || key.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = |key: &String| !key.contains(['.', '\'', '"', ']', '?', '@', '(', ')']);
    let keys: Vec<String> = keys.into_iter().filter(|key| !is_index(key)).collect();
    let meant = keys.join(".");
    // What selects by an expression or by a quoted key is left to its author.
    (keys.iter().all(is_plain) && !written.contains(['?', '\'', '"']) && parse_field(&meant).is_ok())
        .then_some(meant)
}
