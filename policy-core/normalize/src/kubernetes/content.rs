//! What comes back: in which forms, and which fields of it must not be seen.

use policy_core::{Action, ActionSet, Resource, Value, Verb};

/// The forms of objects that can be read on their way back.
const READABLE: &[&str] = &["application/json", "application/yaml", "text/plain", "text/html"];

/// A value for `Accept` that asks for nothing but what can be read: protobuf, CBOR and what is not known are taken away,
/// `*/*` and `application/*` become JSON. What stays keeps its order and parameters (a Table, metadata only, discovery in
/// one piece); where nothing does, it is `application/json`. Several fields of one name are to be joined by commas before.
///
/// ```
/// use policy_normalize::kubernetes::content::negotiated;
///
/// let kubectl = "application/vnd.kubernetes.protobuf,application/json;as=Table;v=v1;g=meta.k8s.io";
/// assert_eq!(negotiated(kubectl), "application/json;as=Table;v=v1;g=meta.k8s.io");
/// ```
pub fn negotiated(accept: &str) -> String {
    let kept = accept.split(',').filter_map(|range| {
        let range = range.trim_matches([' ', '\t']);
        let (kind, parameters) = range.split_once(';').map_or((range, ""), |(kind, rest)| (kind, rest));
        let kind = kind.trim_matches([' ', '\t']).to_ascii_lowercase();
        // A quoted parameter may hold commas: servers differ on where it ends.
        if range.contains(['"', '\\']) || range.chars().any(char::is_control) {
            return None;
        }
        let kind = match kind.as_str() {
            "*/*" | "application/*" => "application/json",
            kind => READABLE.iter().copied().find(|readable| *readable == kind)?,
        };
        Some(if parameters.is_empty() { kind.to_owned() } else { format!("{kind};{parameters}") })
    });
    let kept = kept.collect::<Vec<_>>().join(", ");
    if kept.is_empty() { READABLE.first().copied().unwrap_or_default().to_owned() } else { kept }
}

/// Which fields of a response to these actions hold what a Secret is to keep: patterns of keys, from the root of each JSON
/// document of the response, in which `*` is any one key, `**` any number of them, and lists are stepped through. None for
/// actions that no Secret comes back from.
///
/// - Every verb shows the object, not reading alone: the answer to a patch of a label, or to a deletion, is the whole Secret.
///   So the patterns are for all verbs, subresources included, and for `unknown`.
/// - `data` and `stringData` stand at the root (get, and the answers to writes), below `items` (a list), `object` (each line
///   of a watch), `rows.object` (a Table whose rows have their objects) and combinations of these: hence `**`.
/// - What `kubectl apply` kept of the object is in an annotation, as a text; it is there in metadata-only forms
///   (`PartialObjectMetadata`) too. Other programs have annotations of their own for that.
/// - A patch that leaves what is no Secret is refused in words that repeat all of what it left (`message` of a `Status`).
/// - Cells of a Table are what a resource's columns show. Kubernetes' own Secrets show a count; of others it is not known.
/// - A token that was asked for comes back as `status.token`.
pub fn secret_fields(actions: &ActionSet) -> Vec<Vec<String>> {
    let mut fields: Vec<&[&str]> = vec![];
    if actions.iter().any(|action| action.verb == Verb::UNKNOWN || is_of(action, "secrets", None)) {
        fields.extend([
            &["**", "data", "**"][..],
            &["**", "stringData", "**"],
            &["**", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
            &["**", "annotations", "kapp.k14s.io/original"],
            &["**", "annotations", "banzaicloud.com/last-applied"],
            &["**", "annotations", "objectset.rio.cattle.io/applied"],
        ]);
    }
    let patches = |action: &Action| action.verb.as_str() == "patch" && is_of(action, "secrets", None);
    if actions.iter().any(|action| action.verb == Verb::UNKNOWN || patches(action)) {
        fields.extend([&["message"][..], &["details", "causes", "message"]]);
    }
    let foreign = |action: &Action| {
        is_of(action, "secrets", None) && action.attribute("builtin") != Some(&Value::Bool(true))
    };
    if actions.iter().any(|action| action.verb == Verb::UNKNOWN || foreign(action)) {
        fields.push(&["**", "cells", "**"]);
    }
    if actions
        .iter()
        .any(|action| action.verb == Verb::UNKNOWN || is_of(action, "serviceaccounts", Some("token")))
    {
        fields.push(&["status", "token"]);
    }
    fields.into_iter().map(|path| path.iter().map(|key| (*key).to_owned()).collect()).collect()
}

/// Whether an action is on a resource, and, where one is given, on this subresource of it.
fn is_of(action: &Action, resource: &str, subresource: Option<&str>) -> bool {
    let Resource::Named(name) = &action.resource else { return false };
    let mut segments = name.segments();
    action.verb.as_str() != "nonresource"
        && segments.next() == Some(resource)
        && subresource.is_none_or(|subresource| segments.next() == Some(subresource))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_for_that_cannot_be_read() {
        const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
        for (accept, expected) in [
            ("", "application/json"),
            ("application/json", "application/json"),
            ("application/vnd.kubernetes.protobuf", "application/json"),
            ("application/cbor", "application/json"),
            ("application/cbor-seq, application/yaml", "application/yaml"),
            ("application/vnd.kubernetes.protobuf;as=Table, application/json", "application/json"),
            (TABLE, TABLE),
            ("APPLICATION/JSON;q=0.9", "application/json;q=0.9"),
            ("application/json, */*", "application/json, application/json"),
            ("*/*;q=0.1", "application/json;q=0.1"),
            ("application/*", "application/json"),
            ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", "application/json"),
            ("application/json;a=\"x,application/cbor\"", "application/json"),
            ("text/plain", "text/plain"),
            ("image/png", "application/json"),
            ("application/json\r\nx: y", "application/json"),
        ] {
            assert_eq!(negotiated(accept), expected, "{accept:?}");
            assert_eq!(negotiated(expected), expected, "once more changes nothing");
        }
    }
}
