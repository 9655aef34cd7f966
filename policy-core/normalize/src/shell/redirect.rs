//! Redirections: files that are opened, and what a command reads.

use super::argument::Argument;
use super::ast::{Operator, Redirect, Target};
use super::limits::Fault;
use super::path;
use super::run::{Input, Runner};
use super::variables::{Known, State};

impl Runner<'_> {
    /// Notes the files that redirections open. The text that standard input is, where the last word on it is one.
    pub(super) fn redirects(&mut self, redirects: &[Redirect], state: &mut State) -> Result<Input, Fault> {
        let mut input = None;
        for redirect in redirects {
            self.budget.steps(1)?;
            let reads = matches!(redirect.operator, Operator::Read | Operator::ReadWrite | Operator::Here)
                || redirect.operator == Operator::Duplicate { writes: false };
            let standard = match redirect.descriptor.as_deref() {
                None => reads,
                Some(descriptor) => descriptor.trim_start_matches('0').is_empty(),
            };
            if standard {
                input = None;
            }
            match &redirect.target {
                Target::Here(body) => {
                    let body = body.get().ok_or(Fault::Syntax)?;
                    let value = self.value(body, state)?;
                    if let (true, Known::Text(text)) = (standard, value) {
                        input = Some(text.to_string());
                    }
                }
                Target::Word(word) => {
                    let arguments = self.arguments(std::slice::from_ref(word), state)?;
                    let target = match arguments.as_slice() {
                        [Argument::Text(text)] => Some(text.as_str()),
                        _ => None,
                    };
                    // A process substitution: its commands are followed already.
                    let process = matches!(arguments.as_slice(), [hole] if hole.prefix() == "/dev/fd/");
                    if !process {
                        self.redirect(redirect.operator, target, state);
                    }
                }
            }
        }
        Ok(input)
    }

    fn redirect(&mut self, operator: Operator, target: Option<&str>, state: &State) {
        let verbs: &[&'static str] = match (operator, target) {
            (Operator::Read, _) => &["read"],
            (Operator::Write, _) => &["write"],
            (Operator::ReadWrite, _) => &["read", "write"],
            (Operator::Here, _) => &[],
            (Operator::Duplicate { .. }, Some(descriptor)) if is_descriptor(descriptor) => &[],
            (Operator::Duplicate { writes: true }, Some(_)) => &["write"],
            // An error in most shells; a descriptor's number that is not known.
            (Operator::Duplicate { .. }, _) => {
                self.unknown();
                &[]
            }
        };
        if target.is_some_and(|path| path.starts_with("/dev/tcp/") || path.starts_with("/dev/udp/")) {
            self.unknown();
        }
        let own = target
            .and_then(|path| path::normalised(path, state.directory.as_deref()))
            .is_some_and(|segments| is_own(&segments));
        if !own {
            verbs.iter().for_each(|verb| self.note_file(verb, target, state));
        }
    }
}

/// `2`, `-`, `2-`.
fn is_descriptor(text: &str) -> bool {
    text.trim_end_matches('-').bytes().all(|byte| byte.is_ascii_digit()) && text.matches('-').count() <= 1
}

/// Files that hold nothing, or what the command has anyway.
fn is_own(segments: &[String]) -> bool {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    matches!(segments.as_slice(), ["dev", "null" | "stdin" | "stdout" | "stderr"])
        || matches!(segments.as_slice(), ["dev", "fd", number] if is_descriptor(number))
}
