//! What a request does, in the words of policies.

use std::fmt::Write as _;

use policy_core::action::{Action, Value, Verb};
use policy_core::vocabulary::ssh;
use policy_core::{ActionSet, Resource};

use super::handles::Access;
use super::path::{self, Unusable};
use super::wire::attributes::Attributes;
use super::wire::extension;
use super::wire::request::{Flags, OfPath, Pair, Request, Set};

/// The request with each path in the form that is judged, which is the form that is sent.
///
/// What a symbolic link is to hold is left as it is: relative links are to stay relative. A file that is only opened takes no
/// attributes, so none are sent.
///
/// # Errors
/// A path that has no such form.
pub fn normalise<'a>(request: Request<'a>, home: &str) -> Result<Request<'a>, Unusable> {
    let normal = |path: &str| path::normalise(path, home);
    Ok(match request {
        Request::Open { path, flags, attributes } => Request::Open {
            path: normal(&path)?.into(),
            flags,
            attributes: if flags.any(Flags::CREATE) { attributes } else { Attributes::default() },
        },
        Request::OfPath(OfPath::Expand, path) => {
            Request::OfPath(OfPath::Expand, path::expand(&path, home)?.into())
        }
        Request::OfPath(what, path) => Request::OfPath(what, normal(&path)?.into()),
        Request::Set(what, path, attributes) => Request::Set(what, normal(&path)?.into(), attributes),
        Request::Pair(Pair::Symlink, holds, link) => {
            Request::Pair(Pair::Symlink, holds, normal(&link)?.into())
        }
        Request::Pair(what, one, two) => Request::Pair(what, normal(&one)?.into(), normal(&two)?.into()),
        other => other,
    })
}

/// What opening a file with these flags lets its handle do.
///
/// Without a flag for writing a target opens for reading, whatever else is set.
#[must_use]
pub const fn access(flags: Flags) -> Access {
    let write = flags.any(Flags::WRITE);
    Access::File { read: flags.any(Flags::READ) || !write, write }
}

/// What a normalised request does, and how to show it to people. `path` is what a handle in it stands for.
///
/// `None` for a request that goes on with what was admitted before: the use of a handle.
#[must_use]
pub fn operation(request: &Request<'_>, path: Option<&str>) -> Option<(ActionSet, String)> {
    let on = |verb, path: &str| Action::new(Verb::new(verb), ssh::path(path));
    let to = |action: Action, path: &str| action.with("to", Value::Text(path.into()));
    let (actions, text) = match request {
        Request::Open { path, flags, .. } => {
            let verbs = opening(*flags);
            let text = format!("open {} to {}", shown(path), verbs.join(" and "));
            (verbs.into_iter().map(|verb| on(verb, path)).collect(), text)
        }
        Request::OfPath(what, path) => {
            let (verb, name) = match what {
                OfPath::Lstat => ("list", "lstat"),
                OfPath::Stat => ("list", "stat"),
                OfPath::Opendir => ("list", "opendir"),
                OfPath::Realpath => ("list", "realpath"),
                OfPath::Statvfs => ("list", "statvfs"),
                OfPath::Expand => ("list", "expand-path"),
                OfPath::Remove => ("remove", "remove"),
                OfPath::Rmdir => ("rmdir", "rmdir"),
                OfPath::Readlink => ("readlink", "readlink"),
            };
            (vec![on(verb, path)], format!("{name} {}", shown(path)))
        }
        Request::Set(Set::Mkdir, path, _) => (vec![on("mkdir", path)], format!("mkdir {}", shown(path))),
        Request::Set(_, path, attributes) => setting(path, *attributes),
        Request::Fsetstat(_, attributes) => match path {
            Some(path) => setting(path, *attributes),
            None => (vec![Action::unknown()], "setstat on a handle that is not open".to_owned()),
        },
        Request::Pair(Pair::Rename | Pair::PosixRename, from, new) => {
            // Whatever had the new name is gone, and its readers find something else: that is a write.
            let actions = vec![to(on("rename", from), new), on("write", new)];
            (actions, format!("rename {} to {}", shown(from), shown(new)))
        }
        Request::Pair(Pair::Hardlink, file, new) => {
            // By the new name may be done what its rules allow, and it is done to the old one's file.
            let actions = vec![to(on("symlink", new), file), on("read", file), on("write", file)];
            (actions, format!("hardlink {} to {}", shown(new), shown(file)))
        }
        Request::Pair(Pair::Symlink, holds, link) => {
            let parent = link.rsplit_once('/').map_or("/", |(parent, _)| parent);
            let action = on("symlink", link);
            let action = match path::normalise(holds, parent) {
                Ok(leads) => to(action, &leads),
                Err(_) => action.with("to", Value::Undetermined),
            };
            (vec![action], format!("symlink {} to {}", shown(link), shown(holds)))
        }
        Request::Limits => extended(extension::LIMITS),
        Request::HomeDirectory(_) => extended(extension::HOME_DIRECTORY),
        Request::UsersGroups { .. } => extended(extension::USERS_GROUPS),
        Request::OfHandle(..) | Request::Read { .. } | Request::Write { .. } | Request::CopyData { .. } => {
            return None;
        }
    };
    Some((ActionSet::new(actions), format!("sftp {text}")))
}

fn opening(flags: Flags) -> Vec<&'static str> {
    let mut verbs = Vec::new();
    if access(flags).may_read() {
        verbs.push("read");
    }
    // Emptied is written to, whatever the handle is good for after that.
    if flags.any(Flags::TRUNCATE) {
        verbs.push("write");
    } else if flags.any(Flags::APPEND) {
        verbs.push("append");
    } else if flags.any(Flags::WRITE.and(Flags::CREATE).and(Flags::EXCLUSIVE)) {
        verbs.push("write");
    }
    verbs
}

fn setting(path: &str, attributes: Attributes) -> (Vec<Action>, String) {
    let mut text = format!("setstat {}", shown(path));
    let mut actions = vec![Action::new(Verb::new("setstat"), ssh::path(path))];
    if let Some(size) = attributes.size {
        // Another length is other content.
        actions.push(Action::new(Verb::new("write"), ssh::path(path)));
        let _ = write!(text, " size {size}");
    }
    if let Some((user, group)) = attributes.owner {
        let _ = write!(text, " owner {user}:{group}");
    }
    if let Some(permissions) = attributes.permissions {
        let _ = write!(text, " mode {permissions:04o}");
    }
    if let Some((read, changed)) = attributes.times {
        let _ = write!(text, " times {read} {changed}");
    }
    (actions, text)
}

fn extended(name: &'static str) -> (Vec<Action>, String) {
    (vec![Action::new(Verb::new("extended"), Resource::named([name]))], name.to_owned())
}

/// A path as people are shown it: nothing in it moves a cursor or turns the direction of reading.
fn shown(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || turns { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}
