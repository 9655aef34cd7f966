//! What HTTP offers to policies.
//!
//! Verbs are methods in lower case, resources are paths after decoding and normalisation, segment by
//! segment. CONNECT and TRACE are not offered: proxies refuse them.

use super::{Attributes, Capability, Object, Type, VerbRow, Vocabulary};
use crate::subject::Protocol;

/// The authority asked for, the query's keys and the names of header fields, and the media type of the body.
const REQUEST: Attributes = &[
    ("host", Type::Text),
    ("query", Type::List),
    ("headers", Type::List),
    ("content_type", Type::Text),
    ("size", Type::Integer),
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
            Capability::LimitCommands,
            Capability::LimitBytes,
            Capability::RecordResults,
        ],
    )
}
