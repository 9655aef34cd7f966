//! What a request does, in the words of its target's protocol.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use hyper::http::request::Parts as Head;
use policy_core::ActionSet;
use policy_normalize::http::{self, Fields, Parts};
use portcullis_gateway::policies::Active;

use crate::body::Taken;
use crate::request::Asked;

/// What a request was understood as.
pub(crate) struct Meaning<'b> {
    pub(crate) actions: ActionSet,
    /// The bytes of its body that this was told from: an approval is for them only.
    pub(crate) read: &'b [u8],
}

/// What the policy in force looks at, found once a policy.
#[derive(Default)]
pub(crate) struct LookedAt(ArcSwapOption<(u64, Fields)>);

impl LookedAt {
    /// What this policy looks at.
    pub(crate) fn by(&self, active: &Active) -> Arc<(u64, Fields)> {
        if let Some(known) = &*self.0.load()
            && known.0 == active.generation
        {
            return Arc::clone(known);
        }
        let found = Arc::new((active.generation, Fields::of(&active.policy)));
        self.0.store(Some(Arc::clone(&found)));
        found
    }
}

/// What a request does, as far as it was read.
pub(crate) fn of<'b>(
    asked: &Asked,
    head: &Head,
    upgrade: bool,
    fields: &Fields,
    body: &'b Taken,
) -> Meaning<'b> {
    let (read, body) = match body {
        Taken::All(bytes) => match http::Body::read(&asked.media_type, bytes) {
            Ok(body) => (&**bytes, Some(body)),
            Err(_) => return Meaning { actions: ActionSet::unknown(), read: bytes },
        },
        Taken::Nothing(_) => (&[][..], (asked.size == Some(0)).then_some(http::Body::None)),
        Taken::Much(bytes, _) => return Meaning { actions: ActionSet::unknown(), read: bytes },
    };
    let unknown = Meaning { actions: ActionSet::unknown(), read };
    let pairs: Vec<(&str, &str)> =
        head.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    // A field that is no text means nothing that a rule could be about.
    if pairs.len() < head.headers.len() {
        return unknown;
    }
    let parts = Parts {
        method: head.method.as_str(),
        upgrade,
        host: asked.host(),
        target: &asked.target,
        headers: &pairs,
        media_type: &asked.media_type,
        size: asked.size,
        body: body.as_ref(),
    };
    Meaning { actions: http::action(&parts, fields), ..unknown }
}
