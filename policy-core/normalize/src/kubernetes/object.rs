//! Bodies as far as rules look at them: the fields that they set.

use policy_core::Value;
use serde_json::Value as Json;

use super::patch::{self, Operation};
use super::yaml;
use crate::http::{Body, BodyError};

/// The most actions that one request becomes for the sake of list elements that differ.
pub(super) const MAX_VIEWS: usize = 16;

/// The most values of one field that are told apart.
const MAX_VALUES: usize = MAX_VIEWS;

/// A body that was read in full.
#[derive(Clone, Debug)]
pub struct Object(Kind);

#[derive(Clone, Debug)]
enum Kind {
    None,
    /// An object, or a part of one: of what is not there nothing is set.
    Plain(Json),
    /// A strategic merge patch, whose directives do what is not followed here.
    Strategic(Json),
    Operations(Vec<Operation>),
    Opaque,
}

impl Object {
    /// Reads a body of this media type (lower case, without parameters), as the API server does by it.
    ///
    /// Protobuf, CBOR, YAML beyond [a strict part](super#bodies) and types that are not known are opaque: what they set is
    /// undetermined. No type at all is JSON.
    ///
    /// # Errors
    /// A JSON text that is none, has a key twice, or is nested too deeply: such a request is `unknown`.
    pub fn read(media_type: &str, bytes: &[u8]) -> Result<Self, BodyError> {
        if bytes.is_empty() {
            return Ok(Self(Kind::None));
        }
        Ok(Self(match media_type {
            "" | "application/json" | "application/merge-patch+json" => Kind::Plain(json(bytes)?),
            "application/strategic-merge-patch+json" => Kind::Strategic(json(bytes)?),
            "application/json-patch+json" => {
                patch::operations(json(bytes)?).map_or(Kind::Opaque, Kind::Operations)
            }
            "application/yaml" | "application/apply-patch+yaml" => {
                yaml::read(bytes).map_or(Kind::Opaque, Kind::Plain)
            }
            _ => Kind::Opaque,
        }))
    }

    /// Whether there is no body at all.
    pub fn is_none(&self) -> bool {
        matches!(self.0, Kind::None)
    }

    /// Whether nothing is known of what it sets.
    pub fn is_opaque(&self) -> bool {
        matches!(self.0, Kind::Opaque)
    }

    /// Whether what it sets may be a value that is there already, somewhere else.
    pub(super) fn copies(&self) -> bool {
        match &self.0 {
            Kind::None | Kind::Plain(_) | Kind::Strategic(_) => false,
            Kind::Operations(operations) => operations.iter().any(Operation::copies),
            Kind::Opaque => true,
        }
    }

    /// What a condition on `object.NAME` may see: one value, or several where list elements differ; an element without the
    /// field is a [`Value::Absent`]. Never empty.
    pub fn values(&self, name: &str) -> Vec<Value> {
        let mut seen = Seen::default();
        match &self.0 {
            Kind::None => {}
            Kind::Plain(json) if json.is_object() => seen.below(json, name, false),
            Kind::Strategic(json) if json.is_object() => seen.below(json, name, true),
            Kind::Operations(operations) => {
                operations.iter().for_each(|operation| operation.see(name, &mut seen));
            }
            Kind::Plain(_) | Kind::Strategic(_) | Kind::Opaque => seen.unclear = true,
        }
        seen.values()
    }

    /// The only value of a field, or [`Value::Undetermined`].
    pub(super) fn value(&self, name: &str) -> Value {
        match self.values(name).as_slice() {
            [value] => value.clone(),
            _ => Value::Undetermined,
        }
    }
}

fn json(bytes: &[u8]) -> Result<Json, BodyError> {
    match Body::read("application/json", bytes)? {
        Body::Json(json) => Ok(json),
        _ => Ok(Json::Null),
    }
}

/// The values of a field that were seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    values: Vec<Value>,
    /// Whether one of them can't be told.
    pub(super) unclear: bool,
}

impl Seen {
    /// Looks at what a value has by this name; `directives` where those of strategic merge patches count.
    pub(super) fn below(&mut self, json: &Json, name: &str, directives: bool) {
        match json {
            Json::Object(object) => {
                let is_directive = |key: &&String| key.starts_with('$');
                for key in object.keys().filter(|_| directives).filter(is_directive) {
                    // `$setElementOrder/containers`: about that field alone.
                    let touched = key.split_once('/').is_none_or(|(_, field)| begins(name, field));
                    self.unclear |= touched;
                }
                let mut found = false;
                // A key may have dots itself: every way to cut the name is one to look.
                for (at, _) in name.match_indices('.').chain([(name.len(), "")]) {
                    let (key, rest) = (name.get(..at).unwrap_or(name), name.get(at + 1..));
                    if let Some(value) = object.get(key) {
                        found = true;
                        match rest {
                            Some(rest) => self.below(value, rest, directives),
                            None => self.end(value),
                        }
                    }
                }
                if !found {
                    self.add(Value::Absent);
                }
            }
            Json::Array(elements) => {
                elements.iter().for_each(|element| self.below(element, name, directives));
            }
            Json::Null => self.add(Value::Absent),
            // The name goes on where there is nothing to go into.
            _ => self.unclear = true,
        }
    }

    /// A value that the name ends at.
    pub(super) fn end(&mut self, json: &Json) {
        match json {
            Json::Bool(value) => self.add(Value::Bool(*value)),
            Json::String(text) => self.add(Value::Text(text.as_str().into())),
            Json::Number(number) => match number.as_i64() {
                Some(number) => self.add(Value::Integer(number)),
                None => self.unclear = true,
            },
            Json::Null => self.add(Value::Absent),
            Json::Array(elements) => elements.iter().for_each(|element| self.end(element)),
            Json::Object(_) => self.unclear = true,
        }
    }

    pub(super) fn add(&mut self, value: Value) {
        if self.values.len() >= MAX_VALUES {
            self.unclear = true;
        } else if !self.values.contains(&value) {
            self.values.push(value);
        }
    }

    fn values(self) -> Vec<Value> {
        match self.values {
            _ if self.unclear => vec![Value::Undetermined],
            values if values.is_empty() => vec![Value::Absent],
            values => values,
        }
    }
}

/// Whether a name leads through this field.
fn begins(name: &str, field: &str) -> bool {
    name.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Every combination of the values of these fields, no more than [`MAX_VIEWS`]: fields whose values would make more are
/// undetermined, those with the most values first.
pub(super) fn views(mut fields: Vec<(String, Vec<Value>)>) -> Vec<Vec<(String, Value)>> {
    let count = |fields: &[(String, Vec<Value>)]| {
        fields.iter().fold(1_usize, |count, (_, values)| count.saturating_mul(values.len()))
    };
    while count(&fields) > MAX_VIEWS
        && let Some((_, values)) = fields.iter_mut().max_by_key(|(_, values)| values.len())
    {
        *values = vec![Value::Undetermined];
    }
    let mut views = vec![vec![]];
    for (name, values) in fields {
        views = views
            .into_iter()
            .flat_map(|view: Vec<(String, Value)>| {
                let name = &name;
                values.iter().map(move |value| {
                    let mut view = view.clone();
                    view.push((name.clone(), value.clone()));
                    view
                })
            })
            .collect();
    }
    views
}
