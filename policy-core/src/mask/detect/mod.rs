//! One file a detector: what it recognises, by which standard, and the look-alikes it leaves alone.
//!
//! A detector is asked at a *trigger*, a short piece of text that one automaton finds for all of them
//! (see [`super::trigger`]). It looks a bounded way around the trigger, and says what it found, or that
//! it can't say before it sees more. Its answer depends on the text alone, never on how much of it
//! happened to be there: that is what makes masking a stream independent of how the stream is split.

pub(super) mod authorization;
pub(super) mod aws_key;
pub(super) mod card;
pub(super) mod email;
pub(super) mod iban;
pub(super) mod jwt;
pub(super) mod number;
pub(super) mod phone;
pub(super) mod private_key;
pub(super) mod ssn;
#[cfg(test)]
pub(super) mod testing;

use std::ops::Range;

use super::Detector;

/// How far before its trigger a find may begin: the local part of an e-mail address.
pub(super) const MAX_LOOK_BEHIND: usize = 68;

/// How far before its trigger a detector may look; a find begins within [`MAX_LOOK_BEHIND`].
pub(super) const MAX_CONTEXT: usize = 80;

/// The text seen so far, and whether that is all of it.
#[derive(Clone, Copy)]
pub(super) struct View<'t> {
    pub(super) text: &'t [u8],
    pub(super) ended: bool,
}

/// A detector's answer at a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Can't tell yet. Ask again once the text is `limit` bytes long, or as soon as a byte arrives that
    /// does not belong to a token ([`is_token`]).
    More { limit: usize },
    /// Told; look for the next trigger from there.
    Next(usize),
}

/// Where a detector found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) detector: Option<Detector>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A find whose end is still to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) hit: Hit,
    /// How far its end has been looked for.
    pub(super) at: usize,
    pub(super) tail: Tail,
}

/// How a find of any length goes on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tail {
    /// To the last character of a JSON Web Token.
    Jwt,
    /// To the end of a header's value.
    Authorization(authorization::Value),
    /// To the `END` line, or to what can't be in a private key.
    PrivateKey(private_key::Body),
}

/// What a detector adds its finds to.
#[derive(Clone, Default)]
pub(super) struct Sink {
    pub(super) hits: Vec<Hit>,
    pub(super) opened: Option<Open>,
}

impl Sink {
    pub(super) fn hit(&mut self, detector: Detector, range: Range<usize>) {
        self.hits.push(Hit { detector: Some(detector), start: range.start, end: range.end });
    }

    pub(super) fn open(&mut self, detector: Detector, range: Range<usize>, tail: Tail) {
        let hit = Hit { detector: Some(detector), start: range.start, end: range.end };
        self.opened = Some(Open { hit, at: range.end, tail });
    }
}

impl Open {
    /// Looks for the end in the text that has arrived; true once it is found.
    pub(super) fn extend(&mut self, view: View<'_>) -> bool {
        let closed = match &mut self.tail {
            Tail::Jwt => jwt::extend(&mut self.hit, &mut self.at, view),
            Tail::Authorization(value) => value.extend(&mut self.hit, &mut self.at, view),
            Tail::PrivateKey(body) => body.extend(&mut self.hit, &mut self.at, view),
        };
        closed || view.ended
    }
}

/// Where a run of bytes of one class ends.
pub(super) struct Run {
    pub(super) end: usize,
    /// The run reaches the end of what has arrived, so it may go on.
    pub(super) unfinished: bool,
}

impl<'t> View<'t> {
    pub(super) fn at(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    /// The byte `back` places before `at`; `before(at, 1)` is its neighbour.
    pub(super) fn before(&self, at: usize, back: usize) -> Option<u8> {
        self.at(at.checked_sub(back)?)
    }

    pub(super) fn slice(&self, range: Range<usize>) -> &'t [u8] {
        self.text.get(range).unwrap_or_default()
    }

    /// The run from `from`, cut at `max` bytes.
    pub(super) fn run(&self, from: usize, max: usize, class: impl Fn(u8) -> bool) -> Run {
        let rest = self.text.get(from..).unwrap_or_default();
        let length = rest.iter().take(max).take_while(|&&byte| class(byte)).count();
        Run { end: from + length, unfinished: !self.ended && length == rest.len() && length < max }
    }

    /// Whether a word goes on at `at`, so that nothing begins there. An escape (`\n`, `%20`) ends a word.
    pub(super) fn inside_word(&self, at: usize) -> bool {
        self.before(at, 1).is_some_and(is_word) && !self.after_escape(at)
    }

    /// Whether `\n` and its like, or `%` and two hexadecimal digits, end at `at`.
    pub(super) fn after_escape(&self, at: usize) -> bool {
        let letter =
            matches!(self.before(at, 1), Some(b'n' | b'r' | b't')) && self.before(at, 2) == Some(b'\\');
        let is_hex = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_hexdigit());
        letter || self.before(at, 3) == Some(b'%') && is_hex(self.before(at, 2)) && is_hex(self.before(at, 1))
    }

    /// What stands before `at`, back to the last line, field or digit: what a number may be called by.
    pub(super) fn caption(&self, at: usize) -> &'t [u8] {
        let before = self.slice(at.saturating_sub(CONTEXT)..at);
        before.rsplit(|&byte| matches!(byte, b'\n' | b'\t' | b'0'..=b'9')).next().unwrap_or_default()
    }
}

/// How many bytes before a number may say what it is.
pub(super) const CONTEXT: usize = 28;

/// Whether one of the words, which are letters in lower case, stands in the text as a word of its own.
pub(super) fn has_word(text: &[u8], words: &[&str]) -> bool {
    let mut found = text.split(|byte| !byte.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    found.any(|word| {
        words.iter().any(|known| known.len() == word.len() && word.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// A byte of a word: letters, digits and `_`.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A byte of base64url (RFC 4648, section 5).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
