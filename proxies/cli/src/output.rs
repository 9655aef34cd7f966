//! What is printed: words for people, coloured on a terminal only, or one JSON document for scripts.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Where a command's answer goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    colour: bool,
}

/// A colour with a meaning, so that the same thing always looks the same.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    /// Allowed, verified, healthy.
    Good,
    /// Held, a warning.
    Caution,
    /// Denied, broken.
    Bad,
    /// A heading.
    Strong,
    /// Of lesser interest.
    Faint,
}

impl Output {
    /// Colour needs a terminal and no `NO_COLOR` (<https://no-color.org>).
    pub(crate) fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, colour: wanted && io::stdout().is_terminal() }
    }

    /// Whether a script reads along.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Whether what is printed may carry colour.
    pub(crate) const fn is_coloured(self) -> bool {
        self.colour
    }

    /// Prints one JSON document.
    pub(crate) fn document(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(Failure::io)?;
        self.line(&text)
    }

    /// Prints one line. A reader that went away (`| head`) is no failure.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        match writeln!(io::stdout().lock(), "{text}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::io(format_args!("can't write to standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Prints bytes as they are.
    pub(crate) fn raw(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::io(format_args!("can't write to standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Says something on standard error that is no answer: a hint, a warning. Scripts are spared.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            // Nobody is left to tell if standard error is gone.
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// The text in a tone, where colour is on.
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Caution => "33",
            Tone::Bad => "31",
            Tone::Strong => "1",
            Tone::Faint => "2",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Prints rows in aligned columns under a heading; says `none` where there are no rows.
    pub(crate) fn table(self, heading: &[&str], rows: &[Vec<String>], none: &str) -> Result<(), Failure> {
        if rows.is_empty() {
            return self.line(none);
        }
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(heading.get(column).map(|title| title.chars().count())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heading.len()).map(width).collect();
        let titles: Vec<String> = heading.iter().map(|title| title.to_uppercase()).collect();
        self.line(&self.tone(Tone::Faint, &aligned(&titles, &widths)))?;
        rows.iter().try_for_each(|row| self.line(&aligned(row, &widths)))
    }
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    let padded = row.iter().zip(widths).map(|(cell, &width)| format!("{cell:width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// Prints a failure on standard error: what happened, then the way out.
pub(crate) fn report(failure: &Failure, json: bool) {
    let mut stderr = io::stderr().lock();
    // Nobody is left to tell if standard error is gone too.
    let _ = if json {
        let error = serde_json::json!({ "error": failure.message, "help": failure.help });
        writeln!(stderr, "{error}")
    } else {
        let colour =
            stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let (red, bold, end) = if colour { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        let help = failure.help.as_ref().map_or(String::new(), |help| format!("\n{bold}help{end}: {help}"));
        writeln!(stderr, "{red}error{end}: {}{help}", failure.message)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_trail_no_spaces() {
        let rows = [vec!["1".to_owned(), "a".to_owned()], vec!["22".to_owned(), String::new()]];
        assert_eq!(aligned(&rows[0], &[2, 5]), "1   a");
        assert_eq!(aligned(&rows[1], &[2, 5]), "22");
    }
}
