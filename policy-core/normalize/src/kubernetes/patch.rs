//! JSON patches (RFC 6902): what their operations set.

use serde_json::Value as Json;

use super::object::Seen;

/// One operation of a patch.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// What it changes, as tokens: the path, and for `move` and `copy` where that comes from.
    places: Vec<Vec<String>>,
    /// What it sets there; `None` where that can't be told.
    sets: Option<Json>,
}

/// The operations of a patch; `None` for what is none, or could be read otherwise.
pub(super) fn operations(json: Json) -> Option<Vec<Operation>> {
    let Json::Array(operations) = json else { return None };
    operations.into_iter().map(operation).collect()
}

fn operation(json: Json) -> Option<Operation> {
    let Json::Object(mut object) = json else { return None };
    let path = tokens(object.get("path")?)?;
    let (places, sets) = match object.get("op")?.as_str()? {
        "add" | "replace" => (vec![path], Some(object.remove("value")?)),
        // As with a merge patch's null: nothing is set.
        "remove" => (vec![path], Some(Json::Null)),
        "test" => (vec![path], None),
        "move" | "copy" => (vec![path, tokens(object.get("from")?)?], None),
        _ => return None,
    };
    Some(Operation { places, sets })
}

/// A pointer's tokens (RFC 6901); the root, and what libraries read in several ways, is `None`.
fn tokens(pointer: &Json) -> Option<Vec<String>> {
    let rest = pointer.as_str()?.strip_prefix('/')?;
    let is_escape = |after: Option<char>| matches!(after, Some('0' | '1'));
    if rest.match_indices('~').any(|(at, _)| !is_escape(rest[at + 1..].chars().next())) {
        return None;
    }
    Some(rest.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect())
}

impl Operation {
    /// Whether it takes what it sets from another place.
    pub(super) fn copies(&self) -> bool {
        self.places.len() > 1
    }

    /// Notes what it sets of the field of this name.
    pub(super) fn see(&self, name: &str, seen: &mut Seen) {
        for place in &self.places {
            for end in follow(place, name) {
                match (end, &self.sets) {
                    (End::Below(rest), Some(json)) => seen.below(json, rest, false),
                    (End::At, Some(json)) => seen.end(json),
                    // Something inside of what the name is of, or that can't be told.
                    (End::Above, _) | (_, None) => seen.unclear = true,
                }
            }
        }
    }
}

/// Where a name stands in relation to a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End<'n> {
    /// The pointer leads to something that the name goes on in.
    Below(&'n str),
    /// Both lead to the same.
    At,
    /// The pointer leads into what the name is of.
    Above,
}

/// Follows both at once; an index of a list is no part of the name, but may be a key. What is left of the name is told
/// apart by its length alone, so that there are never more ways than the name has parts.
fn follow<'n>(tokens: &[String], name: &'n str) -> Vec<End<'n>> {
    let mut ends = vec![];
    // What is left of the name; `None` at its end.
    let mut ways = vec![Some(name)];
    for (index, token) in tokens.iter().enumerate() {
        let is_last = index + 1 == tokens.len();
        let mut further: Vec<Option<&str>> = vec![];
        for way in ways {
            match way {
                // An element of a list that the name ends at is one of its values.
                None if is_last && is_index(token) => further.push(None),
                None => ends.push(End::Above),
                Some(rest) => {
                    match rest.strip_prefix(token.as_str()) {
                        Some("") => further.push(None),
                        Some(after) => further.extend(after.strip_prefix('.').map(Some)),
                        None => {}
                    }
                    further.extend(is_index(token).then_some(Some(rest)));
                }
            }
        }
        further.sort_unstable_by_key(|way| way.map(str::len));
        further.dedup();
        ways = further;
    }
    ends.extend(ways.into_iter().map(|way| way.map_or(End::At, End::Below)));
    ends
}

/// `0`, `-`, and `-1`, which counts from the end; `+0` too, which the server's library (`strconv.Atoi`) takes for a number.
fn is_index(token: &str) -> bool {
    token.strip_prefix(['-', '+']).unwrap_or(token).bytes().all(|byte| byte.is_ascii_digit())
        && !token.is_empty()
}
