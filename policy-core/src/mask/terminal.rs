//! Masking what a terminal shows: through colours, titles and overstruck characters, the same however it is split.
//!
//! `lexer` parts the bytes into text and escape sequences (ECMA-48; xterm's *Control Sequences*). The text goes to the
//! detectors without the sequences, and `weave` puts those back where they stood.

mod lexer;
#[cfg(test)]
mod tests;
mod weave;

use lexer::{Lexer, Token};
use weave::Weave;

use super::stream::{PIECE, StreamMasker};
use super::{Detectors, MaskKey, Scratch};

/// Masks what a program writes to a terminal, or to its standard output.
///
/// Of bytes without escape sequences and backspaces it makes what [`Detectors::mask_into`] makes of the whole. Otherwise:
/// - Sequences that do not move the cursor (colours, modes, titles, links, erasing to the end of a line) are looked
///   through: `4111 ␛[1m1111␛[0m 1111 1111` is a card. Those inside a find come behind what it became.
/// - Sequences that move it part what they stand between; one that moves it to the right is a space.
/// - A character that a backspace strikes out (`a␈b`) does not count, and is dropped with a find around it. One such
///   backspace in a row is understood; the next parts.
/// - The text inside a title, a link or another control string is masked on its own.
///
/// Not understood are 8-bit controls (in UTF-8 they are parts of letters), the repetition of a character (`␛[3b`), tokens
/// that a shell breaks at the edge of the screen while they are typed, and whatever a hostile target does to hide from
/// the detectors: it could as well encode.
///
/// # Silence
/// [`TerminalMasker::push`] holds back whatever may become part of a find, usually the last word. People wait for
/// that word, so once nothing has come for a moment (20 ms), call [`TerminalMasker::settle`]. It holds on only to:
/// - finds whose end is still to come, such as a private key or a token in an `Authorization` header;
/// - the last part of a number of seven digits or more, undecided beginnings of the other detectors' finds (`eyJ…`,
///   `AKIA…`, `name@…`), unless fewer than four bytes of it are new since the last call: that is somebody typing;
/// - eight bytes or more of the beginning of one of the [`super::Literals`];
/// - an escape sequence that is not complete.
///
/// So whoever writes slowly, at most three bytes and then a pause of 20 ms, or pauses before the seventh digit, gets the
/// bytes shown that came before: digits that are echoed one by one while they are typed are seen. The rest of
/// such a find is masked where it is recognised as one. A program that waits for an answer in the middle of what may be a
/// find would wait for ever; for that there is [`TerminalMasker::release`], to be called after a second or so.
///
/// # Bounds
/// At most [`TerminalMasker::MAX_HELD`] bytes are held back, or as many more as the longest of the literals has. A sequence of
/// more than 4 KiB is text from there on. More than 256 KiB of sequences between held text let go of it as `release` does.
/// The work is linear in the length of the stream.
#[derive(Default)]
pub struct TerminalMasker {
    lexer: Lexer,
    text: StreamMasker,
    weave: Weave,
    /// The last byte of the text, which a backspace may strike out.
    last: Option<u8>,
    scratch: Scratch,
    masked: Vec<u8>,
}

/// What sequences may take up while the text around them is held back, in bytes.
const MAX_WOVEN: usize = 256 * 1024;

impl TerminalMasker {
    /// The most bytes that are held back (literals aside).
    pub const MAX_HELD: usize = StreamMasker::MAX_HELD + MAX_WOVEN + PIECE + Lexer::MAX_SEQUENCE + 1;

    /// Takes some bytes of the stream and appends what may leave to `out`; says how many finds were masked.
    pub fn push(&mut self, detectors: &Detectors, key: &MaskKey, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        if detectors.is_empty() {
            let masked = if self.held() > 0 { self.finish(detectors, key, out) } else { 0 };
            out.extend_from_slice(bytes);
            return masked;
        }
        let mut masked = 0;
        // Pieces keep the buffers small, whatever size the bytes come in.
        for piece in bytes.chunks(PIECE / 2) {
            masked += self.take(detectors, key, piece);
            masked += self.text.advance(detectors, key, &mut self.weave.onto(out));
            self.weave.trailing(out);
            if self.weave.held() > MAX_WOVEN {
                masked += self.release(detectors, key, out);
            }
        }
        masked
    }

    /// To be called when nothing has come for a moment: appends what is held back to `out`, but for the beginnings of finds.
    /// The stream goes on.
    pub fn settle(&mut self, detectors: &Detectors, key: &MaskKey, out: &mut Vec<u8>) -> usize {
        self.keep_last();
        let mut masked = self.text.advance(detectors, key, &mut self.weave.onto(out));
        masked += self.text.quieten(detectors, key, &mut self.weave.onto(out));
        self.weave.trailing(out);
        if self.text.held() == 0 {
            self.weave.rest(out);
        }
        masked
    }

    /// To be called when nothing has come for long: appends all that is held back to `out`, masked as if nothing more came.
    /// The stream goes on; what continues a find that was let go of is swallowed.
    pub fn release(&mut self, detectors: &Detectors, key: &MaskKey, out: &mut Vec<u8>) -> usize {
        self.give_up_sequence();
        let mut masked = self.text.advance(detectors, key, &mut self.weave.onto(out));
        masked += self.text.release(detectors, key, &mut self.weave.onto(out));
        self.weave.rest(out);
        masked
    }

    /// Ends the stream: appends what was held back to `out`. The next byte begins a new stream.
    pub fn finish(&mut self, detectors: &Detectors, key: &MaskKey, out: &mut Vec<u8>) -> usize {
        self.give_up_sequence();
        let masked = self.text.end(detectors, key, &mut self.weave.onto(out));
        self.weave.rest(out);
        self.weave = Weave::default();
        masked
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.text.held() + self.weave.held() + self.lexer.held() + usize::from(self.last.is_some())
    }

    /// Parts the bytes; says how many finds there were in control strings.
    fn take(&mut self, detectors: &Detectors, key: &MaskKey, mut bytes: &[u8]) -> usize {
        let mut masked = 0;
        while let Some((token, rest)) = self.lexer.next(bytes) {
            bytes = rest;
            masked += match token {
                Token::Text(text) => {
                    self.append(text, rest);
                    0
                }
                Token::Backspace => {
                    self.strike();
                    0
                }
                Token::Sequence => self.sequence(detectors, key),
                Token::Overlong => {
                    self.give_up_sequence();
                    0
                }
            };
        }
        masked
    }

    /// Adds text; its last byte is kept apart if nothing is known of what follows, or a backspace does.
    fn append(&mut self, text: &[u8], follows: &[u8]) {
        let Some((last, before)) = text.split_last() else { return };
        self.keep_last();
        if follows.first().is_none_or(|byte| *byte == lexer::BACKSPACE) {
            self.text.append(before);
            self.weave.appended(before.len());
            self.last = Some(*last);
        } else {
            self.text.append(text);
            self.weave.appended(text.len());
        }
    }

    /// Nothing strikes out the last byte any more.
    fn keep_last(&mut self) {
        if let Some(last) = self.last.take() {
            self.text.append(&[last]);
            self.weave.appended(1);
        }
    }

    fn strike(&mut self) {
        match self.last {
            Some(last) if last >= b' ' => {
                self.last = None;
                self.weave.struck(&[last, lexer::BACKSPACE]);
            }
            _ => {
                self.keep_last();
                self.part(&[lexer::BACKSPACE], b'\n');
            }
        }
    }

    fn sequence(&mut self, detectors: &Detectors, key: &MaskKey) -> usize {
        self.keep_last();
        let sequence = self.lexer.take();
        let mut masked = 0;
        match sequence.effect() {
            lexer::Effect::None => self.weave.kept(sequence.bytes()),
            lexer::Effect::Moves => self.part(sequence.bytes(), b'\n'),
            lexer::Effect::MovesRight => self.part(sequence.bytes(), b' '),
            lexer::Effect::Says(text) => {
                let bytes = sequence.bytes();
                self.masked.clear();
                let said = bytes.get(text.clone()).unwrap_or_default();
                masked = detectors.mask_into(said, key, &mut self.scratch, &mut self.masked);
                let said = if masked > 0 { self.masked.as_slice() } else { said };
                for part in [bytes.get(..text.start), Some(said), bytes.get(text.end..)] {
                    self.weave.kept(part.unwrap_or_default());
                }
            }
        }
        self.lexer.give_back(sequence);
        masked
    }

    /// A sequence that stands for a byte of text, so that nothing is recognised across it.
    fn part(&mut self, sequence: &[u8], stands_for: u8) {
        self.weave.standing(sequence);
        self.text.append(&[stands_for]);
        self.weave.appended(1);
    }

    /// What began as a sequence is text, but for its introducer.
    fn give_up_sequence(&mut self) {
        self.keep_last();
        let sequence = self.lexer.take();
        let (introducer, text) = sequence.as_text();
        self.weave.kept(introducer);
        self.text.append(text);
        self.weave.appended(text.len());
        self.lexer.give_back(sequence);
    }
}

impl std::fmt::Debug for TerminalMasker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TerminalMasker").field("held", &self.held()).finish_non_exhaustive()
    }
}
