//! Arithmetic: not worked out, but looked at, since a variable's text can hold commands (`a[$(reboot)]`).

use super::ast::{Operation, Part};
use super::limits::Fault;
use super::run::Runner;
use super::variables::{Known, State};

impl Runner<'_> {
    /// Follows what an expression runs. One whose operands are not certainly numbers is `unknown`.
    pub(super) fn arithmetic(&mut self, parts: &[Part], state: &mut State) -> Result<(), Fault> {
        self.may_be_interrupted(state)?;
        let mut certain = true;
        let mut assigned = vec![];
        for part in parts {
            self.budget.steps(1)?;
            match part {
                Part::Plain(text) => certain &= self.are_numbers(text, state, &mut assigned),
                Part::Arithmetic { parts, .. } => self.arithmetic(parts, state)?,
                Part::Parameter { operation: Operation::Length, .. } => {}
                Part::Parameter { name, operation: Operation::Value, .. } => {
                    certain &= matches!(name.as_str(), "#" | "?" | "$")
                        || state.get(name).is_some_and(Known::is_number);
                }
                other => {
                    self.effects(&vec![other.clone()], state)?;
                    certain = false;
                }
            }
        }
        if !certain {
            self.unknown();
        }
        for name in assigned {
            self.assign(&name, Known::Number, state)?;
        }
        Ok(())
    }

    /// Whether all names are of numbers, or are given one first.
    fn are_numbers(&mut self, text: &str, state: &State, assigned: &mut Vec<String>) -> bool {
        const OPERATORS: &str = "+-*/%<>=!&|^~?:(),; \t\n#";
        let in_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        if !text.chars().all(|character| in_name(character) || OPERATORS.contains(character)) {
            return false;
        }
        let changes = text.contains("++") || text.contains("--");
        let mut rest = text;
        while let Some(start) = rest.find(in_name) {
            let (_, from) = rest.split_at(start);
            let (name, behind) = from.split_at(from.find(|next| !in_name(next)).unwrap_or(from.len()));
            rest = behind;
            if name.starts_with(|first: char| first.is_ascii_digit()) {
                continue;
            }
            let after = behind.trim_start_matches([' ', '\t', '\n']);
            let gives = after.starts_with('=') && !after.starts_with("==");
            let known = assigned.iter().any(|assigned| assigned == name)
                || state.get(name).is_some_and(Known::is_number);
            // A condition (`x && y = 1`) might skip an assignment that others rely on.
            let straight = !text.contains(['?', '&', '|']);
            if !(known || (gives && straight)) {
                return false;
            }
            let compound =
                after.starts_with(|first: char| "+-*/%<>&^|".contains(first)) && after.contains('=');
            if gives || changes || compound {
                assigned.push(name.to_owned());
            }
        }
        true
    }
}
