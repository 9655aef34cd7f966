//! One command: what it is, and what it runs in turn.

use super::argument::Argument;
use super::limits::Fault;
use super::run::{Input, Runner};
use super::variables::State;
use super::{interpreters, programs, table, transfer};

impl Runner<'_> {
    /// Notes a command and all that it is known to run.
    pub(super) fn invoke(
        &mut self,
        arguments: &[Argument],
        input: Input,
        state: &mut State,
    ) -> Result<(), Fault> {
        self.budget.steps(1 + arguments.len())?;
        self.deeper(|runner| runner.invoked(arguments, input, state))
    }

    fn invoked(&mut self, arguments: &[Argument], input: Input, state: &mut State) -> Result<(), Fault> {
        let Some((first, rest)) = arguments.split_first() else { return Ok(()) };
        let Some(command) = first.text() else {
            self.unknown();
            return Ok(());
        };
        let name = base_name(command);
        if !self.is_function(command)
            && let Some(files) = transfer::files(command, rest)
        {
            for transfer::Touched { verb, path, below } in files {
                if below {
                    self.note_tree(verb, path.text(), state);
                } else {
                    self.note_file(verb, path.text(), state);
                }
            }
            return Ok(());
        }
        if let Some(interpreter) = interpreters::find(name) {
            return self.interpret(interpreter, arguments, input, state);
        }
        self.note_exec(arguments);
        self.call(command, rest, state)?;
        if !command.contains('/') && self.builtin(command, rest, state)? {
            return Ok(());
        }
        // A group of programs in one file: what runs is named by the next word.
        if matches!(name, "busybox" | "toybox") {
            return self.invoke(rest, input, &mut state.clone());
        }
        if table::find(name).is_some() {
            return self.wrapped(name, rest, input, state);
        }
        match programs::effect(name, rest) {
            programs::Effect::Plain => {}
            programs::Effect::Unknown => self.unknown(),
            programs::Effect::Writes(paths) => {
                for path in paths {
                    self.note_file("write", path.text(), state);
                }
            }
        }
        Ok(())
    }
}

/// The file's name of a command that is given with its path.
pub(super) fn base_name(command: &str) -> &str {
    command.rsplit('/').next().unwrap_or(command)
}

/// The texts of arguments, joined as many programs do before they hand them to a shell.
pub(super) fn joined(arguments: &[Argument]) -> Option<String> {
    let texts: Option<Vec<&str>> = arguments.iter().map(Argument::text).collect();
    Some(texts?.join(" "))
}
