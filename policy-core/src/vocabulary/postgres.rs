//! What PostgreSQL offers to policies.
//!
//! | verb | resource | meaning |
//! |---|---|---|
//! | `select` | relation | rows are read: SELECT, COPY TO, RETURNING, sub-queries (a view is judged as the view; its base tables matter to masks) |
//! | `insert`, `update`, `delete`, `truncate` | relation | rows are written; MERGE and ON CONFLICT become these |
//! | `create`, `alter`, `drop`, `comment` | object | a definition changes; `object` says what kind of thing |
//! | `grant`, `revoke` | object | privileges change |
//! | `lock`, `analyze`, `vacuum`, `reindex`, `cluster`, `refresh` | relation | maintenance |
//! | `call` | function, or the sequence of `nextval` | code runs that the shipped table does not mark harmless |
//! | `set`, `show` | setting | a session setting is changed or read |
//! | `set_role` | role | SET ROLE, SET SESSION AUTHORIZATION |
//! | `begin`, `commit`, `rollback`, `savepoint` | – | transaction control |
//! | `prepare_transaction`, `commit_prepared`, `rollback_prepared` | transaction id | two-phase commit |
//! | `prepare`, `deallocate`, `declare`, `fetch`, `close` | statement or cursor | SQL-level PREPARE and cursors |
//! | `explain`, `discard`, `checkpoint`, `load` | – | as named |
//! | `listen`, `unlisten`, `notify` | channel | asynchronous notifications |
//! | `copy_program`, `copy_file` | – | COPY from or to a program or file of the server |

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Capability, Type, VerbSpec, Vocabulary};
use crate::subject::Protocol;

type Attributes = &'static [(&'static str, Type)];

/// Relations read: the columns whose values flow out, those in predicates, and a literal LIMIT.
const READ: Attributes = &[("reads", Type::List), ("predicates", Type::List), ("limit", Type::Integer)];
/// Relations written: the columns written, those read on the way, and whether a predicate narrows the rows.
const CHANGE: Attributes =
    &[("writes", Type::List), ("reads", Type::List), ("predicates", Type::List), ("filtered", Type::Bool)];
const INSERT: Attributes = &[("writes", Type::List)];
const DEFINITION: Attributes = &[("object", Type::Text)];
const PRIVILEGE: Attributes = &[("object", Type::Text), ("privileges", Type::List), ("grantees", Type::List)];
const SETTING: Attributes = &[("value", Type::Text), ("local", Type::Bool)];
const CALL: Attributes = &[("arguments", Type::List)];
const NONE: Attributes = &[];

/// Name, meaning, whether it has a resource, attributes.
const VERBS: &[(&str, &str, bool, Attributes)] = &[
    ("alter", "change a definition", true, DEFINITION),
    ("analyze", "collect statistics", true, NONE),
    ("begin", "start a transaction", false, NONE),
    ("call", "run a function or procedure", true, CALL),
    ("checkpoint", "force a checkpoint", false, NONE),
    ("close", "close a cursor", true, NONE),
    ("cluster", "rewrite a table in index order", true, NONE),
    ("comment", "change an object's comment", true, DEFINITION),
    ("commit", "end a transaction", false, NONE),
    ("commit_prepared", "end a prepared transaction", true, NONE),
    ("copy_file", "COPY from or to a file of the server", false, NONE),
    ("copy_program", "COPY from or to a program on the server", false, NONE),
    ("create", "make a new object", true, DEFINITION),
    ("deallocate", "forget a prepared statement", true, NONE),
    ("declare", "open a cursor", true, NONE),
    ("delete", "delete rows", true, CHANGE),
    ("discard", "reset the session", false, NONE),
    ("drop", "remove an object", true, DEFINITION),
    ("explain", "show a plan", false, &[("analyze", Type::Bool)]),
    ("fetch", "read from or move a cursor", true, NONE),
    ("grant", "give privileges", true, PRIVILEGE),
    ("insert", "insert rows", true, INSERT),
    ("listen", "subscribe to a channel", true, NONE),
    ("load", "load a library into the server", true, NONE),
    ("lock", "lock a table, or rows of it (SELECT FOR UPDATE)", true, &[("mode", Type::Text)]),
    ("notify", "publish to a channel", true, NONE),
    ("prepare", "name a statement", true, NONE),
    ("prepare_transaction", "leave a transaction for two-phase commit", true, NONE),
    ("refresh", "recompute a materialised view", true, NONE),
    ("reindex", "rebuild indexes", true, NONE),
    ("revoke", "take privileges", true, PRIVILEGE),
    ("rollback", "abandon a transaction", false, NONE),
    ("rollback_prepared", "abandon a prepared transaction", true, NONE),
    ("savepoint", "mark a point to roll back to", false, NONE),
    ("select", "read rows", true, READ),
    ("set", "change a session setting", true, SETTING),
    ("set_role", "act as another role", true, NONE),
    ("show", "read a setting", true, NONE),
    ("truncate", "empty a table", true, NONE),
    ("unlisten", "leave a channel", true, NONE),
    ("update", "change rows", true, CHANGE),
    ("vacuum", "reclaim space", true, NONE),
];

/// PostgreSQL's vocabulary.
pub fn vocabulary() -> Vocabulary {
    let verbs: BTreeMap<Cow<'static, str>, VerbSpec> = VERBS
        .iter()
        .map(|&(name, meaning, resource, attributes)| {
            let attributes = attributes.iter().map(|&(name, kind)| (Cow::Borrowed(name), kind)).collect();
            (
                Cow::Borrowed(name),
                VerbSpec { name: name.into(), meaning: meaning.into(), resource, attributes },
            )
        })
        .collect();
    Vocabulary {
        protocol: Protocol::POSTGRES,
        separator: '.',
        folds: true,
        verbs,
        capabilities: vec![
            Capability::MaskColumns,
            Capability::MaskValues,
            Capability::LimitRows,
            Capability::LimitCommands,
            Capability::LimitBytes,
            Capability::Transactions,
            Capability::RecordResults,
        ],
    }
}
