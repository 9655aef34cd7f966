//! HTTP's own requests, and GraphQL where a target speaks it.

use policy_core::ActionSet;
use policy_core::mask::FieldMasks;
use policy_normalize::http::{self, Body, Parts, graphql};

use super::{Meaning, Seen, Unclear, is_unclear};
use crate::body::Taken;

pub(super) fn needs_body(seen: &Seen<'_>, graphql: &[String]) -> bool {
    seen.looked_at.http.need_body() || is_graphql(seen, graphql)
}

pub(super) fn meaning(seen: &Seen<'_>, body: &Taken, graphql: &[String]) -> Meaning {
    let (actions, unclear) = match actions(seen, body, is_graphql(seen, graphql)) {
        Ok(actions) => {
            let unclear = unclear(seen, body, &actions);
            (actions, unclear)
        }
        Err(unclear) => (ActionSet::unknown(), Some(unclear)),
    };
    Meaning { actions, words: None, said: None, unclear }
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
    let is_hidden =
        || with_parts(seen, body, renamed).ok().flatten().is_none_or(|all| all.iter().any(is_missed));
    match &seen.asked.target.segments {
        None => !graphql.is_empty(),
        Some(_) => is_graphql(seen, graphql) && is_hidden(),
    }
}

fn actions(seen: &Seen<'_>, body: &Taken, is_graphql: bool) -> Result<ActionSet, Unclear> {
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

/// What becomes of a request's parts, and the bytes of its body.
///
/// # Errors
/// Where they can't be told.
fn with_parts<T>(
    seen: &Seen<'_>,
    body: &Taken,
    make: impl FnOnce(&Parts<'_>, &[u8]) -> T,
) -> Result<T, Unclear> {
    let asked = seen.asked;
    let (bytes, body): (&[u8], _) = match body {
        Taken::All(bytes) => (bytes, Some(Body::read(asked.read_as(), bytes)?)),
        Taken::Nothing(_) => (&[], (asked.size == Some(0)).then_some(Body::None)),
        Taken::Much(..) => return Err(Unclear::Long),
    };
    let mut pairs = Vec::with_capacity(seen.head.headers.len());
    for (name, value) in &seen.head.headers {
        // What is no text means nothing that a rule could be about.
        pairs.push((name.as_str(), value.to_str().map_err(|_| Unclear::Field(name.clone()))?));
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
    Ok(make(&parts, bytes))
}

/// Why something of these actions is not known.
fn unclear(seen: &Seen<'_>, body: &Taken, actions: &ActionSet) -> Option<Unclear> {
    let asked = seen.asked;
    let is_known =
        matches!(seen.head.method.as_str(), "DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT");
    if !is_known && !seen.upgrade {
        return Some(Unclear::Method);
    }
    if asked.target.segments.is_none() {
        return Some(Unclear::Path);
    }
    let is_coded = !asked.body_type.is_plain() && matches!(body, Taken::All(bytes) if !bytes.is_empty());
    (is_coded && is_unclear(actions, &["arguments.", "body.", "form."])).then_some(Unclear::Coded)
}

fn is_graphql(seen: &Seen<'_>, paths: &[String]) -> bool {
    graphql::is_spoken(&seen.asked.target, paths)
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
