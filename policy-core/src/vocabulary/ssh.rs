//! What SSH offers to policies.
//!
//! | verb | resource | meaning |
//! |---|---|---|
//! | `exec` | – | a command line, as the vector of arguments it stands for; a wrapped command is an action too |
//! | `shell` | – | an interactive shell, or an interpreter that reads standard input |
//! | `typed` | – | a line typed into a shell, as the vector of arguments it stands for: noticed, never prevented |
//! | `pty` | – | a terminal, covered by its channel's `exec` or `shell` |
//! | `subsystem` | subsystem | a subsystem other than SFTP |
//! | `env` | variable | an environment variable is set |
//! | `forward`, `agent_forward`, `x11` | – | tunnels in either direction, the agent, X11 |
//! | `read`, `write`, `append` | path | a file is opened for it; `write` includes making it and cutting it short |
//! | `list`, `readlink` | path | a directory is listed, a file's status or where a link points to is read |
//! | `remove`, `rmdir`, `mkdir`, `setstat` | path | what their names say |
//! | `rename`, `symlink` | path | `to` is the new name, or what the link (hard ones too) points to |
//! | `extended` | request | an extended SFTP request about no file, such as `limits@openssh.com` |
//!
//! Paths are absolute and without `.` and `..`; [`path`] makes a resource of one.

use super::{Attributes, Capability, Object, Type, VerbRow, Vocabulary};
use crate::action::Resource;
use crate::subject::Protocol;

const EXEC: Attributes = &[("argv", Type::List), ("text", Type::Text)];
const FORWARD: Attributes =
    &[("direction", Type::Text), ("host", Type::Text), ("port", Type::Integer), ("socket", Type::Text)];
const VARIABLE: Attributes = &[("value", Type::Text)];
const MOVE: Attributes = &[("to", Type::Text)];
const NONE: Attributes = &[];

const VERBS: &[VerbRow] = &[
    ("agent_forward", "lend the client's agent to the target", Object::None, NONE),
    ("append", "add to the end of a file", Object::Path, NONE),
    ("env", "set an environment variable", Object::Any, VARIABLE),
    ("exec", "run a command", Object::None, EXEC),
    ("extended", "run an extended SFTP request", Object::Any, NONE),
    ("forward", "open a tunnel", Object::None, FORWARD),
    ("list", "list a directory or read a file's status", Object::Path, NONE),
    ("mkdir", "make a directory", Object::Path, NONE),
    ("pty", "ask for a terminal", Object::None, NONE),
    ("read", "read a file", Object::Path, NONE),
    ("readlink", "read where a link points to", Object::Path, NONE),
    ("remove", "remove a file", Object::Path, NONE),
    ("rename", "rename a file or directory", Object::Path, MOVE),
    ("rmdir", "remove a directory", Object::Path, NONE),
    ("setstat", "change a file's mode, owner, size or times", Object::Path, NONE),
    ("shell", "open an interactive shell", Object::None, NONE),
    ("subsystem", "start a subsystem", Object::Any, NONE),
    ("symlink", "make a link", Object::Path, MOVE),
    ("typed", "type a line into a shell; noticed, never prevented", Object::None, EXEC),
    ("write", "write a file", Object::Path, NONE),
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
            Capability::Watch,
        ],
    )
}

/// The resource that an absolute path without `.`, `..` and doubled slashes names.
///
/// The root has no segment to be named by, and goes by one that no such path has: `.`, in policies `"/."`.
/// Anything else than such a path is [`Resource::Undetermined`].
pub fn path(absolute: &str) -> Resource {
    match absolute.strip_prefix('/') {
        None => Resource::Undetermined,
        Some("") => Resource::named(["."]),
        Some(rest) if rest.split('/').any(|segment| matches!(segment, "" | "." | "..")) => {
            Resource::Undetermined
        }
        Some(rest) => Resource::named(rest.split('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_absolute_paths_name_something() {
        assert_eq!(path("/etc/passwd"), Resource::named(["etc", "passwd"]));
        assert_eq!(path("/"), Resource::named(["."]));
        for other in ["", "etc", "//", "/etc/", "/./etc", "/etc/../root", "/a//b", "/a\u{1f}b"] {
            assert_eq!(path(other), Resource::Undetermined, "{other:?}");
        }
    }
}
