//! A message, and what its elements are: requests, notifications, answers.

use policy_core::{Action, ActionSet};
use serde_json::{Map, Value as Json};

use super::method::{self, Context};
use crate::http::body::{Alike, json, member};

/// How many elements a batch may have.
pub const MAX_BATCH: usize = 100;

/// What came in one body or one event.
#[derive(Clone, Debug)]
pub struct Messages {
    /// The message, or the elements of the batch; never empty.
    pub elements: Vec<Element>,
    /// Whether it is a batch (revision 2025-03-26 only), which is answered by one.
    pub batch: bool,
}

/// One JSON-RPC message.
#[derive(Clone, Debug)]
pub struct Element {
    /// The id as a JSON text; `None` where there is none that an answer could name: a notification, a null, no message at all.
    pub id: Option<String>,
    /// The method; `None` where it is an answer, or no message at all.
    pub method: Option<String>,
    /// What it does; never empty. What is not understood is the action `unknown`.
    pub actions: Vec<Action>,
}

impl Messages {
    /// Reads the text of a message. One that is not JSON, has a key twice or is nested too deeply is one element that is unknown.
    pub fn parse(bytes: &[u8], context: &Context<'_>) -> Self {
        let unknown = |batch| Self { elements: vec![Element::unknown()], batch };
        match json(bytes) {
            Ok(Json::Array(elements)) if elements.is_empty() || elements.len() > MAX_BATCH => unknown(true),
            Ok(Json::Array(elements)) => Self {
                elements: elements.iter().map(|element| Element::read(element, context)).collect(),
                batch: true,
            },
            Ok(single) => Self { elements: vec![Element::read(&single, context)], batch: false },
            Err(_) => unknown(false),
        }
    }

    /// What all elements do.
    pub fn actions(&self) -> ActionSet {
        ActionSet::new(self.elements.iter().flat_map(|element| element.actions.iter().cloned()))
    }
}

impl Element {
    fn unknown() -> Self {
        Self { id: None, method: None, actions: vec![Action::unknown()] }
    }

    fn read(json: &Json, context: &Context<'_>) -> Self {
        let Json::Object(object) = json else { return Self::unknown() };
        let id = object.get("id").and_then(id_text);
        let method = object.get("method").and_then(Json::as_str).map(str::to_owned);
        let actions = Parts::of(object).and_then(|parts| match parts {
            Parts::Call { method, params } => method::actions(method, params, context),
            Parts::Answer { id, result } => Some(vec![method::answer(context.asked_by_id(&id), result)]),
        });
        Self { id, method, actions: actions.unwrap_or_else(|| vec![Action::unknown()]) }
    }
}

/// What a message is made of.
enum Parts<'a> {
    /// A request or a notification.
    Call { method: &'a str, params: Option<&'a Map<String, Json>> },
    /// An answer; without a result it is an error.
    Answer { id: String, result: Option<&'a Map<String, Json>> },
}

impl<'a> Parts<'a> {
    /// `None` where it is no message of JSON-RPC 2.0, or has members that no such message has: a reader that does not mind
    /// capitals would take `Method` for `method`.
    fn of(object: &'a Map<String, Json>) -> Option<Self> {
        let known = ["jsonrpc", "id", "method", "params", "result", "error"];
        if object.get("jsonrpc")? != "2.0" || object.keys().any(|key| !known.contains(&key.as_str())) {
            return None;
        }
        let id = match object.get("id") {
            None | Some(Json::Null) => None,
            Some(id) => Some(id_text(id)?),
        };
        match (object.get("method"), object.get("result"), object.get("error")) {
            (Some(Json::String(method)), None, None) => {
                let params = match object.get("params") {
                    None => None,
                    Some(Json::Object(params)) => Some(params),
                    // By position: which is which is not said.
                    Some(_) => return None,
                };
                Some(Self::Call { method, params })
            }
            (None, Some(Json::Object(result)), None) if !object.contains_key("params") => {
                Some(Self::Answer { id: id?, result: Some(result) })
            }
            // An error may be about a request whose id could not be read.
            (None, None, Some(Json::Object(_))) if !object.contains_key("params") => {
                Some(Self::Answer { id: id.unwrap_or_else(|| "null".into()), result: None })
            }
            _ => None,
        }
    }
}

/// An id as a JSON text: a string or a whole number.
pub(super) fn id_text(id: &Json) -> Option<String> {
    match id {
        Json::String(_) => Some(id.to_string()),
        Json::Number(number) if !number.is_f64() => Some(id.to_string()),
        _ => None,
    }
}

/// A text in these params; `None` where there is none, or another one that some readers would take.
pub(super) fn text<'a>(params: Option<&'a Map<String, Json>>, name: &str) -> Option<&'a str> {
    member(params?, name).ok().flatten()?.as_str()
}

/// An object in these params, where there is one.
pub(super) fn object<'a>(
    params: Option<&'a Map<String, Json>>,
    name: &str,
) -> Result<Option<&'a Json>, Alike> {
    let Some(params) = params else { return Ok(None) };
    match member(params, name)? {
        None | Some(Json::Null) => Ok(None),
        Some(object @ Json::Object(_)) => Ok(Some(object)),
        Some(_) => Err(Alike),
    }
}
