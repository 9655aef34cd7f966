//! Follows a text as the shell would run it, and notes every action.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use policy_core::{Action, Resource, Value, Verb};

use super::Environment;
use super::argument::{self, Argument};
use super::ast::{Assignment, Command, Entry, Join, Kind, Operator, Part, Pipeline, Program, Simple, Word};
use super::builtins::{DECLARATIONS, FOLLOWED};
use super::dialect::Dialect;
use super::grammar::{is_name, literal};
use super::lex::Parser;
use super::limits::{Budget, Fault};
use super::variables::{Known, State, is_dangerous};

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
    done: &'a mut HashSet<(String, Option<Vec<String>>, Option<String>)>,
}

/// What a command reads from its standard input, where the text says it.
pub(super) type Input = Option<String>;

impl<'a> Runner<'a> {
    pub(super) fn new(
        environment: &'a Environment<'a>,
        text: &str,
        dialect: Dialect,
        budget: &'a Budget,
        actions: &'a mut Vec<Action>,
        done: &'a mut HashSet<(String, Option<Vec<String>>, Option<String>)>,
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
        if is_dangerous(name) {
            self.unknown();
        }
        let value = match value {
            Known::Text(text) => Value::Text(text.as_ref().into()),
            Known::Number | Known::Nothing => Value::Undetermined,
        };
        self.note(Action::new(Verb::new("env"), Resource::named([name])).with("value", value));
    }

    pub(super) fn note_file(&mut self, verb: &'static str, path: Option<&str>, state: &State) {
        let path = path.filter(|_| self.elsewhere == 0);
        let resource = path
            .map_or(Resource::Undetermined, |path| super::path::resource(path, state.directory.as_deref()));
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

    fn define(&mut self, name: &str, body: &Rc<Command>) -> Result<(), Fault> {
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

    fn entry(&mut self, entry: &Entry, state: &mut State) -> Result<(), Fault> {
        if entry.background {
            let mut aside = self.aside(state)?;
            return self.chain(&entry.chain, &mut aside);
        }
        self.chain(&entry.chain, state)
    }

    /// A copy of the state, for what runs in a subshell or perhaps not at all.
    fn aside(&self, state: &State) -> Result<State, Fault> {
        self.budget.steps(state.size())?;
        Ok(state.clone())
    }

    fn join(&self, state: &mut State, other: &State) -> Result<(), Fault> {
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
    fn command(&mut self, command: &Command, state: &mut State) -> Result<(), Fault> {
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
    fn turns(
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

    fn simple(&mut self, simple: &Simple, command: &Command, state: &mut State) -> Result<(), Fault> {
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

    fn count_of_bodies(&self) -> usize {
        self.functions.values().map(Vec::len).sum()
    }

    pub(super) fn is_function(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }
}
