//! What the Model Context Protocol offers to policies (revisions 2024-11-05 to 2026-07-28).
//!
//! | verb | resource | meaning |
//! |---|---|---|
//! | `initialize` | – | `initialize`, or `server/discover` in its place |
//! | `ping` | – | is the other side there |
//! | `list` | what | `tools`, `resources`, `templates`, `prompts` or `tasks` are listed |
//! | `call` | tool | a tool is called, as a task or not |
//! | `read` | URI | a resource is read |
//! | `subscribe`, `unsubscribe` | URI | changes of a resource are followed, or no longer |
//! | `listen` | – | what the server says by itself is followed: `subscriptions/listen`, or the event stream that a GET opens |
//! | `end` | – | the session with a server is ended (DELETE) |
//! | `prompt` | prompt | a prompt is got |
//! | `complete` | prompt or URI template | completions of an argument are asked for |
//! | `log` | – | the level of log messages is set |
//! | `task` | what | `get`, `result`, `cancel` or `update` of a call that runs as a task |
//! | `notify` | what | a notification, without `notifications/`: `cancelled`, `roots/list_changed` |
//! | `answer` | method | a client answers what a server asked: `sampling/createMessage`, `elicitation/create`, `roots/list`, `ping` |
//! | `sample`, `elicit`, `roots` | – | a server asks for the client's model, its user's words, its folders |
//!
//! A name is one segment, whatever is in it: `*` stands for any run of its characters, slashes and dots too
//! (`call on "read_*"`, `read on "file:///srv/docs/*"`), and `**` alone for any name.
//!
//! | attribute | is |
//! |---|---|
//! | `arguments.NAME`, `arguments."a.b"` | an argument of the call or prompt, and a field of an object in it |
//! | `pinned` | whether the tool's description and schemas are those that were approved |
//! | `argument`, `value` | the argument that is completed, and what it begins with |
//! | `level` | the level of log messages |
//! | `id` | the task's |
//! | `error` | whether the answer is an error |
//! | `action` | what the user chose where they were asked: `accept`, `decline` or `cancel` |
//!
//! Every element of a batch is judged by itself.

use super::{Attributes, Capability, Object, Type, VerbRow, Vocabulary};
use crate::name::Name;
use crate::subject::Protocol;

/// No name has this in it, so no pattern is split.
const ONE_SEGMENT: char = Name::SEPARATOR;

const NONE: Attributes = &[];
const CALL: Attributes = &[("arguments.", Type::Scalar), ("pinned", Type::Bool)];
const PROMPT: Attributes = &[("arguments.", Type::Scalar)];
const COMPLETE: Attributes = &[("argument", Type::Text), ("value", Type::Text)];
const LOG: Attributes = &[("level", Type::Text)];
const TASK: Attributes = &[("id", Type::Text)];
const ANSWER: Attributes = &[("error", Type::Bool), ("action", Type::Text)];

const NAME: Object = Object::Segments(1);

const VERBS: &[VerbRow] = &[
    ("answer", "answer what a server asked", NAME, ANSWER),
    ("call", "call a tool", NAME, CALL),
    ("complete", "ask for completions", NAME, COMPLETE),
    ("elicit", "let a server ask the client's user", Object::None, NONE),
    ("end", "end the session with a server", Object::None, NONE),
    ("initialize", "open a session with a server, or ask what it offers", Object::None, NONE),
    ("list", "list tools, resources, templates, prompts or tasks", NAME, NONE),
    ("listen", "follow what a server says by itself", Object::None, NONE),
    ("log", "set the level of log messages", Object::None, LOG),
    ("notify", "tell the other side what happened", NAME, NONE),
    ("ping", "see whether the other side is there", Object::None, NONE),
    ("prompt", "get a prompt", NAME, PROMPT),
    ("read", "read a resource", NAME, NONE),
    ("roots", "let a server list the client's folders", Object::None, NONE),
    ("sample", "let a server use the client's model", Object::None, NONE),
    ("subscribe", "follow changes of a resource", NAME, NONE),
    ("task", "get, cancel or update a call that runs as a task, or get its result", NAME, TASK),
    ("unsubscribe", "follow changes of a resource no longer", NAME, NONE),
];

/// The Model Context Protocol's vocabulary.
pub fn vocabulary() -> Vocabulary {
    Vocabulary::declare(
        Protocol::MCP,
        ONE_SEGMENT,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_is_in_it() {
        for text in ["read_*", "file:///srv/docs/*", "a.b/c", "**"] {
            let pattern = vocabulary().parse_pattern(text).unwrap();
            assert_eq!(&*pattern.segments, [Box::from(text)]);
        }
        assert!(
            vocabulary().parse_pattern("file:///srv/**").unwrap_err().to_string().contains("stands alone")
        );
    }
}
