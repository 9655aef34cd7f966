//! GraphQL over HTTP: what a request selects, field by field, in the words of [`policy_core::vocabulary::http`].
//!
//! - [`request`](self): which texts, operations and variables a request holds;
//! - `grammar`: a text as a document, by `apollo-parser`, which is named nowhere else;
//! - `document`: what is kept of it, and whether its fragments are sound;
//! - `walk`: the walk over all that an operation selects;
//! - `select`: the paths of the fields that an operation selects;
//! - `argument`: what a condition on an argument sees;
//! - [`renamed`]: which fields an answer calls otherwise than they are called.
//!
//! Without the schema: a path goes by the names of fields as the operation writes them. Rules that must hold wherever
//! a type is reached name the end of the path, `"**/ssn"`.

mod argument;
mod document;
mod grammar;
mod rename;
mod request;
mod select;
mod walk;

pub use rename::Renamed;
pub use request::{MAX_BATCH, actions, renamed};

use super::Target;

/// Whether GraphQL is spoken at this target, where it is at these paths, which begin with a slash and end without one. A slash at the
/// target's end makes no difference, as it makes none to rules, and capitals make none to many servers. Where servers do not agree on
/// the target ([`Target::segments`]) it is not known, and `false`.
pub fn is_spoken(target: &Target, paths: &[String]) -> bool {
    let Some(segments) = &target.segments else { return false };
    let is_it = |path: &String| {
        let wanted = path.split('/').skip(1);
        segments.len() == wanted.clone().count()
            && segments.iter().zip(wanted).all(|(one, other)| one.eq_ignore_ascii_case(other))
    };
    paths.iter().any(is_it)
}

/// How long a text may be, in bytes.
pub const MAX_TEXT: usize = 128 << 10;
/// How many tokens it may have; spaces, commas and comments are tokens too.
pub const MAX_TOKENS: usize = 20_000;
/// How deep its brackets may nest, and how deep fields may lie.
pub const MAX_DEPTH: usize = 64;
/// How long a name may be, in bytes: it is repeated in the path of each field below.
pub const MAX_NAME: usize = 128;
/// The longest text of an argument or header field that is compared, in bytes: it is repeated for each field below. A longer one is
/// undetermined.
pub const MAX_VALUE: usize = 4 << 10;
/// How many fields the operations of a request may select, and how many selections it may take to find them, which are
/// many more where fragments are used again and again.
pub const MAX_FIELDS: usize = 1_000;
/// See [`MAX_FIELDS`].
pub const MAX_SELECTIONS: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_in_whatever_spelling() {
        let paths = ["/graphql".to_owned(), "/api/query".to_owned()];
        for (text, expected) in [
            ("/graphql", true),
            ("/graphql/", true),
            ("/graphql?query=x", true),
            ("/./graphql", true),
            ("/%67raphql", true),
            ("/GraphQL", true),
            ("/API/query", true),
            ("/graphql/x", false),
            ("/api", false),
            ("/", false),
            ("/graphql;x", false),
        ] {
            let target = Target::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(is_spoken(&target, &paths), expected, "{text}");
        }
    }
}
