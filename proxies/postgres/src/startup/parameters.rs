//! What a client wishes for in its startup packet, and which of it may be had.
//!
//! Settings go on to the target only if they are known to change nothing of what a statement means or who runs it.

use crate::refuse::{Refusal, SqlState};
use crate::wire::make;
use crate::wire::startup::{First, Startup};

/// The newest minor version of protocol 3 that the gateway speaks to clients: cancel keys of 32 bytes.
const NEWEST_MINOR: u16 = 2;

/// Settings that a client may choose, in lower case.
const SAFE: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_min_messages",
    "datestyle",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "enable_bitmapscan",
    "enable_hashjoin",
    "enable_indexscan",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_seqscan",
    "enable_sort",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "plan_cache_mode",
    "search_path",
    "statement_timeout",
    "tcp_user_timeout",
    "timezone",
    "work_mem",
];

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) user: String,
    pub(super) database: String,
    /// Settings for the target.
    pub(super) parameters: Vec<(String, String)>,
    /// The minor version that is spoken.
    pub(super) minor: u16,
    is_negotiated: bool,
    /// Protocol options that the gateway does not know.
    unknown: Vec<String>,
}

impl Wish {
    /// NegotiateProtocolVersion, where the client asked for something newer than there is.
    pub(super) fn negotiation(&self) -> Option<Vec<u8>> {
        if !self.is_negotiated && self.unknown.is_empty() {
            return None;
        }
        let mut out = Vec::new();
        make::message(&mut out, b'v', |out| {
            out.extend_from_slice(&(3_u32 << 16 | u32::from(self.minor)).to_be_bytes());
            out.extend_from_slice(&u32::try_from(self.unknown.len()).unwrap_or_default().to_be_bytes());
            for name in &self.unknown {
                make::text(out, name);
            }
        });
        Some(out)
    }
}

/// Reads a startup packet, which must be one.
pub(super) fn read(packet: &[u8]) -> Result<Wish, Refusal> {
    match First::decode(packet) {
        Ok(First::Startup(startup)) => wish(&startup),
        _ => Err(Refusal::new(SqlState::PROTOCOL, "invalid startup packet")),
    }
}

fn wish(startup: &Startup<'_>) -> Result<Wish, Refusal> {
    let mut chosen = Chosen::default();
    let (mut user, mut database) = (None, None);
    let mut unknown = Vec::new();
    for &(key, value) in &startup.parameters {
        match key {
            "user" => once(&mut user, key, value)?,
            "database" => once(&mut database, key, value)?,
            "replication" => {
                return Err(Refusal::new(
                    SqlState::UNSUPPORTED,
                    "replication is not supported by the gateway",
                ));
            }
            "options" => {
                chosen.once("options")?;
                for (key, value) in options(value)? {
                    chosen.choose(&key, &value)?;
                }
            }
            _ if key.starts_with("_pq_.") => unknown.push(key.to_owned()),
            _ => chosen.choose(key, value)?,
        }
    }
    let Some(user) = user.filter(|user| !user.is_empty()) else {
        return Err(Refusal::new(SqlState::AUTHORIZATION, "no user name in the startup packet"));
    };
    let database = database.filter(|database| !database.is_empty()).unwrap_or_else(|| user.clone());
    let minor = startup.minor.min(NEWEST_MINOR);
    let is_negotiated = startup.minor > NEWEST_MINOR;
    Ok(Wish { user, database, parameters: chosen.parameters, minor, is_negotiated, unknown })
}

fn once(place: &mut Option<String>, key: &str, value: &str) -> Result<(), Refusal> {
    match place.replace(value.to_owned()) {
        None => Ok(()),
        Some(_) => Err(twice(key)),
    }
}

fn twice(key: &str) -> Refusal {
    Refusal::new(SqlState::PROTOCOL, format!("`{key}` is given twice at the start of the session"))
        .hint("give each setting once, in the startup packet or in `options`")
}

/// The settings seen so far.
#[derive(Default)]
struct Chosen {
    parameters: Vec<(String, String)>,
    seen: Vec<String>,
}

impl Chosen {
    fn once(&mut self, key: &str) -> Result<(), Refusal> {
        if self.seen.iter().any(|seen| seen == key) {
            return Err(twice(key));
        }
        self.seen.push(key.to_owned());
        Ok(())
    }

    fn choose(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        // PostgreSQL takes names of settings in any case.
        let name = key.to_ascii_lowercase();
        self.once(&name)?;
        match name.as_str() {
            "client_encoding" if is_utf8(value) => Ok(()),
            "client_encoding" => Err(Refusal::new(
                SqlState::PARAMETER,
                format!("`client_encoding` can't be `{value}` through the gateway: it is pinned to UTF8"),
            )
            .hint("set PGCLIENTENCODING=UTF8, or leave it out")),
            "standard_conforming_strings" if matches!(value, "on" | "true" | "yes" | "1") => Ok(()),
            safe if SAFE.contains(&safe) => {
                self.parameters.push((name, value.to_owned()));
                Ok(())
            }
            _ => Err(Refusal::new(
                SqlState::PARAMETER,
                format!("`{key}` can't be set at the start of a session through the gateway"),
            )
            .hint("leave it out; where the policy allows it, use SET once connected")),
        }
    }
}

/// Names under which PostgreSQL knows UTF-8. ASCII is a part of it: what a client in the C locale asks for.
fn is_utf8(value: &str) -> bool {
    let value: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    ["utf8", "unicode", "sqlascii"].iter().any(|name| value.eq_ignore_ascii_case(name))
}

/// The settings in `options`, a command line for the server: `-c name=value`, `-cname=value`, `--name=value`.
/// A backslash takes the next character as it is.
fn options(line: &str) -> Result<Vec<(String, String)>, Refusal> {
    let mut settings = Vec::new();
    let mut words = words(line).into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") if word == "-c" => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => None,
        };
        let Some((name, value)) = setting.as_deref().and_then(|setting| setting.split_once('=')) else {
            return Err(Refusal::new(
                SqlState::PARAMETER,
                format!("`{word}` in `options` is not `-c name=value`"),
            ));
        };
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            // What C's isspace takes for white space.
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(characters.next()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        crate::wire::startup::startup(&mut out, pairs.iter().copied());
        out.split_off(4)
    }

    fn refused(pairs: &[(&str, &str)]) -> String {
        let mut all = vec![("user", "u")];
        all.extend_from_slice(pairs);
        read(&packet(&all)).expect_err("a refusal").message.into_string()
    }

    fn passed(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut all = vec![("user", "u")];
        all.extend_from_slice(pairs);
        read(&packet(&all)).expect("a wish").parameters
    }

    #[test]
    fn known_safe_settings_pass_from_either_place() {
        let owned = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            passed(&[
                ("DateStyle", "ISO"),
                ("options", r"-c search_path=a,b --statement-timeout=5s -cgeqo=off")
            ]),
            [
                owned("datestyle", "ISO"),
                owned("search_path", "a,b"),
                owned("statement_timeout", "5s"),
                owned("geqo", "off")
            ]
        );
        assert_eq!(
            passed(&[("options", r"-c application_name=a\ b\\c")]),
            [owned("application_name", r"a b\c")]
        );
        assert_eq!(passed(&[("client_encoding", "utf-8"), ("standard_conforming_strings", "on")]), []);
    }

    #[test]
    fn whatever_changes_who_runs_or_how_text_is_read_is_refused() {
        for pairs in [
            &[("role", "postgres")][..],
            &[("session_authorization", "postgres")],
            &[("standard_conforming_strings", "off")],
            &[("client_encoding", "SJIS")],
            &[("client_encoding", "GBK")],
            &[("backslash_quote", "on")],
            &[("session_preload_libraries", "x")],
            &[("options", "-c role=postgres")],
            &[("options", "-crole=postgres")],
            &[("options", "--role=postgres")],
            &[("options", r"-c ro\le=postgres")],
            &[("options", "-c ROLE=postgres")],
            &[("options", "-c standard_conforming_strings=off")],
            &[("options", "--standard-conforming-strings=off")],
            &[("options", "-e")],
            &[("options", "-c")],
            &[("options", "x")],
            &[("replication", "database")],
            &[("replication", "true")],
            &[("replication", "off")],
        ] {
            assert!(!refused(pairs).is_empty(), "{pairs:?}");
        }
    }

    #[test]
    fn nothing_is_given_twice() {
        for pairs in [
            &[("user", "other")][..],
            &[("database", "a"), ("database", "b")],
            &[("datestyle", "ISO"), ("DATESTYLE", "SQL")],
            &[("search_path", "a"), ("options", "-c search_path=b")],
            &[("options", "-c geqo=on"), ("options", "-c jit=on")],
            &[("client_encoding", "UTF8"), ("options", "-c client_encoding=UTF8")],
        ] {
            assert!(refused(pairs).contains("given twice"), "{pairs:?}");
        }
    }

    #[test]
    fn the_database_is_the_user_unless_named() {
        assert_eq!(read(&packet(&[("user", "ann")])).unwrap().database, "ann");
        assert_eq!(read(&packet(&[("user", "ann"), ("database", "shop")])).unwrap().database, "shop");
        assert!(read(&packet(&[("database", "shop")])).is_err());
    }

    #[test]
    fn newer_versions_and_unknown_options_are_negotiated() {
        assert_eq!(read(&packet(&[("user", "u")])).unwrap().negotiation(), None);
        let mut newer = packet(&[("user", "u"), ("_pq_.new", "1")]);
        newer[3] = 9;
        let wish = read(&newer).unwrap();
        assert_eq!(wish.minor, NEWEST_MINOR);
        assert_eq!(wish.negotiation().unwrap(), b"v\0\0\0\x15\0\x03\0\x02\0\0\0\x01_pq_.new\0");
    }
}
