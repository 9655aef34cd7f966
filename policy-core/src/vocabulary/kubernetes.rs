//! What the Kubernetes API offers to policies.
//!
//! Verbs are the API server's own; a resource is `resource` or `resource/subresource` (`pods/exec`).
//! `exec` and `attach` are `create` on the subresource, whatever transport carries them; a list
//! narrowed to one name is a `get`.

use super::{Attributes, Capability, Object, Type, VerbRow, Vocabulary};
use crate::subject::Protocol;

/// `argv` is the command of `pods/exec`; a request that is not namespaced has an empty namespace.
const REQUEST: Attributes = &[
    ("namespace", Type::Text),
    ("name", Type::Text),
    ("group", Type::Text),
    ("version", Type::Text),
    ("dry_run", Type::Bool),
    ("argv", Type::List),
    ("container", Type::Text),
];

const VERBS: &[VerbRow] = &[
    ("create", "make an object, or use a subresource such as `pods/exec`", Object::Any, REQUEST),
    ("delete", "remove an object", Object::Any, REQUEST),
    ("deletecollection", "remove many objects", Object::Any, REQUEST),
    ("get", "read an object", Object::Any, REQUEST),
    ("list", "read many objects", Object::Any, REQUEST),
    ("nonresource", "reach a path that is no object, such as `/version`", Object::Any, NONE),
    ("patch", "change an object", Object::Any, REQUEST),
    ("update", "replace an object", Object::Any, REQUEST),
    ("watch", "follow changes of objects", Object::Any, REQUEST),
];

const NONE: Attributes = &[];

/// The Kubernetes API's vocabulary.
pub fn vocabulary() -> Vocabulary {
    Vocabulary::declare(
        Protocol::KUBERNETES,
        '/',
        VERBS,
        &[
            Capability::MaskValues,
            Capability::MaskFields,
            Capability::LimitCommands,
            Capability::LimitBytes,
            Capability::RecordResults,
        ],
    )
}
