//! In which forms objects come back.

/// The forms of objects that can be read on their way back.
const READABLE: &[&str] = &["application/json", "application/yaml", "text/plain", "text/html"];

/// A value for `Accept` that asks for nothing but what can be read: protobuf, CBOR and what is not known are taken away,
/// `*/*` and `application/*` become JSON. What stays keeps its order and parameters (a Table, metadata only, discovery in
/// one piece); where nothing does, it is `application/json`. Several fields of one name are to be joined by commas before.
///
/// ```
/// use policy_normalize::kubernetes::content::negotiated;
///
/// let kubectl = "application/vnd.kubernetes.protobuf,application/json;as=Table;v=v1;g=meta.k8s.io";
/// assert_eq!(negotiated(kubectl), "application/json;as=Table;v=v1;g=meta.k8s.io");
/// ```
pub fn negotiated(accept: &str) -> String {
    let kept = accept.split(',').filter_map(|range| {
        let range = range.trim_matches([' ', '\t']);
        let (kind, parameters) = range.split_once(';').map_or((range, ""), |(kind, rest)| (kind, rest));
        let kind = kind.trim_matches([' ', '\t']).to_ascii_lowercase();
        // A quoted parameter may hold commas: servers differ on where it ends.
        if range.contains(['"', '\\']) || range.chars().any(char::is_control) {
            return None;
        }
        let kind = match kind.as_str() {
            "*/*" | "application/*" => "application/json",
            kind => READABLE.iter().copied().find(|readable| *readable == kind)?,
        };
        Some(if parameters.is_empty() { kind.to_owned() } else { format!("{kind};{parameters}") })
    });
    let kept = kept.collect::<Vec<_>>().join(", ");
    if kept.is_empty() { READABLE.first().copied().unwrap_or_default().to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_for_that_cannot_be_read() {
        const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
        for (accept, expected) in [
            ("", "application/json"),
            ("application/json", "application/json"),
            ("application/vnd.kubernetes.protobuf", "application/json"),
            ("application/cbor", "application/json"),
            ("application/cbor-seq, application/yaml", "application/yaml"),
            ("application/vnd.kubernetes.protobuf;as=Table, application/json", "application/json"),
            (TABLE, TABLE),
            ("APPLICATION/JSON;q=0.9", "application/json;q=0.9"),
            ("application/json, */*", "application/json, application/json"),
            ("*/*;q=0.1", "application/json;q=0.1"),
            ("application/*", "application/json"),
            ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", "application/json"),
            ("application/json;a=\"x,application/cbor\"", "application/json"),
            ("text/plain", "text/plain"),
            ("image/png", "application/json"),
            ("application/json\r\nx: y", "application/json"),
        ] {
            assert_eq!(negotiated(accept), expected, "{accept:?}");
            assert_eq!(negotiated(expected), expected, "once more changes nothing");
        }
    }
}
