//! A text without its literals, for evidence and reviewers.

use super::lex::{Lexer, TokenKind};

/// The text with every literal replaced by `?`, except those that `keep` says so of, and with comments left out.
///
/// `keep` gets a literal as it is written, quotes included. The rest of a text that can't be split into tokens is
/// replaced as a whole.
///
/// ```
/// use policy_normalize::sql::redact_literals;
///
/// let text = "SELECT * FROM t WHERE a = 'secret' AND b = 7 -- mine";
/// assert_eq!(redact_literals(text, |_| false), "SELECT * FROM t WHERE a = ? AND b = ?");
/// assert_eq!(redact_literals(text, |literal| literal == "7"), "SELECT * FROM t WHERE a = ? AND b = 7");
/// ```
pub fn redact_literals(text: &str, keep: impl Fn(&str) -> bool) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut lexer = Lexer::new(text);
    let mut end = 0;
    while let Some(token) = lexer.next() {
        let Ok(token) = token else {
            redacted.push_str(" ?");
            break;
        };
        let slice = lexer.slice(&token);
        let gap = text.get(end..token.span.start).unwrap_or_default();
        match gap.trim().is_empty() {
            true => redacted.push_str(gap),
            false => redacted.push(' '),
        }
        end = token.span.end;
        match token.kind {
            TokenKind::Text | TokenKind::Number if !keep(slice) => redacted.push('?'),
            TokenKind::Text
            | TokenKind::Number
            | TokenKind::Word
            | TokenKind::QuotedWord
            | TokenKind::Parameter
            | TokenKind::Operator
            | TokenKind::Open
            | TokenKind::Close
            | TokenKind::Comma
            | TokenKind::Semicolon
            | TokenKind::Mark => redacted.push_str(slice),
        }
    }
    redacted
}

/// The numbers of the parameters that stand more than once in a text, in ascending order. Where no type is declared for
/// such a one, what it is at one place decides how its value reads at the others: `SELECT $1::name, set_config('role', $1,
/// false)` sets a role of 63 bytes at most.
///
/// ```
/// use policy_normalize::sql::repeated_parameters;
///
/// assert_eq!(repeated_parameters("SELECT $1::name, f($2, $1), '$2'"), [1]);
/// ```
pub fn repeated_parameters(text: &str) -> Vec<u16> {
    let mut numbers = Vec::new();
    let mut lexer = Lexer::new(text);
    // What can't be split into tokens has no meaning in which a value could matter.
    while let Some(Ok(token)) = lexer.next() {
        if token.kind == TokenKind::Parameter
            && let Some(number) = lexer.slice(&token).strip_prefix('$').and_then(|digits| digits.parse().ok())
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    let mut repeated: Vec<u16> = numbers
        .windows(2)
        .filter_map(|pair| (pair.first() == pair.last()).then(|| pair.first().copied())?)
        .collect();
    repeated.dedup();
    repeated
}

#[cfg(test)]
mod tests {
    use super::redact_literals;

    #[test]
    fn literals_of_every_form_go() {
        for (text, redacted) in [
            ("SELECT 'a''b', E'a\\'b', $x$it's$x$, U&'x', B'1', x'ff'", "SELECT ?, ?, ?, ?, ?, ?"),
            ("SELECT 1, 1.5e-3, .5, 0xff, 1_000", "SELECT ?, ?, ?, ?, ?"),
            ("SELECT 'a'\n  'b' FROM t1", "SELECT ? FROM t1"),
            ("SELECT \"it's\", $1 /* 'secret' */ + 1", "SELECT \"it's\", $1 + ?"),
            ("SELECT 1 FROM t WHERE 'open", "SELECT ? FROM t WHERE ?"),
            ("", ""),
        ] {
            assert_eq!(redact_literals(text, |_| false), redacted);
        }
    }
}
