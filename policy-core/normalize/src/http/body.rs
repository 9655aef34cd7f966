//! Bodies as far as rules look at them: fields of JSON objects and of forms.

use std::fmt;

use policy_core::Value;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::Target;

/// How deep a JSON text may nest.
pub const MAX_DEPTH: usize = 64;

/// A body that was read in full.
#[derive(Clone, Debug)]
pub enum Body {
    /// There is none.
    None,
    /// A JSON text.
    Json(serde_json::Value),
    /// The pairs of a form.
    Form(Vec<(String, String)>),
    /// Something that no rule can look into.
    Opaque,
}

/// Why a body that a rule looks into can't be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Not JSON, a key that is there twice, or nested too deeply.
    #[error("the body is no JSON text that means one thing: {0}")]
    Json(#[from] serde_json::Error),
    /// Not a form.
    #[error(
        "the body is sent as a form (`application/x-www-form-urlencoded`), and is none that means one thing: for JSON, say `content-type: application/json`"
    )]
    Form,
}

impl Body {
    /// Reads a body of this media type (lower case, without parameters).
    ///
    /// # Errors
    /// A body that is not what its type says, or that readers would take for different things.
    pub fn read(media_type: &str, bytes: &[u8]) -> Result<Self, BodyError> {
        if bytes.is_empty() {
            return Ok(Self::None);
        }
        match media_type {
            "application/x-www-form-urlencoded" => {
                let text = std::str::from_utf8(bytes).map_err(|_| BodyError::Form)?;
                let query = Target::parse(&format!("/?{text}")).map_err(|_| BodyError::Form)?.query;
                Ok(Self::Form(query.ok_or(BodyError::Form)?))
            }
            _ if media_type == "application/json" || media_type.ends_with("+json") => {
                Ok(Self::Json(json(bytes)?))
            }
            _ => Ok(Self::Opaque),
        }
    }

    /// What a condition on `body.NAME` sees; the parts of `NAME` go from object to object.
    pub fn field(&self, name: &str) -> Value {
        match self {
            Self::None => Value::Absent,
            Self::Json(json) => field(json, name),
            Self::Form(_) | Self::Opaque => Value::Undetermined,
        }
    }

    /// What a condition on `form.NAME` sees.
    pub fn form_field(&self, name: &str) -> Value {
        match self {
            Self::None => Value::Absent,
            Self::Form(pairs) => value(pairs, name),
            Self::Json(_) | Self::Opaque => Value::Undetermined,
        }
    }
}

/// One value, or none; several are not known, because servers take the first, the last or all.
pub(super) fn only<'a>(mut values: impl Iterator<Item = &'a str>) -> Value {
    match (values.next(), values.next()) {
        (None, _) => Value::Absent,
        (Some(value), None) => Value::Text(value.into()),
        (Some(_), Some(_)) => Value::Undetermined,
    }
}

/// The one value of a key of a query or form. There must be none that servers take for it.
pub(super) fn value(pairs: &[(String, String)], name: &str) -> Value {
    if pairs.iter().any(|(key, _)| key != name && reads_as(key, name)) {
        return Value::Undetermined;
    }
    only(pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| &**value))
}

/// Whether there are servers that take this key for that name: some do not mind capitals, many put `a[]` and `a[0]` into a list that
/// is called `a`, and PHP reads `a.b`, `a b` and `a[b` as `a_b`, and cuts a name
/// at a NUL byte.
pub(super) fn reads_as(key: &str, name: &str) -> bool {
    let is_name = |key: &str| plain(key).eq(plain(name));
    is_name(key) || key.split_once('[').is_some_and(|(list, _)| is_name(list))
}

fn plain(text: &str) -> impl Iterator<Item = char> {
    let text = text.split('\0').next().unwrap_or_default().trim();
    let text = text.strip_suffix("[]").unwrap_or(text);
    let one = |c: char| if matches!(c, ' ' | '.' | '[') { '_' } else { c.to_ascii_lowercase() };
    text.chars().filter(|&c| c != ']').map(one)
}

/// A JSON text whose objects have each key once, nested no deeper than [`MAX_DEPTH`].
pub(crate) fn json(bytes: &[u8]) -> Result<serde_json::Value, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = Once { depth: MAX_DEPTH }.deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

/// What a condition on a field of this JSON value sees; the parts of `name` go from object to object. A key may have dots itself, so
/// that there may be several such fields: which of them is meant is not known then.
pub(crate) fn field(json: &serde_json::Value, name: &str) -> Value {
    match found(json, name) {
        Ok(None) => Value::Absent,
        Ok(Some(value)) => scalar(value),
        Err(Alike) => Value::Undetermined,
    }
}

/// The one such field.
fn found<'a>(json: &'a serde_json::Value, name: &str) -> Result<Option<&'a serde_json::Value>, Alike> {
    // In a list, or a batch, which of its elements is meant is not said.
    let serde_json::Value::Object(object) = json else { return Err(Alike) };
    let mut only = member(object, name)?;
    for (dot, _) in name.match_indices('.') {
        let (key, behind) = (name.get(..dot).unwrap_or_default(), name.get(dot + 1..).unwrap_or_default());
        let below = match member(object, key)? {
            None | Some(serde_json::Value::Null) => None,
            Some(next) => found(next, behind)?,
        };
        if only.is_some() && below.is_some() {
            return Err(Alike);
        }
        only = only.or(below);
    }
    Ok(only)
}

/// Some readers take this field for another one.
#[derive(Debug)]
pub(crate) struct Alike;

/// The member of this name. There must be none whose name differs in capitals only: many readers, Go's among them, do not
/// mind capitals and take the last of both.
pub(crate) fn member<'a>(
    object: &'a serde_json::Map<String, serde_json::Value>,
    name: &str,
) -> Result<Option<&'a serde_json::Value>, Alike> {
    let is_other = |key: &String| key != name && alike(key, name);
    if object.keys().any(is_other) { Err(Alike) } else { Ok(object.get(name)) }
}

/// Whether two names differ in capitals only. The long s and the Kelvin sign are capitals of letters of ASCII.
fn alike(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    let folded = |text: &str| -> String {
        text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
    };
    folded(one) == folded(other)
}

pub(crate) fn scalar(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::String(text) => Value::Text(text.as_str().into()),
        serde_json::Value::Number(number) => number.as_i64().map_or(Value::Undetermined, Value::Integer),
        serde_json::Value::Null => Value::Absent,
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Value::Undetermined,
    }
}

/// A JSON value whose objects have each key once.
#[derive(Clone, Copy)]
struct Once {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Once {
    type Value = serde_json::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = serde_json::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(serde_json::Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(self.deeper()?)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.deeper()?)?;
            if object.insert(key.clone(), value).is_some() {
                return Err(A::Error::custom(format_args!("the key `{key}` is there twice")));
            }
        }
        Ok(object.into())
    }
}

impl Once {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("it is nested too deeply"))?;
        Ok(Self { depth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Body {
        Body::read("application/json", text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn fields_are_what_the_body_says() {
        let body = json(
            r#"{"amount": 5, "to": {"bank": "x", "a.b": true}, "a.b": "dotted", "list": [1], "none": null, "half": 0.5}"#,
        );
        for (name, expected) in [
            ("amount", Value::Integer(5)),
            ("to.bank", Value::Text("x".into())),
            ("to.a.b", Value::Bool(true)),
            ("a.b", Value::Text("dotted".into())),
            ("missing", Value::Absent),
            ("to.missing", Value::Absent),
            ("missing.at.all", Value::Absent),
            ("none", Value::Absent),
            ("list", Value::Undetermined),
            ("list.x", Value::Undetermined),
            ("amount.x", Value::Undetermined),
            ("half", Value::Undetermined),
        ] {
            assert_eq!(body.field(name), expected, "{name}");
        }
        // Keys with dots, which some readers take apart.
        for (text, expected) in [
            (r#"{"a.b": {"c": 1}}"#, Value::Integer(1)),
            (r#"{"a": {"b.c": 1}}"#, Value::Integer(1)),
            (r#"{"a.b.c": 1, "a": {"b": {"c": 2}}}"#, Value::Undetermined),
            (r#"{"a.b": {"c": 1}, "a": {"b": {"c": 2}}}"#, Value::Undetermined),
            (r#"{"a.b.c": 1, "a": {"b": {}}}"#, Value::Integer(1)),
            (r#"{"a.b.c": 1, "a": [{"b": {"c": 2}}]}"#, Value::Undetermined),
        ] {
            assert_eq!(json(text).field("a.b.c"), expected, "{text}");
        }
        assert_eq!(json("[{\"amount\": 5}]").field("amount"), Value::Undetermined, "a batch");
        assert_eq!(body.form_field("amount"), Value::Undetermined);
        assert_eq!(json(r#"{"\u0061mount": 5}"#).field("amount"), Value::Integer(5));
        // Some readers do not mind capitals.
        for text in [
            r#"{"Amount": 5}"#,
            r#"{"amount": 5, "AMOUNT": 6}"#,
            r#"{"to": {}, "To": {"bank": "y"}}"#,
            r#"{"to": {"ban\u212a": "y"}}"#,
        ] {
            let name = if text.contains("to") { "to.bank" } else { "amount" };
            assert_eq!(json(text).field(name), Value::Undetermined, "{text}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for text in [
            r#"{"a": 1, "a": 2}"#,
            r#"{"x": {"a": 1, "\u0061": 2}}"#,
            r#"{"a": 1} {"a": 2}"#,
            r#"{"a": 1,}"#,
            r#"{"a": NaN}"#,
            "{'a': 1}",
        ] {
            assert!(Body::read("application/json", text.as_bytes()).is_err(), "{text}");
        }
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Body::read("application/json", deep(MAX_DEPTH).as_bytes()).is_ok());
        assert!(Body::read("application/json", deep(MAX_DEPTH + 1).as_bytes()).is_err());
        assert!(Body::read("application/json", b"\xff").is_err());
    }

    #[test]
    fn forms_have_each_field_once() {
        let form = |text: &str| Body::read("application/x-www-form-urlencoded", text.as_bytes()).unwrap();
        assert_eq!(form("a=1&b=x+y").form_field("b"), Value::Text("x y".into()));
        assert_eq!(form("a=1&a=2").form_field("a"), Value::Undetermined);
        assert_eq!(form("a=1").form_field("b"), Value::Absent);
        assert_eq!(form("a=1").field("a"), Value::Undetermined);
        // Some servers take the second for the first.
        for (key, name) in [
            ("A", "a"),
            ("a[]", "a"),
            ("a[0]", "a"),
            ("a[x]", "a"),
            ("+a", "a"),
            ("a%00b", "a"),
            ("a.b", "a_b"),
            ("a+b", "a_b"),
            ("a[b", "a_b"),
            ("a[b]", "a.b"),
        ] {
            assert_eq!(
                form(&format!("x=1&{key}=2")).form_field(name),
                Value::Undetermined,
                "{key} is {name}"
            );
        }
        for (key, name) in [("ab", "a"), ("a_b", "a"), ("b[a]", "a"), ("a[c]", "a[b]"), ("a.b", "a")] {
            assert_eq!(form(&format!("x=1&{key}=2")).form_field(name), Value::Absent, "{key} is not {name}");
        }
        assert!(Body::read("application/x-www-form-urlencoded", b"a=1;b=2").is_err());
        assert!(matches!(Body::read("text/plain", b"a=1"), Ok(Body::Opaque)));
    }
}
