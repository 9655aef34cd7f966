//! Commands as data.

use std::fs;
use std::path::Path;

/// How the outcomes of a command are compared. The exit status always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What it says, line by line; its errors in any order.
    Text,
    /// Its lines in any order.
    Sorted,
    /// What it says as JSON, whatever the order of its keys.
    Json,
    /// Nothing else.
    Status,
}

/// A line of the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// How its outcomes are compared.
    pub kind: Kind,
    /// The exit status that it has on a server nobody stands before.
    pub code: i32,
    /// The line. `$FILES` is where its files are, `$NS` the namespace; it starts in a directory that all commands of one way
    /// share.
    pub line: String,
    /// Where it is in its file, from 1.
    pub number: usize,
}

/// Commands, in the order in which they run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands(Vec<Command>);

impl Commands {
    /// Reads a file of commands, as [`Commands::parse`] takes them.
    ///
    /// # Panics
    /// When it can't be read.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        Self::parse(&fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// Parses commands: a line each, of the kind (`text`, `sorted`, `json` or `status`), with `=N` where it exits with another
    /// status than 0, and of the command. A line that ends with a backslash goes on. `#` starts a comment line.
    ///
    /// # Panics
    /// When a line is none of these; the message says which.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut commands = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((at, line)) = lines.next() {
            let mut whole = line.trim().to_owned();
            while whole.ends_with('\\') {
                whole.pop();
                whole += lines.next().map_or("", |(_, more)| more.trim_start());
            }
            if !whole.is_empty() && !whole.starts_with('#') {
                commands.push(Command::parse(&whole, at + 1));
            }
        }
        Self(commands)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Command> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Command {
    fn parse(whole: &str, number: usize) -> Self {
        let (how, line) = whole.split_once(' ').unwrap_or((whole, ""));
        let (kind, code) = how.split_once('=').unwrap_or((how, "0"));
        let kind = match kind {
            "text" => Kind::Text,
            "sorted" => Kind::Sorted,
            "json" => Kind::Json,
            "status" => Kind::Status,
            _ => panic!("line {number}: `{kind}` is no kind of comparison"),
        };
        let code = code.parse().unwrap_or_else(|_| panic!("line {number}: `{code}` is no exit status"));
        assert!(!line.trim().is_empty(), "line {number}: there is no command");
        Self { kind, code, line: line.trim().to_owned(), number }
    }
}
