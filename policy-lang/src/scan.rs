//! Text to tokens, before the parser runs.
//!
//! The parser builds its tree before it could count anything, so size and nesting are bounded here. The
//! tokens also tell where top-level items begin (to go on after an error), and are what [`crate::format`]
//! lays out anew.

use std::ops::Range;

/// The largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// The most tokens in a file, comments included.
pub const MAX_TOKENS: usize = 200_000;
/// The deepest nesting of `{`, `(` and `[`.
pub const MAX_NESTING: usize = 32;

/// One token and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) range: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Word,
    /// Digits and whatever word follows them: numbers and durations.
    Number,
    Text,
    Sign,
    Comment,
}

/// What no parser needs to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) range: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    TooLarge,
    TooManyTokens,
    TooDeep,
    UnterminatedText,
    /// A sign that the language does not have.
    Unexpected,
    Unclosed,
    Unopened,
}

/// The tokens of a file, and where its items begin.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) tokens: Vec<Token>,
    pub(crate) faults: Vec<Fault>,
    /// Byte ranges that hold one top-level item each and cover the whole text.
    pub(crate) items: Vec<Range<usize>>,
}

/// Reads a file's tokens. After [`FaultKind::TooLarge`], [`FaultKind::TooManyTokens`] or
/// [`FaultKind::TooDeep`] the rest is not looked at.
pub(crate) fn scan(text: &str) -> Scan {
    let mut scan = Scan::default();
    if text.len() > MAX_FILE_BYTES {
        scan.faults.push(Fault { kind: FaultKind::TooLarge, range: 0..0 });
        return scan;
    }
    let mut at = 0;
    while let Some(lexeme) = next(text, at) {
        at = lexeme.resume;
        if let Some(kind) = lexeme.fault {
            scan.faults.push(Fault { kind, range: lexeme.range.clone() });
        }
        if let Some(kind) = lexeme.kind {
            scan.tokens.push(Token { kind, range: lexeme.range });
        }
        if scan.tokens.len() > MAX_TOKENS {
            scan.faults.push(Fault { kind: FaultKind::TooManyTokens, range: at..at });
            return scan;
        }
    }
    Structure::default().read(text, &mut scan);
    scan
}

impl Scan {
    /// Whether parsing could overflow something, so that it must not be tried.
    pub(crate) fn is_beyond_caps(&self) -> bool {
        use FaultKind::{TooDeep, TooLarge, TooManyTokens};
        self.faults.iter().any(|fault| matches!(fault.kind, TooDeep | TooLarge | TooManyTokens))
    }
}

struct Lexeme {
    kind: Option<TokenKind>,
    fault: Option<FaultKind>,
    range: Range<usize>,
    /// Where reading goes on.
    resume: usize,
}

fn next(text: &str, from: usize) -> Option<Lexeme> {
    let rest = text.get(from..)?;
    let start = from + (rest.len() - rest.trim_start_matches(is_space).len());
    let rest = text.get(start..)?;
    let first = rest.chars().next()?;
    let (kind, fault, length) = match first {
        '/' if rest.starts_with("//") => {
            (Some(TokenKind::Comment), None, rest.find('\n').unwrap_or(rest.len()))
        }
        '"' => {
            let (length, closed) = text_length(rest);
            (Some(TokenKind::Text), (!closed).then_some(FaultKind::UnterminatedText), length)
        }
        '-' if rest[1..].starts_with(|next: char| next.is_ascii_digit()) => {
            (Some(TokenKind::Number), None, 1 + word_length(&rest[1..]))
        }
        _ if first.is_ascii_digit() => (Some(TokenKind::Number), None, word_length(rest)),
        _ if first.is_ascii_alphabetic() || first == '_' => (Some(TokenKind::Word), None, word_length(rest)),
        _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => (Some(TokenKind::Sign), None, sign.len()),
            None => (None, Some(FaultKind::Unexpected), unexpected_length(rest)),
        },
    };
    let end = start + length;
    // After a comment sign of another language, the rest of the line is a comment, not a hundred errors.
    let comments = fault == Some(FaultKind::Unexpected) && ["#", "--", "/*"].contains(&text.get(start..end)?);
    let resume = if comments { end + text.get(end..)?.find('\n').unwrap_or(text.len() - end) } else { end };
    Some(Lexeme { kind, fault, range: start..end, resume })
}

/// Longer signs first.
const SIGNS: &[&str] =
    &["**", "==", "!=", "<=", ">=", "{", "}", "(", ")", "[", "]", ",", "=", ".", "<", ">", "*"];

pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{feff}')
}

fn word_length(rest: &str) -> usize {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    rest.len() - rest.trim_start_matches(is_word).len()
}

/// The bytes of a quoted text, up to the closing quote or the end of the line; and whether it was closed.
fn text_length(rest: &str) -> (usize, bool) {
    let mut escaped = false;
    for (offset, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return (rest[..offset].trim_end_matches('\r').len(), false),
            '"' if !escaped => return (offset + 1, true),
            _ => escaped = c == '\\' && !escaped,
        }
    }
    (rest.len(), false)
}

/// Signs that people type in other languages are reported as one; anything else by the character.
fn unexpected_length(rest: &str) -> usize {
    let double = ["&&", "||", "/*", "=>", "->", "--", "::"].iter().find(|sign| rest.starts_with(**sign));
    if let Some(sign) = double {
        return sign.len();
    }
    if rest.starts_with('\'') {
        let line = rest.split('\n').next().unwrap_or(rest);
        return line[1..].find('\'').map_or(1, |end| end + 2);
    }
    rest.chars().next().map_or(1, char::len_utf8)
}

/// Words that open a top-level item.
pub(crate) const ITEMS: &[&str] =
    &["policy", "default", "use", "set", "tag", "allow", "deny", "hold", "mask", "limit", "record", "test"];

/// Finds brackets that don't match, nesting that is too deep, and where items begin.
#[derive(Default)]
struct Structure {
    /// Open brackets: their sign and place.
    open: Vec<(u8, Range<usize>)>,
    starts: Vec<usize>,
}

impl Structure {
    fn read(mut self, text: &str, scan: &mut Scan) {
        let mut line_start = true;
        let mut after_item = true;
        let mut previous_end = 0;
        for (index, token) in scan.tokens.iter().enumerate() {
            line_start |= text[previous_end..token.range.start].contains('\n');
            previous_end = token.range.end;
            if token.kind == TokenKind::Comment {
                continue;
            }
            let word = &text[token.range.clone()];
            let opens = token.kind == TokenKind::Word && ITEMS.contains(&word);
            let begins = if self.open.is_empty() {
                after_item || (opens && line_start)
            } else {
                // An item can't stand inside another: the brace before it was never closed.
                opens
                    && line_start
                    && has_a_head(text, word, scan.tokens.get(index + 1..).unwrap_or_default())
            };
            if begins {
                for (_, range) in self.open.drain(..) {
                    scan.faults.push(Fault { kind: FaultKind::Unclosed, range });
                }
                self.starts.push(token.range.start);
            }
            line_start = false;
            after_item = false;
            match word.as_bytes().first() {
                Some(sign @ (b'{' | b'(' | b'[')) if token.kind == TokenKind::Sign => {
                    self.open.push((*sign, token.range.clone()));
                    if self.open.len() > MAX_NESTING {
                        scan.faults.push(Fault { kind: FaultKind::TooDeep, range: token.range.clone() });
                        return;
                    }
                }
                Some(sign @ (b'}' | b')' | b']')) if token.kind == TokenKind::Sign => {
                    if let Some(fault) = self.close(*sign, token) {
                        scan.faults.extend(fault);
                    }
                    after_item = self.open.is_empty();
                }
                _ => {}
            }
        }
        for (_, range) in self.open {
            scan.faults.push(Fault { kind: FaultKind::Unclosed, range });
        }
        scan.items = ranges(&self.starts, text.len());
    }

    /// Closes the innermost bracket of this sort, and those inside it that were left open.
    fn close(&mut self, sign: u8, token: &Token) -> Option<Vec<Fault>> {
        let opener = match sign {
            b'}' => b'{',
            b')' => b'(',
            _ => b'[',
        };
        match self.open.iter().rposition(|(sign, _)| *sign == opener) {
            Some(at) => {
                let inner = self.open.drain(at..).skip(1);
                Some(inner.map(|(_, range)| Fault { kind: FaultKind::Unclosed, range }).collect())
            }
            None => Some(vec![Fault { kind: FaultKind::Unopened, range: token.range.clone() }]),
        }
    }
}

/// Whether an item's word is followed by what only a top-level item has, so that the verb `set` in a list
/// of verbs is not taken for one.
fn has_a_head(text: &str, word: &str, rest: &[Token]) -> bool {
    let mut rest = rest.iter().filter(|token| token.kind != TokenKind::Comment);
    let (first, second) = (rest.next(), rest.next());
    let is =
        |token: Option<&Token>, sign: &str| token.is_some_and(|token| &text[token.range.clone()] == sign);
    match word {
        "set" | "tag" => is(second, "="),
        "policy" | "use" | "default" => false,
        _ => first.is_some_and(|token| token.kind == TokenKind::Text) && is(second, "{"),
    }
}

fn ranges(starts: &[usize], end: usize) -> Vec<Range<usize>> {
    let nexts = starts.iter().skip(1).copied().chain([end]);
    let mut ranges: Vec<_> = starts.iter().copied().zip(nexts).map(|(start, next)| start..next).collect();
    if let Some(first) = ranges.first_mut() {
        first.start = 0;
    }
    ranges
}
