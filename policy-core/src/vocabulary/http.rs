//! What HTTP offers to policies.
//!
//! Verbs are methods in lower case; resources are paths after decoding and normalisation, segment by
//! segment. CONNECT and TRACE are not offered: proxies refuse them.
//!
//! | attribute | is |
//! |---|---|
//! | `host` | the authority asked for, in lower case, without its port |
//! | `query.NAME` | the value of a key of the query, decoded; undetermined where there are several |
//! | `header.NAME` | the value of a header field, by its name in lower case; undetermined where there are several |
//! | `media_type` | the body's media type in lower case, without parameters; empty without a body |
//! | `size` | the body's length in bytes, where it is announced |
//! | `body.NAME`, `body."a.b"` | a field of a JSON object in the body, and one of an object in it |
//! | `form.NAME` | a field of a form in the body |
//!
//! What a request has not got is undetermined, as everywhere: write `unless body.dry_run` rather than `when not …`.

use super::{Attributes, Capability, Object, Type, VerbRow, Vocabulary};
use crate::action::Resource;
use crate::subject::Protocol;

/// What a request says, beside its method and its path.
const REQUEST: Attributes = &[
    ("host", Type::Text),
    ("query.", Type::Text),
    ("header.", Type::Text),
    ("media_type", Type::Text),
    ("size", Type::Integer),
    ("body.", Type::Scalar),
    ("form.", Type::Text),
];

const VERBS: &[VerbRow] = &[
    ("delete", "remove a resource", Object::Path, REQUEST),
    ("get", "read a resource", Object::Path, REQUEST),
    ("head", "read a resource's header", Object::Path, REQUEST),
    ("options", "ask what a resource offers", Object::Path, REQUEST),
    ("patch", "change a resource", Object::Path, REQUEST),
    ("post", "send to a resource", Object::Path, REQUEST),
    ("put", "replace a resource", Object::Path, REQUEST),
    ("upgrade", "open a WebSocket", Object::Path, REQUEST),
];

/// HTTP's vocabulary.
pub fn vocabulary() -> Vocabulary {
    Vocabulary::declare(
        Protocol::HTTP,
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

/// The resource that the segments of a path name. The root has none to be named by, and goes by `.`, which no normalised path
/// has: in policies `"/."`.
pub fn path<S: AsRef<str>>(segments: &[S]) -> Resource {
    if segments.is_empty() { Resource::named(["."]) } else { Resource::named(segments) }
}
