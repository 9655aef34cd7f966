//! Parts what a terminal gets into text and escape sequences.

use std::ops::Range;

pub(super) const BACKSPACE: u8 = 0x08;
const BELL: u8 = 0x07;
const CANCEL: u8 = 0x18;
const SUBSTITUTE: u8 = 0x1a;
const ESCAPE: u8 = 0x1b;

/// Where in a sequence the bytes stand, and the sequence so far.
#[derive(Default)]
pub(super) struct Lexer {
    state: State,
    sequence: Vec<u8>,
    /// The next sequence has begun: its ESC cut this one off.
    cut_off: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind ESC.
    Escape,
    /// Behind ESC and intermediate bytes.
    Intermediate,
    /// Behind ESC `[`.
    Control,
    /// In a control string; BEL ends that of an operating system command.
    String { bell: bool },
    /// Behind ESC in a control string: `\` ends it.
    StringEscape { bell: bool },
    /// It is complete, and waits to be taken.
    Complete,
}

pub(super) enum Token<'t> {
    /// Text without escape sequences and backspaces.
    Text(&'t [u8]),
    Backspace,
    /// To be had with [`Lexer::take`].
    Sequence,
    /// Too long for a sequence. To be had with [`Lexer::take`], too.
    Overlong,
}

/// What a sequence does to the text around it.
pub(super) enum Effect {
    None,
    Moves,
    /// To the right, over what may be blank.
    MovesRight,
    /// Nothing, but there is text in it, here.
    Says(Range<usize>),
}

impl Lexer {
    /// A longer sequence is text.
    pub(super) const MAX_SEQUENCE: usize = 4096;

    /// How many bytes wait for the end of their sequence.
    pub(super) fn held(&self) -> usize {
        self.sequence.len()
    }

    /// The next token, and what is behind it; `None` when more bytes are needed.
    pub(super) fn next<'t>(&mut self, bytes: &'t [u8]) -> Option<(Token<'t>, &'t [u8])> {
        let mut rest = bytes;
        while self.state != State::Text {
            // It ends before this byte, or a byte takes it on.
            let (first, behind) = rest.split_first()?;
            if self.step(*first) {
                rest = behind;
            }
            if self.state == State::Complete {
                return Some((Token::Sequence, rest));
            }
            if self.sequence.len() > Self::MAX_SEQUENCE {
                return Some((Token::Overlong, rest));
            }
        }
        match memchr::memchr2(ESCAPE, BACKSPACE, rest) {
            Some(0) => {
                let (first, behind) = rest.split_first()?;
                if *first == BACKSPACE {
                    return Some((Token::Backspace, behind));
                }
                self.state = State::Escape;
                self.sequence.push(ESCAPE);
                self.next(behind)
            }
            at => {
                let (text, behind) = rest.split_at_checked(at.unwrap_or(rest.len()))?;
                (!text.is_empty()).then_some((Token::Text(text), behind))
            }
        }
    }

    /// The sequence; the lexer is back at text.
    pub(super) fn take(&mut self) -> Sequence {
        self.state = State::Text;
        Sequence(std::mem::take(&mut self.sequence))
    }

    /// Its memory serves the next one.
    pub(super) fn give_back(&mut self, sequence: Sequence) {
        self.sequence = sequence.0;
        self.sequence.clear();
        if std::mem::take(&mut self.cut_off) {
            self.state = State::Escape;
            self.sequence.push(ESCAPE);
        }
    }

    /// Takes a byte of a sequence; false if the sequence ends before it.
    fn step(&mut self, byte: u8) -> bool {
        let next = match (self.state, byte) {
            (State::Escape, b'[') => State::Control,
            (State::Escape, b']') => State::String { bell: true },
            (State::Escape, b'P' | b'X' | b'^' | b'_') => State::String { bell: false },
            (State::Escape | State::Intermediate, b' '..=b'/') => State::Intermediate,
            (State::Escape | State::Intermediate, b'0'..=b'~') => State::Complete,
            (State::Control, b' '..=b'?') => State::Control,
            (State::Control, b'@'..=b'~') => State::Complete,
            (State::String { bell: true }, BELL) => State::Complete,
            (State::String { bell }, ESCAPE) => State::StringEscape { bell },
            (State::String { .. } | State::Control, CANCEL | SUBSTITUTE) => State::Complete,
            (State::String { bell }, _) => State::String { bell },
            (State::StringEscape { .. }, b'\\') => State::Complete,
            (State::StringEscape { .. }, _) => {
                // The string is cut off by a sequence that begins.
                self.sequence.pop();
                self.cut_off = true;
                self.state = State::Complete;
                return false;
            }
            // It was cut off, or none.
            _ => {
                self.state = State::Complete;
                return false;
            }
        };
        self.state = next;
        self.sequence.push(byte);
        true
    }
}

/// A sequence, whole or cut off.
#[derive(Default)]
pub(super) struct Sequence(Vec<u8>);

impl Sequence {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Of one that does not end: what a terminal would still not show, and what is text.
    pub(super) fn as_text(&self) -> (&[u8], &[u8]) {
        let is_control = self.0.get(1) == Some(&b'[') && self.0.len() <= Lexer::MAX_SEQUENCE;
        let introducer = if is_control { self.0.len() } else { 2 };
        self.0.split_at_checked(introducer).unwrap_or((&self.0, &[]))
    }

    pub(super) fn effect(&self) -> Effect {
        match self.0.as_slice() {
            [ESCAPE, b']' | b'P' | b'X' | b'^' | b'_', said @ ..] => {
                let end = match said {
                    [said @ .., ESCAPE, b'\\'] | [said @ .., BELL | CANCEL | SUBSTITUTE] => said.len(),
                    _ => said.len(),
                };
                Effect::Says(2..2 + end)
            }
            // A private form (`␛[?25h`) is a mode or a report.
            [ESCAPE, b'[', b'<'..=b'?', ..] => Effect::None,
            [ESCAPE, b'[', .., last] => match last {
                // CUF, HPR, ECH.
                b'C' | b'a' | b'X' => Effect::MovesRight,
                b'@' | b'A' | b'B' | b'D'..=b'J' | b'L' | b'M' | b'P' | b'S' | b'T' | b'Z' => Effect::Moves,
                b'`' | b'b' | b'd' | b'e' | b'f' | b'u' => Effect::Moves,
                _ => Effect::None,
            },
            // IND, NEL, RI, RIS, DECRC.
            [ESCAPE, b'D' | b'E' | b'M' | b'c' | b'8'] => Effect::Moves,
            _ => Effect::None,
        }
    }
}
