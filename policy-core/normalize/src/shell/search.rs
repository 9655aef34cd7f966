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
        let (starts, are_known) = starts(arguments);
        if !are_known {
            self.unknown();
        }
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
                    if command.iter().any(acts) {
                        self.unknown();
                    }
                    rest = behind.get(1..).unwrap_or_default();
                    let start = match starts.as_slice() {
                        _ if action.ends_with("dir") => "./",
                        [] => ".",
                        [only] => only.prefix(),
                        _ => "",
                    };
                    let known = starts.iter().all(|start| {
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
                    if starts.is_empty() {
                        self.note_tree("remove", Some("."), state);
                    }
                    for start in &starts {
                        self.note_tree("remove", start.text(), state);
                    }
                }
                "-fprint" | "-fprint0" | "-fls" | "-fprintf" => {
                    if let Some((file, behind)) = rest.split_first() {
                        self.note_file("write", file.text(), state);
                        if acts(file) {
                            self.unknown();
                        }
                        rest = behind;
                    }
                }
                // Where it starts is in there.
                "-files0-from" => {
                    self.unknown();
                    if let Some(file) = rest.first() {
                        self.note_file("read", file.text(), state);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Where find starts, and whether that is known: options come before it, and not every find has the same ones.
fn starts(arguments: &[Argument]) -> (Vec<&Argument>, bool) {
    let mut rest = arguments;
    let mut are_known = true;
    while let Some((Argument::Text(first), behind)) = rest.split_first() {
        match first.as_str() {
            "-H" | "-L" | "-P" => {}
            // `-D` has a value; several letters in one, and the rest, are options of some and tests of others.
            option if option.starts_with("-O") || option == "-D" => are_known = false,
            "--" => {
                rest = behind;
                break;
            }
            option if is_cluster(option) => are_known = false,
            _ => break,
        }
        rest = behind;
    }
    let is_start = |argument: &&Argument| match argument {
        Argument::Text(text) => {
            let is_expression =
                matches!(text.as_str(), "(" | "!") || (text.len() > 1 && text.starts_with('-'));
            !is_expression
        }
        Argument::Hole(hole) => !hole.option,
    };
    (rest.iter().take_while(is_start).collect(), are_known)
}

/// Whether this is options of one letter each, as BSD's find has them.
fn is_cluster(option: &str) -> bool {
    let letters = option.strip_prefix('-').unwrap_or_default();
    !letters.is_empty() && letters.chars().all(|letter| "EHLPXdfsx".contains(letter))
}

/// Whether find might take this as something to do: where it stands for a value or a command's word here, find may have read
/// what is before it as the value of another test.
fn acts(argument: &Argument) -> bool {
    let actions = ["-delete", "-exec", "-ok", "-fprint", "-fls"];
    argument.text().is_some_and(|text| actions.iter().any(|action| text.starts_with(action)))
}

/// An argument of find's command: `{}` stands for what is found.
fn found(argument: &Argument, start: &str, many: bool, known: bool) -> Argument {
    let Some((prefix, behind)) = argument.prefix().split_once("{}") else { return argument.clone() };
    let prefix = format!("{prefix}{start}");
    let option = !known || prefix.starts_with('-');
    Argument::Hole(Hole { prefix, many: many && behind.is_empty(), option, number: false })
}
