//! Follows a text as the shell would run it, and notes every action.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use policy_core::{Action, Resource, Value, Verb};

use super::Environment;
use super::argument::{self, Argument};
use super::ast::{Assignment, Command, Kind, Operator, Part, Program, Simple, Word};
use super::builtins::{DECLARATIONS, FOLLOWED};
use super::dialect::Dialect;
use super::grammar::{is_name, literal};
use super::lex::Parser;
use super::limits::{Budget, Fault};
use super::variables::{Known, State, is_dangerous, is_worked_out};

/// Follows one text in one dialect.
pub(super) struct Runner<'a> {
    pub(super) environment: &'a Environment<'a>,
    /// The whole text as sent.
    text: Box<str>,
    pub(super) budget: &'a Budget,
    pub(super) dialect: Dialect,
    depth: usize,
    actions: &'a mut Vec<Action>,
    functions: BTreeMap<String, Vec<Rc<Command>>>,
    /// Whether `break`, `continue` or `return` was seen, or another way to leave a list before its end.
    pub(super) jumps: bool,
    /// Variables that keep their value whatever is assigned.
    pub(super) frozen: HashSet<String>,
    /// States at points where an error may have ended the line.
    interrupted: Vec<State>,
    /// Texts of traps.
    pub(super) traps: Vec<String>,
    /// How many wrappers lie around that lead to another host, container or root: paths there are not known here.
    pub(super) elsewhere: usize,
    /// Texts given to shells of their own, which were followed already.
    done: &'a mut HashSet<Told>,
}

/// A text for a shell of its own, its positional parameters and working directory.
pub(super) type Told = (String, Option<Vec<String>>, Option<String>);

/// What a command reads from its standard input, where the text says it.
pub(super) type Input = Option<String>;

impl<'a> Runner<'a> {
    pub(super) fn new(
        environment: &'a Environment<'a>,
        text: &str,
        dialect: Dialect,
        budget: &'a Budget,
        actions: &'a mut Vec<Action>,
        done: &'a mut HashSet<Told>,
    ) -> Self {
        let functions = BTreeMap::new();
        Self {
            environment,
            text: text.into(),
            budget,
            dialect,
            depth: 0,
            actions,
            functions,
            jumps: false,
            frozen: HashSet::new(),
            interrupted: vec![],
            traps: vec![],
            elsewhere: 0,
            done,
        }
    }

    pub(super) fn parse(&self, text: &str) -> Result<Program, Fault> {
        Parser::new(text, self.dialect, self.budget, self.depth).whole()
    }

    /// An effect that can't be determined.
    pub(super) fn unknown(&mut self) {
        self.note(Action::unknown());
    }

    /// Notes an action once.
    pub(super) fn note(&mut self, action: Action) {
        if self.actions.len() <= self.budget.limits.actions && !self.actions.contains(&action) {
            self.actions.push(action);
        }
    }

    pub(super) fn note_exec(&mut self, arguments: &[Argument]) {
        let text = Value::Text(self.text.clone());
        let action = Action::new(Verb::new("exec"), Resource::None).with("argv", argument::value(arguments));
        self.note(action.with("text", text));
    }

    pub(super) fn note_shell(&mut self) {
        self.note(Action::new(Verb::new("shell"), Resource::None));
    }

    /// A variable that a command finds in its environment.
    pub(super) fn note_variable(&mut self, name: &str, value: &Known) {
        if is_dangerous(name) || (is_worked_out(name) && !value.is_number()) {
            self.unknown();
        }
        let value = match value {
            Known::Text(text) => Value::Text(text.as_ref().into()),
            Known::Number | Known::Nothing => Value::Undetermined,
        };
        self.note(Action::new(Verb::new("env"), Resource::named([name])).with("value", value));
    }

    pub(super) fn note_file(&mut self, verb: &'static str, path: Option<&str>, state: &State) {
        self.note_path(verb, path, super::path::resource, state);
    }

    /// Like [`Self::note_file`], where the path may be a directory whose whole content is meant.
    pub(super) fn note_tree(&mut self, verb: &'static str, path: Option<&str>, state: &State) {
        self.note_path(verb, path, super::path::tree, state);
    }

    fn note_path(
        &mut self,
        verb: &'static str,
        path: Option<&str>,
        resource: fn(&str, Option<&str>) -> Resource,
        state: &State,
    ) {
        let path = path.filter(|_| self.elsewhere == 0);
        let resource = path.map_or(Resource::Undetermined, |path| resource(path, state.directory.as_deref()));
        self.note(Action::new(Verb::new(verb), resource));
    }

    pub(super) fn deeper<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.depth += 1;
        self.budget.depth(self.depth)?;
        let result = part(self);
        self.depth -= 1;
        result
    }

    /// A text for another shell of its own: it inherits the working directory, and no variables that are known.
    pub(super) fn shell_text(
        &mut self,
        text: &str,
        positional: Option<Vec<String>>,
        directory: Option<&str>,
    ) -> Result<(), Fault> {
        let key = (text.to_owned(), positional.clone(), directory.map(str::to_owned));
        if !self.done.insert(key) {
            return Ok(());
        }
        self.budget.expanded(text.len())?;
        if !super::is_readable(text) {
            return Err(Fault::Syntax);
        }
        let functions = std::mem::take(&mut self.functions);
        let traps = std::mem::take(&mut self.traps);
        let dialect = self.dialect;
        let result = self.deeper(|runner| {
            for dialect in Dialect::ALL {
                runner.dialect = dialect;
                let program = runner.parse(text)?;
                let mut state = State::new(directory, positional.clone());
                runner.whole(&program, &mut state)?;
                runner.functions.clear();
                runner.traps.clear();
            }
            Ok(())
        });
        self.dialect = dialect;
        self.functions = functions;
        self.traps = traps;
        result
    }

    /// A text that this shell reads in place (`eval`, `trap`).
    pub(super) fn text_in_place(&mut self, text: &str, state: &mut State) -> Result<(), Fault> {
        self.budget.expanded(text.len())?;
        if !super::is_readable(text) {
            return Err(Fault::Syntax);
        }
        self.deeper(|runner| {
            let program = runner.parse(text)?;
            let before = runner.count_of_bodies();
            runner.whole(&program, state)?;
            // Functions that are defined only now might have been called earlier, in a loop.
            if runner.count_of_bodies() != before {
                runner.unknown();
            }
            Ok(())
        })
    }

    /// A whole text. An error in an expansion ends the line that it is in: bash goes on with the next one, and with
    /// what was set so far.
    pub(super) fn whole(&mut self, program: &Program, state: &mut State) -> Result<(), Fault> {
        let outside = std::mem::take(&mut self.interrupted);
        self.collect(program)?;
        for entry in &program.entries {
            state.entered = None;
            self.entry(entry, state)?;
            for snapshot in std::mem::take(&mut self.interrupted) {
                self.join(state, &snapshot)?;
            }
        }
        self.interrupted = outside;
        // Traps run later, when functions may be defined that they call.
        let traps = std::mem::take(&mut self.traps);
        for text in &traps {
            let mut later = self.aside(state)?;
            later.forget_all();
            self.text_in_place(text, &mut later)?;
        }
        self.traps.extend(traps);
        Ok(())
    }

    /// Here an error may end the line.
    pub(super) fn may_be_interrupted(&mut self, state: &State) -> Result<(), Fault> {
        let snapshot = self.aside(state)?;
        if self.interrupted.last() != Some(&snapshot) {
            self.interrupted.push(snapshot);
        }
        Ok(())
    }

    pub(super) fn program(&mut self, program: &Program, state: &mut State) -> Result<(), Fault> {
        self.collect(program)?;
        for entry in &program.entries {
            if self.actions.len() > self.budget.limits.actions {
                return Err(Fault::Limit);
            }
            state.entered = None;
            self.entry(entry, state)?;
        }
        Ok(())
    }

    /// Notes the functions that a program defines outside of other programs' bodies, before it runs: a loop's second
    /// turn may call what its first has defined.
    fn collect(&mut self, program: &Program) -> Result<(), Fault> {
        for entry in &program.entries {
            for (_, pipeline) in &entry.chain {
                for command in &pipeline.stages {
                    if let Kind::Function(name, body) = &command.kind {
                        self.define(name, body)?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn define(&mut self, name: &str, body: &Rc<Command>) -> Result<(), Fault> {
        self.budget.steps(1)?;
        if FOLLOWED.contains(&name) {
            self.unknown();
        }
        let bodies = self.functions.entry(name.to_owned()).or_default();
        if !bodies.iter().any(|known| Rc::ptr_eq(known, body)) {
            bodies.push(Rc::clone(body));
        }
        Ok(())
    }

    pub(super) fn simple(
        &mut self,
        simple: &Simple,
        command: &Command,
        state: &mut State,
    ) -> Result<(), Fault> {
        let declares = simple
            .words
            .first()
            .and_then(|word| literal(word))
            .is_some_and(|name| DECLARATIONS.contains(&name));
        let arguments = if declares {
            self.declarations(&simple.words, state)?
        } else {
            self.arguments(&simple.words, state)?
        };
        let input = self.redirects(&command.redirects, state)?;
        let is_read = arguments.first().and_then(Argument::text) == Some("read");
        for assignment in &simple.assignments {
            let mut value = self.assigned(assignment, state)?;
            // mksh: the document is the value.
            if self.dialect == Dialect::Ksh
                && command.redirects.iter().any(|redirect| redirect.operator == Operator::Here)
            {
                value = Known::Nothing;
            }
            if simple.words.is_empty() {
                self.assign(&assignment.name, value, state)?;
            } else {
                // `IFS= read`: only how a line is split.
                if !(is_read && assignment.name == "IFS") {
                    self.note_variable(&assignment.name, &value);
                    self.assign_aside(&assignment.name, state)?;
                }
            }
        }
        if simple.words.is_empty() {
            return Ok(());
        }
        self.invoke(&arguments, input, state)?;
        // Not every shell has `declare`, and `local` fails outside of functions.
        if arguments.first().and_then(Argument::text) == Some("export") {
            for argument in arguments.iter().filter_map(Argument::text) {
                if let Some((name, value)) = argument.split_once('=').filter(|(name, _)| is_name(name)) {
                    let value = if self.frozen.contains(name) { Known::Nothing } else { Known::text(value) };
                    state.set(name, value);
                }
            }
        }
        Ok(())
    }

    /// Words of `export` and its like: assignments among them are not split, but by old shells.
    fn declarations(&mut self, words: &[Word], state: &mut State) -> Result<Vec<Argument>, Fault> {
        let mut arguments = vec![];
        for word in words {
            let assigns = matches!(word.first(), Some(Part::Plain(text))
                if text.split_once('=').is_some_and(|(name, _)| is_name(name.trim_end_matches('+'))));
            let split = self.arguments(std::slice::from_ref(word), state)?;
            let Some(Part::Plain(first)) = word.first().filter(|_| assigns) else {
                arguments.extend(split);
                continue;
            };
            let (name, plain) = first.split_once('=').unwrap_or((first, ""));
            let mut value = word.clone();
            if let Some(first) = value.first_mut() {
                *first = Part::Plain(plain.to_owned());
            }
            let value = self.value(&value, state)?;
            let whole = match value {
                Known::Text(text) => Argument::Text(format!("{name}={text}")),
                _ => Argument::starting(&format!("{name}=")),
            };
            if self.dialect == Dialect::Dash && split.as_slice() != [whole.clone()] {
                self.unknown();
            }
            arguments.push(whole);
        }
        Ok(arguments)
    }

    /// An assignment before a command, which some commands keep and others forget.
    fn assign_aside(&mut self, name: &str, state: &mut State) -> Result<(), Fault> {
        self.may_be_interrupted(state)?;
        state.set(name, Known::Nothing);
        Ok(())
    }

    fn assigned(&mut self, assignment: &Assignment, state: &mut State) -> Result<Known, Fault> {
        if assignment.array {
            for word in &assignment.words {
                // `[index]=value`: the index is arithmetic.
                if matches!(word.first(), Some(Part::Plain(text)) if text.starts_with('[')) {
                    self.unknown();
                }
                self.effects(word, state)?;
            }
            return Ok(Known::Nothing);
        }
        let mut value = Known::text("");
        for word in &assignment.words {
            value = self.value(word, state)?;
        }
        if !assignment.appends {
            return Ok(value);
        }
        Ok(match (state.get(&assignment.name), value) {
            (Some(Known::Text(before)), Known::Text(more)) => {
                let text = format!("{before}{more}");
                self.budget.expanded(text.len())?;
                if text.len() > self.budget.limits.bytes {
                    return Err(Fault::Limit);
                }
                Known::text(text)
            }
            _ => Known::Nothing,
        })
    }

    /// Runs the bodies that a function of this name may have.
    pub(super) fn call(
        &mut self,
        name: &str,
        arguments: &[Argument],
        state: &mut State,
    ) -> Result<(), Fault> {
        let Some(bodies) = self.functions.get(name).cloned() else { return Ok(()) };
        let positional =
            arguments.iter().map(|argument| argument.text().map(str::to_owned)).collect::<Option<Vec<_>>>();
        let outside = state.positional.clone();
        for body in bodies {
            let mut inside = self.aside(state)?;
            inside.positional = positional.clone().map(Into::into);
            self.deeper(|runner| {
                if let Kind::Group(program) | Kind::Subshell(program) = &body.kind {
                    runner.collect(program)?;
                }
                runner.command(&body, &mut inside)
            })?;
            self.left_early(&mut inside);
            inside.positional = outside.clone();
            self.join(state, &inside)?;
        }
        Ok(())
    }

    pub(super) fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    pub(super) fn count_of_bodies(&self) -> usize {
        self.functions.values().map(Vec::len).sum()
    }

    pub(super) fn is_function(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }
}
