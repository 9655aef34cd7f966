//! The lists that a server answers with.

use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::members::Members;
use super::repeat::Repeat;
use crate::http::body::{json, member};

/// Every list that there is.
pub(super) const LISTS: [List; 4] = [List::Tools, List::Prompts, List::Resources, List::Templates];

/// Which list an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Of `tools/list`, by name.
    Tools,
    /// Of `prompts/list`, by name.
    Prompts,
    /// Of `resources/list`, by URI.
    Resources,
    /// Of `resources/templates/list`, by the template.
    Templates,
}

/// Why an answer can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Not JSON, a key that is there twice, or nested too deeply.
    #[error("the answer is no JSON text that means one thing: {0}")]
    Json(#[from] serde_json::Error),
    /// Neither an answer with such a list nor an error.
    #[error("the answer holds no list of {0}")]
    Shape(&'static str),
    /// An element without a name, or with two that some readers take for the same.
    #[error("an element of the list of {0} has no name that means one thing")]
    Name(&'static str),
}

/// A tool as a server describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What a digest that pins it is made of: its name, title, description, schemas and annotations as a JSON text with sorted
    /// keys and without spaces. Two tools are the same to a model where these texts are.
    pub canonical: String,
    /// What of its arguments a call repeats in its head: at most 32.
    pub repeats: Vec<Repeat>,
}

impl List {
    /// The list that a request of this method is answered with.
    pub fn of(method: &str) -> Option<Self> {
        Some(match method {
            "tools/list" => Self::Tools,
            "prompts/list" => Self::Prompts,
            "resources/list" => Self::Resources,
            "resources/templates/list" => Self::Templates,
            _ => return None,
        })
    }

    /// The member of the result that holds the list.
    pub(super) const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The member that names an element.
    const fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// The answer without the elements that are not kept. All else is the same, byte for byte but for spaces between
    /// members; an error is left as it is.
    ///
    /// # Errors
    /// See [`ListError`]; such an answer is not shown.
    pub fn filtered(self, bytes: &[u8], keep: impl Fn(&str) -> bool) -> Result<Vec<u8>, ListError> {
        let answer = json(bytes)?;
        let Some(result) = self.result(&answer)? else { return Ok(bytes.to_vec()) };
        let elements = self.elements(result)?;
        let kept: Vec<bool> =
            elements.iter().map(|element| self.name(element).map(&keep)).collect::<Result<_, _>>()?;
        let members: Members<'_> = serde_json::from_slice(bytes)?;
        let mut out = Vec::with_capacity(bytes.len());
        members.write(&mut out, "result", |result, out| {
            let members: Members<'_> = serde_json::from_str(result.get())?;
            members.write(out, self.member(), |list, out| {
                let elements: Vec<&RawValue> = serde_json::from_str(list.get())?;
                let kept = elements.iter().zip(&kept).filter(|(_, kept)| **kept);
                let texts: Vec<&str> = kept.map(|(element, _)| element.get()).collect();
                out.push(b'[');
                out.extend_from_slice(texts.join(",").as_bytes());
                out.push(b']');
                Ok(())
            })
        })?;
        Ok(out)
    }

    /// The result of an answer; `None` where it is an error.
    fn result(self, answer: &Json) -> Result<Option<&serde_json::Map<String, Json>>, ListError> {
        let shape = || ListError::Shape(self.member());
        let Json::Object(answer) = answer else { return Err(shape()) };
        // An answer has no other members: what some readers would take for the result is not let through beside it.
        if answer.keys().any(|key| !["jsonrpc", "id", "result", "error"].contains(&key.as_str())) {
            return Err(shape());
        }
        match (answer.get("result"), answer.get("error")) {
            (Some(Json::Object(result)), None) => Ok(Some(result)),
            (None, Some(Json::Object(_))) => Ok(None),
            _ => Err(shape()),
        }
    }

    fn elements(self, result: &serde_json::Map<String, Json>) -> Result<&[Json], ListError> {
        match member(result, self.member()) {
            Ok(Some(Json::Array(elements))) => Ok(elements),
            _ => Err(ListError::Shape(self.member())),
        }
    }

    fn name(self, element: &Json) -> Result<&str, ListError> {
        let name = element.as_object().and_then(|element| member(element, self.key()).ok()??.as_str());
        name.ok_or(ListError::Name(self.member()))
    }
}

/// The tools of an answer to `tools/list`; none of an error.
///
/// # Errors
/// See [`ListError`].
pub fn tools(bytes: &[u8]) -> Result<Vec<Tool>, ListError> {
    let answer = json(bytes)?;
    let Some(result) = List::Tools.result(&answer)? else { return Ok(vec![]) };
    List::Tools.elements(result)?.iter().map(tool).collect()
}

fn tool(element: &Json) -> Result<Tool, ListError> {
    let name = List::Tools.name(element)?.to_owned();
    let parts = ["annotations", "description", "inputSchema", "name", "outputSchema", "title"];
    let mut canonical = String::from("{");
    if let Json::Object(members) = element {
        for key in parts {
            let value = member(members, key).map_err(|_| ListError::Name("tools"))?;
            if let Some(value) = value {
                write_member(&mut canonical, key, value);
            }
        }
    }
    canonical.push('}');
    let repeats = element.get("inputSchema").map(Repeat::of).unwrap_or_default();
    Ok(Tool { name, canonical, repeats })
}

/// A JSON text with sorted keys and without spaces. It goes no deeper than what was read.
fn write_canonical(out: &mut String, json: &Json) {
    match json {
        Json::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in sorted {
                write_member(out, key, value);
            }
            out.push('}');
        }
        Json::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(out, element);
            }
            out.push(']');
        }
        _ => out.push_str(&json.to_string()),
    }
}

/// One member, behind a comma if it is not the first.
fn write_member(out: &mut String, key: &str, value: &Json) {
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push_str(&Json::from(key).to_string());
    out.push(':');
    write_canonical(out, value);
}
