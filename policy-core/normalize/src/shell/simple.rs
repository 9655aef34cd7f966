//! Simple commands: assignments, words, redirections.

use std::cell::OnceCell;
use std::rc::Rc;

use super::ast::{Assignment, Command, Kind, Operator, Part, Redirect, Simple, Target, Word};
use super::dialect::Dialect;
use super::grammar::{RESERVED, is_name, literal};
use super::lex::Parser;
use super::limits::Fault;

impl Parser<'_> {
    pub(super) fn simple(&mut self) -> Result<Command, Fault> {
        let mut simple = Simple::default();
        let mut redirects = vec![];
        loop {
            self.skip_blanks();
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            if self.looks_at("(") {
                return match (simple.words.as_slice(), &redirects[..]) {
                    ([name], []) if simple.assignments.is_empty() => {
                        let name = literal(name).ok_or(Fault::Syntax)?.to_owned();
                        self.next();
                        self.skip_blanks();
                        if !self.eat(')') || RESERVED.contains(&name.as_str()) {
                            return Err(Fault::Syntax);
                        }
                        self.function(name)
                    }
                    ([], _) => Err(Fault::Syntax),
                    _ => Err(self.refused()),
                };
            }
            let Some(word) = self.word()? else { break };
            // `{descriptor}>` opens a new one.
            if matches!(self.peek(), Some('<' | '>'))
                && literal(&word).is_some_and(|text| text.starts_with('{') && text.ends_with('}'))
            {
                return Err(Fault::Syntax);
            }
            // zsh ends a group there.
            if self.dialect == Dialect::Zsh && literal(&word) == Some("}") {
                return Err(Fault::Syntax);
            }
            match simple.words.is_empty().then(|| self.assignment(&word)) {
                Some(Err(fault)) => return Err(fault),
                Some(Ok(Some(assignment))) => simple.assignments.push(assignment),
                _ => simple.words.push(word),
            }
        }
        if simple.words.is_empty() && simple.assignments.is_empty() && redirects.is_empty() {
            return Err(Fault::Syntax);
        }
        Ok(Command { kind: Kind::Simple(simple), redirects })
    }

    /// What bash does not understand either is unknown; dash is known to stop here.
    fn refused(&self) -> Fault {
        if self.dialect == Dialect::Dash { Fault::Refused } else { Fault::Syntax }
    }

    fn assignment(&mut self, word: &Word) -> Result<Option<Assignment>, Fault> {
        let Some((Part::Plain(first), rest)) = word.split_first() else { return Ok(None) };
        let length = first.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        let Some((name, behind)) = length.and_then(|length| first.split_at_checked(length)) else {
            // `a[$x]=…`: an element of an array, whose index is arithmetic.
            return Ok(None);
        };
        if !is_name(name) {
            // zsh assigns to `$1` and its like.
            let positional = self.dialect == Dialect::Zsh && name.bytes().all(|digit| digit.is_ascii_digit());
            let assigns = !name.is_empty() && (behind.starts_with('=') || behind.starts_with("+="));
            return if positional && assigns { Err(Fault::Syntax) } else { Ok(None) };
        }
        if behind.starts_with('[') {
            let assigns = word.iter().any(|part| matches!(part, Part::Plain(text) if text.contains('=')));
            return if assigns { Err(Fault::Syntax) } else { Ok(None) };
        }
        let (appends, value) = match (behind.strip_prefix('='), behind.strip_prefix("+=")) {
            (Some(value), _) => (false, value),
            (None, Some(value)) if self.dialect.has_extensions() => (true, value),
            _ => return Ok(None),
        };
        if value.is_empty() && rest.is_empty() && self.looks_at("(") {
            if self.dialect == Dialect::Dash {
                return Err(Fault::Refused);
            }
            self.next();
            let mut words = vec![];
            loop {
                self.newlines()?;
                match self.word()? {
                    Some(word) => words.push(word),
                    None if self.eat(')') => break,
                    None => return Err(Fault::Syntax),
                }
            }
            return Ok(Some(Assignment { name: name.into(), appends, array: true, words }));
        }
        let mut parts = vec![];
        if !value.is_empty() {
            parts.push(Part::Plain(value.into()));
        }
        parts.extend_from_slice(rest);
        Ok(Some(Assignment { name: name.into(), appends, array: false, words: vec![parts] }))
    }

    /// A redirection, where one comes next.
    pub(super) fn redirect(&mut self) -> Result<Option<Redirect>, Fault> {
        let start = self.position();
        let mut descriptor = String::new();
        while let Some(digit) = self.peek().filter(char::is_ascii_digit) {
            descriptor.push(digit);
            self.next();
        }
        if !matches!(self.peek(), Some('<' | '>')) {
            self.go_back(start);
            if descriptor.is_empty() && self.looks_at("&>") && self.dialect.has_extensions() {
                self.eat_text("&>");
                self.eat('>');
                let operator = Operator::Write;
                return Ok(Some(Redirect { descriptor: None, operator, target: self.target()? }));
            }
            return Ok(None);
        }
        let extended = self.dialect.has_extensions();
        if descriptor.is_empty() && extended && (self.looks_at("<(") || self.looks_at(">(")) {
            return Ok(None);
        }
        // zsh: a range of numbers to match files with.
        if self.dialect == Dialect::Zsh && self.is_numeric_glob() {
            return Err(Fault::Syntax);
        }
        let descriptor = (!descriptor.is_empty()).then_some(descriptor);
        let operator = if self.eat_text("<<<") {
            if !extended {
                return Err(Fault::Refused);
            }
            let Target::Word(mut word) = self.target()? else { return Err(Fault::Syntax) };
            word.push(Part::Quoted("\n".into()));
            let body = Rc::new(OnceCell::from(word));
            return Ok(Some(Redirect { descriptor, operator: Operator::Here, target: Target::Here(body) }));
        } else if self.eat_text("<<") {
            return self.here_document(descriptor).map(Some);
        } else if self.eat_text("<&") {
            Operator::Duplicate { writes: false }
        } else if self.eat_text("<>") {
            Operator::ReadWrite
        } else if self.eat('<') {
            Operator::Read
        } else if self.eat_text(">&") {
            // `>&!` and `>&|` are zsh's.
            Operator::Duplicate { writes: true }
        } else {
            self.eat('>');
            let _appends_or_clobbers = self.eat('>') || self.eat('|');
            Operator::Write
        };
        // `>!`, `>>|`, `>&!`: zsh's.
        if matches!(self.peek(), Some('!' | '|')) && self.dialect == Dialect::Zsh {
            return Err(Fault::Syntax);
        }
        let target = self.target();
        let target = match target {
            Err(Fault::Syntax) => return Err(self.refused_target()),
            other => other?,
        };
        Ok(Some(Redirect { descriptor, operator, target }))
    }

    /// An operator where a file's name should be: dash says so before it runs anything.
    fn refused_target(&mut self) -> Fault {
        if self.dialect == Dialect::Dash && self.looks_at("(") { Fault::Refused } else { Fault::Syntax }
    }

    fn is_numeric_glob(&mut self) -> bool {
        let start = self.position();
        let mut found = self.eat('<');
        while self.peek().is_some_and(|digit| digit.is_ascii_digit()) {
            self.next();
        }
        found &= self.eat('-');
        while self.peek().is_some_and(|digit| digit.is_ascii_digit()) {
            self.next();
        }
        found &= self.eat('>');
        self.go_back(start);
        found
    }

    fn target(&mut self) -> Result<Target, Fault> {
        self.skip_blanks();
        Ok(Target::Word(self.word()?.ok_or(Fault::Syntax)?))
    }
}
