//! A first look at a text, many bytes at a time: most texts hold nothing that could begin a trigger.
//!
//! The automaton of [`super::trigger`] reads one byte after the other. What is here skips to where it has to begin, and is
//! wrong on one side only: it may name a place where no trigger begins, and never passes one over.

use std::ops::Range;

use aho_corasick::packed;
use smallvec::SmallVec;

/// Shorter texts are read by the automaton sooner than sieved, in bytes.
const WORTHWHILE: usize = 32;

/// Bytes whose digits are counted together; below 256, so that a count fits a byte.
const BLOCK: usize = 128;

/// How a trigger begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// With this byte.
    Byte(u8),
    /// With one of these texts.
    Text(&'static [&'static str]),
    /// With this text in any case; at most three letters.
    AnyCase(&'static str),
    /// With as many bytes as `behind` before a digit, where the whole text has at least `count` digits.
    Digits { behind: usize, count: usize },
}

/// What all enabled triggers begin with.
pub(super) struct Sieve {
    texts: Texts,
    bytes: Vec<u8>,
    digits: Vec<(usize, usize)>,
}

/// Where in a text the next beginning of each kind is, as far as that was looked for.
#[derive(Default)]
pub(super) struct Ahead {
    bytes: SmallVec<[usize; 4]>,
    text: usize,
}

enum Texts {
    None,
    Some(packed::Searcher),
    /// This processor has no instructions for the search: the automaton reads everything.
    Unsearchable,
}

impl Sieve {
    pub(super) fn new(beginnings: impl IntoIterator<Item = Beginning>) -> Self {
        let (mut texts, mut bytes, mut digits) = (Vec::new(), Vec::new(), Vec::new());
        for beginning in beginnings {
            match beginning {
                Beginning::Byte(byte) => bytes.push(byte),
                Beginning::Text(each) => texts.extend(each.iter().map(|text| text.as_bytes().to_vec())),
                Beginning::AnyCase(text) => texts.extend(cases(text.as_bytes())),
                Beginning::Digits { behind, count } => digits.push((behind, count)),
            }
        }
        let texts = if texts.is_empty() {
            Texts::None
        } else {
            packed::Searcher::new(&texts).map_or(Texts::Unsearchable, Texts::Some)
        };
        Self { texts, bytes, digits }
    }

    /// No trigger begins before this place; `None` if none begins at all.
    pub(super) fn first(&self, text: &[u8]) -> Option<usize> {
        if text.len() < WORTHWHILE {
            return Some(0);
        }
        let texts = match &self.texts {
            Texts::None => None,
            Texts::Some(search) => search.find(text).map(|found| found.start()),
            Texts::Unsearchable => return Some(0),
        };
        let bytes = self.bytes.iter().filter_map(|byte| memchr::memchr(*byte, text));
        bytes.chain(texts).chain(self.first_digit(text)).min()
    }

    /// Whether a trigger may begin between these places of a text, of which many parts are looked at one after the other; what is
    /// found out about the rest of it is kept in `ahead`.
    pub(super) fn may_begin(&self, text: &[u8], part: Range<usize>, ahead: &mut Ahead) -> bool {
        let rest = || text.get(part.start..).unwrap_or_default();
        ahead.bytes.resize(self.bytes.len(), 0);
        for (byte, next) in self.bytes.iter().zip(&mut ahead.bytes) {
            if *next < part.start {
                *next = memchr::memchr(*byte, rest()).map_or(usize::MAX, |at| part.start + at);
            }
        }
        match &self.texts {
            Texts::None => ahead.text = usize::MAX,
            Texts::Some(search) if ahead.text < part.start => {
                ahead.text = search.find(rest()).map_or(usize::MAX, |found| part.start + found.start());
            }
            Texts::Some(_) => {}
            Texts::Unsearchable => return true,
        }
        if ahead.text < part.end || ahead.bytes.iter().any(|next| *next < part.end) {
            return true;
        }
        let fewest = self.digits.iter().map(|(_, count)| *count).min().unwrap_or(usize::MAX);
        if part.len() < fewest {
            return false;
        }
        let blocks = text.get(part).unwrap_or_default().chunks(BLOCK);
        let counts = blocks
            .map(|block| block.iter().fold(0_u8, |count, byte| count + u8::from(byte.is_ascii_digit())));
        counts.map(usize::from).sum::<usize>() >= fewest
    }

    fn first_digit(&self, text: &[u8]) -> Option<usize> {
        let most = self.digits.iter().map(|(_, count)| *count).max()?;
        let (mut first, mut total) = (None, 0);
        for (number, block) in text.chunks(BLOCK).enumerate() {
            let count = block.iter().fold(0_u8, |count, byte| count + u8::from(byte.is_ascii_digit()));
            if count > 0 && first.is_none() {
                first = Some(number * BLOCK);
            }
            total += usize::from(count);
            if total >= most {
                break;
            }
        }
        let wanted = self.digits.iter().filter(|(_, count)| total >= *count);
        wanted.map(|(behind, _)| *behind).max().and_then(|behind| Some(first?.saturating_sub(behind)))
    }
}

/// A text in every combination of upper and lower case.
fn cases(text: &[u8]) -> Vec<Vec<u8>> {
    text.iter().fold(vec![Vec::new()], |all, byte| {
        let longer = |with: u8| all.iter().map(move |start| [&start[..], &[with]].concat());
        longer(byte.to_ascii_lowercase()).chain(longer(byte.to_ascii_uppercase())).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_looked_for() {
        let all = cases(b"sec");
        assert_eq!(all.len(), 8);
        assert!(all.contains(&b"sEc".to_vec()) && all.contains(&b"SEC".to_vec()));
    }

    #[test]
    fn digits_count_as_a_whole_and_the_place_is_never_late() {
        let sieve = Sieve::new([
            Beginning::Digits { behind: 0, count: 13 },
            Beginning::Digits { behind: 2, count: 40 },
        ]);
        let text = |digits: usize| [&[b'x'; 300][..], &b"7".repeat(digits), &[b'x'; 300]].concat();
        assert_eq!(sieve.first(&text(12)), None);
        assert!(sieve.first(&text(13)).is_some_and(|first| first <= 300));
        assert!(sieve.first(&text(40)).is_some_and(|first| first <= 298));
        // Where the digits begin with a block there is nothing before them in it.
        let aligned = [&[b'x'; 2 * BLOCK][..], &b"7".repeat(40)].concat();
        assert_eq!(sieve.first(&aligned), Some(2 * BLOCK - 2));
    }

    #[test]
    fn short_texts_are_left_to_the_automaton() {
        let sieve = Sieve::new([Beginning::Byte(b'@')]);
        assert_eq!(sieve.first(b"x"), Some(0));
        assert_eq!(sieve.first(&[b'x'; WORTHWHILE]), None);
    }
}
