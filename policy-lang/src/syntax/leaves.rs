//! What has no parts: names, texts, numbers, durations; and lists of them.

use std::time::Duration;

use super::expected::keyword_text;
use super::{Node, Nodes, Reader, Rule};
use crate::ast::{Pair, Text, Value, Word};
use crate::span::Spanned;

impl Reader {
    pub(super) fn pairs(&self, node: Node<'_>) -> Option<Vec<Pair>> {
        without_keywords(node.into_inner())
            .map(|node| {
                let mut inner = without_keywords(node.into_inner());
                let name = inner.next()?;
                let name = match name.as_rule() {
                    Rule::string => self.text(name),
                    _ => self.word(name),
                };
                let value = inner.next()?;
                let span = self.span(&value);
                let mut inner = without_keywords(value.into_inner());
                let value = match inner.next() {
                    Some(node) if node.as_rule() == Rule::literal => self.literal(node)?.value,
                    Some(node) => Value::List(self.texts(node)),
                    None => Value::List(Vec::new()),
                };
                Some(Pair { name, value: Spanned::new(value, span) })
            })
            .collect()
    }

    pub(super) fn literal(&self, node: Node<'_>) -> Option<Spanned<Value>> {
        let span = self.span(&node);
        let node = node.into_inner().next()?;
        let value = match node.as_rule() {
            Rule::number => Value::Integer(self.number(node).value),
            Rule::truth => Value::Bool(node.as_str() == "true"),
            _ => Value::Text(self.text(node).value),
        };
        Some(Spanned::new(value, span))
    }

    pub(super) fn texts(&self, node: Node<'_>) -> Vec<Text> {
        without_keywords(node.into_inner()).map(|node| self.text(node)).collect()
    }

    pub(super) fn text(&self, node: Node<'_>) -> Text {
        let span = self.span(&node);
        Spanned::new(unescape(node.as_str()).into(), span)
    }

    pub(super) fn word(&self, node: Node<'_>) -> Word {
        let span = self.span(&node);
        Spanned::new(node.as_str().into(), span)
    }

    /// Numbers past the range saturate; what they bound is checked against far smaller caps.
    pub(super) fn number(&self, node: Node<'_>) -> Spanned<i64> {
        let span = self.span(&node);
        let digits: String = node.as_str().chars().filter(|&c| c != '_').collect();
        let limit = if digits.starts_with('-') { i64::MIN } else { i64::MAX };
        Spanned::new(digits.parse().unwrap_or(limit), span)
    }

    pub(super) fn duration(&self, node: Node<'_>) -> Spanned<Duration> {
        let span = self.span(&node);
        let text = node.as_str();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let unit: u64 = match text.chars().last() {
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => 1,
        };
        let count: u64 = digits.parse().unwrap_or(u64::MAX);
        Spanned::new(Duration::from_secs(count.saturating_mul(unit)), span)
    }
}

/// The text between the quotes, `\"`, `\\`, `\n` and `\t` resolved; another character after a backslash
/// stands with its backslash (regular expressions are full of them).
fn unescape(quoted: &str) -> String {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some(other @ ('"' | '\\')) => text.push(other),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}

pub(super) fn without_keywords(nodes: Nodes<'_>) -> impl Iterator<Item = Node<'_>> {
    nodes.filter(|node| !is_keyword(node.as_rule()))
}

/// Words and signs that say where things are, and nothing themselves.
pub(super) fn is_keyword(rule: Rule) -> bool {
    let sign = matches!(
        rule,
        Rule::open
            | Rule::close
            | Rule::paren_open
            | Rule::paren_close
            | Rule::list_open
            | Rule::list_close
            | Rule::comma
            | Rule::assign
            | Rule::dot
    );
    sign || keyword_text(rule).is_some()
}
