//! The one way a policy is laid out.
//!
//! The formatter moves tokens apart and changes none, so that comments stay and the meaning can't change.
//! Clauses of a block are aligned; a block on one line stays there while it fits; line breaks that the
//! author put after commas and before `and` and `or` are kept. Formatting twice changes nothing more.

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{Clause, File, Item};
use crate::diagnostic::Diagnostics;
use crate::parse;
use crate::scan::{self, Token, TokenKind};
use crate::span::Source;

/// Lines are kept shorter than this, in characters, where a break is possible.
const WIDTH: usize = 100;
const INDENT: usize = 2;
const CONTINUATION: usize = 4;

/// Lays a file out anew.
///
/// # Errors
///
/// The file's syntax errors: what can't be read is left as it is. Names and types don't matter here.
pub fn format(source: &Source) -> Result<String, Diagnostics> {
    let parsed = parse::parse(0, source);
    if !parsed.found.is_empty() {
        return Err(Diagnostics::new([source.clone()].into(), parsed.found));
    }
    let tokens = scan::scan(&source.text).tokens;
    let layout = Layout::new(&parsed.file, &tokens, &source.text);
    Ok(Printer::new(&source.text, &layout).print(&tokens))
}

/// What the tree says about tokens, by the byte they begin at.
#[derive(Default)]
struct Layout {
    items: BTreeSet<usize>,
    clauses: BTreeMap<usize, ClauseLayout>,
    opens: BTreeMap<usize, Block>,
    closes: BTreeMap<usize, Block>,
}

#[derive(Clone, Copy)]
struct ClauseLayout {
    /// Whether what follows the first word is aligned with the other clauses'.
    aligned: bool,
    block: Block,
}

#[derive(Clone, Copy)]
struct Block {
    one_line: bool,
    /// The width of the widest first word.
    column: usize,
}

impl Layout {
    fn new(file: &File, tokens: &[Token], text: &str) -> Self {
        let mut layout = Self::default();
        for item in &file.items {
            let range = item.span.start as usize..item.span.end as usize;
            layout.items.insert(range.start);
            let clauses: Vec<(usize, bool)> = match &item.value {
                Item::Rule(rule) => rule
                    .clauses
                    .iter()
                    .map(|clause| (clause.span.start as usize, takes_words(&clause.value)))
                    .collect(),
                Item::Test(test) => test.steps.iter().map(|step| (step.span.start as usize, true)).collect(),
                _ => continue,
            };
            let from = tokens.partition_point(|token| token.range.start < range.start);
            let to = tokens.partition_point(|token| token.range.start < range.end);
            let inside = tokens.get(from..to).unwrap_or_default();
            let open = inside.iter().position(|token| &text[token.range.clone()] == "{");
            let (Some(open), Some(close)) = (open.and_then(|at| inside.get(at..)), inside.last()) else {
                continue;
            };
            let Some(brace) = open.first() else { continue };
            let block = Block {
                one_line: fits_one_line(open, &clauses, &text[range.start..brace.range.start], text),
                column: widest(&clauses, tokens),
            };
            layout.opens.insert(brace.range.start, block);
            layout.closes.insert(close.range.start, block);
            layout
                .clauses
                .extend(clauses.into_iter().map(|(start, aligned)| (start, ClauseLayout { aligned, block })));
        }
        layout
    }
}

fn takes_words(clause: &Clause) -> bool {
    !matches!(clause, Clause::InTransaction | Clause::Justify | Clause::Reveal)
}

fn widest(clauses: &[(usize, bool)], tokens: &[Token]) -> usize {
    let width = |start: usize| {
        let at = tokens.partition_point(|token| token.range.start < start);
        tokens.get(at).map_or(0, |token| token.range.len())
    };
    clauses.iter().filter(|(_, aligned)| *aligned).map(|(start, _)| width(*start)).max().unwrap_or(0)
}

/// Whether a block was written on one line, and fits there as it will be printed.
fn fits_one_line(block: &[Token], clauses: &[(usize, bool)], head: &str, text: &str) -> bool {
    let (Some(first), Some(last)) = (block.first(), block.last()) else { return false };
    let written = &text[first.range.start..last.range.end];
    let commented = block.iter().any(|token| token.kind == TokenKind::Comment);
    let words: usize = block.iter().map(|token| text[token.range.clone()].chars().count() + 1).sum();
    let head = head.split_whitespace().map(|word| word.chars().count() + 1).sum::<usize>();
    !written.contains('\n')
        && !commented
        && !head_is_broken(text, first)
        && head + words + clauses.len() <= WIDTH
}

/// Whether something other than spaces on its line, such as a comment's end, stands before the brace.
fn head_is_broken(text: &str, brace: &Token) -> bool {
    let before = text[..brace.range.start].trim_end_matches([' ', '\t']);
    before.is_empty() || before.ends_with('\n')
}

struct Printer<'a> {
    text: &'a str,
    layout: &'a Layout,
    out: String,
    /// Characters on the current line.
    width: usize,
    /// Where the current clause or declaration goes on after a break.
    continuation: usize,
}

impl<'a> Printer<'a> {
    fn new(text: &'a str, layout: &'a Layout) -> Self {
        Self { text, layout, out: String::with_capacity(text.len()), width: 0, continuation: CONTINUATION }
    }

    fn print(mut self, tokens: &[Token]) -> String {
        let mut previous: Option<&Token> = None;
        // The indentation of what begins a line of its own: comments, clauses.
        let mut indent = 0;
        let mut pad = None;
        for (index, token) in tokens.iter().enumerate() {
            let start = token.range.start;
            let word = self.text[token.range.clone()].trim_end();
            let gap = previous.map_or(0, |previous| self.lines_between(previous, token));
            let after_comment = previous.is_some_and(|previous| previous.kind == TokenKind::Comment);
            let after_open =
                previous.is_some_and(|previous| self.layout.opens.contains_key(&previous.range.start));
            let next = tokens.get(index + 1);
            if token.kind == TokenKind::Comment {
                if gap == 0 && previous.is_some() {
                    self.put("  ");
                } else {
                    let closes = previous.is_none() || self.begins_line(next, tokens, index);
                    self.line(if closes { indent } else { self.continuation }, gap > 1 && !after_open);
                }
                self.put(word);
            } else if self.layout.items.contains(&start) {
                self.line(0, gap > 1);
                (indent, self.continuation) = (0, CONTINUATION);
                self.put(word);
            } else if let Some(block) = self.layout.closes.get(&start) {
                if block.one_line && !after_comment {
                    self.put(if after_open { "" } else { " " });
                } else {
                    self.line(0, false);
                }
                indent = 0;
                self.put(word);
            } else if let Some(clause) = self.layout.clauses.get(&start) {
                if clause.block.one_line {
                    self.put(if after_open { " " } else { "  " });
                } else {
                    self.line(INDENT, gap > 1 && !after_open);
                    self.continuation = INDENT + clause.block.column + 1;
                    pad = clause.aligned.then_some(clause.block.column);
                }
                self.put(word);
            } else {
                let space = pad.take().map_or_else(
                    || usize::from(previous.is_some_and(|previous| self.spaced(previous, token, next))),
                    |column| (column + 1).saturating_sub(previous.map_or(0, |previous| previous.range.len())),
                );
                let before = previous.map(|previous| &self.text[previous.range.clone()]);
                let soft = before == Some(",") || matches!(word, "and" | "or");
                // A list may begin on a line of its own.
                let list = before == Some("on") && token.kind == TokenKind::Text && gap > 0;
                let broken =
                    after_comment || list || soft && (gap > 0 || !self.has_room(tokens, index, space));
                if broken && self.layout.opens.contains_key(&start) {
                    self.line(0, false);
                } else if broken {
                    self.line(self.continuation, false);
                } else {
                    self.put(&" ".repeat(space));
                }
                self.put(word);
            }
            if let Some(block) = self.layout.opens.get(&start) {
                indent = if block.one_line { 0 } else { INDENT };
            }
            previous = Some(token);
        }
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }

    /// Whether the next token that is no comment begins a line of its own, so that a comment before it
    /// belongs to it rather than into the middle of a list.
    fn begins_line(&self, next: Option<&Token>, tokens: &[Token], index: usize) -> bool {
        let rest = tokens.get(index + 1..).unwrap_or_default();
        let next = rest.iter().find(|token| token.kind != TokenKind::Comment).or(next);
        next.is_none_or(|token| {
            let start = token.range.start;
            self.layout.items.contains(&start)
                || self.layout.clauses.contains_key(&start)
                || self.layout.closes.contains_key(&start)
                || self.layout.opens.contains_key(&start)
        })
    }

    /// Whether the tokens up to the next possible break fit on this line.
    fn has_room(&self, tokens: &[Token], index: usize, space: usize) -> bool {
        let mut width = self.width + space;
        let rest = tokens.get(index..).unwrap_or_default();
        for (offset, token) in rest.iter().enumerate() {
            let word = &self.text[token.range.clone()];
            let begins = self.layout.clauses.contains_key(&token.range.start)
                || self.layout.items.contains(&token.range.start);
            if offset > 0
                && (begins || token.kind == TokenKind::Comment || matches!(word, "and" | "or" | "}"))
            {
                break;
            }
            let spaced = offset > 0
                && rest
                    .get(offset - 1)
                    .is_some_and(|previous| self.spaced(previous, token, rest.get(offset + 1)));
            width += word.chars().count() + usize::from(spaced);
            if word == "," {
                break;
            }
        }
        width <= WIDTH
    }

    fn spaced(&self, before: &Token, token: &Token, next: Option<&Token>) -> bool {
        let (before, word) = (&self.text[before.range.clone()], &self.text[token.range.clone()]);
        let calls = word == "(" && next.is_some_and(|next| next.kind == TokenKind::Number);
        !matches!(word, "," | ")" | "]" | ".") && !matches!(before, "(" | "[" | ".") && !calls
    }

    fn lines_between(&self, before: &Token, after: &Token) -> usize {
        self.text[before.range.end..after.range.start].matches('\n').count()
    }

    fn line(&mut self, indent: usize, blank: bool) {
        if self.out.is_empty() {
            return;
        }
        self.out.push_str(if blank { "\n\n" } else { "\n" });
        self.width = 0;
        self.put(&" ".repeat(indent));
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.width += text.chars().count();
    }
}
