//! Which input of a terminal may be recorded: what the terminal showed.
//!
//! A password is typed with the echo off. Nobody tells the proxy: it sees what goes in and what comes out, in order, and an
//! echo is what comes out after it went in.

use std::collections::VecDeque;

use super::REDACTED;

/// Decides about one terminal's input, which is held until it is echoed, or until its line has ended.
///
/// Give it all input and all output in their order; output as it came from the target, before it is masked. What comes back
/// may be recorded as input: bytes that were echoed, and keys that put no text on a line (arrows, Tab, Ctrl-C). In place
/// of what was not echoed there is one [`REDACTED`] a line, however long it was.
///
/// A line has ended once the output goes to a new line behind its Enter. Until then an echo is looked for in the output
/// that follows, past escape sequences and at most [`Echo::WINDOW`] other characters (shells that colour what is typed write it
/// anew). When in doubt, input is hidden: the keys of an editor's commands, and lines that a program reads ahead of its prompt.
///
/// # What it can't see
/// Output that happens to repeat, within the window and in their order, characters that were typed with the echo off but are not
/// answered by a new line yet, makes these look echoed. A password that a program shows itself is output, for
/// [`super::TerminalMasker`] to mask.
///
/// # Bounds
/// At most [`Echo::MAX_HELD`] keys wait; a line with more is hidden from there on. The work is linear.
///
/// ```
/// use policy_core::mask::Echo;
///
/// let (mut echo, mut recorded) = (Echo::default(), Vec::new());
/// echo.input(b"sudo id\r", &mut recorded);
/// echo.output(b"sudo id\r\n[sudo] password for ana: ", &mut recorded);
/// echo.input(b"hunter2\r", &mut recorded);
/// echo.output(b"\r\nuid=0(root)\r\n", &mut recorded);
/// assert_eq!(recorded, b"sudo id\r[redacted]\r");
/// ```
#[derive(Clone, Default)]
pub struct Echo {
    /// What came in and is not decided; the first is typed.
    waiting: VecDeque<Key>,
    /// Printable bytes of output since the first began to wait.
    strays: usize,
    /// This line has its marker.
    marked: bool,
    input: Sequence,
    output: Sequence,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    /// Shows when the echo is on.
    Typed(u8),
    /// Ends a line.
    Enter(u8),
    /// Shows nothing of its own.
    Other(u8),
}

impl Echo {
    /// How many other characters of output may stand before an echo.
    pub const WINDOW: usize = 32;
    /// How many keys may wait.
    pub const MAX_HELD: usize = 4096;

    /// Takes input; appends what may be recorded to `out`.
    pub fn input(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            let key = match (self.input.takes(byte), byte) {
                (true, _) => Key::Other(byte),
                // Ctrl-C, Ctrl-D, Ctrl-\ and Ctrl-Z end a line, too.
                (false, b'\r' | b'\n' | 0x03 | 0x04 | 0x1a | 0x1c) => Key::Enter(byte),
                (false, 0..0x20 | 0x7f) => Key::Other(byte),
                (false, _) => Key::Typed(byte),
            };
            self.waiting.push_back(key);
            self.decide(out);
            if self.waiting.len() > Self::MAX_HELD {
                self.hide(out);
            }
        }
    }

    /// Takes output; appends what may be recorded of the input before it to `out`.
    pub fn output(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            if self.output.takes(byte) {
                continue;
            }
            match (byte, self.waiting.front()) {
                (_, None) => {}
                (b'\n', _) if self.waiting.iter().any(|key| matches!(key, Key::Enter(_))) => self.hide(out),
                (_, Some(Key::Typed(typed))) if *typed == byte => {
                    out.push(byte);
                    self.waiting.pop_front();
                    self.strays = 0;
                    self.decide(out);
                }
                (0..0x20 | 0x7f, _) => {}
                _ => {
                    self.strays += 1;
                    if self.strays > Self::WINDOW {
                        self.hide(out);
                    }
                }
            }
        }
    }

    /// Ends the stream: what was not echoed by now never was.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        while !self.waiting.is_empty() {
            self.hide(out);
        }
        *self = Self::default();
    }

    /// How many keys wait.
    pub fn held(&self) -> usize {
        self.waiting.len()
    }

    /// Lets go of keys that wait for nothing.
    fn decide(&mut self, out: &mut Vec<u8>) {
        while let Some(Key::Other(byte) | Key::Enter(byte)) = self.waiting.front().copied() {
            let enter = self.waiting.pop_front().is_some_and(|key| matches!(key, Key::Enter(_)));
            // How a hidden line was corrected says something about it.
            if enter || !self.marked {
                out.push(byte);
            }
            self.marked &= !enter;
        }
    }

    /// Puts the marker in place of what waits, up to the end of its line.
    fn hide(&mut self, out: &mut Vec<u8>) {
        self.strays = 0;
        if !std::mem::replace(&mut self.marked, true) {
            out.extend_from_slice(REDACTED.as_bytes());
        }
        while self.waiting.front().is_some_and(|key| !matches!(key, Key::Enter(_))) {
            self.waiting.pop_front();
        }
        self.decide(out);
    }
}

impl std::fmt::Debug for Echo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Echo").field("held", &self.held()).finish_non_exhaustive()
    }
}

/// Where in an escape sequence a stream stands, if in one: what matters here is only where it ends.
#[derive(Clone, Copy, Debug, Default)]
enum Sequence {
    #[default]
    None,
    Escape,
    /// CSI.
    Control,
    /// One more byte: SS3, a character set.
    One,
    String,
    StringEscape,
}

impl Sequence {
    /// Whether the byte belongs to a sequence.
    fn takes(&mut self, byte: u8) -> bool {
        let inside = !matches!(self, Self::None);
        *self = match (*self, byte) {
            (Self::StringEscape, b'\\') => Self::None,
            (Self::StringEscape | Self::Escape, b'[') => Self::Control,
            (Self::StringEscape | Self::Escape, b']' | b'P' | b'X' | b'^' | b'_') => Self::String,
            (Self::StringEscape | Self::Escape, b'O' | b' '..=b'/') => Self::One,
            (Self::String, 0x1b) => Self::StringEscape,
            (Self::String, 0x07 | 0x18 | 0x1a | b'\r' | b'\n') => Self::None,
            (Self::String, _) => Self::String,
            (_, 0x1b) => Self::Escape,
            (Self::Control, b' '..=b'?') => Self::Control,
            _ => Self::None,
        };
        // A line that ends inside a sequence ends still.
        (inside || byte == 0x1b) && !matches!(byte, b'\r' | b'\n' | 0x03)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Step {
        /// Typed.
        In(&'static str),
        /// Shown.
        Out(&'static str),
    }
    use Step::{In, Out};

    fn recorded(steps: &[Step]) -> String {
        let (mut echo, mut out) = (Echo::default(), Vec::new());
        for step in steps {
            match step {
                In(text) => echo.input(text.as_bytes(), &mut out),
                Out(text) => echo.output(text.as_bytes(), &mut out),
            }
            assert!(echo.held() <= Echo::MAX_HELD);
        }
        echo.finish(&mut out);
        String::from_utf8(out).unwrap().replace('\x1b', "␛").replace('\x7f', "⌫")
    }

    #[test]
    fn only_what_was_echoed_is_recorded() {
        #[rustfmt::skip]
        let cases: &[(&str, &[Step], &str)] = &[
            ("a line, key by key", &[In("l"), Out("l"), In("s"), Out("s"), In("\r"), Out("\r\nfile\r\n$ ")], "ls\r"),
            ("a line at once", &[In("ls -l\r"), Out("ls -l\r\nfile\r\n$ ")], "ls -l\r"),
            ("echo in two packets", &[In("ls\r"), Out("l"), Out("s\r"), Out("\n$ ")], "ls\r"),
            ("a password of sudo", &[In("sudo id\r"), Out("sudo id\r\n[sudo] password for ana: "), In("h"), In("unter2"), In("\r"), Out("\r\nuid=0(root)\r\n$ "), In("w\r"), Out("w\r\n")], "sudo id\r[redacted]\rw\r"),
            ("a wrong one, again", &[In("x\r"), Out("\r\nSorry, try again.\r\n[sudo] password for ana: "), In("yy\r"), Out("\r\n")], "[redacted]\r[redacted]\r"),
            ("a password shorter than it looks", &[In("ab\x7f\x7fcd\x7f\r"), Out("\r\n")], "[redacted]\r"),
            ("given up", &[Out("Password: "), In("hunt"), In("\x03"), Out("\r\n$ ")], "[redacted]\x03"),
            ("stars", &[Out("Password: "), In("h"), Out("*"), In("unter2"), Out("******"), In("\r"), Out("\r\n")], "[redacted]\r"),
            ("read -s", &[In("read -s x\r"), Out("read -s x\r\n"), In("topsecret\r"), Out("$ "), In("id\r"), Out("id\r\n")], "read -s x\r[redacted]\r[redacted]\r"),
            ("corrected", &[In("lx"), Out("lx"), In("\x7f"), Out("\x08\x1b[K"), In("s\r"), Out("s\r\n")], "lx⌫s\r"),
            ("in the middle of a line", &[In("ac"), Out("ac"), In("\x1b[D"), Out("\x08"), In("b"), Out("bc\x08"), In("\r"), Out("\r\n")], "ac␛[Db\r"),
            ("history", &[In("\x1b[A"), Out("make test"), In("\r"), Out("\r\n")], "␛[A\r"),
            ("completion", &[In("cd fo\t"), Out("cd folder/"), In("\r"), Out("\r\n")], "cd fo\t\r"),
            ("coloured by the shell", &[In("l"), Out("\x1b[31ml\x1b[0m"), In("s"), Out("\x08\x1b[32ml\x1b[32ms\x1b[0m"), In("\r"), Out("\x1b[?2004l\r\r\n")], "ls\r"),
            ("pasted", &[In("\x1b[200~id; w\x1b[201~"), Out("\x1b[7mid; w\x1b[27m"), In("\r"), Out("\r\n")], "␛[200~id; w␛[201~\r"),
            ("pasted without echo", &[In("\x1b[200~hunter2\x1b[201~\r"), Out("\r\n")], "␛[200~[redacted]\r"),
            ("an answer of the terminal", &[Out("\x1b[6n"), In("\x1b[24;80R"), In("\x1b]11;rgb:0/0/0\x07"), In("q"), Out("q")], "␛[24;80R␛]11;rgb:0/0/0\x07q"),
            // An editor's keys are no line: some look echoed, the rest is hidden.
            ("vim", &[In("vim x\r"), Out("vim x\r\n\x1b[?1049h\x1b[2J\x1b[1;1H"), In("i"), Out("\x1b[24;1H-- INSERT --\x1b[1;1H"), In("hi"), Out("hi"), In("\x1b"), Out("\x1b[24;1H\x1b[K"), In("ZZ"), Out("\x1b[?1049l\"x\" 1L, 3B written with forty more characters\r\n$ ")], "vim x\rih[redacted]"),
            ("letters beyond ASCII", &[In("żół"), Out("żół"), In("w\r"), Out("w\r\n")], "żółw\r"),
            ("interrupted", &[In("sleep 9\r"), Out("sleep 9\r\n"), In("\x03"), Out("^C\r\n$ ")], "sleep 9\r\x03"),
            ("the end", &[In("hunter2")], "[redacted]"),
        ];
        for (name, steps, expected) in cases {
            let got = recorded(steps);
            assert_eq!(got, *expected, "{name}");
        }
    }

    #[test]
    fn what_waits_is_bounded_and_hidden() {
        let (mut echo, mut out) = (Echo::default(), Vec::new());
        for _ in 0..1000 {
            echo.input(&[b'x'; 1000], &mut out);
            assert!(echo.held() <= Echo::MAX_HELD);
        }
        echo.input(b"\r", &mut out);
        echo.output(b"\r\n", &mut out);
        assert_eq!(out, b"[redacted]\r");
        assert!(!format!("{echo:?}").contains('x'));
    }
}
