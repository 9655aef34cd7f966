//! One file to its tree, going on at the next top-level item after an error.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::ast::{File, Kind};
use crate::diagnostic::Diagnostic;
use crate::scan::{self, Fault, FaultKind, Scan, Token, TokenKind};
use crate::span::{Source, Span};
use crate::syntax::{self, Expected, SyntaxError};
use crate::words;

/// What could be read of a file.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) file: File,
    pub(crate) found: Vec<Diagnostic>,
    /// Sets and tags whose definitions could not be read.
    pub(crate) broken: BTreeSet<Box<str>>,
    /// Rules that could not be read.
    pub(crate) broken_rules: Vec<(Box<str>, Kind)>,
}

pub(crate) fn parse(index: u32, source: &Source) -> Parsed {
    let text = &*source.text;
    let scan = scan::scan(text);
    let mut parsed = Parsed::default();
    parsed.found.extend(scan.faults.iter().map(|fault| describe_fault(fault, text, index)));
    if scan.is_beyond_caps() {
        return parsed;
    }
    if scan.faults.is_empty() {
        match syntax::parse(text, index, 0) {
            Ok(file) => return Parsed { file, ..parsed },
            Err(error) if scan.items.len() <= 1 => {
                parsed.found.push(describe_error(&error, &scan, 0..text.len(), text, index));
                note_broken(&scan, &(0..text.len()), text, &mut parsed);
                return parsed;
            }
            Err(_) => {}
        }
    }
    let mut faults: Vec<usize> = scan.faults.iter().map(|fault| fault.range.start).collect();
    faults.sort_unstable();
    for item in &scan.items {
        // Faults are found in two passes, so their order is not the text's.
        let from = faults.partition_point(|at| *at < item.start);
        let faulty = faults.get(from).is_some_and(|at| *at < item.end);
        let result = match text.get(item.clone()) {
            Some(stretch) if !faulty => syntax::parse(stretch, index, item.start),
            _ => {
                note_broken(&scan, item, text, &mut parsed);
                continue;
            }
        };
        match result {
            Ok(file) => parsed.file.items.extend(file.items),
            Err(error) => {
                parsed.found.push(describe_error(&error, &scan, item.clone(), text, index));
                note_broken(&scan, item, text, &mut parsed);
            }
        }
    }
    parsed
}

/// Remembers what an unreadable item would have defined, so that its users are not blamed.
fn note_broken(scan: &Scan, item: &Range<usize>, text: &str, parsed: &mut Parsed) {
    let mut words = significant(scan, item).map(|token| &text[token.range.clone()]);
    let (Some(first), Some(second)) = (words.next(), words.next()) else { return };
    let kinds = [Kind::Allow, Kind::Deny, Kind::Hold, Kind::Mask, Kind::Limit, Kind::Record];
    if let "set" | "tag" = first {
        parsed.broken.insert(second.into());
    } else if let Some(kind) = kinds.into_iter().find(|kind| kind.as_str() == first) {
        parsed.broken_rules.push((second.trim_matches('"').into(), kind));
    }
}

fn significant<'s>(scan: &'s Scan, within: &Range<usize>) -> impl Iterator<Item = &'s Token> {
    let from = scan.tokens.partition_point(|token| token.range.start < within.start);
    let to = scan.tokens.partition_point(|token| token.range.start < within.end);
    let inside = scan.tokens.get(from..to).unwrap_or_default();
    inside.iter().filter(|token| token.kind != TokenKind::Comment)
}

fn describe_fault(fault: &Fault, text: &str, source: u32) -> Diagnostic {
    let span = Span::new(source, fault.range.start, fault.range.end);
    let written = text.get(fault.range.clone()).unwrap_or_default();
    match fault.kind {
        FaultKind::TooLarge => Diagnostic::error(
            span,
            format!("this file is larger than {} KiB", scan::MAX_FILE_BYTES / 1_024),
            "not read any further",
        )
        .help("split it: rules, sets and tags are shared by all files of a policy"),
        FaultKind::TooManyTokens => Diagnostic::error(
            span,
            format!("this file has more than {} words and signs", scan::MAX_TOKENS),
            "not read any further",
        )
        .help("split it: rules, sets and tags are shared by all files of a policy"),
        FaultKind::TooDeep => Diagnostic::error(
            span,
            format!("brackets are nested more than {} deep", scan::MAX_NESTING),
            "not read any further",
        )
        .help("name parts of the condition with `set`, or write several rules"),
        FaultKind::UnterminatedText => {
            Diagnostic::error(span, "this text is never closed", "expected `\"` before the end of the line")
        }
        FaultKind::Unclosed => {
            let closing = match written {
                "{" => "}",
                "(" => ")",
                _ => "]",
            };
            Diagnostic::error(
                span,
                format!("this `{written}` is never closed"),
                format!("expected a `{closing}` that belongs to it"),
            )
        }
        FaultKind::Unopened => Diagnostic::error(
            span,
            format!("this `{written}` closes nothing"),
            "no bracket of this sort is open here",
        ),
        FaultKind::Unexpected => unexpected_sign(span, written),
    }
}

/// Signs of other languages, and what to write instead.
fn unexpected_sign(span: Span, written: &str) -> Diagnostic {
    let label = match written {
        "&&" | "&" => "write `and`",
        "||" | "|" => "write `or`",
        "!" => "write `not`",
        "#" | "--" | "/*" | "/" => "comments begin with `//`",
        ";" => "nothing ends in a semicolon here",
        ":" | "::" => "write `=`, or nothing",
        "->" | "=>" => "rules have no arrows",
        "“" | "”" | "„" | "«" | "»" => "write the straight quote `\"`",
        "'" => "texts stand in double quotes",
        _ if written.starts_with('\'') => {
            let inner = written.trim_matches('\'');
            return Diagnostic::error(span, "texts stand in double quotes", format!("write `\"{inner}\"`"));
        }
        _ => "the language has no such sign",
    };
    Diagnostic::error(span, format!("unexpected `{}`", written.escape_debug()), label)
}

fn describe_error(
    error: &SyntaxError,
    scan: &Scan,
    item: Range<usize>,
    text: &str,
    source: u32,
) -> Diagnostic {
    let mut tokens = significant(scan, &item);
    let first = tokens.next().map(|token| &text[token.range.clone()]);
    let at = significant(scan, &item).find(|token| token.range.end > error.at);
    let before = significant(scan, &item).take_while(|token| token.range.end <= error.at).last();
    let due = due(&error.expected, before.map(|token| &text[token.range.clone()]));
    let Some(token) = at else {
        let last = tokens.last().map_or(item.end, |token| token.range.end);
        let what = if last == text.trim_end().len() { "the file" } else { "this item" };
        return Diagnostic::error(
            Span::new(source, last, last),
            format!("{what} ends too early"),
            format!("expected {}", phrase(&due)),
        );
    };
    let word = &text[token.range.clone()];
    let span = Span::new(source, token.range.start, token.range.end);
    if let Some((title, label)) = common_mistake(word, token.kind, &error.expected) {
        return Diagnostic::error(span, title, label);
    }
    if token.kind == TokenKind::Text && due.contains(&Expected::Phrase("a condition")) {
        let before = before.map(|token| &text[token.range.clone()]);
        let is_who = matches!(before, Some("by" | "of"));
        return text_for_condition(span, word, is_who);
    }
    if let [Expected::OneOf(_, ["principal", "command"])] = &*due {
        return limit_of_nothing(span, word);
    }
    let title = format!("expected {}, found `{word}`", phrase(&due));
    let diagnostic = Diagnostic::error(span, title, hint(word, token.kind, &due));
    match due.iter().find(|expected| matches!(expected, Expected::OneOf(..))) {
        Some(Expected::OneOf(what, list)) => {
            let list = if *what == "a clause" { clauses_of(first) } else { list };
            let list: Vec<String> = list.iter().map(|word| format!("`{word}`")).collect();
            diagnostic.help(format!("{what} begins with {}", list.join(", ")))
        }
        _ => diagnostic,
    }
}

/// A text where a condition was due: it is a name, and what sort of one is not said.
fn text_for_condition(span: Span, written: &str, is_who: bool) -> Diagnostic {
    let (label, help) = if is_who {
        let help = "a name is a group's or a user's: `group \"…\"`, `user \"…\"`, or a set of these";
        (format!("write `group {written}`?"), help)
    } else {
        let help = "it is `host == \"…\"`, for example, or `argv has \"…\"`; about who asks, `group \"…\"` or `user \"…\"`";
        ("a condition compares something".to_owned(), help)
    };
    Diagnostic::error(span, format!("{written} alone is no condition"), label).help(help)
}

/// A limit that does not say whose, or of what.
fn limit_of_nothing(span: Span, word: &str) -> Diagnostic {
    let (is_period, period) = match word {
        "second" | "minute" | "hour" | "day" => (true, word),
        _ if word.starts_with(|first: char| first.is_ascii_digit()) => (true, word),
        _ => (false, "hour"),
    };
    let label = if is_period { format!("write `principal per {period}`") } else { "whose?".to_owned() };
    Diagnostic::error(span, "a limit is `per principal` and a period, or `per command`", label)
        .help(format!("write `rows 10_000 per principal per {period}`, or `rows 10_000 per command`"))
}

/// What people write out of habit, and what to write here.
fn common_mistake(word: &str, kind: TokenKind, expected: &[Expected]) -> Option<(String, String)> {
    let literal = |what: &str| {
        expected.contains(&Expected::Literal(match what {
            "==" => "==",
            "=" => "=",
            "," => ",",
            _ => "or",
        }))
    };
    let phrase = |start: &str| {
        expected
            .iter()
            .any(|expected| matches!(expected, Expected::Phrase(phrase) if phrase.starts_with(start)))
    };
    let (title, label) = match (word, kind) {
        ("=", _) if literal("==") => ("`=` defines; it does not compare", "write `==`".to_owned()),
        ("==", _) if literal("=") => ("`==` compares; it does not define", "write `=`".to_owned()),
        (",", _) if literal("or") && !literal(",") => {
            ("a comma does not join conditions", "write `or`, or `and`".to_owned())
        }
        (_, TokenKind::Text) if literal(",") => ("a comma is missing", "before this".to_owned()),
        (_, TokenKind::Number) if phrase("a duration") => (
            "a duration is a number and its unit, in one word",
            format!("write `{word}s`, `{word}m`, `{word}h` or `{word}d`"),
        ),
        (_, TokenKind::Word) if phrase("a value") => ("texts stand in quotes", format!("write `\"{word}\"`")),
        _ => return None,
    };
    Some((title.to_owned(), label))
}

/// A short label: the word that was probably meant, or the commonest reason.
fn hint(word: &str, kind: TokenKind, due: &[Expected]) -> String {
    let candidates = due.iter().flat_map(|expected| match expected {
        Expected::Literal(literal) => std::slice::from_ref(literal),
        Expected::OneOf(_, list) => list,
        Expected::Phrase(_) | Expected::Text => &[],
    });
    if kind == TokenKind::Word {
        if let Some(closest) = words::closest(word, candidates.copied()) {
            return format!("did you mean `{closest}`?");
        }
        if due.contains(&Expected::Text) {
            return format!("write `\"{word}\"`");
        }
    }
    "unexpected here".to_owned()
}

/// What was due: without all that could have gone on with something that was already complete.
fn due(expected: &[Expected], before: Option<&str>) -> Vec<Expected> {
    if let (Some("group" | "user"), true) = (before, expected.contains(&Expected::Text)) {
        return vec![Expected::Text];
    }
    let next_begins = |expected: &Expected| matches!(expected, Expected::OneOf(..));
    let due: Vec<Expected> = if expected.iter().any(next_begins) {
        expected
            .iter()
            .copied()
            .filter(|expected| next_begins(expected) || *expected == Expected::Literal("}"))
            .collect()
    } else {
        expected.to_vec()
    };
    due
}

/// The clauses of a kind of rule.
fn clauses_of(kind: Option<&str>) -> &'static [&'static str] {
    match kind {
        Some("allow") => &["by", "on", "do", "when", "unless", "mode"],
        Some("deny") => &["by", "on", "do", "when", "unless", "say", "mode"],
        Some("hold") => &[
            "by",
            "on",
            "do",
            "when",
            "unless",
            "until",
            "while",
            "answer after",
            "in transaction",
            "justify",
            "reveal",
            "say",
            "mode",
        ],
        Some("mask") => &[
            "by",
            "on",
            "do",
            "when",
            "unless",
            "columns",
            "values",
            "fields",
            "with",
            "unresolved",
            "predicates",
            "mode",
        ],
        Some("limit") => &["by", "on", "do", "when", "unless", "rows", "commands", "bytes", "say", "mode"],
        _ => &["by", "on", "do", "when", "unless", "mode"],
    }
}

fn phrase(expected: &[Expected]) -> String {
    let mut words: Vec<String> = expected
        .iter()
        .map(|expected| match expected {
            Expected::Phrase(phrase) | Expected::OneOf(phrase, _) => (*phrase).to_owned(),
            Expected::Literal(literal) => format!("`{literal}`"),
            Expected::Text => "a text in quotes".to_owned(),
        })
        .collect();
    words.dedup();
    match words.split_last() {
        None => "something else".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}
