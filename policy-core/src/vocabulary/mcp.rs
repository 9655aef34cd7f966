//! What the Model Context Protocol offers to policies.
//!
//! `call` on a tool's name is the command; every element of a batch is judged by itself.

use super::{Attributes, Capability, Object, Type, VerbRow, Vocabulary};
use crate::subject::Protocol;

/// The server, the top-level argument names, and whether the tool's description is the one that was reviewed.
const CALL: Attributes = &[("server", Type::Text), ("arguments", Type::List), ("pinned", Type::Bool)];
const SERVER: Attributes = &[("server", Type::Text)];

const VERBS: &[VerbRow] = &[
    ("call", "call a tool", Object::Any, CALL),
    ("complete", "ask for completions", Object::Any, SERVER),
    ("initialize", "open a session with a server", Object::None, SERVER),
    ("list", "list tools, resources or prompts", Object::Any, SERVER),
    ("ping", "see whether the server is there", Object::None, SERVER),
    ("prompt", "get a prompt", Object::Any, SERVER),
    ("read", "read a resource", Object::Any, SERVER),
    ("sample", "let a server use the client's model", Object::None, SERVER),
    ("subscribe", "follow changes of a resource", Object::Any, SERVER),
];

/// The Model Context Protocol's vocabulary.
pub fn vocabulary() -> Vocabulary {
    Vocabulary::declare(
        Protocol::MCP,
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
