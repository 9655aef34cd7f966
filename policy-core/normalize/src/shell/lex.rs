//! Characters → words: quoting and the forms of expansion.

use std::rc::Rc;

use super::ansi;
use super::ast::{Operation, Part, Program, Word};
use super::dialect::Dialect;
use super::here::HereDocument;
use super::limits::{Budget, Fault};

/// Reads one text. Its grammar is in `grammar`.
pub(super) struct Parser<'a> {
    pub(super) text: Vec<char>,
    pub(super) at: usize,
    pub(super) dialect: Dialect,
    pub(super) budget: &'a Budget,
    pub(super) depth: usize,
    /// Here-documents whose lines follow the next newline.
    pub(super) pending: Vec<HereDocument>,
}

/// Where a word ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At a blank or an operator.
    Token,
    /// At the brace that closes an expansion.
    Brace,
    /// Never: a here-document's body.
    Text,
    /// At a blank: what follows `=~`, where `(`, `)` and `|` mean themselves.
    Regex,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &str, dialect: Dialect, budget: &'a Budget, depth: usize) -> Self {
        Self { text: text.chars().collect(), at: 0, dialect, budget, depth, pending: vec![] }
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// The next character, line continuations skipped.
    pub(super) fn peek(&mut self) -> Option<char> {
        while self.text.get(self.at..self.at + 2) == Some(&['\\', '\n']) {
            self.at += 2;
        }
        self.text.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += 1;
        Some(character)
    }

    pub(super) fn eat(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        if found {
            self.at += 1;
        }
        found
    }

    /// Whether these characters come next, with continuations between them skipped.
    pub(super) fn looks_at(&mut self, text: &str) -> bool {
        let start = self.at;
        let found = text.chars().all(|character| self.eat(character));
        self.at = start;
        found
    }

    pub(super) fn eat_text(&mut self, text: &str) -> bool {
        let found = self.looks_at(text);
        if found {
            text.chars().for_each(|character| {
                self.eat(character);
            });
        }
        found
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn go_back(&mut self, position: usize) {
        self.at = position;
    }

    /// Runs a part of the grammar one level deeper.
    pub(super) fn nested<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.depth += 1;
        self.budget.depth(self.depth)?;
        let result = part(self);
        self.depth -= 1;
        result
    }

    /// Blanks and a comment; not the newline.
    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.at += 1;
        }
        if self.peek() == Some('#') {
            while self.text.get(self.at).is_some_and(|character| *character != '\n') {
                self.at += 1;
            }
        }
    }

    /// A word, or `None` where an operator or the end comes next.
    pub(super) fn word(&mut self) -> Result<Option<Word>, Fault> {
        self.budget.token()?;
        let start = self.at;
        let word = self.parts(End::Token)?;
        Ok(if self.at == start || (word.is_empty() && self.text.get(start) == Some(&'\\')) {
            None
        } else {
            Some(word)
        })
    }

    pub(super) fn regex(&mut self) -> Result<Word, Fault> {
        self.parts(End::Regex)
    }

    pub(super) fn parts(&mut self, end: End) -> Result<Word, Fault> {
        let mut word = Word::new();
        let mut open = 0usize;
        loop {
            let Some(character) = (match end {
                End::Text => self.text.get(self.at).copied(),
                _ => self.peek(),
            }) else {
                return match end {
                    End::Brace => Err(Fault::Syntax),
                    _ => Ok(word),
                };
            };
            match (end, character) {
                (End::Token, ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')') => return Ok(word),
                (End::Token, '<' | '>') => {
                    let process = self.looks_at("<(") || self.looks_at(">(");
                    if !process || !self.dialect.has_extensions() {
                        return Ok(word);
                    }
                    if !word.is_empty() {
                        return Err(Fault::Syntax);
                    }
                    self.next();
                    self.next();
                    let program = self.nested(|parser| parser.program_until_parenthesis())?;
                    word.push(Part::Process(Rc::new(program)));
                }
                (End::Regex, ' ' | '\t' | '\n') if open == 0 => return Ok(word),
                (End::Regex, ' ' | '\t' | '\n' | ';' | '&' | '<' | '>') => return Err(Fault::Syntax),
                (End::Regex, '(') => {
                    open += 1;
                    self.next();
                    plain(&mut word, '(');
                }
                (End::Regex, ')') => {
                    open = open.checked_sub(1).ok_or(Fault::Syntax)?;
                    self.next();
                    plain(&mut word, ')');
                }
                (End::Brace, '}') => return Ok(word),
                (End::Text, '\\') => {
                    self.at += 1;
                    match self.text.get(self.at) {
                        Some('\n') => self.at += 1,
                        Some(escaped @ ('$' | '`' | '\\')) => {
                            quoted(&mut word, *escaped);
                            self.at += 1;
                        }
                        _ => quoted(&mut word, '\\'),
                    }
                }
                (_, '$') => {
                    self.next();
                    self.dollar(&mut word, end == End::Text)?;
                }
                (_, '`') => {
                    self.next();
                    self.backticks(&mut word, end == End::Text)?;
                }
                (End::Text, _) => {
                    self.at += 1;
                    quoted(&mut word, character);
                }
                (_, '\'') => {
                    self.next();
                    let text = self.single_quoted()?;
                    word.push(Part::Quoted(text.iter().collect()));
                }
                (_, '"') => {
                    self.next();
                    self.double_quoted(&mut word)?;
                }
                (_, '\\') => {
                    self.at += 1;
                    // A backslash at the very end: shells differ.
                    let escaped = *self.text.get(self.at).ok_or(Fault::Syntax)?;
                    self.at += 1;
                    word.push(Part::Quoted(escaped.to_string()));
                }
                _ => {
                    self.next();
                    plain(&mut word, character);
                }
            }
        }
    }

    /// Up to the closing quote, which is consumed.
    fn single_quoted(&mut self) -> Result<Vec<char>, Fault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|character| *character == '\'').ok_or(Fault::Syntax)?;
        let text = rest.get(..length).unwrap_or_default().to_vec();
        self.at += length + 1;
        Ok(text)
    }

    fn double_quoted(&mut self, word: &mut Word) -> Result<(), Fault> {
        word.push(Part::Quoted(String::new()));
        loop {
            match self.peek().ok_or(Fault::Syntax)? {
                '"' => {
                    self.next();
                    return Ok(());
                }
                '$' => {
                    self.next();
                    self.dollar(word, true)?;
                }
                '`' => {
                    self.next();
                    self.backticks(word, true)?;
                }
                '\\' => {
                    self.at += 1;
                    match self.text.get(self.at) {
                        Some(escaped @ ('$' | '`' | '"' | '\\')) => {
                            quoted(word, *escaped);
                            self.at += 1;
                        }
                        _ => quoted(word, '\\'),
                    }
                }
                character => {
                    self.next();
                    quoted(word, character);
                }
            }
        }
    }

    /// What follows `$`.
    fn dollar(&mut self, word: &mut Word, quoted_here: bool) -> Result<(), Fault> {
        let extended = self.dialect.has_extensions();
        match self.peek() {
            Some('(') => {
                if self.looks_at("((") {
                    return self.arithmetic_expansion(word, quoted_here);
                }
                self.next();
                let program = self.nested(|parser| parser.program_until_parenthesis())?;
                word.push(Part::Command { program: Rc::new(program), quoted: quoted_here });
            }
            Some('{') => {
                self.next();
                let part = self.nested(|parser| parser.braced(quoted_here))?;
                word.push(part);
            }
            Some('\'') if !quoted_here && extended => {
                self.next();
                let text = self.ansi_text()?;
                word.push(ansi::decode(&text).map_or(Part::Opaque { quoted: true }, Part::Quoted));
            }
            Some('"') if !quoted_here && matches!(self.dialect, Dialect::Bash | Dialect::Ksh) => {
                self.next();
                self.double_quoted(word)?;
            }
            // Old arithmetic in bash, an array's element in zsh.
            Some('[') => return Err(Fault::Syntax),
            Some('=' | '~' | '^' | '+') if self.dialect == Dialect::Zsh && self.names_after(1) => {
                return Err(Fault::Syntax);
            }
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                let name = self.name();
                // zsh subscripts and modifies without braces.
                let opaque = self.dialect == Dialect::Zsh && matches!(self.peek(), Some('[' | ':'));
                let operation = if opaque { Operation::Other(vec![]) } else { Operation::Value };
                word.push(Part::Parameter { name, operation, quoted: quoted_here });
            }
            Some(first @ ('0'..='9' | '@' | '*' | '#' | '?' | '-' | '$' | '!' | '_')) => {
                self.next();
                if first == '#' && self.names_after(0) {
                    word.push(Part::Opaque { quoted: quoted_here });
                } else {
                    let operation = Operation::Value;
                    word.push(Part::Parameter { name: first.to_string(), operation, quoted: quoted_here });
                }
            }
            _ if quoted_here => quoted(word, '$'),
            _ => plain(word, '$'),
        }
        Ok(())
    }

    fn names_after(&self, skip: usize) -> bool {
        self.text.get(self.at + skip).is_some_and(|next| {
            next.is_ascii_alphanumeric() || matches!(next, '_' | '{' | '(' | '@' | '*' | '#')
        })
    }

    pub(super) fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(character) = self.peek()
            && (character.is_ascii_alphanumeric() || character == '_')
        {
            name.push(character);
            self.next();
        }
        name
    }

    /// The raw text of `$'…'`, whose closing quote is consumed.
    fn ansi_text(&mut self) -> Result<Vec<char>, Fault> {
        let mut text = vec![];
        loop {
            let character = *self.text.get(self.at).ok_or(Fault::Syntax)?;
            self.at += 1;
            match character {
                '\'' => return Ok(text),
                '\\' => {
                    text.push('\\');
                    text.push(*self.text.get(self.at).ok_or(Fault::Syntax)?);
                    self.at += 1;
                }
                _ => text.push(character),
            }
        }
    }

    /// `` `…` ``: unescaped, then read as a text of its own.
    fn backticks(&mut self, word: &mut Word, quoted_here: bool) -> Result<(), Fault> {
        let mut inner = String::new();
        loop {
            let character = *self.text.get(self.at).ok_or(Fault::Syntax)?;
            self.at += 1;
            match character {
                '`' => break,
                '\\' => {
                    let escaped = *self.text.get(self.at).ok_or(Fault::Syntax)?;
                    match escaped {
                        '`' | '\\' | '$' => self.at += 1,
                        // In quotes shells differ.
                        '"' if quoted_here => return Err(Fault::Syntax),
                        _ => {
                            inner.push('\\');
                            continue;
                        }
                    }
                    inner.push(escaped);
                }
                _ => inner.push(character),
            }
        }
        let mut parser = Parser::new(&inner, self.dialect, self.budget, self.depth + 1);
        self.budget.depth(self.depth + 1)?;
        let program = parser.whole()?;
        word.push(Part::Command { program: Rc::new(program), quoted: quoted_here });
        Ok(())
    }

    /// `((` comes next, after `$`. A command substitution that starts with a subshell is not told apart: unknown.
    fn arithmetic_expansion(&mut self, word: &mut Word, quoted_here: bool) -> Result<(), Fault> {
        self.next();
        self.next();
        let parts = self.nested(|parser| parser.arithmetic())?;
        word.push(Part::Arithmetic { parts, quoted: quoted_here });
        Ok(())
    }

    /// Up to and with the `))` that closes it.
    pub(super) fn arithmetic(&mut self) -> Result<Vec<Part>, Fault> {
        let mut parts = vec![];
        let mut open = 0usize;
        loop {
            match self.peek().ok_or(Fault::Syntax)? {
                '(' => {
                    open += 1;
                    self.next();
                    plain(&mut parts, '(');
                }
                ')' if open == 0 => {
                    return if self.eat_text("))") { Ok(parts) } else { Err(Fault::Syntax) };
                }
                ')' => {
                    open -= 1;
                    self.next();
                    plain(&mut parts, ')');
                }
                '$' => {
                    self.next();
                    self.dollar(&mut parts, true)?;
                }
                '`' => {
                    self.next();
                    self.backticks(&mut parts, true)?;
                }
                '\'' | '"' | '\\' => return Err(Fault::Syntax),
                character => {
                    self.next();
                    plain(&mut parts, character);
                }
            }
        }
    }

    fn program_until_parenthesis(&mut self) -> Result<Program, Fault> {
        let program = self.list(&[])?;
        if self.eat(')') { Ok(program) } else { Err(Fault::Syntax) }
    }
}

fn plain(word: &mut Word, character: char) {
    match word.last_mut() {
        Some(Part::Plain(text)) => text.push(character),
        _ => word.push(Part::Plain(character.to_string())),
    }
}

fn quoted(word: &mut Word, character: char) {
    match word.last_mut() {
        Some(Part::Quoted(text)) => text.push(character),
        _ => word.push(Part::Quoted(character.to_string())),
    }
}
