//! Showing recorded text to people without letting it act.
//!
//! A command or a name comes from a client and may hold escape sequences that move the cursor, clear the screen or
//! swap what was said. Everything that a listing prints of a record goes through one of these,
//! and what a terminal was shown goes through a [`Screen`].

use std::fmt::{self, Write};

use crate::json::is_active;

mod screen;

pub use screen::Screen;

/// Shows a text on one line: every control and invisible character as an escape, such as `\n` or `\u{9b}`.
pub const fn line(text: &str) -> Inert<'_> {
    Inert { text, lines: false }
}

/// Shows a text with its line breaks and tabs; every other control and invisible character as an escape.
pub const fn lines(text: &str) -> Inert<'_> {
    Inert { text, lines: true }
}

/// A text that acts on no terminal. Made by [`line()`] and [`lines`].
#[derive(Clone, Copy, Debug)]
pub struct Inert<'a> {
    text: &'a str,
    lines: bool,
}

impl fmt::Display for Inert<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.text.chars() {
            match c {
                '\n' | '\t' if self.lines => f.write_char(c)?,
                c if is_active(c) => write!(f, "{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_comes_through() {
        let evil = "a\u{1b}[2J\u{9b}31m\r\u{202e}b\u{200b}\u{7f}\tä\n";
        assert_eq!(line(evil).to_string(), r"a\u{1b}[2J\u{9b}31m\r\u{202e}b\u{200b}\u{7f}\tä\n");
        assert_eq!(lines(evil).to_string(), "a\\u{1b}[2J\\u{9b}31m\\r\\u{202e}b\\u{200b}\\u{7f}\tä\n");
    }
}
