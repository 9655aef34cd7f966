//! Lines typed into a shell, noticed and judged.
//!
//! This is detection. A line is put together from what was typed and echoed, as far as that can be told from outside: history,
//! completion, editors, scripts and an echo that is off evade it. Nothing here permits anything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use policy_core::mask::{Echo, REDACTED};
use policy_core::{Action, ActionSet, Resource, Value, Verb};
use policy_normalize::shell::{self, Environment};
use portcullis_gateway::enforce::{Judgement, Outcome};

use crate::bastion::Open;
use crate::command::Command;

/// The longest line that is read, in bytes; of a longer one only its beginning is known.
const LONGEST: usize = 64 << 10;

/// The lines of one channel. Cheap to clone: both directions know it.
#[derive(Clone)]
pub(super) struct Typed(Option<Arc<Mutex<Inner>>>);

struct Inner {
    /// On a terminal: what was not echoed is no line.
    echo: Option<Echo>,
    lines: Lines,
    /// Whether the policy in force looks at lines. The echo is followed all the same, so that it is known when one does.
    is_on: bool,
}

impl Typed {
    /// For a command whose input a shell reads, if it is one.
    pub(super) fn of(open: &Open, command: &Command, has_pty: bool) -> Self {
        if !has_pty && !reads_lines(command) {
            return Self(None);
        }
        let (echo, lines) = (has_pty.then(Echo::default), Lines::default());
        Self(Some(Arc::new(Mutex::new(Inner { echo, lines, is_on: looks(open) }))))
    }

    /// Another policy is in force.
    pub(super) fn renew(&self, open: &Open) {
        if let Some(mut inner) = self.inner() {
            inner.is_on = looks(open);
        }
    }

    fn inner(&self) -> Option<MutexGuard<'_, Inner>> {
        // At worst a panic elsewhere leaves a line unnoticed.
        Some(self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The lines that this input completes.
    pub(super) fn sent(&self, bytes: &[u8]) -> Vec<Line> {
        self.lines(bytes, Echo::input, true)
    }

    /// The lines that this output, as the target sent it, completes by echoing them.
    pub(super) fn answered(&self, bytes: &[u8]) -> Vec<Line> {
        self.lines(bytes, Echo::output, false)
    }

    /// What is left at the end of the input: a shell runs it all the same.
    pub(super) fn finish(&self) -> Vec<Line> {
        let Some(mut inner) = self.inner() else { return Vec::new() };
        match inner.echo {
            Some(_) => Vec::new(),
            None => inner.lines.plain(b"\n"),
        }
    }

    fn lines(&self, bytes: &[u8], decide: fn(&mut Echo, &[u8], &mut Vec<u8>), is_input: bool) -> Vec<Line> {
        let Some(mut inner) = self.inner() else { return Vec::new() };
        let Inner { echo, lines, is_on } = &mut *inner;
        let done = match echo {
            Some(echo) => {
                let mut shown = Vec::new();
                decide(echo, bytes, &mut shown);
                lines.edited(&shown)
            }
            None if is_input => lines.plain(bytes),
            None => Vec::new(),
        };
        if *is_on { done } else { Vec::new() }
    }
}

/// Whether the policy in force has a rule about what is typed.
fn looks(open: &Open) -> bool {
    open.gateway.policies().current().policy.names(&Verb::TYPED)
}

/// Whether a program without a terminal reads its input as a shell does.
fn reads_lines(command: &Command) -> bool {
    let is_shell = |word: &str| {
        let name = word.trim_matches(['\'', '"']);
        matches!(name.rsplit('/').next(), Some("sh" | "bash" | "dash" | "ash" | "zsh" | "ksh"))
    };
    let reads = command.actions.iter().any(|action| action.verb.as_str() == "shell");
    reads && (command.via == "shell" || command.text.split_whitespace().any(is_shell))
}

/// What somebody typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    /// Whether all of it is known.
    is_whole: bool,
}

/// Puts lines together.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    is_cut: bool,
    escape: Escape,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Begun,
    Control,
    One,
}

impl Lines {
    /// Of a stream that nobody edits: every byte counts.
    fn plain(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut done = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' => done.extend(self.end()),
                _ => self.push(byte),
            }
        }
        done
    }

    /// Of a terminal: keys that correct the line do so, those that move about in it do nothing.
    fn edited(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut done = Vec::new();
        for &byte in bytes {
            if self.escape.takes(byte) {
                continue;
            }
            match byte {
                b'\r' | b'\n' => done.extend(self.end()),
                // Backspace: a character, whatever its length.
                0x08 | 0x7f => while self.line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
                // Ctrl-W: a word.
                0x17 => {
                    let kept = self.line.trim_ascii_end();
                    let word = kept.iter().rposition(|byte| *byte == b' ').map_or(0, |at| at + 1);
                    self.line.truncate(word);
                }
                // Ctrl-U, Ctrl-C, Ctrl-\ and Ctrl-Z leave no line.
                0x15 | 0x03 | 0x1c | 0x1a => self.clear(),
                0..0x20 => {}
                _ => self.push(byte),
            }
        }
        done
    }

    fn push(&mut self, byte: u8) {
        if self.line.len() < LONGEST {
            self.line.push(byte);
        } else {
            self.is_cut = true;
        }
    }

    fn clear(&mut self) {
        self.line.clear();
        self.is_cut = false;
    }

    /// The line, unless there is nothing of it to judge: it is empty, or was typed with the echo off.
    fn end(&mut self) -> Option<Line> {
        let line = std::mem::take(&mut self.line);
        let is_cut = std::mem::take(&mut self.is_cut);
        let text = String::from_utf8_lossy(&line);
        let shown = text.trim();
        if shown.is_empty() || shown == REDACTED {
            return None;
        }
        let is_whole = !is_cut && matches!(text, std::borrow::Cow::Borrowed(_)) && !shown.contains(REDACTED);
        Some(Line { text: shown.to_owned(), is_whole })
    }
}

impl Escape {
    /// Whether the byte belongs to an escape sequence: an arrow, the frame of a paste.
    fn takes(&mut self, byte: u8) -> bool {
        let inside = *self != Self::None;
        *self = match (*self, byte) {
            (_, 0x1b) => Self::Begun,
            (Self::Begun, b'[') => Self::Control,
            (Self::Begun, b'O') => Self::One,
            (Self::Control, b' '..=b'?') => Self::Control,
            _ => Self::None,
        };
        (inside || byte == 0x1b) && !matches!(byte, b'\r' | b'\n' | 0x03)
    }
}

impl Line {
    /// What it says, in the policy's words; `None` where it runs nothing.
    fn command(&self) -> Option<Command> {
        let typed = || {
            let text = Value::Text(self.text.as_str().into());
            Action::new(Verb::TYPED, Resource::None).with("text", text)
        };
        let actions = if self.is_whole {
            let reading = shell::read(&self.text, &Environment::default());
            let plain = reading
                .argv
                .map(|argv| typed().with("argv", Value::List(argv.into_iter().map(Into::into).collect())));
            let each = reading.actions.iter().filter_map(|action| match action.verb.as_str() {
                "exec" => Some(match action.attribute("argv") {
                    Some(argv) => typed().with("argv", argv.clone()),
                    None => typed(),
                }),
                // What is one plain command is known, even where what the command does is not.
                "unknown" | "shell" if plain.is_none() => Some(typed()),
                _ => None,
            });
            each.collect::<Vec<_>>().into_iter().chain(plain).collect()
        } else {
            vec![typed()]
        };
        if actions.is_empty() {
            return None;
        }
        let text = self.text.clone();
        Some(Command { via: "typed", text, actions: Arc::new(ActionSet::new(actions)) })
    }
}

/// What is told about a line.
pub(super) enum Notice {
    /// In the terminal.
    Warn(String),
    /// The session has ended.
    Ended,
}

/// Judges lines in order, and ends the session where a rule says so.
pub(super) async fn judge(open: &Open, lines: Vec<Line>) -> Vec<Notice> {
    let mut notices = Vec::new();
    for command in lines.iter().filter_map(Line::command) {
        let refusal = match open.judge(&command, &[], None).await {
            Judgement::Admit(permit) => {
                notices.extend(permit.judged().warnings().into_iter().map(Notice::Warn));
                permit.forward().outcome(Outcome::default());
                continue;
            }
            Judgement::Refuse(refusal) => refusal,
            // No policy that compiles holds what is typed.
            Judgement::Hold(held) => held.refused(),
        };
        open.session.lock().await.noticed(&refusal);
        notices.push(Notice::Ended);
        break;
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_put_together_as_they_were_edited() {
        for (keys, expected) in [
            (&b"rm -rf /tmp/x\r"[..], &["rm -rf /tmp/x"][..]),
            (b"rx\x7fm a\r", &["rm a"]),
            (b"echo one two\x17three\r", &["echo one three"]),
            (b"secret\x15ls\r", &["ls"]),
            (b"rm a\x03ls\r", &["ls"]),
            (b"\x1b[200~rm a\x1b[201~\r", &["rm a"]),
            (b"l\x1b[D\x1bOCs\r\r\r", &["ls"]),
            ("grün\u{e9}\x7f\r".as_bytes(), &["grün"]),
            (b"a\rb\nc", &["a", "b"]),
        ] {
            assert_eq!(texts(Lines::default().edited(keys)), expected, "{keys:?}");
        }
    }

    #[test]
    fn what_nobody_saw_is_no_line_and_what_is_half_seen_is_not_known() {
        let mut lines = Lines::default();
        assert_eq!(lines.edited(format!("{REDACTED}\r").as_bytes()), []);
        let half = lines.edited(format!("ls {REDACTED}\r").as_bytes());
        assert!(!half[0].is_whole);
        let long = [&vec![b'x'; LONGEST + 1][..], b"\nls\n"].concat();
        let both = lines.plain(&long);
        assert_eq!((both[0].is_whole, both[1].is_whole), (false, true));
        assert!(!lines.plain(b"r\xffm\n")[0].is_whole);
    }

    #[test]
    fn a_line_is_each_command_that_it_runs() {
        let argvs = |text: &str| -> Vec<Option<Value>> {
            let line = Line { text: text.into(), is_whole: true };
            let Some(command) = line.command() else { return Vec::new() };
            assert!(command.actions.iter().all(|action| action.verb == Verb::TYPED));
            command.actions.iter().map(|action| action.attribute("argv").cloned()).collect()
        };
        let list = |words: &[&str]| Some(Value::List(words.iter().map(|word| (*word).into()).collect()));
        assert_eq!(argvs("rm -rf x"), [list(&["rm", "-rf", "x"])]);
        assert_eq!(argvs("ls; sudo rm x"), [list(&["ls"]), list(&["sudo", "rm", "x"]), list(&["rm", "x"])]);
        assert!(argvs("$(cat x)").contains(&None));
        assert!(argvs("for i in").contains(&None));
        assert_eq!(argvs("# only a comment"), []);
        assert_eq!(argvs("bash").first(), Some(&list(&["bash"])));
    }
}
