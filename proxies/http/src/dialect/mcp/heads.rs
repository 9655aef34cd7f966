//! Fields of a request that repeat what its body says (revision 2026-07-28). Whoever is on the way to the server may go by the one or by
//! the other: they must agree, or it is not known what the request does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::HeaderMap;
use policy_normalize::mcp::Repeat;
use portcullis_gateway::store::ToolRepeat;
use serde_json::Value as Json;

use crate::dialect::Place;

const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";
const VERSION: &str = "mcp-protocol-version";

/// The fields that repeat arguments begin with this.
const OF_PARAMS: &str = "mcp-param-";

/// Whether the fields say nothing else than the message. A batch has no such fields.
pub(super) async fn agree(place: Place<'_>, fields: &HeaderMap, message: &[u8], batch: bool) -> bool {
    let repeated = fields.keys().any(|name| name.as_str().starts_with(OF_PARAMS));
    if batch {
        return !repeated && !fields.contains_key(METHOD) && !fields.contains_key(NAME);
    }
    // One that is not JSON is unknown by itself.
    let Ok(message) = serde_json::from_slice::<Json>(message) else { return true };
    names_agree(fields, &message) && (!repeated || arguments_agree(place, fields, &message).await)
}

fn names_agree(fields: &HeaderMap, message: &Json) -> bool {
    let (Ok(method), Ok(name), Ok(version)) =
        (only(fields, METHOD), only(fields, NAME), only(fields, VERSION))
    else {
        return false;
    };
    let text = |value: Option<&Json>| value.and_then(Json::as_str).map(str::to_owned);
    let params = message.get("params");
    let of_params = |key| text(params.and_then(|params| params.get(key)));
    let is_so = |said: Option<String>, is: Option<String>| said.is_none() || said == is;
    let said_method = text(message.get("method"));
    let said_name = match said_method.as_deref() {
        Some("tools/call" | "prompts/get") => of_params("name"),
        Some("tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/update") => of_params("taskId"),
        _ => of_params("uri"),
    };
    let meta = params.and_then(|params| params.get("_meta"));
    let said_version = text(meta.and_then(|meta| meta.get("io.modelcontextprotocol/protocolVersion")));
    is_so(method, said_method)
        && is_so(name, said_name)
        && (said_version.is_none() || version.is_none() || said_version == version)
}

/// Whether each field that repeats an argument is one that the tool was said to have, and says what the argument does.
async fn arguments_agree(place: Place<'_>, fields: &HeaderMap, message: &Json) -> bool {
    let text = |pointer| message.pointer(pointer).and_then(Json::as_str);
    let (Some("tools/call"), Some(tool)) = (text("/method"), text("/params/name")) else { return false };
    let (target, tool) = (place.target.to_owned(), tool.to_owned());
    let repeats: Vec<Repeat> = match place.store.ask(move |store| store.tool_repeats(&target, &tool)).await {
        Ok(repeats) => {
            repeats.into_iter().map(|ToolRepeat { field, pointer }| Repeat { field, pointer }).collect()
        }
        Err(error) => {
            tracing::warn!(%error, "it could not be looked up which arguments of a tool are repeated");
            return false;
        }
    };
    let arguments = message.pointer("/params/arguments").unwrap_or(&Json::Null);
    fields.keys().filter(|name| name.as_str().starts_with(OF_PARAMS)).all(|name| {
        let Ok(Some(text)) = only(fields, name.as_str()) else { return false };
        let mut known = repeats.iter().filter(|repeat| repeat.field == name.as_str());
        known.any(|repeat| repeat.is_said(&text, arguments))
    })
}

/// The one value of a field. What is no plain text is written as `=?base64?…?=`.
fn only(fields: &HeaderMap, name: &str) -> Result<Option<String>, ()> {
    let mut values = fields.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| ())?;
            match text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
                Some(encoded) => {
                    let decoded = BASE64.decode(encoded).map_err(|_| ())?;
                    Ok(Some(String::from_utf8(decoded).map_err(|_| ())?))
                }
                None => Ok(Some(text.to_owned())),
            }
        }
        (Some(_), Some(_)) => Err(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects by failing")]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    const CALL: &str = r#"{"method":"tools/call","params":{"name":"päy","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;

    #[test]
    fn fields_say_what_the_body_says_or_nothing_is_known() {
        let message = serde_json::from_str::<Json>(CALL).unwrap();
        let check = |fields: &[(&'static str, &'static str)], expected: bool| {
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(names_agree(&map, &message), expected, "{fields:?}");
        };
        check(&[], true);
        check(&[("mcp-method", "tools/call"), ("mcp-name", "=?base64?cMOkeQ==?=")], true);
        check(&[("mcp-protocol-version", "2026-07-28")], true);
        check(&[("mcp-method", "tools/list")], false);
        check(&[("mcp-method", "Tools/Call")], false);
        check(&[("mcp-name", "pay")], false);
        check(&[("mcp-name", "=?base64?!?=")], false);
        check(&[("mcp-protocol-version", "2025-06-18")], false);
        check(&[("mcp-method", "tools/call"), ("mcp-method", "tools/call")], false);
    }
}
