//! Programs that run the command among their arguments.

use super::argument::Argument;
use super::invoke::joined;
use super::limits::Fault;
use super::options;
use super::run::{Input, Runner};
use super::table::Manner::{Behind, Elsewhere, OrShell};
use super::table::{Manner, Wrapper, find, is_question};
use super::variables::{Known, State};

impl Runner<'_> {
    /// Follows what a wrapper runs. The wrapper itself is noted already.
    pub(super) fn wrapped(
        &mut self,
        name: &str,
        arguments: &[Argument],
        input: Input,
        state: &mut State,
    ) -> Result<(), Fault> {
        let Some(wrapper) = find(name) else { return Ok(()) };
        match wrapper.manner {
            Manner::Find => return self.find(arguments, state),
            Manner::Container => return self.container(arguments, input),
            Manner::Multiplexer => {
                self.multiplexer(arguments);
                return Ok(());
            }
            Manner::Opaque => {
                if !is_question(name, arguments) {
                    self.unknown();
                }
                return Ok(());
            }
            Manner::Su => return self.switch_user(arguments, wrapper, state),
            _ => {}
        }
        // `nice -5`, and `-` of env.
        let old_style = match arguments.first().and_then(Argument::text) {
            Some(first) if name == "nice" => first.strip_prefix('-').is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
            }),
            first => name == "env" && first == Some("-"),
        };
        let arguments = if old_style { arguments.get(1..).unwrap_or_default() } else { arguments };
        if name == "command"
            && arguments.first().and_then(Argument::text).is_some_and(|first| matches!(first, "-v" | "-V"))
        {
            return Ok(());
        }
        let Some(options) = options::parse(arguments, &wrapper.spec) else {
            self.unknown();
            return Ok(());
        };
        let rest = options.rest;
        match wrapper.manner {
            Behind(operands) => self.behind(rest, operands, input, state, false),
            // They start somewhere else.
            OrShell(operands) if matches!(name, "pkexec" | "systemd-run") => {
                let mut inside = state.clone();
                inside.directory = None;
                self.behind(rest, operands, input, &mut inside, true)
            }
            OrShell(operands) => {
                if options.has(&["s", "S", "shell", "t", "pty"]) && rest.len() <= operands {
                    self.note_shell();
                    return Ok(());
                }
                self.behind(rest, operands, input, state, true)
            }
            Elsewhere(operands) => {
                self.elsewhere += 1;
                let result = self.behind(rest, operands, input, state, true);
                self.elsewhere -= 1;
                result
            }
            Manner::Environment => {
                let mut inside = state.clone();
                if options.has(&["C", "chdir"]) {
                    inside.directory = None;
                }
                self.environment_of(rest, input, &inside)
            }
            Manner::Sudo => {
                if options.has(&["e", "edit"]) {
                    self.unknown();
                    return Ok(());
                }
                if options.has(&["l", "list", "K", "V", "version"])
                    || (rest.is_empty() && options.has(&["v", "k", "validate"]))
                {
                    return Ok(());
                }
                let login = options.has(&["i", "login"]);
                if login || options.has(&["s", "shell"]) {
                    if rest.is_empty() {
                        self.note_shell();
                        return Ok(());
                    }
                    // All but `$` is escaped on the way through the shell.
                    if rest.iter().any(|argument| argument.text().is_none_or(|text| text.contains('$'))) {
                        self.unknown();
                    }
                }
                let mut inside = state.clone();
                if login {
                    inside.directory = None;
                }
                self.environment_of(rest, input, &inside)
            }
            Manner::Joined => {
                if options.has(&["x", "exec"]) {
                    return self.behind(rest, 0, input, state, false);
                }
                self.text_of(rest, state.directory.as_deref())
            }
            Manner::Remote => self.remote(rest, &options),
            Manner::Kubernetes => self.kubernetes(rest, input),
            Manner::Script => {
                // Options may stand behind the file.
                if rest.iter().any(|argument| !argument.is_operand()) {
                    self.unknown();
                    return Ok(());
                }
                for file in rest.iter().chain(options.value(&[
                    "log-in",
                    "I",
                    "log-out",
                    "O",
                    "log-io",
                    "B",
                    "log-timing",
                    "T",
                ])) {
                    self.note_file("write", file.text(), state);
                }
                match options.value(&["c", "command"]) {
                    Some(text) => self.text_of(std::slice::from_ref(text), state.directory.as_deref()),
                    None => {
                        self.note_shell();
                        Ok(())
                    }
                }
            }
            Manner::Flock => {
                let Some((file, behind)) = rest.split_first() else { return Ok(()) };
                if let Some(text) = options.value(&["c", "command"]) {
                    return self.text_of(std::slice::from_ref(text), state.directory.as_deref());
                }
                if !file.is_operand() {
                    self.unknown();
                }
                match behind.split_first() {
                    Some((Argument::Text(flag), behind)) if flag == "-c" || flag == "--command" => {
                        self.text_of(behind.get(..1).unwrap_or_default(), state.directory.as_deref())
                    }
                    Some(_) => self.invoke(behind, input, &mut state.clone()),
                    None => Ok(()),
                }
            }
            Manner::Xargs => self.xargs(rest, &options, state),
            Manner::Find | Manner::Container | Manner::Multiplexer | Manner::Opaque | Manner::Su => Ok(()),
        }
    }

    /// The command behind some operands.
    fn behind(
        &mut self,
        rest: &[Argument],
        operands: usize,
        input: Input,
        state: &mut State,
        shell: bool,
    ) -> Result<(), Fault> {
        let (before, command) = rest.split_at_checked(operands).unwrap_or((rest, &[]));
        if before.iter().any(|operand| !operand.is_operand()) {
            self.unknown();
        }
        if command.is_empty() {
            if shell {
                self.note_shell();
            }
            return Ok(());
        }
        // What a builtin of the wrapped name would change is changed in place by the shell's own wrappers only: both
        // ways are kept in mind.
        let mut inside = state.clone();
        self.invoke(command, input, &mut inside)?;
        state.join(&inside);
        Ok(())
    }

    /// `env` and `sudo`: `NAME=value` before the command.
    fn environment_of(&mut self, rest: &[Argument], input: Input, state: &State) -> Result<(), Fault> {
        let mut rest = rest;
        while let Some((first, behind)) = rest.split_first() {
            let Some((name, value)) = first.prefix().split_once('=') else { break };
            let value = if first.text().is_some() { Known::text(value) } else { Known::Nothing };
            self.note_variable(name, &value);
            if matches!(first, Argument::Hole(hole) if hole.many) {
                self.unknown();
            }
            rest = behind;
        }
        self.invoke(rest, input, &mut state.clone())
    }

    /// Words that are joined for a shell.
    pub(super) fn text_of(&mut self, arguments: &[Argument], directory: Option<&str>) -> Result<(), Fault> {
        match joined(arguments) {
            Some(text) => self.shell_text(&text, Some(vec![]), directory),
            None => {
                self.unknown();
                Ok(())
            }
        }
    }

    /// `su [options] [-] [user [arguments…]]`: options may stand anywhere.
    fn switch_user(&mut self, arguments: &[Argument], wrapper: &Wrapper, state: &State) -> Result<(), Fault> {
        let mut rest = arguments;
        let (mut text, mut user_given, mut operands) = (None, false, vec![]);
        let mut login = false;
        loop {
            let Some(options) = options::parse(rest, &wrapper.spec) else {
                self.unknown();
                return Ok(());
            };
            if options.has(&["s", "shell", "w", "whitelist-environment"]) {
                self.unknown();
            }
            login |= options.has(&["l", "login"]);
            user_given |= options.has(&["u", "user"]);
            text = options.value(&["c", "command"]).cloned().or(text);
            let Some((operand, behind)) = options.rest.split_first() else { break };
            if options.ended || user_given {
                operands.extend_from_slice(options.rest);
                break;
            }
            if operand.text() == Some("-") {
                login = true;
            } else {
                operands.push(operand.clone());
            }
            rest = behind;
        }
        let mut inside = state.clone();
        if login {
            inside.directory = None;
        }
        match text {
            Some(text) if operands.len() <= 1 => {
                self.text_of(std::slice::from_ref(&text), inside.directory.as_deref())
            }
            Some(_) => {
                self.unknown();
                Ok(())
            }
            None if user_given => self.invoke(&operands, None, &mut inside),
            None => {
                // What follows the user's name goes to the shell.
                if operands.len() > 1 {
                    self.unknown();
                }
                self.note_shell();
                Ok(())
            }
        }
    }
}
