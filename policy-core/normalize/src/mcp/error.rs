//! The answer to what was refused.

use serde_json::value::RawValue;

/// The code of a request that a rule denies. MCP leaves −32000 to −32019 to implementations; −32000 to −32004 mean something to
/// widespread clients already (a closed connection, a timeout, a resource that is not there), so it is none of these.
pub const DENIED: i64 = -32010;

/// The code of a request that waits for somebody's approval, where the client is not kept waiting.
pub const HELD: i64 = -32011;
/// The code of an error that is neither: the server is not there, or its answer can't be shown (JSON-RPC 2.0, section 5.1).
pub const INTERNAL: i64 = -32603;

/// What a client, often an agent, learns about a refusal beside its message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Denial<'a> {
    /// The rule that refused it, where one did and may be named.
    pub rule: Option<&'a str>,
    /// What may be done instead.
    pub way_out: Option<&'a str>,
    /// The number of the approval that it waits for.
    pub approval: Option<u64>,
    /// What to send again, and when.
    pub retry: Option<&'a str>,
}

#[derive(serde::Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    error: Fault<'a>,
}

#[derive(serde::Serialize)]
struct Fault<'a> {
    code: i64,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

#[derive(serde::Serialize)]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    way_out: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<&'a str>,
}

/// The text of a JSON-RPC error: the answer to the request whose id is this JSON text ([`Element::id`](super::Element::id)). Without
/// one, or with what is no JSON text, its id is null.
pub fn error(id: Option<&str>, code: i64, message: &str, data: &Denial<'_>) -> String {
    let id = id.and_then(|id| serde_json::from_str::<&RawValue>(id).ok()).unwrap_or(RawValue::NULL);
    let Denial { rule, way_out, approval, retry } = *data;
    let data = (*data != Denial::default()).then_some(Data { rule, way_out, approval, retry });
    let answer = Answer { jsonrpc: "2.0", id, error: Fault { code, message, data } };
    // Texts and numbers alone: nothing in it can fail.
    serde_json::to_string(&answer).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_request() {
        let denial =
            Denial { rule: Some("no \"transfers\""), way_out: Some("ask for less"), ..Denial::default() };
        for (id, data, expected) in [
            (
                Some("7"),
                denial,
                r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32010,"message":"no\n","data":{"rule":"no \"transfers\"","way_out":"ask for less"}}}"#,
            ),
            (
                Some(r#""a\"b""#),
                Denial { rule: None, ..denial },
                r#"{"jsonrpc":"2.0","id":"a\"b","error":{"code":-32010,"message":"no\n","data":{"way_out":"ask for less"}}}"#,
            ),
            (
                None,
                Denial::default(),
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32010,"message":"no\n"}}"#,
            ),
            (
                Some(r#"1,"result":{}"#),
                Denial::default(),
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32010,"message":"no\n"}}"#,
            ),
        ] {
            assert_eq!(error(id, DENIED, "no\n", &data), expected);
        }
    }
}
