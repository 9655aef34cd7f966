//! What an approval of a message is for.

use serde_json::value::RawValue;

use super::members::Members;

/// Members of a request's `_meta` that name one sending of it, and ask for nothing.
const OF_ONE_SENDING: [&str; 4] = ["progressToken", "traceparent", "tracestate", "baggage"];

/// A message without what a client makes anew whenever it sends the same: its id, and in its `_meta` the progress token and names
/// of traces. All else is byte for byte as it was sent, numbers too, but for spaces between members. `None` where it is no
/// message, nor a batch.
pub fn bound(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    if let Ok(elements) = serde_json::from_slice::<Vec<&RawValue>>(bytes) {
        for element in elements {
            write(element.get().as_bytes(), &mut out)?;
            out.push(b'\n');
        }
    } else {
        write(bytes, &mut out)?;
    }
    Some(out)
}

/// The arguments of each call in a message, and of each prompt that is got, as JSON texts as they were sent.
pub fn arguments(bytes: &[u8]) -> Vec<Vec<u8>> {
    let elements = serde_json::from_slice::<Vec<&RawValue>>(bytes)
        .map(|elements| elements.iter().map(|element| element.get().as_bytes()).collect())
        .unwrap_or_else(|_| vec![bytes]);
    let of = |element: &[u8]| {
        let message: Members<'_> = serde_json::from_slice(element).ok()?;
        let params: Members<'_> = serde_json::from_str(message.value("params")?.get()).ok()?;
        Some(params.value("arguments")?.get().as_bytes().to_vec())
    };
    elements.into_iter().filter_map(of).collect()
}

fn write(message: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut message: Members<'_> = serde_json::from_slice(message).ok()?;
    message.0.retain(|(key, _)| key != "id");
    let written = message.write(out, "params", |params, out| {
        let Ok(params) = serde_json::from_str::<Members<'_>>(params.get()) else {
            out.extend_from_slice(params.get().as_bytes());
            return Ok(());
        };
        params.write(out, "_meta", |meta, out| {
            let Ok(mut meta) = serde_json::from_str::<Members<'_>>(meta.get()) else {
                out.extend_from_slice(meta.get().as_bytes());
                return Ok(());
            };
            meta.0.retain(|(key, _)| !OF_ONE_SENDING.contains(&key.as_str()));
            meta.write(out, "", |_, _| Ok(()))
        })
    });
    written.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"n":1.0},"_meta":{"progressToken":1,"k":2}}}"#;

    #[test]
    fn one_sending_is_as_the_other() {
        let again = CALL.replace("\"id\":1", "\"id\":\"x\"").replace("Token\":1", "Token\":\"x\"");
        assert!(bound(CALL.as_bytes()).is_some());
        assert_eq!(bound(CALL.as_bytes()), bound(again.as_bytes()));
        let batch = |text: &str| bound(format!("[{text}, {text}]").as_bytes());
        assert_eq!(batch(CALL), batch(&again));
        assert_ne!(batch(CALL), bound(CALL.as_bytes()));
    }

    #[test]
    fn all_else_counts() {
        for (from, to) in [
            ("pay", "pray"),
            ("1.0", "1.00"),
            ("1.0", "1.00000000000000000000001"),
            ("\"k\":2", "\"k\":3"),
            ("tools/call", "prompts/get"),
            ("\"_meta\"", "\"_metal\""),
        ] {
            assert_ne!(bound(CALL.as_bytes()), bound(CALL.replace(from, to).as_bytes()), "{to}");
        }
        for no_message in ["", "1", "\"a\"", "[1]", "{"] {
            assert_eq!(bound(no_message.as_bytes()), None, "{no_message}");
        }
    }

    #[test]
    fn arguments_are_as_they_were_sent() {
        assert_eq!(arguments(CALL.as_bytes()), [br#"{"n":1.0}"#.to_vec()]);
        assert_eq!(arguments(format!("[{CALL},{CALL}]").as_bytes()).len(), 2);
        assert!(arguments(br#"{"jsonrpc":"2.0","method":"ping"}"#).is_empty());
    }
}
