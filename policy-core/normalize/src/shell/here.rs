//! Here-documents: their delimiters, and the lines that follow.

use std::cell::OnceCell;
use std::rc::Rc;

use super::ast::{Operator, Part, Redirect, Target, Word};
use super::lex::{End, Parser};
use super::limits::Fault;

/// One whose lines are still to come.
pub(super) struct HereDocument {
    pub(super) delimiter: String,
    pub(super) quoted: bool,
    pub(super) strips_tabs: bool,
    pub(super) body: Rc<OnceCell<Word>>,
}

impl Parser<'_> {
    /// What follows `<<`.
    pub(super) fn here_document(&mut self, descriptor: Option<String>) -> Result<Redirect, Fault> {
        let strips_tabs = self.eat('-');
        self.skip_blanks();
        let word = self.word()?.ok_or(Fault::Syntax)?;
        let mut delimiter = String::new();
        let mut quoted = false;
        for part in &word {
            match part {
                Part::Plain(text) => delimiter.push_str(text),
                Part::Quoted(text) => {
                    quoted = true;
                    delimiter.push_str(text);
                }
                _ => return Err(Fault::Syntax),
            }
        }
        if delimiter.contains('\n') {
            return Err(Fault::Syntax);
        }
        let body = Rc::new(OnceCell::new());
        self.pending.push(HereDocument { delimiter, quoted, strips_tabs, body: Rc::clone(&body) });
        Ok(Redirect { descriptor, operator: Operator::Here, target: Target::Here(body) })
    }

    /// Reads the bodies of the here-documents of the line that has just ended.
    pub(super) fn here_documents(&mut self) -> Result<(), Fault> {
        for document in std::mem::take(&mut self.pending) {
            let mut body = String::new();
            let mut joined = false;
            loop {
                let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty()).ok_or(Fault::Syntax)?;
                let length = rest.iter().position(|character| *character == '\n');
                let mut line = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
                self.at += length.map_or(rest.len(), |length| length + 1);
                if document.strips_tabs {
                    let tabs = line.iter().take_while(|character| **character == '\t').count();
                    line = line.get(tabs..).unwrap_or_default();
                }
                let line: String = line.iter().collect();
                if line == document.delimiter {
                    // After a continued line shells may differ about whether it ends here.
                    if joined {
                        return Err(Fault::Syntax);
                    }
                    break;
                }
                if length.is_none() {
                    return Err(Fault::Syntax);
                }
                let backslashes = line.chars().rev().take_while(|character| *character == '\\').count();
                joined = !document.quoted && backslashes % 2 == 1;
                body.push_str(&line);
                body.push('\n');
            }
            let word = if document.quoted {
                vec![Part::Quoted(body)]
            } else {
                let mut parser = Parser::new(&body, self.dialect, self.budget, self.depth + 1);
                self.budget.depth(self.depth + 1)?;
                parser.parts(End::Text)?
            };
            document.body.set(word).map_err(|_| Fault::Syntax)?;
        }
        Ok(())
    }
}
