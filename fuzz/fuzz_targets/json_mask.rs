#![no_main]
use policy_core::mask::{JsonError, REDACTED};
use serde::de::IgnoredAny;
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((text, masked)) = portcullis_fuzz::json_mask(input) else { return };
    let masks = input.get(8).is_some_and(|mode| mode & 1 != 0);
    // What another reader takes for JSON is masked or past a bound; what it does not is refused.
    match &masked {
        Ok(_) => assert!(is_json(text), "only this reader takes it for JSON"),
        Err(JsonError::TooDeep | JsonError::TooLong) => {}
        Err(error) => assert!(!is_json(text), "another reader takes it for JSON: {error}"),
    }
    let Ok(out) = masked else { return };
    assert!(is_json(&out), "it is not JSON any more: {}", String::from_utf8_lossy(&out));
    // The reader of trees gives up on halves of surrogate pairs and deep nesting; the rest is looked at.
    for value in serde_json::Deserializer::from_slice(&out).into_iter::<Value>().map_while(Result::ok) {
        shown(&value, masks, false);
    }
});

fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok()
        && serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>().all(|value| value.is_ok())
}

/// No secret is there, and nothing under a mask.
fn shown(value: &Value, masks: bool, masked: bool) {
    let clear = |text: &str| assert!(!text.contains("the password of a target"), "a secret is shown");
    match value {
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => assert!(!masked, "a masked scalar is shown"),
        Value::String(text) => {
            clear(text);
            assert!(!masked || text == REDACTED, "a masked text is shown");
        }
        Value::Array(values) => values.iter().for_each(|value| shown(value, masks, masked)),
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            clear(key);
            // Below `c` it may be shown in part.
            if !(masks && (key == "c" || key == "n")) {
                shown(value, masks, masked || masks && key == "a");
            }
        }),
    }
}
