//! The API of a Kubernetes cluster.

use policy_core::ActionSet;
use policy_normalize::http::Target;
use policy_normalize::kubernetes::{self, Object, Parts};

use super::{Carried, Meaning, Seen};
use crate::body::Taken;
use crate::refuse::Words;

pub(super) fn needs_body(seen: &Seen<'_>) -> bool {
    seen.looked_at.kubernetes.need_body(seen.head.method.as_str(), &seen.asked.target)
}

pub(super) fn meaning(seen: &Seen<'_>, body: &Taken) -> Meaning {
    Meaning {
        actions: actions(seen, body).unwrap_or_else(ActionSet::unknown),
        words: Words::Status,
        said: None,
    }
}

fn actions(seen: &Seen<'_>, body: &Taken) -> Option<ActionSet> {
    let asked = seen.asked;
    let object = match body {
        Taken::All(bytes) => Some(Object::read(&asked.media_type, bytes).ok()?),
        Taken::Nothing(_) if asked.size == Some(0) => Some(Object::read("", &[]).ok()?),
        Taken::Nothing(_) => None,
        Taken::Much(..) => return None,
    };
    let parts = Parts {
        method: seen.head.method.as_str(),
        target: &asked.target,
        media_type: &asked.media_type,
        body: object.as_ref(),
    };
    Some(kubernetes::action(&parts, &seen.looked_at.kubernetes))
}

/// A program's streams behind `pods/NAME/exec` and `attach`; what a pod or service says behind its proxy means something by itself.
pub(super) fn carried(target: &Target) -> Carried {
    let segments: Vec<&str> = target.segments.iter().flatten().map(String::as_str).collect();
    let ["api", _, "namespaces", _, "pods", _, "exec" | "attach"] = segments.as_slice() else {
        return Carried::Messages;
    };
    let pairs = target.query.as_deref().unwrap_or_default();
    let has_terminal = pairs.iter().any(|(key, value)| key == "tty" && matches!(&**value, "true" | "1"));
    Carried::Program { has_terminal }
}
