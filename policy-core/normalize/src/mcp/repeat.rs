//! Arguments that a request repeats in its head (revision 2026-07-28): the schema of a tool says which, by `x-mcp-header`.

use serde_json::Value as Json;

/// The most that a tool has repeated; what its schema says of more is not known.
const MOST: usize = 32;

/// An argument of a tool that a request repeats in a field of its head, so that whoever is on the way need not read its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// The field's name in lower case, such as `mcp-param-region`.
    pub field: String,
    /// Where the argument is, as a JSON pointer (RFC 6901) into the arguments.
    pub pointer: String,
}

impl Repeat {
    /// What the schema of a tool's arguments says. Only properties, and properties of properties, count: clients look no further.
    pub(super) fn of(schema: &Json) -> Vec<Self> {
        let mut found = Vec::new();
        collect(schema, "", &mut found);
        found
    }

    /// Whether there is such an argument, whatever it is.
    pub fn is_there(&self, arguments: &Json) -> bool {
        arguments.pointer(&self.pointer).is_some()
    }

    /// Whether a field of this text repeats the argument. A whole number may have a fraction of nothing on either side.
    pub fn is_said(&self, text: &str, arguments: &Json) -> bool {
        match arguments.pointer(&self.pointer) {
            Some(Json::String(argument)) => argument == text,
            Some(Json::Bool(argument)) => argument.to_string() == text,
            Some(Json::Number(argument)) => whole(&argument.to_string()) == whole(text),
            _ => false,
        }
    }
}

/// Goes no deeper than the schema was read.
fn collect(schema: &Json, pointer: &str, found: &mut Vec<Repeat>) {
    let Some(Json::Object(properties)) = schema.get("properties") else { return };
    for (name, schema) in properties {
        if found.len() >= MOST {
            return;
        }
        let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        if let Some(token) = schema.get("x-mcp-header").and_then(Json::as_str) {
            let field = format!("mcp-param-{}", token.to_ascii_lowercase());
            found.push(Repeat { field, pointer: pointer.clone() });
        }
        collect(schema, &pointer, found);
    }
}

/// `42` of `42.0`; all else is as it is.
fn whole(number: &str) -> &str {
    match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0') => {
            whole
        }
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_says_what_is_repeated() {
        let schema = json!({ "type": "object", "x-mcp-header": "Root", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "a/b~": { "properties": { "n": { "type": "integer", "x-mcp-header": "N" } } },
            "not": { "items": { "properties": { "x": { "x-mcp-header": "X" } } } },
            "odd": { "x-mcp-header": 1 },
        } });
        let found = Repeat::of(&schema);
        let mut found: Vec<(&str, &str)> =
            found.iter().map(|repeat| (&*repeat.field, &*repeat.pointer)).collect();
        found.sort_unstable();
        assert_eq!(found, [("mcp-param-n", "/a~1b~0/n"), ("mcp-param-region", "/region")]);
    }

    #[test]
    fn a_tool_has_no_more_repeated_than_is_kept() {
        let many: serde_json::Map<String, Json> =
            (0..100).map(|index| (index.to_string(), json!({ "x-mcp-header": index.to_string() }))).collect();
        assert_eq!(Repeat::of(&json!({ "properties": many })).len(), MOST);
    }

    #[test]
    fn a_field_repeats_an_argument_or_does_not() {
        let arguments = json!({ "s": "eu", "n": 42, "f": 42.0, "h": 0.5, "b": true, "none": null, "o": {} });
        let check = |name: &str, text: &str, expected: bool| {
            let repeat = Repeat { field: "mcp-param-x".into(), pointer: format!("/{name}") };
            assert_eq!(repeat.is_said(text, &arguments), expected, "{name}: {text}");
        };
        check("s", "eu", true);
        check("s", "EU", false);
        check("s", "us", false);
        check("n", "42", true);
        check("n", "42.0", true);
        check("n", "42.", false);
        check("n", "420", false);
        check("f", "42", true);
        check("h", "0.5", true);
        check("h", "0", false);
        check("b", "true", true);
        check("b", "1", false);
        check("none", "null", false);
        check("o", "{}", false);
        check("absent", "", false);
    }
}
