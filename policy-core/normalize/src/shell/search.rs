//! Wrappers that run a command for each of many names: `find` and `xargs`.

use super::argument::{Argument, Hole};
use super::limits::Fault;
use super::options;
use super::run::Runner;
use super::variables::State;

impl Runner<'_> {
    pub(super) fn xargs(
        &mut self,
        rest: &[Argument],
        options: &options::Options<'_>,
        state: &State,
    ) -> Result<(), Fault> {
        let placeholder = match (options.value(&["I", "replace"]), options.has(&["replace"])) {
            (Some(Argument::Text(text)), _) => Some(text.as_str()),
            (None, true) => Some("{}"),
            (None, false) => None,
            (Some(Argument::Hole(_)), _) => {
                self.unknown();
                return Ok(());
            }
        };
        if let Some(file) = options.value(&["a", "arg-file"]) {
            self.note_file("read", file.text(), state);
        }
        let mut command: Vec<Argument> = rest.to_vec();
        if command.is_empty() {
            command.push(Argument::Text("echo".into()));
        }
        match placeholder {
            Some(placeholder) => {
                for argument in &mut command {
                    if let Some((prefix, _)) = argument.prefix().split_once(placeholder) {
                        *argument = Argument::starting(prefix);
                    }
                }
            }
            None => command.push(Argument::anything()),
        }
        self.invoke(&command, None, &mut state.clone())
    }

    /// `find`: its tests and actions.
    pub(super) fn find(&mut self, arguments: &[Argument], state: &State) -> Result<(), Fault> {
        let is_start = |argument: &&Argument| match argument {
            Argument::Text(text) => !text.starts_with(['-', '(', ')', '!', ',']),
            Argument::Hole(hole) => !hole.option,
        };
        let starts: Vec<&Argument> = behind_options(arguments).iter().take_while(is_start).collect();
        // Its places to start from may be named in a file instead.
        let names_none = arguments.iter().any(|argument| argument.text() == Some("-files0-from"));
        // A hole might be any action; one that can't be an option is a place to start from, or a value.
        if arguments.iter().any(Argument::may_be_option) {
            self.unknown();
        }
        let mut rest = arguments;
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            match first.text().unwrap_or_default() {
                action @ ("-exec" | "-execdir" | "-ok" | "-okdir") => {
                    let end = rest.iter().position(|argument| matches!(argument.text(), Some(";")));
                    let plus = rest.windows(2).position(|pair| {
                        matches!(pair, [Argument::Text(found), Argument::Text(plus)] if found == "{}" && plus == "+")
                    });
                    let (end, many) = match (end, plus) {
                        (Some(end), Some(plus)) if plus + 1 < end => (plus + 1, true),
                        (Some(end), _) => (end, false),
                        (None, Some(plus)) => (plus + 1, true),
                        (None, None) => {
                            self.unknown();
                            return Ok(());
                        }
                    };
                    let (command, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    rest = behind.get(1..).unwrap_or_default();
                    let start = match starts.as_slice() {
                        _ if action.ends_with("dir") => "./",
                        [] if names_none => "",
                        [] => ".",
                        [only] => only.prefix(),
                        _ => "",
                    };
                    let known = !names_none
                        && starts.iter().all(|start| {
                            start.is_operand() || matches!(start, Argument::Hole(hole) if !hole.option)
                        });
                    let command: Vec<Argument> =
                        command.iter().map(|argument| found(argument, start, many, known)).collect();
                    let mut inside = state.clone();
                    if action.ends_with("dir") {
                        inside.directory = None;
                    }
                    self.invoke(&command, None, &mut inside)?;
                }
                text if text.starts_with("-exec") || text.starts_with("-ok") => self.unknown(),
                "-delete" => {
                    if names_none {
                        self.note_tree("remove", None, state);
                    } else if starts.is_empty() {
                        self.note_tree("remove", Some("."), state);
                    }
                    for start in &starts {
                        self.note_tree("remove", start.text(), state);
                    }
                }
                "-fprint" | "-fprint0" | "-fls" | "-fprintf" => {
                    if let Some((file, behind)) = rest.split_first() {
                        self.note_file("write", file.text(), state);
                        rest = behind;
                    }
                }
                "-files0-from" => {
                    if let Some((file, behind)) = rest.split_first() {
                        self.note_file("read", file.text(), state);
                        rest = behind;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What follows the options that stand before everything else: `-H`, `-L`, `-P`, `-O3`, `-D tree`, `--`.
fn behind_options(mut arguments: &[Argument]) -> &[Argument] {
    loop {
        let (skipped, is_last) = match arguments.first().and_then(Argument::text) {
            Some("-H" | "-L" | "-P") => (1, false),
            Some("-D") => (2, false),
            Some("--") => (1, true),
            Some(level) if level.starts_with("-O") => (1, false),
            _ => return arguments,
        };
        arguments = arguments.get(skipped..).unwrap_or_default();
        if is_last {
            return arguments;
        }
    }
}

/// An argument of find's command: `{}` stands for what is found.
fn found(argument: &Argument, start: &str, many: bool, known: bool) -> Argument {
    let Some((prefix, behind)) = argument.prefix().split_once("{}") else { return argument.clone() };
    let prefix = format!("{prefix}{start}");
    let option = !known || prefix.starts_with('-');
    Argument::Hole(Hole { prefix, many: many && behind.is_empty(), option, number: false })
}
