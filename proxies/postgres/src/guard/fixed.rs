//! Settings that nobody may change, whatever the policy says: the target would read a text in another way than it
//! was judged.
//!
//! What a statement says it will set is refused here, and the session goes on. What only shows in the target's
//! ParameterStatus (a function's doing) ends the session: `relay/down.rs`.

use policy_normalize::sql::{SettingValue, Statement};

use crate::refuse::{Refusal, SqlState};

/// Whether a statement leaves the settings of [`PINNED`](crate::connect::PINNED) as they are, as far as it says.
///
/// # Errors
/// The refusal, where it does not. A value that can't be told is let go: the target will tell of it.
pub(super) fn keeps(statement: &Statement) -> Result<(), Refusal> {
    for setting in &statement.settings {
        let (Some(name), SettingValue::To(values)) = (setting.name.as_deref(), &setting.value) else {
            continue;
        };
        let value = values.join(", ");
        let is_kept = match name {
            "client_encoding" | "names" => is_utf8(&value),
            "standard_conforming_strings" => is_on(&value),
            _ => true,
        };
        if !is_kept {
            let message = format!("`{name}` may not be changed in a session through the gateway");
            return Err(Refusal::new(SqlState::UNSUPPORTED, message)
                .hint("leave `client_encoding` at UTF8 and `standard_conforming_strings` on"));
        }
    }
    Ok(())
}

/// Names under which PostgreSQL knows UTF-8.
fn is_utf8(value: &str) -> bool {
    let value: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    ["utf8", "unicode"].iter().any(|name| value.eq_ignore_ascii_case(name))
}

fn is_on(value: &str) -> bool {
    ["on", "true", "t", "yes", "y", "1"].iter().any(|on| value.eq_ignore_ascii_case(on))
}

#[cfg(test)]
mod tests {
    use policy_normalize::sql::{Environment, Grammar as _, NoCatalogue, Postgres};

    use super::keeps;

    fn is_kept(text: &str) -> bool {
        let statements = Postgres::new().parse(text, &Environment::new(["public"], &NoCatalogue)).unwrap();
        statements.iter().all(|statement| keeps(statement).is_ok())
    }

    #[test]
    fn what_a_text_says_is_compared_with_what_is_pinned() {
        for text in [
            "set client_encoding = 'utf-8'",
            "set names 'UNICODE'",
            "set standard_conforming_strings = on",
            "set local standard_conforming_strings to true",
            "reset standard_conforming_strings",
            "set client_encoding to default",
            "set escape_string_warning = off",
        ] {
            assert!(is_kept(text), "{text}");
        }
        for text in [
            "set client_encoding = 'SJIS'",
            "set client_encoding = SQL_ASCII",
            "set names 'latin1'",
            "set standard_conforming_strings = off",
            "set local standard_conforming_strings to 0",
            "select 1; set session standard_conforming_strings = false",
            "select set_config('client_encoding', 'GBK', false)",
        ] {
            assert!(!is_kept(text), "{text}");
        }
    }
}
