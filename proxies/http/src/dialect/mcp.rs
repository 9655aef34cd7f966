//! The Model Context Protocol: a request carries a message, or a batch of them.

use hyper::Method;
use policy_core::ActionSet;
use policy_normalize::mcp::{Context, Messages, Side};

use super::{Meaning, Seen};
use crate::body::Taken;
use crate::refuse::Words;

pub(super) fn meaning(seen: &Seen<'_>, body: &Taken) -> Meaning {
    let unknown = || Meaning { actions: ActionSet::unknown(), words: Words::Problem };
    match (&seen.head.method, body) {
        (&Method::POST, Taken::All(bytes)) if seen.asked.media_type == "application/json" => {
            let context = Context {
                side: Side::Client,
                fields: &seen.looked_at.http,
                pinned: &|_| None,
                asked: &|_| None,
            };
            let messages = Messages::parse(bytes, &context);
            let ids = messages.elements.iter().filter_map(|element| element.id.clone()).collect();
            Meaning { actions: messages.actions(), words: Words::JsonRpc { ids, batch: messages.batch } }
        }
        _ => unknown(),
    }
}
