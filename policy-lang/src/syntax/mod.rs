//! Text to tree. The one file that names pest: those below it read its nodes by the names given here.
//!
//! `items` reads rules and declarations, `conditions` what stands after `by`, `when` and `unless`, `steps` the lines of inline
//! tests, `leaves` names, texts and numbers. `expected` says what could have stood at an error.

mod conditions;
mod expected;
mod items;
mod leaves;
mod steps;

use pest::Parser as _;
use pest::error::{ErrorVariant, InputLocation};

pub(crate) use self::expected::Expected;
use self::grammar::{Grammar, Rule};
use crate::ast::File;
use crate::span::Span;

#[allow(missing_docs, reason = "pest derives an undocumented enum")]
mod grammar {
    #[derive(pest_derive::Parser)]
    #[grammar = "grammar.pest"]
    pub(super) struct Grammar;
}

/// A part of the text that the grammar has a name for.
type Node<'a> = pest::iterators::Pair<'a, Rule>;
type Nodes<'a> = pest::iterators::Pairs<'a, Rule>;

/// Where the text stopped having the language's shape, and what could have stood there.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    /// Byte offset in the file.
    pub(crate) at: usize,
    /// What was expected, most likely first.
    pub(crate) expected: Vec<Expected>,
}

/// Parses a stretch of a file that begins at byte `offset`. Caps and brackets have been checked.
pub(crate) fn parse(text: &str, source: u32, offset: usize) -> Result<File, SyntaxError> {
    let mut pairs = Grammar::parse(Rule::file, text).map_err(|error| {
        let at = match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
        };
        let mut expected: Vec<Expected> = match error.variant {
            ErrorVariant::ParsingError { positives, .. } => {
                positives.iter().filter_map(expected::describe).collect()
            }
            ErrorVariant::CustomError { .. } => Vec::new(),
        };
        expected.sort();
        expected.dedup();
        SyntaxError { at: offset + at, expected }
    })?;
    let reader = Reader { source, offset };
    let items = pairs.next().map(|file| file.into_inner()).into_iter().flatten();
    let items = items.filter(|node| node.as_rule() == Rule::item).map(|node| {
        let at = offset + node.as_span().start();
        // An item must not get lost: it may be what denies.
        reader.item(node).ok_or(SyntaxError { at, expected: Vec::new() })
    });
    Ok(File { items: items.collect::<Result<_, _>>()? })
}

/// Turns nodes into the tree. A `None` below means that grammar and reader disagree; the item is then refused like one
/// that can't be read.
struct Reader {
    source: u32,
    offset: usize,
}

impl Reader {
    fn span(&self, node: &Node<'_>) -> Span {
        let span = node.as_span();
        // Pest's spans of compound rules may end in the white space that follows.
        let trimmed = node.as_str().trim_end_matches(crate::scan::is_space).len();
        Span::new(self.source, self.offset + span.start(), self.offset + span.start() + trimmed)
    }
}
