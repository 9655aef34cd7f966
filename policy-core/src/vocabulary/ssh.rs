//! What SSH offers to policies.
//!
//! | verb | resource | meaning |
//! |---|---|---|
//! | `exec` | – | a command line, as the vector of arguments it stands for; a wrapped command is an action too |
//! | `shell` | – | an interactive shell, or an interpreter that reads standard input |
//! | `pty` | – | a terminal, covered by its channel's `exec` or `shell` |
//! | `subsystem` | subsystem | a subsystem other than SFTP |
//! | `env` | variable | an environment variable is set |
//! | `forward`, `agent_forward`, `x11` | – | tunnels in either direction, the agent, X11 |
//! | `read` … `extended` | path | one SFTP or scp operation |

use super::{Attributes, Capability, Object, Type, VerbRow, Vocabulary};
use crate::subject::Protocol;

const EXEC: Attributes = &[("argv", Type::List), ("text", Type::Text)];
const FORWARD: Attributes =
    &[("direction", Type::Text), ("host", Type::Text), ("port", Type::Integer), ("socket", Type::Text)];
const VARIABLE: Attributes = &[("value", Type::Text)];
const MOVE: Attributes = &[("to", Type::Text)];
const NONE: Attributes = &[];

const VERBS: &[VerbRow] = &[
    ("agent_forward", "lend the client's agent to the target", Object::None, NONE),
    ("env", "set an environment variable", Object::Any, VARIABLE),
    ("exec", "run a command", Object::None, EXEC),
    ("extended", "run an extended SFTP request", Object::Any, NONE),
    ("forward", "open a tunnel", Object::None, FORWARD),
    ("list", "list a directory or read a file's status", Object::Any, NONE),
    ("mkdir", "make a directory", Object::Any, NONE),
    ("pty", "ask for a terminal", Object::None, NONE),
    ("read", "read a file", Object::Any, NONE),
    ("remove", "remove a file or directory", Object::Any, NONE),
    ("rename", "rename a file", Object::Any, MOVE),
    ("setstat", "change a file's mode, owner, size or times", Object::Any, NONE),
    ("shell", "open an interactive shell", Object::None, NONE),
    ("signal", "send a signal to a running command", Object::None, NONE),
    ("subsystem", "start a subsystem", Object::Any, NONE),
    ("symlink", "make a link", Object::Any, MOVE),
    ("write", "write a file", Object::Any, NONE),
    ("x11", "forward X11", Object::None, NONE),
];

/// SSH's vocabulary.
pub fn vocabulary() -> Vocabulary {
    Vocabulary::declare(
        Protocol::SSH,
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
