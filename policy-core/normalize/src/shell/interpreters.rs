//! Programs that run programs: shells, and interpreters of other languages.

use super::argument::Argument;
use super::limits::Fault;
use super::run::{Input, Runner};
use super::variables::State;

/// What a program's programs are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interpreter {
    /// What this module reads.
    Shell,
    /// Another language.
    Other,
}

/// The interpreter of this name, versions (`python3.11`) included.
pub(super) fn find(name: &str) -> Option<Interpreter> {
    const SHELLS: &[&str] = &[
        "sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh", "lksh", "oksh", "loksh", "pdksh", "zsh",
        "rbash", "rzsh", "rksh", "yash", "posh", "hush",
    ];
    const OTHERS: &[&str] = &[
        "csh",
        "tcsh",
        "fish",
        "elvish",
        "nu",
        "xonsh",
        "pwsh",
        "rc",
        "es",
        "scsh",
        "python",
        "pypy",
        "ipython",
        "perl",
        "ruby",
        "irb",
        "node",
        "nodejs",
        "deno",
        "bun",
        "php",
        "lua",
        "luajit",
        "tclsh",
        "wish",
        "expect",
        "guile",
        "racket",
        "sbcl",
        "clisp",
        "ecl",
        "ghci",
        "runghc",
        "ocaml",
        "erl",
        "iex",
        "elixir",
        "julia",
        "R",
        "Rscript",
        "octave",
        "octave-cli",
        "gawk",
        "js",
        "jrunscript",
        "jshell",
        "groovy",
        "groovysh",
        "scala",
        "kotlin",
        "rhino",
        "gjs",
        "cjs",
        "qjs",
        "swipl",
        "gst",
        "pry",
        "psysh",
        "awk",
        "mawk",
        "nawk",
        "bc",
        "dc",
        "gdb",
        "lldb",
        "m4",
        "ed",
        "ex",
        "vi",
        "vim",
        "nvim",
        "vimdiff",
        "rvim",
        "rview",
        "view",
        "vimtutor",
        "emacs",
        "emacsclient",
        "nano",
        "pico",
        "joe",
        "jed",
        "mg",
        "mcedit",
        "mc",
        "ne",
        "red",
        "sqlite3",
        "psql",
        "mysql",
        "mariadb",
        "redis-cli",
        "mongo",
        "mongosh",
        "ftp",
        "lftp",
        "sftp",
        "telnet",
        "gnuplot",
        "maxima",
        "cqlsh",
        "rlwrap-shell",
        "gtester",
    ];
    let stem = name.trim_end_matches(|last: char| last.is_ascii_digit() || last == '.' || last == '-');
    let among = |names: &[&str]| names.contains(&name) || names.contains(&stem);
    match name {
        _ if name.is_empty() => None,
        _ if matches!(stem, "awk" | "gawk" | "mawk" | "nawk") => None,
        _ if among(SHELLS) => Some(Interpreter::Shell),
        _ if among(OTHERS) => Some(Interpreter::Other),
        _ => None,
    }
}

impl Runner<'_> {
    pub(super) fn interpret(
        &mut self,
        interpreter: Interpreter,
        arguments: &[Argument],
        input: Input,
        state: &mut State,
    ) -> Result<(), Fault> {
        let (command, rest) = match arguments.split_first() {
            Some((command, rest)) => (command.text().unwrap_or_default(), rest),
            None => return Ok(()),
        };
        self.call(command, rest, state)?;
        match interpreter {
            Interpreter::Shell => self.shell(arguments, rest, input, state),
            Interpreter::Other => {
                self.other(super::invoke::base_name(command), arguments, rest);
                Ok(())
            }
        }
    }

    fn shell(
        &mut self,
        arguments: &[Argument],
        rest: &[Argument],
        input: Input,
        state: &State,
    ) -> Result<(), Fault> {
        let Some(invocation) = invocation(rest) else {
            self.note_exec(arguments);
            self.unknown();
            return Ok(());
        };
        // Login shells read startup files, which may go elsewhere.
        let login = |argument: &Argument| {
            argument.text().is_some_and(|text| {
                text == "--login" || (text.starts_with('-') && !text.starts_with("--") && text.contains('l'))
            })
        };
        let directory = state.directory.clone().filter(|_| !rest.iter().any(login));
        match invocation {
            Invocation::Text(text, behind) => {
                self.note_exec(arguments);
                let Some(text) = text.text() else {
                    self.unknown();
                    return Ok(());
                };
                let positional = behind.get(1..).unwrap_or_default().iter();
                let positional = positional.map(|argument| argument.text().map(str::to_owned)).collect();
                self.shell_text(text, positional, directory.as_deref())
            }
            Invocation::Input(behind) => match input {
                Some(text) => {
                    self.note_exec(arguments);
                    // A command of the text may read, and so take away, any part of the lines that follow it.
                    if text.trim_end_matches('\n').contains('\n') {
                        self.note_shell();
                    }
                    let positional =
                        behind.iter().map(|argument| argument.text().map(str::to_owned)).collect();
                    self.shell_text(&text, positional, directory.as_deref())
                }
                None => {
                    self.note_shell();
                    Ok(())
                }
            },
            Invocation::File(file) => {
                match file.prefix() {
                    // Standard input, or a pipe from another command.
                    path if is_input(path) => self.note_shell(),
                    path if path.starts_with("/dev/fd") || path.starts_with("/proc") => {
                        self.note_exec(arguments);
                        self.unknown();
                    }
                    _ => self.note_exec(arguments),
                }
                Ok(())
            }
            Invocation::Nothing => {
                self.note_exec(arguments);
                Ok(())
            }
        }
    }

    /// An interpreter of a language that is not read here: a file by name is a program like any other.
    fn other(&mut self, name: &str, arguments: &[Argument], rest: &[Argument]) {
        const HARMLESS: &[&str] = &["--version", "-V", "-v", "--help", "-h", "-version"];
        // Programs whose operands are documents, connections or more: commands come from standard input.
        let interactive = super::programs::reads_commands(name);
        match rest {
            [] => self.note_shell(),
            [Argument::Text(only)] if only == "-" || is_input(only) => self.note_shell(),
            [Argument::Text(only)] if HARMLESS.contains(&only.as_str()) => self.note_exec(arguments),
            _ if interactive => {
                self.note_exec(arguments);
                self.note_shell();
                if rest.iter().any(|argument| !is_document(argument)) {
                    self.unknown();
                }
            }
            [first, ..]
                if first.is_operand()
                    && !first.prefix().starts_with("/dev/")
                    && !first.prefix().starts_with("/proc/")
                    && !first.prefix().is_empty() =>
            {
                self.note_exec(arguments);
                // `node inspect`, `deno eval`, `php artisan tinker`: a first word that is a command of the interpreter's own.
                if !first.prefix().contains(['.', '/']) {
                    self.unknown();
                }
            }
            _ => {
                self.note_exec(arguments);
                self.unknown();
            }
        }
    }
}

/// How a shell was called.
enum Invocation<'a> {
    /// `-c`: the text, and what follows it.
    Text(&'a Argument, &'a [Argument]),
    /// From standard input, with these positional parameters.
    Input(&'a [Argument]),
    File(&'a Argument),
    /// `--version`.
    Nothing,
}

/// `None` where an option is not known.
fn invocation(arguments: &[Argument]) -> Option<Invocation<'_>> {
    const LONG: &[&str] = &["--login", "--norc", "--noprofile", "--posix", "--noediting", "--restricted"];
    let (mut text, mut input) = (false, false);
    let mut rest = arguments;
    while let Some((first, behind)) = rest.split_first() {
        let Some(word) = first.text() else {
            if first.may_be_option() {
                return None;
            }
            break;
        };
        if matches!(word, "--version" | "--help") {
            return Some(Invocation::Nothing);
        }
        if word == "-" || word == "--" {
            rest = behind;
            break;
        }
        if word.starts_with("--") {
            if !LONG.contains(&word) {
                return None;
            }
            rest = behind;
            continue;
        }
        let Some(letters) = word.strip_prefix(['-', '+']).filter(|letters| !letters.is_empty()) else {
            break;
        };
        rest = behind;
        for letter in letters.chars() {
            match letter {
                'c' if word.starts_with('-') => text = true,
                's' => input = true,
                'e' | 'u' | 'x' | 'v' | 'l' | 'f' | 'p' | 'r' => {}
                'o' => {
                    let (name, behind) = rest.split_first()?;
                    const NAMES: &[&str] =
                        &["errexit", "nounset", "pipefail", "xtrace", "verbose", "noglob", "noclobber"];
                    if !name.text().is_some_and(|name| NAMES.contains(&name)) {
                        return None;
                    }
                    rest = behind;
                }
                // Interactive shells read more than their text; others change how it is read.
                _ => return None,
            }
        }
    }
    match rest.split_first() {
        Some((first, behind)) if text => Some(Invocation::Text(first, behind)),
        None if text => None,
        _ if input => Some(Invocation::Input(rest)),
        None => Some(Invocation::Input(rest)),
        Some((Argument::Hole(hole), _)) if hole.many || hole.prefix.is_empty() => None,
        Some((first, _)) => Some(Invocation::File(first)),
    }
}

fn is_input(path: &str) -> bool {
    matches!(path, "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0" | "/dev/tty")
}

/// A word that names something, and is no option or command.
fn is_document(argument: &Argument) -> bool {
    argument.is_operand() && !argument.prefix().starts_with('+')
}
