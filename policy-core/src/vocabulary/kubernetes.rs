//! What the Kubernetes API offers to policies.
//!
//! Verbs are the API server's own; a resource is `resource` or `resource/subresource` (`pods/exec`), whatever its group.
//!
//! | attribute | is |
//! |---|---|
//! | `namespace` | the namespace; absent where the resource has none, undetermined where all of them are meant |
//! | `name` | the object's name; undetermined where many objects are meant, or a name that the server makes up |
//! | `group`, `version` | of the API: `apps`, `v1`; the core group is empty |
//! | `builtin` | whether the group is Kubernetes' own: others are custom resources and servers behind the API server |
//! | `dry_run` | whether nothing is kept of what is done; never of streams, which happen anyway |
//! | `field_manager`, `field_selector`, `label_selector` | of the query |
//! | `path`, `port` | of `pods/proxy` and its like: the path behind it and the port |
//! | `container`, `stdin`, `tty` | of `pods/exec` and its like; the container of `pods/log` too |
//! | `argv` | of `pods/exec`: the command, as the vector of arguments it stands for; a wrapped command is an action too |
//! | `shell` | of `pods/exec`: an interactive shell, or an interpreter that reads standard input |
//! | `object.NAME` | what the body sets: `object.spec.hostNetwork` |
//!
//! `exec`, `attach` and `portforward` are `create` on the subresource, whatever transport carries them. A list, watch or
//! deletion of a collection that is narrowed to one name is also a `get` or `delete` of that name. What creates where nothing
//! is yet (server-side apply) is also a `create`. `read`, `write` and `remove` are of files in a container that a command
//! line names by itself, `env` of its variables.
//!
//! `object.` names go from object to object and through lists: `object.spec.containers.image` is every container's. Where the
//! elements differ there is an action for each value, or, where those were too many, it is undetermined: a deny applies where
//! any element meets it, an allow covers where all do. What a patch does not set is absent.

use super::{Attributes, Capability, Object, Type, VerbRow, Vocabulary};
use crate::action::Resource;
use crate::subject::Protocol;

/// The same for all verbs, so that a rule may name several of them.
const REQUEST: Attributes = &[
    ("namespace", Type::Text),
    ("name", Type::Text),
    ("group", Type::Text),
    ("version", Type::Text),
    ("builtin", Type::Bool),
    ("dry_run", Type::Bool),
    ("field_manager", Type::Text),
    ("field_selector", Type::Text),
    ("label_selector", Type::Text),
    ("path", Type::Text),
    ("port", Type::Text),
    ("container", Type::Text),
    ("stdin", Type::Bool),
    ("tty", Type::Bool),
    ("argv", Type::List),
    ("shell", Type::Bool),
    ("object.", Type::Scalar),
];
/// Which container a file or variable is in.
const INSIDE: Attributes = &[("namespace", Type::Text), ("name", Type::Text), ("container", Type::Text)];
const VARIABLE: Attributes =
    &[("namespace", Type::Text), ("name", Type::Text), ("container", Type::Text), ("value", Type::Text)];
const PATH: Attributes = &[("method", Type::Text)];

const VERBS: &[VerbRow] = &[
    ("create", "make an object, or use a subresource such as `pods/exec`", Object::Any, REQUEST),
    ("delete", "remove an object", Object::Any, REQUEST),
    ("deletecollection", "remove many objects", Object::Any, REQUEST),
    ("env", "set an environment variable in a container", Object::Any, VARIABLE),
    ("get", "read an object", Object::Any, REQUEST),
    ("list", "read many objects", Object::Any, REQUEST),
    ("nonresource", "reach a path that is no object, such as `/version`", Object::Path, PATH),
    ("patch", "change an object", Object::Any, REQUEST),
    ("read", "read a file in a container", Object::Path, INSIDE),
    ("remove", "remove a file in a container", Object::Path, INSIDE),
    ("update", "replace an object", Object::Any, REQUEST),
    ("watch", "follow changes of objects", Object::Any, REQUEST),
    ("write", "write a file in a container", Object::Path, INSIDE),
];

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
            Capability::ComeBack,
        ],
    )
}

/// A resource and its subresource, as policies name them; an empty subresource is none.
pub fn resource(resource: &str, subresource: &str) -> Resource {
    if subresource.is_empty() {
        Resource::named([resource])
    } else {
        Resource::named([resource, subresource])
    }
}
