//! What is wrong with a configuration file, where, and what would be right.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A configuration that can't be used. Its text names the file, line, what is wrong and the way out.
#[derive(Debug)]
pub struct ConfigError {
    file: PathBuf,
    place: Option<Box<Place>>,
    message: String,
    help: Option<String>,
}

#[derive(Debug)]
struct Place {
    line: usize,
    column: usize,
    text: String,
    /// What is marked of the text: how many characters stand before it, and how many it has.
    indent: usize,
    width: usize,
}

impl ConfigError {
    pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            message: format!("can't read the configuration: {error}"),
            help: Some(match error.kind() {
                std::io::ErrorKind::NotFound => "`portcullis init` writes one that works".to_owned(),
                _ => "it has to be readable by whoever runs this".to_owned(),
            }),
        }
    }

    pub(super) fn at(file: &Path, source: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: Some(Box::new(Place::of(source, span))),
            message: message.into(),
            help: None,
        }
    }

    pub(super) fn whole(file: &Path, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: None, message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// As [`Self::at`], for a place at which a password may stand: of its line no more than the key is shown.
    pub(super) fn hidden_at(
        file: &Path,
        source: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        let mut this = Self::at(file, source, span.clone(), message);
        if let Some(place) = &mut this.place {
            place.hide(source.get(..span.start).unwrap_or(source));
        }
        this
    }

    /// What toml and serde report, with a suggestion where a key or value is misspelt. What is not understood may be a password,
    /// or stand beside one.
    pub(super) fn syntax(file: &Path, source: &str, error: &toml::de::Error) -> Self {
        let message = error.message().trim_end();
        let said = plainly(message);
        let mut this = match error.span() {
            Some(span) => Self::hidden_at(file, source, span, said),
            None => Self::whole(file, said),
        };
        this.help = suggestion(message).map(|name| format!("did you mean `{name}`?"));
        this
    }

    /// What is wrong and where, without the way out.
    pub fn fault(&self) -> impl fmt::Display {
        Fault(self)
    }

    /// The way out, where one is known.
    pub fn way_out(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The one-based line of the fault, where it has one.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.line)
    }
}

impl Place {
    fn of(source: &str, span: Range<usize>) -> Self {
        let before = source.get(..span.start).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let text = source.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        let wanted = source.get(span).unwrap_or_default().lines().next().unwrap_or_default().chars().count();
        Self {
            line: before.matches('\n').count() + 1,
            column: column + 1,
            text: text.to_owned(),
            indent: column,
            width: wanted.clamp(1, text.chars().count().saturating_sub(column).max(1)),
        }
    }
}

impl Place {
    /// Leaves out all of the line but its key. `before` is the file up to the place.
    fn hide(&mut self, before: &str) {
        // Inside a text of several lines nothing is a key, whatever it looks like.
        let has_long_texts = ["\"\"\"", "'''"].iter().any(|quotes| before.contains(quotes));
        let shown = if has_long_texts { "" } else { key(&self.text) };
        let length = shown.chars().count();
        self.text = format!("{shown}…");
        self.width = self.width.min(length.saturating_sub(self.indent)).max(1);
        self.indent = self.indent.min(length);
    }
}

/// A line up to its value; empty where it does not begin with a plain key.
fn key(line: &str) -> &str {
    match line.split_once('=') {
        Some((key, value)) if key.chars().all(is_of_key) => {
            line.strip_suffix(value.trim_start()).unwrap_or(key)
        }
        _ => "",
    }
}

/// Whether a character may be of a key that is not quoted, or stand beside one.
const fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '\t')
}

/// All but the way out.
struct Fault<'a>(&'a ConfigError);

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ConfigError { file, place, message, .. }) = self;
        write!(f, "{}", file.display())?;
        if let Some(place) = place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {message}")?;
        if let Some(place) = place {
            let gutter = place.line.to_string();
            let pad = " ".repeat(gutter.len());
            let indent = " ".repeat(place.indent);
            let carets = "^".repeat(place.width);
            write!(f, "\n{pad} |\n{gutter} | {}\n{pad} | {indent}{carets}", place.text)?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Fault(self))?;
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// serde words a value of another type as `invalid type: string "x", expected …`: without the value.
fn plainly(message: &str) -> String {
    let Some(found) = message.strip_prefix("invalid type: ") else { return message.to_owned() };
    match found.rsplit_once(", expected ") {
        Some((_, "a sequence")) => "expected a list: in brackets, and `[[target]]` in two".to_owned(),
        Some((found, wanted)) => {
            let found = match found.split_whitespace().next() {
                Some("string") => "a text",
                Some("integer" | "floating") => "a number",
                Some("boolean") => "a boolean",
                Some("map") => "a table",
                Some("sequence") => "a list",
                _ => "what is there",
            };
            let wanted = match wanted {
                "usize" | "u64" | "u16" => "a whole number",
                "path string" | "a string" => "a text in quotes",
                "a map" => "a table",
                other => other,
            };
            format!("expected {wanted}, not {found}")
        }
        None => "this is of another type than is expected here".to_owned(),
    }
}

/// serde words a misspelling as "unknown field `x`, expected one of `a`, `b`": the nearest of those allowed.
fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let given = quoted.next()?;
    quoted
        .map(|allowed| match allowed.starts_with(given) && given.len() > 2 {
            // Cut short, which is a distance of many letters.
            true => (1, allowed),
            false => (strsim::damerau_levenshtein(given, allowed), allowed),
        })
        .filter(|&(distance, allowed)| distance <= 1 + allowed.len() / 4)
        .min()
        .map(|(_, allowed)| allowed.to_owned())
}
