//! Which texts, operations and variables a request holds.

use policy_core::{Action, ActionSet, Resource, Value, Verb};
use serde_json::{Map, Value as Json};

use super::argument::{Variables, short};
use super::document::{Document, Operation};
use super::grammar;
use super::rename::{self, Renamed};
use super::select::selected;
use super::walk::Budget;
use crate::http::action::{action, with_header};
use crate::http::body::{json, member};
use crate::http::{Body, Fields, Parts};

/// How many operations a request may bring at once.
pub const MAX_BATCH: usize = 50;

/// What a request brings for one operation. No other members: some servers take a stored operation by `id` or
/// `documentId`, whatever text is there too.
const MEMBERS: [&str; 4] = ["query", "operationName", "variables", "extensions"];

/// What a request to a GraphQL server does: itself, as [`action`] says, and each field that its operations select.
///
/// `text` is the body's bytes, which only `application/graphql` is read from. An operation is in the query of a GET or HEAD, or in the
/// body of a POST: a JSON object, a list of them, or the text alone. Anything else is the action `unknown` too: a
/// body that was not read, several operations and no name, an operation by its hash or id, a document that no server should
/// run, one that is too much ([`MAX_TEXT`](super::MAX_TEXT) and what stands beside it), a WebSocket. OPTIONS runs no operation.
pub fn actions(parts: &Parts<'_>, text: &[u8], fields: &Fields) -> ActionSet {
    let itself = action(parts, fields);
    let of_fields = match parts.method {
        "OPTIONS" if !parts.upgrade => vec![],
        _ => {
            let mut budget = Budget::new();
            let each = |asked: &Asked<'_>| asked.actions(parts, fields, &mut budget);
            each_asked(parts, text, each).unwrap_or_else(|| vec![Action::unknown()])
        }
    };
    ActionSet::new(itself.iter().cloned().chain(of_fields))
}

/// The fields that the answer to such a request calls otherwise than they are called; `None` where that can't be told.
pub fn renamed(parts: &Parts<'_>, text: &[u8]) -> Option<Vec<Renamed>> {
    let mut budget = Budget::new();
    match parts.method {
        "OPTIONS" if !parts.upgrade => Some(vec![]),
        _ => each_asked(parts, text, |asked| {
            let document = grammar::read(asked.text)?;
            rename::renamed(&document, asked.operation_of(&document)?, &mut budget)
        }),
    }
}

/// One operation that a request asks for.
struct Asked<'a> {
    text: &'a str,
    operation: Option<&'a str>,
    variables: Option<&'a Map<String, Json>>,
}

/// What is made of each operation that a request asks for, one after the other; `None` where one can't be told.
fn each_asked<T: Clone>(
    parts: &Parts<'_>,
    text: &[u8],
    mut make: impl FnMut(&Asked<'_>) -> Option<Vec<T>>,
) -> Option<Vec<T>> {
    match (parts.method, parts.body) {
        _ if parts.upgrade => None,
        ("GET" | "HEAD", None | Some(Body::None)) if parts.media_type.is_empty() => {
            if is_stored(parts) {
                return None;
            }
            let value = |name| match only(parts, name)? {
                None | Some("") => Some(None),
                Some(text) => json(text.as_bytes()).ok().map(Some),
            };
            let (variables, extensions) = (value("variables")?, value("extensions")?);
            let asked = Asked::new(
                only(parts, "query")??,
                only(parts, "operationName")?,
                variables.as_ref(),
                extensions.as_ref(),
            )?;
            make(&asked)
        }
        // Some servers take what is in the query of the target before what is in the body.
        ("POST", _) if is_stored(parts) || MEMBERS.iter().any(|name| only(parts, name) != Some(None)) => None,
        ("POST", Some(Body::Json(Json::Array(all)))) if !all.is_empty() && all.len() <= MAX_BATCH => {
            let each = all.iter().map(|one| make(&Asked::of(one)?));
            Some(each.collect::<Option<Vec<_>>>()?.concat())
        }
        ("POST", Some(Body::Json(one))) => make(&Asked::of(one)?),
        ("POST", Some(_)) if parts.media_type == "application/graphql" => {
            let asked = Asked { text: str::from_utf8(text).ok()?, operation: None, variables: None };
            make(&asked)
        }
        _ => None,
    }
}

/// The value of a key of the query, if there is one; `None` where there are several, or the query can't be told.
fn only<'a>(parts: &Parts<'a>, name: &str) -> Option<Option<&'a str>> {
    let pairs = parts.target.query.as_ref()?;
    let mut found = pairs.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    match (found.next(), found.next()) {
        (None, _) => Some(None),
        (Some((key, value)), None) if key == name => Some(Some(value)),
        _ => None,
    }
}

/// Whether the query names a stored operation.
fn is_stored(parts: &Parts<'_>) -> bool {
    let stored = ["id", "documentId", "doc_id", "queryId", "hash"];
    stored.iter().any(|name| only(parts, name) != Some(None))
}

/// An object, where there is one; `None` where it is something else.
fn object(json: Option<&Json>) -> Option<Option<&Map<String, Json>>> {
    match json {
        None | Some(Json::Null) => Some(None),
        Some(Json::Object(object)) => Some(Some(object)),
        Some(_) => None,
    }
}

impl<'a> Asked<'a> {
    fn of(json: &'a Json) -> Option<Self> {
        let Json::Object(members) = json else { return None };
        if !members.keys().all(|key| MEMBERS.contains(&key.as_str())) {
            return None;
        }
        let operation = match members.get("operationName") {
            None | Some(Json::Null) => None,
            Some(name) => Some(name.as_str()?),
        };
        let text = members.get("query")?.as_str()?;
        Self::new(text, operation, members.get("variables"), members.get("extensions"))
    }

    /// A hash beside the text may be of another one: whether a server compares the two is not known.
    fn new(
        text: &'a str,
        operation: Option<&'a str>,
        variables: Option<&'a Json>,
        extensions: Option<&'a Json>,
    ) -> Option<Self> {
        let has_hash = match object(extensions)? {
            None => false,
            Some(extensions) => !matches!(member(extensions, "persistedQuery"), Ok(None)),
        };
        (!has_hash).then_some(Self { text, operation, variables: object(variables)? })
    }

    fn operation_of<'d>(&self, document: &'d Document) -> Option<&'d Operation> {
        // To some servers an empty name is none.
        document.operation(self.operation.filter(|name| !name.is_empty()))
    }

    /// The fields that it selects.
    fn actions(&self, parts: &Parts<'_>, fields: &Fields, budget: &mut Budget) -> Option<Vec<Action>> {
        let document = grammar::read(self.text)?;
        let operation = self.operation_of(&document)?;
        let variables = Variables { declared: &operation.variables, given: self.variables };
        let looked_at = fields.of_family("arguments");
        let name = operation.name.as_deref().map_or(Value::Absent, |name| Value::Text(name.into()));
        let selected = selected(&document, operation, &variables, looked_at, budget)?;
        let any = Action::new(Verb::new(operation.verb), Resource::None).with("operation", name);
        let any = with_header(any, parts, fields);
        let any = any.attributes().iter().fold(any.clone(), |any, attribute| {
            any.with(attribute.name.clone(), short(attribute.value.clone()))
        });
        let actions = selected.into_iter().map(|field| {
            let mut action = any.clone();
            action.resource = field.path;
            looked_at
                .iter()
                .zip(field.arguments)
                .fold(action, |action, (name, value)| action.with(format!("arguments.{name}"), value))
        });
        Some(actions.collect())
    }
}
