//! Words after expansion: texts, and holes where a text is not known.

use policy_core::{Slot, Value};

/// What one word of a command became.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Argument {
    Text(String),
    Hole(Hole),
}

/// One text, or any number of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hole {
    /// What the (first) text starts with.
    pub(super) prefix: String,
    /// Any number of texts, none included; otherwise exactly one.
    pub(super) many: bool,
    /// Whether a text of it can start with `-` (and be read as an option).
    pub(super) option: bool,
    /// Whether it is a whole number.
    pub(super) number: bool,
}

impl Argument {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Hole(_) => None,
        }
    }

    /// What it certainly starts with.
    pub(super) fn prefix(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Hole(hole) => &hole.prefix,
        }
    }

    /// Any number of texts of which nothing is known.
    pub(super) fn anything() -> Self {
        Self::Hole(Hole { prefix: String::new(), many: true, option: true, number: false })
    }

    /// One text of which no more is known than how it starts.
    pub(super) fn starting(prefix: &str) -> Self {
        let option = prefix.is_empty() || prefix.starts_with('-');
        Self::Hole(Hole { prefix: prefix.into(), many: false, option, number: false })
    }

    /// Whether it is exactly one text that is no option.
    pub(super) fn is_operand(&self) -> bool {
        match self {
            Self::Text(text) => !text.starts_with('-'),
            Self::Hole(hole) => !hole.many && !hole.option,
        }
    }

    /// Whether an option may hide in it.
    pub(super) fn may_be_option(&self) -> bool {
        matches!(self, Self::Hole(hole) if hole.option)
    }
}

/// The attribute `argv`.
pub(super) fn value(arguments: &[Argument]) -> Value {
    match arguments.iter().map(|argument| argument.text().map(Box::from)).collect::<Option<Vec<_>>>() {
        Some(texts) => Value::List(texts.into()),
        None => Value::Open(
            arguments
                .iter()
                .map(|argument| match argument {
                    Argument::Text(text) => Slot::Text(text.as_str().into()),
                    Argument::Hole(hole) if hole.many => Slot::Many,
                    Argument::Hole(_) => Slot::One,
                })
                .collect(),
        ),
    }
}
