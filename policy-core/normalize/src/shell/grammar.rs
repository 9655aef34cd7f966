//! Words → commands: POSIX's grammar with what bash adds.

use std::rc::Rc;

use super::ast::{Command, Entry, Join, Kind, Part, Pipeline, Program, Simple, Word};
use super::dialect::Dialect;
use super::lex::Parser;
use super::limits::Fault;

/// Words that mean something at the start of a command.
pub(super) const RESERVED: &[&str] = &[
    "!",
    "{",
    "}",
    "[[",
    "]]",
    "case",
    "do",
    "done",
    "elif",
    "else",
    "esac",
    "fi",
    "for",
    "function",
    "if",
    "in",
    "select",
    "then",
    "time",
    "until",
    "while",
    "coproc",
    "foreach",
    "end",
    "repeat",
    "nocorrect",
    "always",
];

impl Parser<'_> {
    /// A whole text. Where the shell itself would stop with a syntax error, what comes before is all that it runs.
    pub(super) fn whole(&mut self) -> Result<Program, Fault> {
        let mut program = Program::default();
        match self.entries(&[], &mut program) {
            Ok(()) => {}
            Err(Fault::Refused) => return Ok(program),
            Err(fault) => return Err(fault),
        }
        if self.at_end() && self.pending.is_empty() { Ok(program) } else { Err(Fault::Syntax) }
    }

    /// Commands up to one of these words (not consumed), a `)`, `;;` or the end.
    pub(super) fn list(&mut self, until: &[&str]) -> Result<Program, Fault> {
        let mut program = Program::default();
        self.entries(until, &mut program)?;
        Ok(program)
    }

    fn entries(&mut self, until: &[&str], program: &mut Program) -> Result<(), Fault> {
        loop {
            self.newlines()?;
            if self.peek().is_none() || self.looks_at(")") || self.looks_at(";;") || self.looks_at(";&") {
                return Ok(());
            }
            let start = self.position();
            if let Some(word) = self.reserved()? {
                self.go_back(start);
                if until.contains(&word.as_str()) {
                    return Ok(());
                }
            }
            let chain = self.chain()?;
            self.skip_blanks();
            let mut background = false;
            let more = match self.peek() {
                Some(';') if !self.looks_at(";;") && !self.looks_at(";&") => {
                    self.next();
                    true
                }
                Some('&') => {
                    self.next();
                    background = true;
                    // `&|` and `&!` are zsh's.
                    if matches!(self.peek(), Some('|' | '!')) {
                        return Err(Fault::Syntax);
                    }
                    true
                }
                Some('\n') => true,
                _ => false,
            };
            program.entries.push(Entry { chain, background });
            if !more {
                return Ok(());
            }
        }
    }

    /// Newlines, blanks and comments.
    pub(super) fn newlines(&mut self) -> Result<(), Fault> {
        loop {
            self.skip_blanks();
            if !self.eat('\n') {
                return Ok(());
            }
            self.here_documents()?;
        }
    }

    fn chain(&mut self) -> Result<Vec<(Join, Pipeline)>, Fault> {
        let mut chain = vec![];
        let mut join = Join::First;
        loop {
            chain.push((join, self.pipeline()?));
            self.skip_blanks();
            join = if self.eat_text("&&") {
                Join::And
            } else if self.eat_text("||") {
                Join::Or
            } else {
                return Ok(chain);
            };
            self.newlines()?;
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, Fault> {
        let mut pipeline = Pipeline::default();
        loop {
            let start = self.position();
            match self.reserved()?.as_deref() {
                Some("!") if pipeline.stages.is_empty() => {
                    pipeline.negated = true;
                    self.skip_blanks();
                    continue;
                }
                // dash runs the program of that name.
                Some("time") if pipeline.stages.is_empty() && self.dialect.has_extensions() => {
                    loop {
                        self.skip_blanks();
                        let start = self.position();
                        let word = self.word()?;
                        if !matches!(word.as_deref().and_then(literal), Some("-p" | "--")) {
                            self.go_back(start);
                            break;
                        }
                    }
                    // Nothing to time.
                    if matches!(self.peek(), None | Some(';' | '\n' | '&' | '|' | ')')) {
                        pipeline
                            .stages
                            .push(Command { kind: Kind::Simple(Simple::default()), redirects: vec![] });
                        return Ok(pipeline);
                    }
                    continue;
                }
                _ => self.go_back(start),
            }
            pipeline.stages.push(self.nested(|parser| parser.command())?);
            self.skip_blanks();
            if self.looks_at("||") {
                return Ok(pipeline);
            }
            if self.looks_at("|&") {
                if self.dialect == Dialect::Dash {
                    return Err(Fault::Refused);
                }
                self.next();
                self.next();
            } else if !self.eat('|') {
                return Ok(pipeline);
            }
            self.newlines()?;
        }
    }

    /// A reserved word, consumed; otherwise nothing is.
    fn reserved(&mut self) -> Result<Option<String>, Fault> {
        let start = self.position();
        if matches!(self.peek(), Some(first) if first.is_ascii_alphabetic() || matches!(first, '!' | '{' | '}' | '[' | ']'))
            && let Some(word) = self.bare_word()
            && RESERVED.contains(&word.as_str())
        {
            return Ok(Some(word));
        }
        self.go_back(start);
        Ok(None)
    }

    /// A word without quotes or expansions, consumed; `None` for any other.
    fn bare_word(&mut self) -> Option<String> {
        let mut word = String::new();
        loop {
            match self.peek() {
                None | Some(' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>') => {
                    return Some(word);
                }
                Some('\'' | '"' | '\\' | '$' | '`') => return None,
                // Long words are none of the reserved.
                Some(_) if word.len() > 16 => return None,
                Some(character) => word.push(character),
            }
            self.next();
        }
    }

    fn expect(&mut self, word: &str) -> Result<(), Fault> {
        self.newlines()?;
        if self.reserved()?.as_deref() == Some(word) { Ok(()) } else { Err(Fault::Syntax) }
    }

    fn command(&mut self) -> Result<Command, Fault> {
        self.budget.token()?;
        self.skip_blanks();
        if self.looks_at("((") && self.dialect.has_extensions() {
            let start = self.position();
            self.next();
            self.next();
            let kind = match self.arithmetic() {
                Ok(parts) => Kind::Arithmetic(parts, None),
                // Two subshells, perhaps; shells try that too, and a space apart is the plain way to write it.
                Err(fault) => {
                    self.go_back(start);
                    return Err(fault);
                }
            };
            return self.redirected(kind);
        }
        if self.eat('(') {
            let body = self.list(&[])?;
            if !self.eat(')') || body.entries.is_empty() {
                return Err(Fault::Syntax);
            }
            return self.redirected(Kind::Subshell(body));
        }
        let start = self.position();
        let Some(word) = self.reserved()? else { return self.simple() };
        let kind = match word.as_str() {
            "{" => {
                let body = self.body(&["}"])?;
                self.expect("}")?;
                Kind::Group(body)
            }
            "if" => self.if_clause()?,
            "while" | "until" => {
                let condition = self.body(&["do"])?;
                Kind::Loop(condition, self.do_group()?)
            }
            "for" => self.for_clause()?,
            "select" => {
                let mut kind = self.for_clause()?;
                // An answer that is none of the choices is empty.
                if let Kind::For { words: Some(words), .. } = &mut kind {
                    words.push(vec![Part::Opaque { quoted: true }]);
                } else if let Kind::For { words, .. } = &mut kind {
                    *words = Some(vec![vec![Part::Opaque { quoted: true }]]);
                }
                kind
            }
            "case" => self.case_clause()?,
            "function" if self.dialect.has_extensions() => {
                self.skip_blanks();
                let name = self.bare_word().filter(|name| !name.is_empty()).ok_or(Fault::Syntax)?;
                self.skip_blanks();
                if self.eat('(') {
                    self.skip_blanks();
                    if !self.eat(')') {
                        return Err(Fault::Syntax);
                    }
                }
                return self.function(name);
            }
            "[[" if self.dialect.has_extensions() => Kind::Test(self.test()?),
            // `in` and others are reserved elsewhere only; dash knows fewer.
            "in" | "time" | "coproc" | "[[" | "]]" | "function" => {
                self.go_back(start);
                return self.simple();
            }
            _ => return Err(Fault::Syntax),
        };
        self.redirected(kind)
    }

    /// At least one command.
    fn body(&mut self, until: &[&str]) -> Result<Program, Fault> {
        let program = self.list(until)?;
        if program.entries.is_empty() { Err(Fault::Syntax) } else { Ok(program) }
    }

    fn do_group(&mut self) -> Result<Program, Fault> {
        self.expect("do")?;
        let body = self.body(&["done"])?;
        self.expect("done")?;
        Ok(body)
    }

    fn if_clause(&mut self) -> Result<Kind, Fault> {
        let mut parts = vec![];
        loop {
            parts.push(self.body(&["then"])?);
            self.expect("then")?;
            parts.push(self.body(&["elif", "else", "fi"])?);
            match self.reserved()?.as_deref() {
                Some("elif") => {}
                Some("else") => {
                    parts.push(self.body(&["fi"])?);
                    self.expect("fi")?;
                    return Ok(Kind::If(parts));
                }
                Some("fi") => return Ok(Kind::If(parts)),
                _ => return Err(Fault::Syntax),
            }
        }
    }

    fn for_clause(&mut self) -> Result<Kind, Fault> {
        self.skip_blanks();
        if self.looks_at("((") {
            if self.dialect == Dialect::Dash {
                return Err(Fault::Refused);
            }
            self.next();
            self.next();
            let parts = self.arithmetic()?;
            self.skip_blanks();
            self.eat(';');
            return Ok(Kind::Arithmetic(parts, Some(self.do_group()?)));
        }
        let name = self.bare_word().filter(|name| is_name(name)).ok_or(Fault::Syntax)?;
        self.newlines()?;
        let start = self.position();
        let words = if self.reserved()?.as_deref() == Some("in") {
            let mut words = vec![];
            self.skip_blanks();
            while let Some(word) = self.word()? {
                words.push(word);
                self.skip_blanks();
            }
            if !self.eat(';') && self.peek() != Some('\n') {
                return Err(Fault::Syntax);
            }
            Some(words)
        } else {
            self.go_back(start);
            self.eat(';');
            None
        };
        Ok(Kind::For { name, words, body: self.do_group()? })
    }

    fn case_clause(&mut self) -> Result<Kind, Fault> {
        self.skip_blanks();
        let subject = self.word()?.ok_or(Fault::Syntax)?;
        self.expect("in")?;
        let mut arms = vec![];
        loop {
            self.newlines()?;
            let start = self.position();
            if self.reserved()?.as_deref() == Some("esac") {
                return Ok(Kind::Case(subject, arms));
            }
            self.go_back(start);
            self.eat('(');
            let mut patterns = vec![];
            loop {
                self.skip_blanks();
                patterns.push(self.word()?.ok_or(Fault::Syntax)?);
                self.skip_blanks();
                if !self.eat('|') {
                    break;
                }
            }
            if !self.eat(')') {
                return Err(Fault::Syntax);
            }
            let body = self.list(&["esac"])?;
            arms.push((patterns, body));
            self.newlines()?;
            if !(self.eat_text(";;&") || self.eat_text(";;") || self.eat_text(";&")) {
                self.expect("esac")?;
                return Ok(Kind::Case(subject, arms));
            }
        }
    }

    pub(super) fn function(&mut self, name: String) -> Result<Command, Fault> {
        self.newlines()?;
        let body = self.nested(|parser| parser.command())?;
        if matches!(body.kind, Kind::Simple(_)) {
            return Err(Fault::Syntax);
        }
        Ok(Command { kind: Kind::Function(name, Rc::new(body)), redirects: vec![] })
    }

    /// What follows `[[`.
    fn test(&mut self) -> Result<Vec<Word>, Fault> {
        let mut words: Vec<Word> = vec![];
        loop {
            self.newlines()?;
            if words.last().and_then(|word| literal(word)) == Some("=~") {
                words.push(self.regex()?);
                continue;
            }
            if let Some(word) = self.word()? {
                if literal(&word) == Some("]]") {
                    return Ok(words);
                }
                words.push(word);
                continue;
            }
            let operators = ["&&", "||", "(", ")", "<", ">"];
            let found = operators.iter().find(|operator| self.eat_text(operator)).ok_or(Fault::Syntax)?;
            words.push(vec![Part::Plain((*found).into())]);
        }
    }

    fn redirected(&mut self, kind: Kind) -> Result<Command, Fault> {
        let mut redirects = vec![];
        loop {
            self.skip_blanks();
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None => break,
            }
        }
        // Anything but an operator or a closing word is an error that the caller finds.
        Ok(Command { kind, redirects })
    }
}

/// The text of a word without quotes or expansions.
pub(super) fn literal(word: &[Part]) -> Option<&str> {
    match word {
        [Part::Plain(text)] => Some(text),
        _ => None,
    }
}

/// Whether this can be a variable's name.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}
