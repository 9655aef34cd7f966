//! HTTP's own requests, and GraphQL where a target speaks it.

use policy_core::ActionSet;
use policy_normalize::http::{self, Body, Parts, graphql};

use super::{Meaning, Seen};
use crate::body::Taken;
use crate::refuse::Words;

pub(super) fn needs_body(seen: &Seen<'_>, graphql: &[String]) -> bool {
    seen.looked_at.http.need_body() || is_graphql(seen, graphql)
}

pub(super) fn meaning(seen: &Seen<'_>, body: &Taken, graphql: &[String]) -> Meaning {
    let actions = actions(seen, body, is_graphql(seen, graphql)).unwrap_or_else(ActionSet::unknown);
    Meaning { actions, words: Words::Problem, said: None }
}

/// `None` is what can't be told.
fn actions(seen: &Seen<'_>, body: &Taken, is_graphql: bool) -> Option<ActionSet> {
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
        media_type: if is_graphql { asked.read_as() } else { &asked.media_type },
        size: asked.size,
        body: body.as_ref(),
    };
    let looked_at = &seen.looked_at.http;
    Some(if is_graphql {
        graphql::actions(&parts, bytes, looked_at)
    } else {
        http::action(&parts, looked_at)
    })
}

/// Whether GraphQL is spoken at the path that is asked for.
fn is_graphql(seen: &Seen<'_>, paths: &[String]) -> bool {
    let path = seen.asked.target.sent.split('?').next().unwrap_or_default();
    paths.iter().any(|graphql| graphql == path)
}
