//! What a text says, before anything is expanded.

use std::cell::OnceCell;
use std::rc::Rc;

/// A list of commands, one after the other.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) entries: Vec<Entry>,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) chain: Vec<(Join, Pipeline)>,
    pub(super) background: bool,
}

#[derive(Debug, Default)]
pub(super) struct Pipeline {
    pub(super) stages: Vec<Command>,
    pub(super) negated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    First,
    And,
    Or,
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) kind: Kind,
    pub(super) redirects: Vec<Redirect>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Simple(Simple),
    Group(Program),
    Subshell(Program),
    /// Conditions and branches, in order.
    If(Vec<Program>),
    /// Condition and body.
    Loop(Program, Program),
    /// `for` and `select`.
    For {
        name: String,
        words: Option<Vec<Word>>,
        body: Program,
    },
    Case(Word, Vec<(Vec<Word>, Program)>),
    Function(String, Rc<Command>),
    /// `[[ … ]]`: operands and operators.
    Test(Vec<Word>),
    /// `(( … ))`, and the body of `for ((…))`.
    Arithmetic(Vec<Part>, Option<Program>),
}

#[derive(Debug, Default)]
pub(super) struct Simple {
    pub(super) assignments: Vec<Assignment>,
    pub(super) words: Vec<Word>,
}

#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) appends: bool,
    /// The words of an array, or the one word.
    pub(super) array: bool,
    pub(super) words: Vec<Word>,
}

#[derive(Debug)]
pub(super) struct Redirect {
    /// The descriptor, where one is written.
    pub(super) descriptor: Option<String>,
    pub(super) operator: Operator,
    pub(super) target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Read,
    Write,
    ReadWrite,
    /// `<&`, `>&`: a descriptor, `-`, or (bash's `>&`) a file.
    Duplicate {
        writes: bool,
    },
    Here,
}

#[derive(Debug)]
pub(super) enum Target {
    Word(Word),
    /// A here-document, filled in when its lines have been read.
    Here(Rc<OnceCell<Word>>),
}

pub(super) type Word = Vec<Part>;

/// A piece of a word.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Unquoted: globs, braces and a tilde in it are active.
    Plain(String),
    Quoted(String),
    /// Text that a shell makes of this is not known.
    Opaque {
        quoted: bool,
    },
    Parameter {
        name: String,
        operation: Operation,
        quoted: bool,
    },
    Command {
        program: Rc<Program>,
        quoted: bool,
    },
    Arithmetic {
        parts: Vec<Part>,
        quoted: bool,
    },
    Process(Rc<Program>),
}

/// What `${name…}` does with the value.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Value,
    Length,
    /// `-`, `=`, `?`, `+`, with a colon or not, and a word.
    Or {
        colon: bool,
        kind: char,
        word: Word,
    },
    /// Anything else whose result is not worked out; its words are expanded for what they run.
    Other(Word),
}
