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
//!
//! # GraphQL
//! A request to a path that the target's configuration names as GraphQL is also one action for each field that its operation
//! selects: `query`, `mutate` or `subscribe` on the names of the fields from the root down, `user/orders/total`. An alias, a
//! fragment and its type are no part of that, and `@skip` and `@include` take nothing away. A field with fields below it
//! counts too, so `deny do query on "user"` reaches whatever is below, and `allow do query on "user/**"` covers
//! `user` and all of it. `__typename` counts at the root only: elsewhere it tells the type of what is read anyhow.
//!
//! | attribute | is |
//! |---|---|
//! | `host`, `header.NAME` | as above |
//! | `operation` | the operation's name; absent where it has none |
//! | `arguments.NAME`, `arguments."a.b"` | an argument of the field, or of the nearest field above that has one of this name, and a field of an object in it, variables resolved; one that is left out is absent, whatever the schema says in its place |

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

/// What is known of a field of a GraphQL operation.
const FIELD: Attributes =
    &[("host", Type::Text), ("header.", Type::Text), ("operation", Type::Text), ("arguments.", Type::Scalar)];

const VERBS: &[VerbRow] = &[
    ("delete", "remove a resource", Object::Path, REQUEST),
    ("get", "read a resource", Object::Path, REQUEST),
    ("head", "read a resource's header", Object::Path, REQUEST),
    ("mutate", "select a field of a GraphQL mutation", Object::Any, FIELD),
    ("options", "ask what a resource offers", Object::Path, REQUEST),
    ("patch", "change a resource", Object::Path, REQUEST),
    ("post", "send to a resource", Object::Path, REQUEST),
    ("put", "replace a resource", Object::Path, REQUEST),
    ("query", "select a field of a GraphQL query", Object::Any, FIELD),
    ("subscribe", "select a field of a GraphQL subscription", Object::Any, FIELD),
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
            Capability::ComeBack,
        ],
    )
}

/// The resource that the segments of a path name. The root has none to be named by, and goes by `.`, which no normalised path
/// has: in policies `"/."`.
pub fn path<S: AsRef<str>>(segments: &[S]) -> Resource {
    if segments.is_empty() { Resource::named(["."]) } else { Resource::named(segments) }
}
