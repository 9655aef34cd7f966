//! Paths as resources: absolute, lexically normalised.
//!
//! SFTP requests and redirections name files; both are judged by the name that this makes of them.

use policy_core::vocabulary::ssh;
use policy_core::{Name, Resource, Tree};

/// The resource that a path names: `/etc/passwd` is `["etc", "passwd"]`, and the root goes by `["."]` (see [`ssh::path`]).
///
/// A relative path starts at `start`, an absolute path; `None` where that is not known. Empty segments and `.` are
/// dropped. What `..` after a directory names depends on whether that directory is a link: such a path, an empty one,
/// one with a control character, or a relative one without a known start is [`Resource::Undetermined`]. Links that lie on the way
/// are not followed: a policy on names can't see them.
pub fn resource(path: &str, start: Option<&str>) -> Resource {
    match normalised(path, start) {
        Some(segments) => ssh::path(&format!("/{}", segments.join("/"))),
        None => Resource::Undetermined,
    }
}

/// The resource of a path and whatever lies below it, as [`resource`] reads it.
pub fn tree(path: &str, start: Option<&str>) -> Resource {
    match normalised(path, start) {
        Some(segments) if segments.is_empty() => Resource::Tree(Tree::EVERYTHING),
        Some(segments) => {
            Name::new(segments).map_or(Resource::Undetermined, |root| Resource::Tree(Tree::of(root)))
        }
        None => Resource::Undetermined,
    }
}

/// The path's segments; none for the root.
pub(super) fn normalised(path: &str, start: Option<&str>) -> Option<Vec<String>> {
    if path.is_empty() || path.contains(|character: char| character.is_control()) {
        return None;
    }
    let mut segments = vec![];
    if !path.starts_with('/') {
        let start = start.filter(|start| start.starts_with('/'))?;
        walk(start, &mut segments)?;
    }
    walk(path, &mut segments)?;
    Some(segments)
}

fn walk(path: &str, segments: &mut Vec<String>) -> Option<()> {
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            // The root's parent is the root.
            ".." if segments.is_empty() => {}
            ".." => return None,
            _ => segments.push(segment.to_owned()),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_by_their_text_alone() {
        for (path, start, expected) in [
            ("/etc/passwd", None, Some(&["etc", "passwd"][..])),
            ("//etc/./passwd/", None, Some(&["etc", "passwd"])),
            ("/", None, Some(&["."])),
            ("/..", None, Some(&["."])),
            ("/../etc", None, Some(&["etc"])),
            ("/tmp/../etc/passwd", None, None),
            ("notes", Some("/home/ana"), Some(&["home", "ana", "notes"])),
            ("./notes", Some("/home/ana/"), Some(&["home", "ana", "notes"])),
            ("../bo/notes", Some("/home/ana"), None),
            ("notes", None, None),
            ("notes", Some("relative"), None),
            ("", Some("/home/ana"), None),
            ("/etc/pass\nwd", None, None),
            ("/etc/pass\u{1f}wd", None, None),
        ] {
            let expected = expected.map_or(Resource::Undetermined, Resource::named);
            assert_eq!(resource(path, start), expected, "{path} from {start:?}");
        }
    }
}
