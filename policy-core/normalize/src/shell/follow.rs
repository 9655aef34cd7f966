//! Lists and compound commands: what runs, what may run, and what is known after it.

use super::argument::Argument;
use super::ast::{Command, Entry, Join, Kind, Part, Pipeline, Program, Word};
use super::grammar::{is_name, literal};
use super::limits::Fault;
use super::run::Runner;
use super::variables::{Known, State};

impl Runner<'_> {
    pub(super) fn entry(&mut self, entry: &Entry, state: &mut State) -> Result<(), Fault> {
        if entry.background {
            let mut aside = self.aside(state)?;
            return self.chain(&entry.chain, &mut aside);
        }
        self.chain(&entry.chain, state)
    }

    /// A copy of the state, for what runs in a subshell or perhaps not at all.
    pub(super) fn aside(&self, state: &State) -> Result<State, Fault> {
        self.budget.steps(state.size())?;
        Ok(state.clone())
    }

    pub(super) fn join(&self, state: &mut State, other: &State) -> Result<(), Fault> {
        self.budget.steps(state.size() + other.size())?;
        state.join(other);
        Ok(())
    }

    fn chain(&mut self, chain: &[(Join, Pipeline)], state: &mut State) -> Result<(), Fault> {
        for (join, pipeline) in chain {
            if *join == Join::First {
                self.pipeline(pipeline, state)?;
                continue;
            }
            let before = self.aside(state)?;
            match join {
                Join::And => state.succeeded(),
                _ => state.entered = None,
            }
            self.pipeline(pipeline, state)?;
            // After `a && b` succeeded, both have.
            let entered = match join {
                Join::And => state.entered.clone().or_else(|| state.directory.clone()),
                _ => None,
            };
            self.join(state, &before)?;
            state.entered = entered;
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, state: &mut State) -> Result<(), Fault> {
        state.entered = None;
        if let [only] = pipeline.stages.as_slice() {
            self.deeper(|runner| runner.command(only, state))?;
        } else {
            // Some shells run the last stage in place, others all of them aside.
            let before = self.aside(state)?;
            for stage in &pipeline.stages {
                let mut aside = before.clone();
                self.budget.steps(before.size())?;
                self.deeper(|runner| runner.command(stage, &mut aside))?;
                self.join(state, &aside)?;
            }
            state.entered = None;
        }
        if pipeline.negated {
            state.entered = None;
        }
        Ok(())
    }

    /// One command. Where a file can't be opened it does not run, and the text goes on.
    pub(super) fn command(&mut self, command: &Command, state: &mut State) -> Result<(), Fault> {
        self.budget.steps(1)?;
        let prefixed = matches!(&command.kind, Kind::Simple(simple)
            if !simple.words.is_empty() && !simple.assignments.is_empty());
        if command.redirects.is_empty() && !prefixed {
            return self.opened(command, state);
        }
        let before = self.aside(state)?;
        self.opened(command, state)?;
        let entered = state.entered.take();
        self.join(state, &before)?;
        state.entered = entered;
        Ok(())
    }

    fn opened(&mut self, command: &Command, state: &mut State) -> Result<(), Fault> {
        if let Kind::Simple(simple) = &command.kind {
            return self.simple(simple, command, state);
        }
        if !matches!(command.kind, Kind::Function(..)) {
            self.redirects(&command.redirects, state)?;
        }
        match &command.kind {
            Kind::Simple(_) => {}
            Kind::Group(body) => self.program(body, state)?,
            Kind::Subshell(body) => {
                let mut aside = self.aside(state)?;
                self.program(body, &mut aside)?;
            }
            Kind::If(parts) => self.branches(parts, state)?,
            Kind::Loop(condition, body) => self.turns(state, |runner, state| {
                runner.program(condition, state)?;
                let mut inside = runner.aside(state)?;
                runner.program(body, &mut inside)?;
                runner.join(state, &inside)
            })?,
            Kind::For { name, words, body } => self.each(name, words.as_deref(), body, state)?,
            Kind::Case(subject, arms) => {
                self.effects(subject, state)?;
                for (patterns, body) in arms {
                    for pattern in patterns {
                        self.effects(pattern, state)?;
                    }
                    let mut inside = self.aside(state)?;
                    self.program(body, &mut inside)?;
                    self.join(state, &inside)?;
                }
            }
            Kind::Function(name, body) => {
                self.define(name, body)?;
                // The shell calls these itself.
                let hooks = ["chpwd", "precmd", "preexec", "periodic", "zshexit", "zshaddhistory"];
                if name.starts_with("TRAP")
                    || name.starts_with("command_not_found")
                    || hooks.contains(&name.as_str())
                {
                    self.unknown();
                }
            }
            Kind::Test(words) => self.test(words, state)?,
            Kind::Arithmetic(parts, body) => {
                self.arithmetic(parts, state)?;
                if let Some(body) = body {
                    self.turns(state, |runner, state| {
                        runner.program(body, state)?;
                        runner.arithmetic(parts, state)
                    })?;
                }
            }
        }
        Ok(())
    }

    fn branches(&mut self, parts: &[Program], state: &mut State) -> Result<(), Fault> {
        let mut outcome: Option<State> = None;
        let mut rest = parts;
        while let [condition, branch, behind @ ..] = rest {
            rest = behind;
            self.program(condition, state)?;
            let mut inside = self.aside(state)?;
            inside.succeeded();
            state.entered = None;
            self.program(branch, &mut inside)?;
            match &mut outcome {
                None => outcome = Some(inside),
                Some(outcome) => self.join(outcome, &inside)?,
            }
        }
        if let [otherwise] = rest {
            self.program(otherwise, state)?;
        }
        if let Some(outcome) = outcome {
            self.join(state, &outcome)?;
        }
        state.entered = None;
        Ok(())
    }

    /// A body that runs any number of times.
    pub(super) fn turns(
        &mut self,
        state: &mut State,
        mut body: impl FnMut(&mut Self, &mut State) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        for _ in 0..4 {
            let functions = self.count_of_bodies();
            let mut turn = self.aside(state)?;
            body(self, &mut turn)?;
            self.left_early(&mut turn);
            let mut joined = self.aside(state)?;
            self.join(&mut joined, &turn)?;
            joined.entered = None;
            state.entered = None;
            if joined == *state && functions == self.count_of_bodies() {
                return Ok(());
            }
            *state = joined;
        }
        state.forget_all();
        let mut turn = state.clone();
        body(self, &mut turn)?;
        state.forget_all();
        Ok(())
    }

    fn each(
        &mut self,
        name: &str,
        words: Option<&[Word]>,
        body: &Program,
        state: &mut State,
    ) -> Result<(), Fault> {
        const FEW: usize = 16;
        let arguments = match words {
            Some(words) => self.arguments(words, state)?,
            None => match state.positional.as_deref() {
                Some(known) => known.iter().cloned().map(Argument::Text).collect(),
                None => vec![Argument::anything()],
            },
        };
        let texts: Option<Vec<&str>> = arguments.iter().map(Argument::text).collect();
        match texts {
            Some(texts) if texts.len() <= FEW => {
                for text in texts {
                    let mut turn = self.aside(state)?;
                    self.assign(name, Known::text(text), &mut turn)?;
                    self.program(body, &mut turn)?;
                    self.left_early(&mut turn);
                    self.join(state, &turn)?;
                }
                state.set(name, Known::Nothing);
                Ok(())
            }
            _ => self.turns(state, |runner, state| {
                runner.assign(name, Known::Nothing, state)?;
                runner.program(body, state)
            }),
        }
    }

    /// Where a loop or function may end early, what was set on the way is not what is set at its end.
    pub(super) fn left_early(&self, state: &mut State) {
        if self.jumps {
            state.forget_all();
        }
    }

    /// `[[ … ]]`: numbers are compared by arithmetic.
    fn test(&mut self, words: &[Word], state: &mut State) -> Result<(), Fault> {
        let numeric = |word: &Word| {
            literal(word).is_some_and(|text| matches!(text, "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge"))
        };
        let mut certain = true;
        for (index, word) in words.iter().enumerate() {
            let beside = [index.checked_sub(1), index.checked_add(1)];
            let compared = beside.into_iter().flatten().filter_map(|index| words.get(index)).any(numeric);
            let looked_up = index.checked_sub(1).and_then(|index| words.get(index));
            let looked_up = looked_up.and_then(|word| literal(word)) == Some("-v");
            match word.as_slice() {
                [Part::Parameter { name, .. }] if compared && matches!(name.as_str(), "#" | "?" | "$") => {}
                _ => {
                    let value = self.value(word, state)?;
                    certain &= !compared || value.is_number();
                    certain &= !looked_up || matches!(&value, Known::Text(name) if is_name(name));
                }
            }
        }
        if !certain {
            self.unknown();
        }
        Ok(())
    }
}
