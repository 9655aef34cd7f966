//! HTTP's own requests, and GraphQL where a target speaks it.

use policy_core::ActionSet;
use policy_core::mask::FieldMasks;
use policy_normalize::http::{self, Body, Parts, graphql};

use super::{Meaning, Seen};
use crate::body::Taken;

pub(super) fn needs_body(seen: &Seen<'_>, graphql: &[String]) -> bool {
    seen.looked_at.http.need_body() || is_graphql(seen, graphql)
}

pub(super) fn meaning(seen: &Seen<'_>, body: &Taken, graphql: &[String]) -> Meaning {
    let actions = actions(seen, body, is_graphql(seen, graphql)).unwrap_or_else(ActionSet::unknown);
    Meaning { actions, words: None, said: None }
}

/// Whether something that these masks cover would come back under a name that they do not: what is called otherwise than it is in
/// GraphQL. At a path on which servers do not agree it may be spoken, too, and of what it says there nothing is known.
pub(super) fn hides(seen: &Seen<'_>, body: &Taken, graphql: &[String], masks: &FieldMasks) -> bool {
    let is_missed = |field: &graphql::Renamed| {
        let path = |names: &'_ [String]| -> Vec<String> {
            std::iter::once("data".to_owned()).chain(names.iter().cloned()).collect()
        };
        let (names, keys) = (path(&field.names), path(&field.keys));
        masks.miss(&strs(&names), &strs(&keys))
    };
    let renamed = |parts: &Parts<'_>, bytes: &[u8]| graphql::renamed(&as_read(seen, parts), bytes);
    let is_hidden = || with_parts(seen, body, renamed).flatten().is_none_or(|all| all.iter().any(is_missed));
    match &seen.asked.target.segments {
        None => !graphql.is_empty(),
        Some(_) => is_graphql(seen, graphql) && is_hidden(),
    }
}

/// `None` is what can't be told.
fn actions(seen: &Seen<'_>, body: &Taken, is_graphql: bool) -> Option<ActionSet> {
    let looked_at = &seen.looked_at.http;
    with_parts(seen, body, |parts, bytes| {
        if is_graphql {
            graphql::actions(&as_read(seen, parts), bytes, looked_at)
        } else {
            http::action(parts, looked_at)
        }
    })
}

/// With the media type that the body can be read as.
fn as_read<'s>(seen: &Seen<'s>, parts: &Parts<'s>) -> Parts<'s> {
    Parts { media_type: seen.asked.read_as(), ..*parts }
}

/// What becomes of a request's parts, and the bytes of its body; `None` where they can't be told.
fn with_parts<T>(seen: &Seen<'_>, body: &Taken, make: impl FnOnce(&Parts<'_>, &[u8]) -> T) -> Option<T> {
    let asked = seen.asked;
    let (bytes, body): (&[u8], _) = match body {
        Taken::All(bytes) => (bytes, Some(Body::read(asked.read_as(), bytes).ok()?)),
        Taken::Nothing(_) => (&[], (asked.size == Some(0)).then_some(Body::None)),
        Taken::Much(..) => return None,
    };
    let fields = &seen.head.headers;
    let pairs: Vec<(&str, &str)> =
        fields.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    // A field that is no text means nothing that a rule could be about.
    if pairs.len() < fields.len() {
        return None;
    }
    let parts = Parts {
        method: seen.head.method.as_str(),
        upgrade: seen.upgrade,
        host: asked.host(),
        target: &asked.target,
        headers: &pairs,
        media_type: asked.body_type.media_type(),
        size: asked.size,
        body: body.as_ref(),
    };
    Some(make(&parts, bytes))
}

/// What of it is `unknown`, which no rule but one about everything permits.
pub(super) fn unclear(seen: &Seen<'_>, body: &Taken) -> Option<String> {
    let asked = seen.asked;
    let is_known =
        matches!(seen.head.method.as_str(), "DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT");
    let unread = match body {
        Taken::All(bytes) if !bytes.is_empty() && !asked.body_type.is_plain() => {
            Some("nothing is known of the body: it is encoded, or in other characters than UTF-8".to_owned())
        }
        Taken::All(bytes) => {
            Body::read(asked.body_type.media_type(), bytes).err().map(|error| error.to_string())
        }
        Taken::Much(..) => Some("the body is longer than is looked into".to_owned()),
        Taken::Nothing(_) => None,
    };
    if !is_known && !seen.upgrade {
        return Some("the method is none of HTTP's own".to_owned());
    }
    if asked.target.segments.is_none() {
        let why =
            "servers do not agree on the path: it has an encoded or an empty segment, a `;` or a backslash";
        return Some(why.to_owned());
    }
    unread
}

fn is_graphql(seen: &Seen<'_>, paths: &[String]) -> bool {
    graphql::is_spoken(&seen.asked.target, paths)
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
