//! Where something stands in its source. Takes no part in equality.

use std::sync::Arc;

/// One policy file: the name that diagnostics quote, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// As the operator named it, such as `policies/production.policy`.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// A source from its name and text.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// Line and column of a byte offset: both one-based, the column in characters.
    pub(crate) fn position(&self, offset: usize) -> (u32, u32) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.bytes().filter(|&byte| byte == b'\n').count();
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
        (saturate(line + 1), saturate(column + 1))
    }
}

/// A range of bytes in one of the sources.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Which source, in the order they were given.
    pub source: u32,
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    pub(crate) fn new(source: u32, start: usize, end: usize) -> Self {
        Self { source, start: saturate(start), end: saturate(end) }
    }

    /// From the start of this to the end of the other.
    pub(crate) fn to(self, other: Self) -> Self {
        Self { end: other.end.max(self.end), ..self }
    }
}

/// A value and where it was written. Two are equal when their values are.
#[derive(Clone, Copy, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    pub(crate) fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

/// Sources are capped at far less than 4 GiB before anything is counted.
fn saturate(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
