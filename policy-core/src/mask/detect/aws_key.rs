//! AWS access keys: ids by their shape, secret keys by what stands before them.
//!
//! An id is four letters that say what it is and 16 characters (IAM user guide, "IAM identifiers, unique ids").
//! A secret key is 40 characters of base64, like a digest; it is recognised after its usual names, or
//! right behind an id, as in the file that the console offers for download.

use super::super::Detector;
use super::{Sink, Step, View, is_word};

const ID_LENGTH: usize = 20;
const SECRET_LENGTH: usize = 40;
/// How far behind its name a secret may begin, in bytes.
const MAX_GAP: usize = 16;

/// Judges the id whose first four letters end at `end`.
pub(in crate::mask) fn detect_id(view: View<'_>, end: usize, sink: &mut Sink) -> Step {
    let start = end.saturating_sub(4);
    if view.inside_word(start) {
        return Step::Next(end);
    }
    let run = view.run(start, ID_LENGTH + 1, is_word);
    if run.unfinished {
        return Step::More { limit: 0 };
    }
    let id = view.slice(start..run.end);
    let is_id =
        id.len() == ID_LENGTH && id.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !is_id {
        return Step::Next(end);
    }
    let Ok(secret) = secret_after(view, run.end, |byte| is_gap(byte) || byte == b'|' || byte == b';') else {
        return Step::More { limit: 0 };
    };
    sink.hit(Detector::AwsKey, start..run.end);
    if let Some(secret) = secret {
        sink.hit(Detector::AwsKey, secret);
    }
    Step::Next(run.end)
}

/// Judges what follows the name of a secret key, which ends at `end`.
pub(in crate::mask) fn detect_secret(view: View<'_>, end: usize, sink: &mut Sink) -> Step {
    match secret_after(view, end, is_gap) {
        Err(Undecided) => return Step::More { limit: 0 },
        Ok(Some(secret)) => sink.hit(Detector::AwsKey, secret),
        Ok(None) => {}
    }
    Step::Next(end)
}

struct Undecided;

/// The 40 characters that begin within [`MAX_GAP`] bytes, if there are no more and no fewer.
fn secret_after(
    view: View<'_>,
    end: usize,
    gap: impl Fn(u8) -> bool,
) -> Result<Option<std::ops::Range<usize>>, Undecided> {
    let gap = view.run(end, MAX_GAP, gap);
    let secret = view.run(gap.end, SECRET_LENGTH + 1, is_secret);
    if gap.unfinished || secret.unfinished {
        return Err(Undecided);
    }
    let found = gap.end > end
        && secret.end - gap.end == SECRET_LENGTH
        && !is_hexadecimal(view.slice(gap.end..secret.end));
    Ok(found.then_some(gap.end..secret.end))
}

fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\\' | b'"' | b'\'' | b'`' | b'=' | b':' | b'>' | b',')
}

fn is_secret(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+')
}

/// A digest, such as the id of a commit.
fn is_hexadecimal(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        || text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}

#[cfg(test)]
mod tests {
    use super::super::super::Detector;
    use super::super::testing::{check, check_clear};

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    #[test]
    fn keys_are_recognised() {
        #[rustfmt::skip]
        check(Detector::AwsKey, &[
            ("id", "⟦AKIAIOSFODNN7EXAMPLE⟧"),
            ("temporary id", r#"{"AccessKeyId":"⟦ASIAIOSFODNN7EXAMPLE⟧"}"#),
            ("profile", &format!("aws_access_key_id = ⟦AKIAIOSFODNN7EXAMPLE⟧\naws_secret_access_key = ⟦{SECRET}⟧\n")),
            ("environment", &format!("export AWS_SECRET_ACCESS_KEY=⟦{SECRET}⟧")),
            ("JSON", &format!(r#"{{"SecretAccessKey": "⟦{SECRET}⟧"}}"#)),
            ("JSON in JSON", &format!(r#"{{\"SecretAccessKey\":\"⟦{SECRET}⟧\"}}"#)),
            ("YAML", &format!("secret_key: '⟦{SECRET}⟧'")),
            ("ruby", &format!(":secret_access_key => '⟦{SECRET}⟧'")),
            ("CSV", &format!("⟦AKIAIOSFODNN7EXAMPLE⟧,⟦{SECRET}⟧")),
            ("signed URL", "X-Amz-Credential=⟦AKIAIOSFODNN7EXAMPLE⟧%2F20240115"),
            ("end of a sentence", "It is ⟦AKIAIOSFODNN7EXAMPLE⟧."),
        ]);
    }

    #[test]
    fn lookalikes_of_keys_are_left_alone() {
        #[rustfmt::skip]
        check_clear(Detector::AwsKey, &[
            ("too short", "AKIAIOSFODNN7EXAMPL"),
            ("too long", "AKIAIOSFODNN7EXAMPLE1"),
            ("lower case", "AKIAiosfodnn7example"),
            ("part of a word", "XAKIAIOSFODNN7EXAMPLE"),
            ("a role's id", "AROAIOSFODNN7EXAMPLE"),
            ("bare base64", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("a commit", "secret_key da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("short value", "aws_secret_access_key = test"),
            ("longer value", &format!("secret_key={SECRET}AA")),
            ("far behind its name", &format!("the secret key is not in this file: {SECRET}")),
            ("the word alone", "SecretAccessKey"),
        ]);
    }
}
