//! Tokens by PostgreSQL's lexical rules (`src/backend/parser/scan.l`), with `standard_conforming_strings` on.
//!
//! It recurses nowhere and serves what must not depend on a parser: the limits that come before one, and the
//! redaction of literals.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A keyword or an identifier without quotes.
    Word,
    /// `"…"` or `U&"…"`.
    QuotedWord,
    /// `'…'` in all its forms, or `$tag$…$tag$`.
    Text,
    /// A number.
    Number,
    /// `$1`
    Parameter,
    /// `+`, `||`, `::`, …
    Operator,
    /// `(` or `[`
    Open,
    /// `)` or `]`
    Close,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// `.` or `:`
    Mark,
}

/// A token and where it stands, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Range<usize>,
}

/// Something that no token can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Where it starts, in bytes.
    pub(crate) offset: usize,
    /// What it is.
    pub(crate) what: &'static str,
}

/// Splits a text into tokens; white space and comments are left out.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    /// The text of a token.
    pub(crate) fn slice(&self, token: &Token) -> &'a str {
        self.text.get(token.span.clone()).unwrap_or_default()
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.at < self.bytes.len() && accept(self.peek(0)) {
            self.at += 1;
        }
    }

    /// Skips white space and comments; says whether a line ended on the way.
    fn skip_blank(&mut self) -> Result<bool, Malformed> {
        let mut newline = false;
        loop {
            match self.peek(0) {
                b'\n' | b'\r' => {
                    newline = true;
                    self.at += 1;
                }
                b' ' | b'\t' | 0x0b | 0x0c => self.at += 1,
                b'-' if self.peek(1) == b'-' => self.skip_while(|byte| byte != b'\n' && byte != b'\r'),
                b'/' if self.peek(1) == b'*' => self.skip_comment()?,
                _ => return Ok(newline),
            }
        }
    }

    /// Skips a comment; they nest.
    fn skip_comment(&mut self) -> Result<(), Malformed> {
        let offset = self.at;
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => self.at += 1,
            }
        }
        Err(Malformed { offset, what: "a comment that does not end" })
    }

    /// The rest of `'…'`, its opening quote already taken. Parts that only white space with a line end
    /// separates are one literal, under the rules of its first part.
    fn finish_text(&mut self, offset: usize, backslash: bool) -> Result<(), Malformed> {
        loop {
            match self.peek(0) {
                _ if self.at >= self.bytes.len() => {
                    return Err(Malformed { offset, what: "a literal that does not end" });
                }
                b'\\' if backslash => self.at += 2,
                b'\'' if self.peek(1) == b'\'' => self.at += 2,
                b'\'' => {
                    self.at += 1;
                    let end = self.at;
                    if !(self.skip_continuation() && self.peek(0) == b'\'') {
                        self.at = end;
                        return Ok(());
                    }
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
    }

    /// Skips what may stand between the parts of a literal: white space and `--` comments, with a line end.
    fn skip_continuation(&mut self) -> bool {
        let mut newline = false;
        loop {
            match self.peek(0) {
                b'\n' | b'\r' => {
                    newline = true;
                    self.at += 1;
                }
                b' ' | b'\t' | 0x0b | 0x0c => self.at += 1,
                b'-' if newline && self.peek(1) == b'-' => {
                    self.skip_while(|byte| byte != b'\n' && byte != b'\r');
                }
                _ => return newline,
            }
        }
    }

    /// The rest of `"…"`, its opening quote already taken.
    fn finish_quoted(&mut self, offset: usize) -> Result<(), Malformed> {
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'"', b'"') => self.at += 2,
                (b'"', _) => {
                    self.at += 1;
                    return Ok(());
                }
                _ => self.at += 1,
            }
        }
        Err(Malformed { offset, what: "a quoted name that does not end" })
    }

    /// `$1`, `$tag$…$tag$`, or a lone `$`.
    fn dollar(&mut self, offset: usize) -> Result<TokenKind, Malformed> {
        if self.peek(1).is_ascii_digit() {
            self.at += 1;
            self.skip_while(|byte| byte.is_ascii_digit());
            return Ok(TokenKind::Parameter);
        }
        let mut end = self.at + 1;
        if self.bytes.get(end).copied().is_some_and(starts_word) {
            while self.bytes.get(end).copied().is_some_and(|byte| starts_word(byte) || byte.is_ascii_digit())
            {
                end += 1;
            }
        }
        if self.bytes.get(end) != Some(&b'$') {
            return Err(Malformed { offset, what: "a dollar sign" });
        }
        let tag = self.text.get(offset..=end).unwrap_or("$$");
        let body = end + 1;
        match self.text.get(body..).and_then(|rest| rest.find(tag)) {
            Some(length) => {
                self.at = body + length + tag.len();
                Ok(TokenKind::Text)
            }
            None => Err(Malformed { offset, what: "a dollar-quoted literal that does not end" }),
        }
    }

    fn token(&mut self) -> Result<Option<Token>, Malformed> {
        self.skip_blank()?;
        let offset = self.at;
        if offset >= self.bytes.len() {
            return Ok(None);
        }
        let kind = match self.peek(0) {
            b'\'' => {
                self.at += 1;
                self.finish_text(offset, false)?;
                TokenKind::Text
            }
            b'"' => {
                self.at += 1;
                self.finish_quoted(offset)?;
                TokenKind::QuotedWord
            }
            b'e' | b'E' if self.peek(1) == b'\'' => {
                self.at += 2;
                self.finish_text(offset, true)?;
                TokenKind::Text
            }
            b'b' | b'B' | b'x' | b'X' | b'n' | b'N' if self.peek(1) == b'\'' => {
                self.at += 2;
                self.finish_text(offset, false)?;
                TokenKind::Text
            }
            b'u' | b'U' if self.peek(1) == b'&' && self.peek(2) == b'\'' => {
                self.at += 3;
                self.finish_text(offset, false)?;
                TokenKind::Text
            }
            b'u' | b'U' if self.peek(1) == b'&' && self.peek(2) == b'"' => {
                self.at += 3;
                self.finish_quoted(offset)?;
                TokenKind::QuotedWord
            }
            b'$' => self.dollar(offset)?,
            byte if starts_word(byte) => {
                self.skip_while(|byte| starts_word(byte) || byte.is_ascii_digit() || byte == b'$');
                TokenKind::Word
            }
            byte if byte.is_ascii_digit() || (byte == b'.' && self.peek(1).is_ascii_digit()) => {
                self.number();
                TokenKind::Number
            }
            b'(' | b'[' => self.single(TokenKind::Open),
            b')' | b']' => self.single(TokenKind::Close),
            b',' => self.single(TokenKind::Comma),
            b';' => self.single(TokenKind::Semicolon),
            b':' if self.peek(1) == b':' => {
                self.at += 2;
                TokenKind::Operator
            }
            b'.' | b':' => self.single(TokenKind::Mark),
            byte if is_operator(byte) => {
                self.operator();
                TokenKind::Operator
            }
            _ => return Err(Malformed { offset, what: "a character that starts no token" }),
        };
        Ok(Some(Token { kind, span: offset..self.at.min(self.bytes.len()) }))
    }

    fn single(&mut self, kind: TokenKind) -> TokenKind {
        self.at += 1;
        kind
    }

    /// A run of operator characters, as far as a comment begins.
    fn operator(&mut self) {
        while is_operator(self.peek(0)) {
            if matches!((self.peek(0), self.peek(1)), (b'-', b'-') | (b'/', b'*')) {
                break;
            }
            self.at += 1;
        }
    }

    /// A number, with whatever letters and digits hang on to it.
    fn number(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'e' | b'E', b'+' | b'-') if self.peek(2).is_ascii_digit() => self.at += 2,
                // `1..10` is a range of two numbers.
                (b'.', b'.') => return,
                (byte, _) if byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_' => self.at += 1,
                _ => return,
            }
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Result<Token, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.token() {
            Ok(token) => token.map(Ok),
            Err(malformed) => {
                self.at = self.bytes.len();
                Some(Err(malformed))
            }
        }
    }
}

/// Whether a word may start with this byte. Every byte of a non-ASCII character counts as a letter.
const fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

const fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!'
            | b'@'
            | b'#'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'<'
            | b'>'
            | b'='
    )
}
