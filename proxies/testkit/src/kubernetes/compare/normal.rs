//! Making alike what can't be the same twice.

use std::sync::OnceLock;

use regex_automata::meta::Regex;

/// Instead of a word: nothing but the digits at the end is replaced, by a nought.
const KEEPING_ITS_NAME: &str = "0";

/// What is replaced, in this order, and by what.
const VOLATILE: &[(&str, &str)] = &[
    // What kubectl complains about itself, now and then: it reads before it has made its streams, writes after it has closed.
    (r"(?m)^[EWI]\d{4} .*(Unknown stream id \d+, discarding message|websocket: close sent).*\n", ""),
    // A log line of a client: its time, its process, its place in the source.
    (r"(?m)^([EWI])\d{4} [\d:.]+ +\d+ [\w./-]+:\d+\]", "LOGGED"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000", "TIME"),
    (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", "TIME"),
    (r#"(?i)resource ?version"?: *"?\d+"#, KEEPING_ITS_NAME),
    // What `generateName` adds; the names that tests generate start so.
    (r"made-[a-z0-9]{5}\b", "made-NAME"),
    (r"/(LIVE|MERGED)-\d+", "/COPY"),
    (r"127\.0\.0\.1:\d+", "HOST:PORT"),
    (r"\[::1\]:\d+", "HOST:PORT"),
    // Ages, and how many blanks a column has depends on them.
    (r"<(unknown|invalid)>|\b(\d+[dhms]){1,3}\b|\b\d+\.\d+s\b", "AGE"),
    (r"  +", " "),
];

/// Replaces times, ages, generated names, versions, ports, and runs of blanks by words for them.
#[must_use]
pub fn normalise(text: &str) -> String {
    static PATTERNS: OnceLock<Vec<(Regex, &str)>> = OnceLock::new();
    let patterns = PATTERNS.get_or_init(|| {
        let compiled = |pattern: &str| Regex::new(pattern).expect("a pattern of our own");
        VOLATILE.iter().map(|(pattern, word)| (compiled(pattern), *word)).collect()
    });
    let mut text = text.to_owned();
    for (pattern, word) in patterns {
        let mut replaced = String::with_capacity(text.len());
        let mut end = 0;
        for found in pattern.find_iter(&text) {
            replaced += text.get(end..found.start()).unwrap_or_default();
            if *word == KEEPING_ITS_NAME {
                let matched = text.get(found.range()).unwrap_or_default();
                replaced += matched.trim_end_matches(|c: char| c.is_ascii_digit());
            }
            replaced += word;
            end = found.end();
        }
        replaced += text.get(end..).unwrap_or_default();
        text = replaced;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn only_what_moves_is_made_alike() {
        for (given, expected) in [
            ("palette   2      5s", "palette 2 AGE"),
            ("palette   2      <unknown>", "palette 2 AGE"),
            ("palette   3      2m3s", "palette 3 AGE"),
            ("uid: 0b0e2ad4-5a5b-4a5e-9d5e-4f1f5f0f8a11", "uid: UID"),
            (r#"{"resourceVersion":"12","a":1}"#, r#"{"resourceVersion":"0","a":1}"#),
            ("  resourceVersion: \"12\"\n", " resourceVersion: \"0\"\n"),
            ("  Resource Version:  239", " Resource Version: 0"),
            ("+++ a\t2026-11-26 04:42:00.731052562 +0000", "+++ a\tTIME"),
            ("at 2024-01-02T03:04:05Z", "at TIME"),
            ("configmap/made-x2b4c created", "configmap/made-NAME created"),
            ("E1126 03:44:30.016993    5819 memcache.go:265] no", "LOGGED no"),
            (
                "E1126 03:44:30.016993    5819 websocket.go:297] Unknown stream id 1, discarding message\nleaf",
                "leaf",
            ),
            ("Forwarding from 127.0.0.1:4021 -> 80", "Forwarding from HOST:PORT -> 80"),
            ("configmap/palette created", "configmap/palette created"),
            ("color: blue", "color: blue"),
        ] {
            assert_eq!(normalise(given), expected, "{given}");
        }
    }
}
