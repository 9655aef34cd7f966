//! What a condition on an argument sees.

use std::collections::HashMap;

use policy_core::Value;
use serde_json::{Map, Value as Json};

use super::MAX_VALUE;
use super::document::Literal;
use crate::http::body::{field, scalar};

/// A value, if it may be repeated.
pub(super) fn short(value: Value) -> Value {
    match value {
        Value::Text(text) if text.len() > MAX_VALUE => Value::Undetermined,
        value => value,
    }
}

/// What the variables of one operation stand for.
pub(super) struct Variables<'a> {
    /// Those that the operation declares, and their defaults.
    pub(super) declared: &'a HashMap<String, Option<Literal>>,
    /// Those that the request brings.
    pub(super) given: Option<&'a Map<String, Json>>,
}

impl Variables<'_> {
    /// The value of `path` among these arguments: a name, or names from object to object. `None` where no argument has its
    /// first name, so that one of a field above may be meant.
    pub(super) fn argument(&self, arguments: &[(String, Literal)], path: &str) -> Option<Value> {
        let (name, behind) = match path.split_once('.') {
            Some((name, behind)) => (name, Some(behind)),
            None => (path, None),
        };
        let mut found = arguments.iter().filter(|(argument, _)| argument == name);
        let (_, literal) = found.next()?;
        // Servers refuse what is there twice, or take either.
        Some(if found.next().is_some() { Value::Undetermined } else { short(self.value(literal, behind)) })
    }

    fn value(&self, literal: &Literal, path: Option<&str>) -> Value {
        match (literal, path) {
            (Literal::Variable(name), _) => self.variable(name, path),
            (Literal::Null, _) => Value::Absent,
            (Literal::Bool(value), None) => Value::Bool(*value),
            (Literal::Integer(value), None) => Value::Integer(*value),
            (Literal::Text(value), None) => Value::Text(value.as_str().into()),
            (Literal::Object(fields), Some(path)) => self.argument(fields, path).unwrap_or(Value::Absent),
            (Literal::Object(_) | Literal::Other, _) | (_, Some(_)) => Value::Undetermined,
        }
    }

    fn variable(&self, name: &str, path: Option<&str>) -> Value {
        let Some(default) = self.declared.get(name) else { return Value::Undetermined };
        match (self.given.and_then(|given| given.get(name)), path, default) {
            // A null that is given stands for no value, and no default takes its place.
            (Some(Json::Null), _, _) => Value::Absent,
            (Some(given), Some(path), _) => field(given, path),
            (Some(given), None, _) => scalar(given),
            // A default has no variables in it.
            (None, path, Some(default)) => self.value(default, path),
            (None, _, None) => Value::Absent,
        }
    }
}
