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

/// Whether fields say what a message does. A batch has none that do, nor has a request without a message.
pub(super) fn say_something(fields: &HeaderMap) -> bool {
    repeat_arguments(fields) || fields.contains_key(METHOD) || fields.contains_key(NAME)
}

fn repeat_arguments(fields: &HeaderMap) -> bool {
    fields.keys().any(|name| name.as_str().starts_with(OF_PARAMS))
}

/// Whether the fields say nothing else than the message.
pub(super) async fn agree(place: Place<'_>, fields: &HeaderMap, message: &[u8], batch: bool) -> bool {
    if batch {
        return !say_something(fields);
    }
    // One that is not JSON is unknown by itself.
    let Ok(message) = serde_json::from_slice::<Json>(message) else { return true };
    names_agree(fields, &message)
        && (!repeat_arguments(fields) || arguments_agree(place, fields, &message).await)
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
    repeat_all(fields, &repeats, message.pointer("/params/arguments").unwrap_or(&Json::Null))
}

/// Whether each field says what its argument does. Where a tool was described in several ways, one field may stand for several
/// arguments: of those that are there it says what each does, because nobody knows which the server means.
fn repeat_all(fields: &HeaderMap, repeats: &[Repeat], arguments: &Json) -> bool {
    fields.keys().filter(|name| name.as_str().starts_with(OF_PARAMS)).all(|name| {
        let Ok(Some(text)) = only(fields, name.as_str()) else { return false };
        let known = repeats.iter().filter(|repeat| repeat.field == name.as_str());
        let mut there = known.filter(|repeat| repeat.is_there(arguments)).peekable();
        there.peek().is_some() && there.all(|repeat| repeat.is_said(&text, arguments))
    })
}

/// What is no plain text is written as `=?base64?…?=`.
const ENCODED: (&str, &str) = ("=?base64?", "?=");

/// The one value of a field. One that is encoded in other capitals, or beyond its end, is read by some as it is and by others decoded.
fn only(fields: &HeaderMap, name: &str) -> Result<Option<String>, ()> {
    let mut values = fields.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| ())?;
            match text.strip_prefix(ENCODED.0).and_then(|rest| rest.strip_suffix(ENCODED.1)) {
                Some(encoded) => {
                    let decoded = BASE64.decode(encoded).map_err(|_| ())?;
                    Ok(Some(String::from_utf8(decoded).map_err(|_| ())?))
                }
                None if looks_encoded(text) => Err(()),
                None => Ok(Some(text.to_owned())),
            }
        }
        (Some(_), Some(_)) => Err(()),
    }
}

fn looks_encoded(text: &str) -> bool {
    let beginning = text.trim_start().get(..ENCODED.0.len());
    beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(ENCODED.0))
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

    #[test]
    fn a_field_that_stands_for_several_arguments_says_what_each_does() {
        let repeat = |pointer: &str| Repeat { field: "mcp-param-region".into(), pointer: pointer.into() };
        let repeats = [repeat("/region"), repeat("/zone")];
        for (arguments, said, expected) in [
            (r#"{"region":"eu"}"#, "eu", true),
            (r#"{"zone":"eu"}"#, "eu", true),
            (r#"{"region":"eu","zone":"eu"}"#, "eu", true),
            (r#"{"region":"eu","zone":"us"}"#, "eu", false),
            (r#"{"region":"eu","zone":"us"}"#, "us", false),
            (r#"{"region":"eu","zone":["us"]}"#, "eu", false),
            (r#"{"region":"eu","zone":null}"#, "eu", false),
            ("{}", "eu", false),
            ("null", "eu", false),
        ] {
            let fields = HeaderMap::from_iter([(
                HeaderName::from_static("mcp-param-region"),
                HeaderValue::from_str(said).unwrap(),
            )]);
            let arguments: Json = serde_json::from_str(arguments).unwrap();
            assert_eq!(repeat_all(&fields, &repeats, &arguments), expected, "{said}: {arguments}");
        }
    }

    #[test]
    fn what_some_would_decode_is_not_read_as_it_is() {
        for (said, expected) in [
            ("=?base64?ZXU=?=", Ok(Some("eu"))),
            ("=?base64??=", Ok(Some(""))),
            ("=?Base64?ZXU=?=", Err(())),
            ("=?BASE64?ZXU=?=", Err(())),
            ("=?base64?ZXU=?= ", Err(())),
            ("=?base64?ZXU=", Err(())),
            ("=?base64?ZXU=?=x", Err(())),
            ("=?base64?ZXU?=", Err(())),
            ("=?base64?Z XU=?=", Err(())),
            ("=?base64?ZXV=?=", Err(())),
            ("=?base64?_w==?=", Err(())),
            ("=?base64?/w==?=", Err(())),
            ("=?base64", Ok(Some("=?base64"))),
        ] {
            let name = HeaderName::from_static(NAME);
            let fields = HeaderMap::from_iter([(name, HeaderValue::from_str(said).unwrap())]);
            assert_eq!(only(&fields, NAME), expected.map(|text| text.map(str::to_owned)), "{said}");
        }
    }
}
