//! Replaying what a terminal was shown, without letting it do more than draw.

use crate::json::is_active;

/// Lets through what draws on a terminal, and nothing else; made for text that comes in pieces.
///
/// An allow-list: printable characters, line breaks, tabs and backspaces; colours and styles (SGR); moving the cursor, erasing,
/// inserting, deleting and scrolling; the scroll region; the modes that say how text is drawn (wrapping, origin, insertion, the
/// cursor's visibility, the alternate screen); the line-drawing character set. A full reset becomes an empty screen.
/// Everything else is dropped: titles, the clipboard, links, device queries that make a terminal answer as if the viewer had typed,
/// mouse, paste and keypad modes, control strings, 8-bit controls, bells, and characters that are invisible or turn the
/// direction of writing. Sources: ECMA-48 and xterm's *Control Sequences*.
///
/// At most 64 characters of a sequence are kept; a longer one is dropped.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    state: State,
    parameters: String,
    text_only: bool,
    alternate: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    /// Behind ESC and an intermediate character: the set it is about, if it is one that may be chosen.
    Intermediate(Option<char>),
    Control,
    String,
    StringEscape,
}

/// The longest sequence that draws, in characters.
const MAX_PARAMETERS: usize = 64;

impl Screen {
    /// Lets no escape sequence through at all: what is left is text, to search in.
    pub fn text_only() -> Self {
        Self { text_only: true, ..Self::default() }
    }

    /// Takes a piece of what was shown; appends what draws to `out`.
    pub fn push(&mut self, text: &str, out: &mut String) {
        for c in text.chars() {
            self.state = self.take(c, out);
        }
    }

    /// What brings a terminal back to how it was, whatever was drawn.
    pub fn reset(&self) -> &'static str {
        // Leaving an alternate screen that was not entered would move the cursor.
        if self.alternate {
            "\x1b[?1049l\x1b[0m\x1b[r\x1b[?6l\x1b[?7h\x1b[?25h\x1b[4l\x1b(B\x0f"
        } else {
            "\x1b7\x1b[0m\x1b[r\x1b[?6l\x1b[?7h\x1b[?25h\x1b[4l\x1b(B\x0f\x1b8\x1b[0m\x1b(B"
        }
    }

    fn take(&mut self, c: char, out: &mut String) -> State {
        match (self.state, c) {
            // Whatever came before ends here.
            (State::String, '\x1b') => State::StringEscape,
            (_, '\x1b') => State::Escape,
            (State::String, '\x07' | '\u{9c}' | '\x18' | '\x1a') | (State::StringEscape, '\\') => State::Text,
            (State::String, _) => State::String,
            (State::Escape | State::StringEscape, '[') | (_, '\u{9b}') => {
                self.parameters.clear();
                State::Control
            }
            (State::Escape | State::StringEscape, ']' | 'P' | 'X' | '^' | '_') => State::String,
            (_, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}') => State::String,
            (State::Escape | State::StringEscape, '(' | ')') => State::Intermediate(Some(c)),
            (State::Escape | State::StringEscape, ' '..='/') => State::Intermediate(None),
            (State::Escape | State::StringEscape, '0'..='~') => {
                self.escape(c, out);
                State::Text
            }
            (State::Intermediate(_), ' '..='/') => State::Intermediate(None),
            (State::Intermediate(Some(set)), '0' | 'A' | 'B') => {
                self.draw(out, &['\x1b', set, c]);
                State::Text
            }
            (State::Control, ' '..='?') => {
                if self.parameters.len() <= MAX_PARAMETERS {
                    self.parameters.push(c);
                }
                State::Control
            }
            (State::Control, '@'..='~') => {
                self.control(c, out);
                State::Text
            }
            (State::Text, _) => {
                match c {
                    '\n' | '\r' | '\t' => out.push(c),
                    '\x08' | '\x0e' | '\x0f' => self.draw(out, &[c]),
                    c if is_active(c) => {}
                    c => out.push(c),
                }
                State::Text
            }
            // It was cut off, by a control or by what is no part of any sequence.
            _ => State::Text,
        }
    }

    fn draw(&self, out: &mut String, sequence: &[char]) {
        if !self.text_only {
            out.extend(sequence);
        }
    }

    fn escape(&mut self, last: char, out: &mut String) {
        match last {
            // DECSC, DECRC, IND, NEL, RI.
            '7' | '8' | 'D' | 'E' | 'M' => self.draw(out, &['\x1b', last]),
            // RIS.
            'c' => self.draw(out, &"\x1b[0m\x1b[r\x1b[H\x1b[2J".chars().collect::<Vec<_>>()),
            _ => {}
        }
    }

    fn control(&mut self, last: char, out: &mut String) {
        if self.text_only || self.parameters.len() > MAX_PARAMETERS {
            return;
        }
        if let (Some(modes), 'h' | 'l') = (self.parameters.strip_prefix('?'), last) {
            for mode in modes.split(';') {
                let screen = matches!(mode, "47" | "1047" | "1049");
                if screen || matches!(mode, "6" | "7" | "25" | "1048") {
                    out.extend(["\x1b[?", mode]);
                    out.push(last);
                }
                if screen {
                    self.alternate = last == 'h';
                }
            }
            return;
        }
        let count = self.parameters.split(';').count();
        let numbers = self
            .parameters
            .split([';', ':'])
            .all(|number| number.len() <= 5 && number.bytes().all(|byte| byte.is_ascii_digit()));
        let plain = !self.parameters.contains(':');
        let draws = match last {
            'm' => true,
            'A'..='H' | 'I' | 'J' | 'K' | 'L' | 'M' | 'P' | 'X' | 'Z' | '@' | '`' | 'a' | 'd' | 'e' | 'f' => {
                plain
            }
            'b' | 'S' | 'T' => plain && count == 1,
            'r' => plain && count <= 2,
            's' | 'u' => self.parameters.is_empty(),
            'h' | 'l' => self.parameters == "4",
            _ => false,
        };
        if numbers && draws {
            out.extend(["\x1b[", &self.parameters]);
            out.push(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn<'t>(pieces: impl IntoIterator<Item = &'t str>) -> String {
        let (mut screen, mut out) = (Screen::default(), String::new());
        pieces.into_iter().for_each(|piece| screen.push(piece, &mut out));
        out
    }

    #[test]
    fn what_draws_comes_through_and_nothing_else() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, &str)] = &[
            ("text", "a\tb\r\nż\x08", "a\tb\r\nż\x08"),
            ("colours", "\x1b[1;38;5;2mx\x1b[38:2::1:2:3my\x1b[m", "\x1b[1;38;5;2mx\x1b[38:2::1:2:3my\x1b[m"),
            ("cursor", "\x1b[2;3H\x1b[A\x1b[10G\x1b7\x1b8\x1bM", "\x1b[2;3H\x1b[A\x1b[10G\x1b7\x1b8\x1bM"),
            ("erasing and regions", "\x1b[2J\x1b[K\x1b[1;20r\x1b[L\x1b[3P", "\x1b[2J\x1b[K\x1b[1;20r\x1b[L\x1b[3P"),
            ("alternate screen", "\x1b[?1049h\x1b[?25l\x1b[?1049l", "\x1b[?1049h\x1b[?25l\x1b[?1049l"),
            ("line drawing", "\x1b(0qqq\x1b(B\x0e\x0f", "\x1b(0qqq\x1b(B\x0e\x0f"),
            ("some of several modes", "\x1b[?1049;1000;25h", "\x1b[?1049h\x1b[?25h"),
            ("a title", "a\x1b]0;evil\x07b\x1b]2;evil\x1b\\c", "abc"),
            ("the clipboard", "a\x1b]52;c;ZXZpbA==\x07b", "ab"),
            ("a link", "\x1b]8;;http://evil\x1b\\text\x1b]8;;\x1b\\", "text"),
            ("strings", "a\x1bPq#evil\x1b\\b\x1b_evil\x1b\\c\x1b^evil\x1b\\d\x1bXevil\x1b\\e", "abcde"),
            ("queries", "a\x1b[6n\x1b[c\x1b[>c\x1b[=c\x1b[5n\x1b[?6n\x1bZ\x05b", "ab"),
            ("modes", "a\x1b[?1000h\x1b[?1006h\x1b[?2004h\x1b=\x1b>\x1b[20h\x1b[>4;2m\x1b[?1$p\x1b[!pb", "ab"),
            ("window", "a\x1b[8;1;1t\x1b[14t\x1b[22;0tb", "ab"),
            ("mouse highlighting", "a\x1b[1;2;3;4;5Tb\x1b[2T", "ab\x1b[2T"),
            ("8-bit", "a\u{9b}31mb\u{9d}0;evil\u{9c}c\u{90}evil\u{9c}d\u{85}\u{8d}e", "a\x1b[31mbcde"),
            ("not ended", "a\x1b]0;evil, and all that follows", "a"),
            ("cut off", "a\x1b[3\x1b[1mb\x1b[3\u{18}c\x1b]0;x\x1b[1md", "a\x1b[1mbc\x1b[1md"),
            ("too long", "a\x1b[1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1mb\x1b[999999999bc", "abc"),
            ("bells and the invisible", "a\x07\x7f\0\u{202e}\u{200b}b", "ab"),
            ("a full reset", "\x1bc", "\x1b[0m\x1b[r\x1b[H\x1b[2J"),
            ("another character set", "\x1b%G\x1b*0\x1b#8x", "x"),
        ];
        for (name, text, expected) in cases {
            assert_eq!(drawn([*text]), *expected, "{name}");
            let mut each: Vec<String> = text.chars().map(String::from).collect();
            each.push(String::new());
            assert_eq!(drawn(each.iter().map(String::as_str)), *expected, "{name}, split");
        }
        let (mut screen, mut out) = (Screen::text_only(), String::new());
        screen.push("\x1b[31mto\x1b]0;evil\x07tal\x1b[0m 8\x1b(B\r\n", &mut out);
        assert_eq!(out, "total 8\r\n");
    }

    #[test]
    fn the_reset_leaves_an_alternate_screen_only_if_one_was_entered() {
        let mut screen = Screen::default();
        assert!(!screen.reset().contains("1049"));
        screen.push("\x1b[?1049h", &mut String::new());
        assert!(screen.reset().contains("\x1b[?1049l"));
    }

    /// Whether a text begins with one of the sequences that may come out, told another way; how long that is.
    fn allowed(text: &str) -> Option<usize> {
        let rest = text.strip_prefix('\x1b')?;
        let first = rest.chars().next()?;
        match first {
            '7' | '8' | 'D' | 'E' | 'M' => Some(2),
            '(' | ')' => rest[1..].starts_with(['0', 'A', 'B']).then_some(3),
            '[' => {
                let end = rest.find(|c: char| c.is_ascii_alphabetic() || c == '@' || c == '`')?;
                let parameters = &rest[1..end];
                let last = rest[end..].chars().next()?;
                let good = match parameters.strip_prefix('?') {
                    Some(mode) => {
                        "hl".contains(last) && ["6", "7", "25", "47", "1047", "1048", "1049"].contains(&mode)
                    }
                    None => {
                        parameters.chars().all(|c| c.is_ascii_digit() || c == ';' || c == ':' && last == 'm')
                            && ("mABCDEFGHIJKLMPXZ@`adefbSTrsu".contains(last) || parameters == "4")
                    }
                };
                good.then_some(end + 2)
            }
            _ => None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn whatever_comes_in_only_drawing_comes_out(
            pieces in proptest::collection::vec(
                prop_oneof![
                    "[\\x1b\\x07\\x08\\x18\\x05\u{80}-\u{9f}]",
                    "[\\[\\]PX^_()#%;:?>=!$ 0-9]{1,4}",
                    "[@-~]",
                    Just("\x1b[".to_owned()),
                    Just("\x1b]52;c;".to_owned()),
                    Just("\x1b[?".to_owned()),
                    any::<String>(),
                ],
                0..40,
            )
        ) {
            let whole = pieces.concat();
            let out = drawn(pieces.iter().map(String::as_str));
            prop_assert_eq!(&drawn([whole.as_str()]), &out);
            let mut rest = out.as_str();
            while let Some(first) = rest.chars().next() {
                let length = match first {
                    '\x1b' => allowed(rest),
                    '\n' | '\r' | '\t' | '\x08' | '\x0e' | '\x0f' => Some(1),
                    c if is_active(c) => None,
                    c => Some(c.len_utf8()),
                };
                prop_assert!(length.is_some(), "{:?}", rest);
                rest = &rest[length.unwrap_or(rest.len())..];
            }
        }
    }
}
