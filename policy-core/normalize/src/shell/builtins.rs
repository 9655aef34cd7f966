//! Commands that the shell runs itself, and that change what the rest of the text means.

use super::argument::Argument;
use super::grammar::is_name;
use super::invoke::joined;
use super::limits::Fault;
use super::path;
use super::run::Runner;
use super::variables::{Known, State};

/// Commands that declare variables: an assignment among their words is not split.
pub(super) const DECLARATIONS: &[&str] = &["declare", "export", "local", "readonly", "typeset"];

/// Commands whose effect on the shell is followed: a function of such a name makes all of it unknown.
pub(super) const FOLLOWED: &[&str] = &[
    ".",
    "alias",
    "break",
    "builtin",
    "cd",
    "chdir",
    "command",
    "continue",
    "declare",
    "eval",
    "exec",
    "exit",
    "export",
    "getopts",
    "hash",
    "local",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "read",
    "readarray",
    "readonly",
    "return",
    "set",
    "shift",
    "source",
    "trap",
    "typeset",
    "unset",
];

impl Runner<'_> {
    /// Follows a builtin. Whether there is no more to it: false where a wrapper's or a program's rules apply, too.
    pub(super) fn builtin(
        &mut self,
        name: &str,
        arguments: &[Argument],
        state: &mut State,
    ) -> Result<bool, Fault> {
        match name {
            "cd" | "chdir" => self.change_directory(arguments, state),
            "pushd" | "popd" => state.directory = None,
            "eval" => match joined(arguments) {
                Some(text) => self.text_in_place(&text, state)?,
                None => self.anything_may_change(state),
            },
            // What is read may define whatever it likes.
            "." | "source" => self.anything_may_change(state),
            _ if DECLARATIONS.contains(&name) => self.declare(name, arguments, state)?,
            "unset" => self.names(arguments, &["-v", "-f", "-n"], state)?,
            "getopts" => self.names(arguments.get(1..2).unwrap_or_default(), &[], state)?,
            "set" => self.set(arguments, state),
            "shift" => {
                self.counted(arguments);
                state.positional = None;
            }
            "trap" => self.trap(arguments, state)?,
            "read" => self.read_builtin(arguments, state)?,
            "mapfile" | "readarray" => self.names(arguments, &["-t"], state)?,
            "printf" => self.printf(arguments, state)?,
            "print" => {
                let plain =
                    |argument: &Argument| matches!(argument.text(), Some("-n" | "-r" | "-l" | "--" | "-rn"));
                if arguments.iter().any(|argument| {
                    argument.may_be_option() || (argument.prefix().starts_with('-') && !plain(argument))
                }) {
                    self.unknown();
                }
            }
            "test" | "[" => self.compare(arguments),
            "break" | "continue" | "return" => {
                self.counted(arguments);
                self.jumps = true;
            }
            "exit" | "logout" | "bye" => self.counted(arguments),
            "ulimit" => {
                let limits = arguments.iter().filter(|argument| {
                    !argument.text().is_some_and(|text| {
                        text == "unlimited"
                            || text.strip_prefix('-').is_some_and(|letters| {
                                letters.bytes().all(|letter| letter.is_ascii_alphabetic())
                            })
                    })
                });
                self.counted(limits);
            }
            "alias" | "hash" => {
                let plain = |argument: &Argument| {
                    argument
                        .text()
                        .is_some_and(|text| !text.contains('=') && (!text.starts_with('-') || text == "-r"))
                };
                if !arguments.iter().all(plain) {
                    self.unknown();
                }
            }
            "jobs"
                if arguments.is_empty() || arguments.iter().all(|argument| argument.text() == Some("-l")) => {
            }
            "let" | "unalias" | "shopt" | "enable" | "disable" | "bind" | "complete" | "compgen"
            | "compopt" | "fc" | "jobs" | "integer" | "float" | "setopt" | "unsetopt" | "emulate"
            | "zmodload" | "autoload" | "zle" | "bindkey" | "compdef" | "sched" | "vared" | "zcompile"
            | "zstyle" | "zparseopts" | "zformat" | "functions" | "function" | "add-zsh-hook" | "nameref"
            | "history" | "r" | "zargs" | "zmv" | "xtrace" | "vmap" | "repeat" | "foreach" | "global"
            | "compound" | "enum" | "namespace" | "getln" | "private" => self.anything_may_change(state),
            "wait" if arguments.iter().any(|argument| argument.prefix().starts_with("-p")) => self.unknown(),
            "echo" | "true" | "false" | ":" | "pwd" | "umask" | "times" | "type" | "wait" | "kill"
            | "dirs" | "disown" | "fg" | "bg" | "caller" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Arguments that some shells work out as numbers, looking names up on the way.
    fn counted<'b>(&mut self, arguments: impl IntoIterator<Item = &'b Argument>) {
        if !arguments.into_iter().all(is_number) {
            self.unknown();
        }
    }

    fn anything_may_change(&mut self, state: &mut State) {
        self.unknown();
        state.forget_all();
    }

    fn change_directory(&mut self, arguments: &[Argument], state: &mut State) {
        let operands: Vec<&Argument> = arguments
            .iter()
            .filter(|argument| !matches!(argument.text(), Some("-L" | "-P" | "-e" | "-@" | "--")))
            .collect();
        let entered = match operands.as_slice() {
            [] => self.environment.home.filter(|_| state.get("HOME").is_none()).map(str::to_owned),
            [Argument::Text(directory)] if !directory.starts_with('-') => {
                path::normalised(directory, state.directory.as_deref())
                    .map(|segments| format!("/{}", segments.join("/")))
            }
            _ => None,
        };
        // It may fail, and the text go on.
        if entered.as_deref() != state.directory.as_deref() {
            state.directory = None;
        }
        state.entered = entered.map(Into::into);
    }

    /// Words that name variables, which are not known from here on. Any other word may be an array's element, whose
    /// index can run commands.
    fn names(&mut self, arguments: &[Argument], options: &[&str], state: &mut State) -> Result<(), Fault> {
        for argument in arguments {
            match argument.text() {
                Some(option) if options.contains(&option) => {}
                Some(name) if is_name(name) => self.assign(name, Known::Nothing, state)?,
                _ => self.anything_may_change(state),
            }
        }
        Ok(())
    }

    fn read_builtin(&mut self, arguments: &[Argument], state: &mut State) -> Result<(), Fault> {
        let mut value_of_option = false;
        for argument in arguments {
            match argument.text() {
                Some(name) if is_name(name) => self.assign(name, Known::Nothing, state)?,
                Some(option) if option.starts_with('-') => {
                    let letters = option.trim_start_matches('-');
                    if !letters.chars().all(|letter| "rseptnNduai0123456789.".contains(letter)) {
                        self.anything_may_change(state);
                    }
                    value_of_option = letters.ends_with(['p', 't', 'n', 'N', 'd', 'u', 'i']);
                    continue;
                }
                // A prompt, a delimiter, a number: but shells differ in which options have a value.
                Some(value) if value_of_option && !value.contains(['[', '?']) => {}
                _ => self.anything_may_change(state),
            }
            value_of_option = false;
        }
        Ok(())
    }

    fn declare(&mut self, name: &str, arguments: &[Argument], state: &mut State) -> Result<(), Fault> {
        let (mut exports, mut freezes) = (name == "export", name == "readonly");
        for argument in arguments {
            let prefix = argument.prefix();
            if let Some(letters) = argument.text().and_then(|text| text.strip_prefix(['-', '+'])) {
                for letter in letters.chars() {
                    match letter {
                        'x' => exports = true,
                        'r' => freezes = true,
                        'g' | 'a' | 'A' | 'p' | '-' => {}
                        _ => self.anything_may_change(state),
                    }
                }
                continue;
            }
            let (variable, value) = match prefix.split_once('=') {
                Some((variable, value)) => (variable, Some(value)),
                None => (prefix, None),
            };
            let variable = variable.strip_suffix('+').unwrap_or(variable);
            let certain = argument.text().is_some()
                || (value.is_some() && !matches!(argument, Argument::Hole(hole) if hole.many));
            if !is_name(variable) || !certain {
                self.anything_may_change(state);
                continue;
            }
            let known = match (argument.text(), value) {
                (Some(_), Some(value)) => Known::text(value),
                _ => Known::Nothing,
            };
            if exports {
                self.note_variable(variable, &known);
            }
            if freezes {
                self.frozen.insert(variable.to_owned());
            }
            self.assign(variable, Known::Nothing, state)?;
        }
        Ok(())
    }

    /// `set -e`, `set -- words`: options that only end or trace, and positional parameters.
    fn set(&mut self, arguments: &[Argument], state: &mut State) {
        const NAMES: &[&str] =
            &["errexit", "nounset", "pipefail", "xtrace", "verbose", "noglob", "noclobber"];
        let mut rest = arguments;
        while let Some((first, behind)) = rest.split_first() {
            let Some(text) = first.text() else {
                if first.may_be_option() {
                    self.anything_may_change(state);
                }
                break;
            };
            if text == "--" {
                state.positional = positional(behind);
                return;
            }
            let Some(letters) = text.strip_prefix(['-', '+']) else { break };
            rest = behind;
            if letters.is_empty() {
                self.anything_may_change(state);
            }
            for letter in letters.chars() {
                let known = match letter {
                    'e' | 'u' | 'x' | 'v' | 'C' => true,
                    'o' => {
                        let named = rest.split_first();
                        rest = named.map_or(rest, |(_, behind)| behind);
                        named.and_then(|(name, _)| name.text()).is_some_and(|name| NAMES.contains(&name))
                    }
                    _ => false,
                };
                if !known {
                    self.anything_may_change(state);
                }
            }
        }
        if !rest.is_empty() {
            state.positional = positional(rest);
        }
    }

    /// The text runs later, at a time that is not known.
    fn trap(&mut self, arguments: &[Argument], state: &State) -> Result<(), Fault> {
        let arguments = match arguments.split_first() {
            Some((first, behind)) if first.text() == Some("--") => behind,
            _ => arguments,
        };
        let [first, _, ..] = arguments else {
            if arguments.iter().any(Argument::may_be_option) {
                self.unknown();
            }
            return Ok(());
        };
        let Some(text) = first.text() else {
            self.unknown();
            return Ok(());
        };
        if matches!(text, "" | "-" | "-p" | "-l") {
            return Ok(());
        }
        let mut later = state.clone();
        later.forget_all();
        let before = later.clone();
        self.text_in_place(text, &mut later)?;
        later.entered = None;
        if later != before {
            self.unknown();
        }
        self.traps.push(text.to_owned());
        Ok(())
    }

    /// Some shells work out numbers, and so the indices of arrays.
    fn printf(&mut self, arguments: &[Argument], state: &mut State) -> Result<(), Fault> {
        let mut rest = arguments;
        if let Some((first, behind)) = rest.split_first() {
            if first.may_be_option() {
                self.anything_may_change(state);
            }
            if first.text() == Some("-v") {
                self.names(behind.get(..1).unwrap_or_default(), &[], state)?;
                rest = behind.get(1..).unwrap_or_default();
            } else if first.prefix().starts_with("-v") {
                self.anything_may_change(state);
            }
        }
        let Some((format, values)) = rest.split_first() else { return Ok(()) };
        let numeric = format.text().is_none_or(works_out);
        if numeric && !values.iter().all(is_number) {
            self.unknown();
        }
        Ok(())
    }

    /// `[ … ]`: some shells work out what they compare as numbers, and `-v` an array's index.
    fn compare(&mut self, arguments: &[Argument]) {
        let binary = |argument: Option<&Argument>| {
            argument
                .and_then(Argument::text)
                .is_some_and(|text| matches!(text, "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge"))
        };
        let numeric =
            |argument: Option<&Argument>| binary(argument) || argument.and_then(Argument::text) == Some("-t");
        let follows = |argument: Option<&Argument>| match argument.and_then(Argument::text) {
            None => false,
            Some(text) => {
                matches!(
                    text,
                    "=" | "==" | "!=" | "<" | ">" | "]" | "-a" | "-o" | "-nt" | "-ot" | "-ef" | "=~" | ")"
                ) || numeric(argument)
            }
        };
        for (index, argument) in arguments.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| arguments.get(before));
            let after = arguments.get(index + 1);
            let certain = match argument {
                Argument::Text(text) => {
                    let compared = numeric(before) || binary(after);
                    let looked_up =
                        before.and_then(Argument::text).is_some_and(|before| matches!(before, "-v" | "-R"));
                    (!compared || is_number(argument) || text == "]") && (!looked_up || is_name(text))
                }
                Argument::Hole(hole) if hole.number => true,
                Argument::Hole(hole) => {
                    let compared = numeric(before) || numeric(after);
                    let looked_up =
                        before.and_then(Argument::text).is_some_and(|before| matches!(before, "-v" | "-R"));
                    // It could be an operator itself.
                    let operator = hole.option && (hole.many || !(after.is_none() || follows(after)));
                    !compared && !looked_up && !operator
                }
            };
            if !certain {
                self.unknown();
                return;
            }
        }
    }
}

/// Whether a shell that works this out finds a number and looks nothing up: no name of a variable, no index.
fn is_number(argument: &Argument) -> bool {
    match argument {
        Argument::Text(text) => {
            let digits = text.trim_start_matches(['-', '+']);
            digits.is_empty()
                || (digits.starts_with(|first: char| first.is_ascii_digit())
                    && digits.bytes().all(|digit| digit.is_ascii_alphanumeric() || digit == b'.'))
        }
        Argument::Hole(hole) => hole.number,
    }
}

/// Whether a format of `printf` has more conversions than those of texts (`%s`, `%b`, `%q`, with digits for the width).
fn works_out(format: &str) -> bool {
    format.split('%').skip(1).any(|conversion| {
        let conversion =
            conversion.trim_start_matches(|flag: char| "-+ #0.".contains(flag) || flag.is_ascii_digit());
        !conversion.is_empty() && !conversion.starts_with(['s', 'b', 'q'])
    })
}

fn positional(arguments: &[Argument]) -> Option<std::rc::Rc<[String]>> {
    arguments
        .iter()
        .map(|argument| argument.text().map(str::to_owned))
        .collect::<Option<Vec<_>>>()
        .map(Into::into)
}
