//! What a server says: its answers, its questions, and what it tells.

use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::list::{LISTS, List, ListError};
use super::message::{MAX_BATCH, id_text};
use crate::http::body::{json, member};

/// One message of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A request of its own.
    Asks {
        /// Its id, as a JSON text; null where it has none.
        id: String,
        /// What it asks for.
        method: String,
    },
    /// A notification.
    Tells,
    /// An answer.
    Answers {
        /// The id of what it answers, as a JSON text; `None` is null.
        id: Option<String>,
        /// The lists that it holds, whatever was asked.
        lists: Vec<List>,
        /// What it asks for before it answers (`inputRequests`, revision 2026-07-28): keys and methods.
        inputs: Vec<(String, String)>,
    },
}

impl Said {
    /// Takes a message or a batch apart: each element with its text.
    ///
    /// # Errors
    /// What is no JSON text that means one thing, no message, or has members that some readers take for others.
    pub fn all(bytes: &[u8]) -> Result<Vec<(&str, Self)>, ListError> {
        let odd = || ListError::Shape("messages");
        match json(bytes)? {
            Json::Array(elements) if elements.is_empty() || elements.len() > MAX_BATCH => Err(odd()),
            Json::Array(elements) => {
                let texts: Vec<&RawValue> = serde_json::from_slice(bytes)?;
                let each = texts.iter().zip(&elements);
                each.map(|(text, element)| Ok((text.get(), Self::read(element)?))).collect()
            }
            single => {
                let text: &RawValue = serde_json::from_slice(bytes)?;
                Ok(vec![(text.get(), Self::read(&single)?)])
            }
        }
    }

    fn read(json: &Json) -> Result<Self, ListError> {
        let odd = || ListError::Shape("messages");
        let Json::Object(object) = json else { return Err(odd()) };
        let of = |name| member(object, name).map_err(|_| odd());
        let id = match of("id")? {
            None | Some(Json::Null) => None,
            Some(id) => Some(id_text(id).ok_or_else(odd)?),
        };
        match (of("method")?, of("result")?, of("error")?) {
            (Some(Json::String(method)), None, None) => Ok(match id {
                Some(id) => Self::Asks { id, method: method.clone() },
                None if method.starts_with("notifications/") => Self::Tells,
                // Not every client looks for an id before it does what it is asked for.
                None => Self::Asks { id: "null".to_owned(), method: method.clone() },
            }),
            (None, Some(Json::Object(result)), None) => {
                Ok(Self::Answers { id, lists: lists(result)?, inputs: inputs(result)? })
            }
            (None, None, Some(Json::Object(_))) => {
                Ok(Self::Answers { id, lists: Vec::new(), inputs: Vec::new() })
            }
            _ => Err(odd()),
        }
    }
}

/// Which lists a result holds. What is no array is no list to anybody.
fn lists(result: &Map<String, Json>) -> Result<Vec<List>, ListError> {
    let mut found = Vec::new();
    for list in LISTS {
        let value = member(result, list.member()).map_err(|_| ListError::Shape(list.member()))?;
        if let Some(Json::Array(_)) = value {
            found.push(list);
        }
    }
    Ok(found)
}

fn inputs(result: &Map<String, Json>) -> Result<Vec<(String, String)>, ListError> {
    let odd = || ListError::Shape("inputs");
    let asked = match member(result, "inputRequests").map_err(|_| odd())? {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::Object(asked)) => asked,
        Some(_) => return Err(odd()),
    };
    if asked.len() > MAX_BATCH {
        return Err(odd());
    }
    asked
        .iter()
        .map(|(key, request)| {
            let method = request.as_object().and_then(|request| member(request, "method").ok()??.as_str());
            Ok((key.clone(), method.ok_or_else(odd)?.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Option<Said> {
        Said::all(text.as_bytes()).ok()?.into_iter().map(|(_, said)| said).next()
    }

    #[test]
    fn a_server_asks_tells_and_answers() {
        let answers =
            |lists: &[List]| Said::Answers { id: Some("1".into()), lists: lists.to_vec(), inputs: vec![] };
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, answers(&[])),
            (r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#, answers(&[List::Tools])),
            (r#"{"jsonrpc":"2.0","id":1,"result":{"tools":{}}}"#, answers(&[])),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"resources":[],"prompts":[]}}"#,
                answers(&[List::Prompts, List::Resources]),
            ),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#, answers(&[])),
            (
                r#"{"jsonrpc":"2.0","id":"a","method":"roots/list"}"#,
                Said::Asks { id: "\"a\"".into(), method: "roots/list".into() },
            ),
            (r#"{"jsonrpc":"2.0","method":"notifications/message"}"#, Said::Tells),
            (
                r#"{"jsonrpc":"2.0","method":"sampling/createMessage"}"#,
                Said::Asks { id: "null".into(), method: "sampling/createMessage".into() },
            ),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"roots/list"}"#,
                Said::Asks { id: "null".into(), method: "roots/list".into() },
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"inputRequests":{"k":{"method":"roots/list"}}}}"#,
                Said::Answers {
                    id: Some("1".into()),
                    lists: vec![],
                    inputs: vec![("k".into(), "roots/list".into())],
                },
            ),
        ] {
            assert_eq!(one(text), Some(expected), "{text}");
        }
        for odd in [
            "",
            "1",
            "[]",
            r#"{"id":1,"result":{"tools":[],"Tools":[]}}"#,
            r#"{"id":1,"result":{"TOOLS":[]}}"#,
            r#"{"id":1,"result":{},"Result":{}}"#,
            r#"{"id":1,"result":{},"error":{}}"#,
            r#"{"id":1,"result":{},"result":{}}"#,
            r#"{"id":1.5,"result":{}}"#,
            r#"{"id":1,"result":[]}"#,
            r#"{"id":1,"result":{"inputRequests":[{"method":"roots/list"}]}}"#,
            r#"{"id":1,"result":{"inputRequests":{},"InputRequests":{"k":{"method":"roots/list"}}}}"#,
            r#"{"id":1,"result":{"inputRequests":{"k":{"method":"ping","Method":"roots/list"}}}}"#,
        ] {
            assert_eq!(one(odd), None, "{odd}");
        }
        let batch = |number| format!("[{}]", vec![r#"{"id":1,"result":{}}"#; number].join(","));
        assert!(one(&batch(MAX_BATCH)).is_some() && one(&batch(MAX_BATCH + 1)).is_none());
        let inputs = |number: usize| {
            let each: Vec<String> =
                (0..number).map(|key| format!(r#""{key}":{{"method":"ping"}}"#)).collect();
            format!(r#"{{"id":1,"result":{{"inputRequests":{{{}}}}}}}"#, each.join(","))
        };
        assert!(one(&inputs(MAX_BATCH)).is_some() && one(&inputs(MAX_BATCH + 1)).is_none());
        assert_eq!(
            Said::all(br#"[{"id":1,"result":{}}, {"method":"x"}]"#).map(|all| all.len()).ok(),
            Some(2)
        );
    }
}
