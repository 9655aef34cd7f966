//! What PostgreSQL offers to policies.
//!
//! | verb | resource | meaning |
//! |---|---|---|
//! | `select` | relation | rows are read: SELECT, COPY TO, RETURNING, sub-queries (a view is judged as the view; its base tables matter to masks) |
//! | `insert`, `update`, `delete`, `truncate` | relation | rows are written; MERGE and ON CONFLICT become these |
//! | `create`, `alter`, `drop`, `comment` | object | a definition changes; `object` says what kind of thing (making an index is named by its table; parts of a table follow its name) |
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

use super::{Attributes, Capability, Object, Type, VerbRow, Vocabulary};
use crate::subject::Protocol;

/// Relations read: the columns whose values flow out, those in predicates, and a literal LIMIT.
const READ: Attributes = &[("reads", Type::Names), ("predicates", Type::Names), ("limit", Type::Integer)];
/// Relations written: the columns written, those read on the way, and whether a predicate narrows the rows.
const CHANGE: Attributes =
    &[("writes", Type::Names), ("reads", Type::Names), ("predicates", Type::Names), ("filtered", Type::Bool)];
const INSERT: Attributes = &[("writes", Type::Names)];
const DEFINITION: Attributes = &[("object", Type::Text)];
const PRIVILEGE: Attributes = &[("object", Type::Text), ("privileges", Type::List), ("grantees", Type::List)];
const SETTING: Attributes = &[("value", Type::Text), ("local", Type::Bool)];
const CALL: Attributes = &[("arguments", Type::List)];
const NONE: Attributes = &[];

/// Relations and functions are always named by `schema.name`.
const RELATION: Object = Object::Segments(2);

const VERBS: &[VerbRow] = &[
    ("alter", "change a definition", Object::Any, DEFINITION),
    ("analyze", "collect statistics", RELATION, NONE),
    ("begin", "start a transaction", Object::None, NONE),
    ("call", "run a function or procedure", RELATION, CALL),
    ("checkpoint", "force a checkpoint", Object::None, NONE),
    ("close", "close a cursor", Object::Any, NONE),
    ("cluster", "rewrite a table in index order", RELATION, NONE),
    ("comment", "change an object's comment", Object::Any, DEFINITION),
    ("commit", "end a transaction", Object::None, NONE),
    ("commit_prepared", "end a prepared transaction", Object::Any, NONE),
    ("copy_file", "COPY from or to a file of the server", Object::None, NONE),
    ("copy_program", "COPY from or to a program on the server", Object::None, NONE),
    ("create", "make a new object", Object::Any, DEFINITION),
    ("deallocate", "forget a prepared statement", Object::Any, NONE),
    ("declare", "open a cursor", Object::Any, NONE),
    ("delete", "delete rows", RELATION, CHANGE),
    ("discard", "reset the session", Object::None, NONE),
    ("drop", "remove an object", Object::Any, DEFINITION),
    ("explain", "show a plan", Object::None, &[("analyze", Type::Bool)]),
    ("fetch", "read from or move a cursor", Object::Any, NONE),
    ("grant", "give privileges", Object::Any, PRIVILEGE),
    ("insert", "insert rows", RELATION, INSERT),
    ("listen", "subscribe to a channel", Object::Any, NONE),
    ("load", "load a library into the server", Object::Any, NONE),
    ("lock", "lock a table, or rows of it (SELECT FOR UPDATE)", RELATION, &[("mode", Type::Text)]),
    ("notify", "publish to a channel", Object::Any, NONE),
    ("prepare", "name a statement", Object::Any, NONE),
    ("prepare_transaction", "leave a transaction for two-phase commit", Object::Any, NONE),
    ("refresh", "recompute a materialised view", RELATION, NONE),
    ("reindex", "rebuild indexes", Object::Any, NONE),
    ("revoke", "take privileges", Object::Any, PRIVILEGE),
    ("rollback", "abandon a transaction", Object::None, NONE),
    ("rollback_prepared", "abandon a prepared transaction", Object::Any, NONE),
    ("savepoint", "mark a point to roll back to", Object::None, NONE),
    ("select", "read rows", RELATION, READ),
    ("set", "change a session setting", Object::Any, SETTING),
    ("set_role", "act as another role", Object::Any, NONE),
    ("show", "read a setting", Object::Any, NONE),
    ("truncate", "empty a table", RELATION, NONE),
    ("unlisten", "leave a channel", Object::Any, NONE),
    ("update", "change rows", RELATION, CHANGE),
    ("vacuum", "reclaim space", RELATION, NONE),
];

/// PostgreSQL's vocabulary.
pub fn vocabulary() -> Vocabulary {
    Vocabulary {
        folds: true,
        ..Vocabulary::declare(
            Protocol::POSTGRES,
            '.',
            VERBS,
            &[
                Capability::MaskColumns,
                Capability::MaskValues,
                Capability::LimitRows,
                Capability::LimitCommands,
                Capability::LimitBytes,
                Capability::Transactions,
                Capability::RecordResults,
            ],
        )
    }
}
