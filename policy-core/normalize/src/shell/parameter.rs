//! What stands in `${…}`.

use super::ast::{Operation, Part, Word};
use super::lex::{End, Parser};
use super::limits::Fault;

impl Parser<'_> {
    /// What follows `${`, up to and with the brace that closes it.
    pub(super) fn braced(&mut self, quoted_here: bool) -> Result<Part, Fault> {
        let part = |name: String, operation| Part::Parameter { name, operation, quoted: quoted_here };
        if self.looks_at("#}") {
            self.next();
            self.next();
            return Ok(part("#".into(), Operation::Value));
        }
        let length = self.eat('#');
        let indirect = !length && self.looks_at("!") && !self.looks_at("!}") && {
            self.next();
            true
        };
        let mut name = self.name();
        if name.is_empty() {
            match self.next() {
                Some(special @ ('@' | '*' | '?' | '-' | '$' | '!' | '#')) => name.push(special),
                _ => return Err(Fault::Syntax),
            }
        } else if name.starts_with(|first: char| first.is_ascii_digit())
            && !name.chars().all(|digit| digit.is_ascii_digit())
        {
            return Err(Fault::Syntax);
        }
        let mut subscript = false;
        if self.eat('[') {
            subscript = true;
            // Any other subscript is arithmetic, which may run commands.
            while let Some(digit) = self.peek()
                && (digit.is_ascii_digit() || matches!(digit, '@' | '*'))
            {
                self.next();
            }
            if !self.eat(']') {
                return Err(Fault::Syntax);
            }
        }
        if length {
            return if self.eat('}') { Ok(part(name, Operation::Length)) } else { Err(Fault::Syntax) };
        }
        if indirect || subscript {
            self.eat('@');
            self.eat('*');
            return if self.eat('}') {
                Ok(Part::Opaque { quoted: quoted_here && !subscript })
            } else {
                Err(Fault::Syntax)
            };
        }
        if self.eat('}') {
            return Ok(part(name, Operation::Value));
        }
        let colon = self.looks_at(":") && {
            self.next();
            true
        };
        let operation = match self.peek().ok_or(Fault::Syntax)? {
            kind @ ('-' | '=' | '?' | '+') => {
                self.next();
                Operation::Or { colon, kind, word: self.operand(quoted_here)? }
            }
            // An offset or a length: arithmetic, so nothing but digits.
            _ if colon => {
                while let Some(character) = self.peek()
                    && (character.is_ascii_digit() || matches!(character, ' ' | ':' | '-'))
                {
                    self.next();
                }
                Operation::Other(vec![])
            }
            '#' | '%' | '/' | '^' | ',' => {
                self.next();
                Operation::Other(self.operand(quoted_here)?)
            }
            // `@P` expands the value as a prompt, which may run commands; the others only write it differently.
            '@' => {
                self.next();
                match self.next() {
                    Some('Q' | 'E' | 'U' | 'u' | 'L' | 'K' | 'k' | 'a') => Operation::Other(vec![]),
                    _ => return Err(Fault::Syntax),
                }
            }
            _ => return Err(Fault::Syntax),
        };
        if self.eat('}') { Ok(part(name, operation)) } else { Err(Fault::Syntax) }
    }

    /// The word inside `${x-word}`. Within double quotes shells disagree about quotes in it.
    fn operand(&mut self, quoted_here: bool) -> Result<Word, Fault> {
        let start = self.at;
        let mut word = self.parts(End::Brace)?;
        // Which brace closes the expansion is not the same everywhere.
        if word.iter().any(|part| matches!(part, Part::Plain(text) if text.contains('{'))) {
            return Err(Fault::Syntax);
        }
        if quoted_here {
            let raw = self.text.get(start..self.at).unwrap_or_default();
            if raw.iter().any(|character| matches!(character, '\'' | '"' | '\\')) {
                return Err(Fault::Syntax);
            }
            word.iter_mut().for_each(Part::quote);
        }
        Ok(word)
    }
}

impl Part {
    fn quote(&mut self) {
        match self {
            Self::Plain(text) => *self = Self::Quoted(std::mem::take(text)),
            Self::Opaque { quoted }
            | Self::Parameter { quoted, .. }
            | Self::Command { quoted, .. }
            | Self::Arithmetic { quoted, .. } => *quoted = true,
            Self::Quoted(_) | Self::Process(_) => {}
        }
    }
}
