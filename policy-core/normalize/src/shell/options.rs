//! Options of known programs, as getopt reads them up to the first operand.

use super::argument::Argument;

/// The options that a program is known to have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    /// Letters without a value.
    pub(super) flags: &'static str,
    /// Letters with a value, in the same word or the next.
    pub(super) valued: &'static str,
    /// Long names, separated by blanks; `name=` has a value, in the same word or the next, `name?` may have one in the same.
    pub(super) long: &'static str,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    /// Letters and long names, with their values.
    found: Vec<(String, Option<Argument>)>,
    /// From the first operand on.
    pub(super) rest: &'a [Argument],
    /// Whether `--` stands before it.
    pub(super) ended: bool,
}

impl Options<'_> {
    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.found.iter().any(|(name, _)| names.contains(&name.as_str()))
    }

    /// How often an option is given.
    pub(super) fn count(&self, name: &str) -> usize {
        self.found.iter().filter(|(found, _)| found == name).count()
    }

    /// The last value given to one of these.
    pub(super) fn value(&self, names: &[&str]) -> Option<&Argument> {
        self.found
            .iter()
            .rev()
            .find(|(name, _)| names.contains(&name.as_str()))
            .and_then(|(_, value)| value.as_ref())
    }
}

/// Reads options up to the first operand. `None` where one is not known or may hide in a hole.
pub(super) fn parse<'a>(arguments: &'a [Argument], spec: &Spec) -> Option<Options<'a>> {
    let mut options = Options { found: vec![], rest: arguments, ended: false };
    loop {
        let Some((first, behind)) = options.rest.split_first() else { return Some(options) };
        let Some(text) = first.text() else {
            return if first.may_be_option() { None } else { Some(options) };
        };
        if text == "--" {
            options.rest = behind;
            options.ended = true;
            return Some(options);
        }
        if let Some(name) = text.strip_prefix("--") {
            options.rest = behind;
            let (name, value) =
                name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
            let known = spec.long.split(' ').find(|known| known.trim_end_matches(['=', '?']) == name)?;
            let value = match (value, known.chars().last()) {
                (Some(value), Some('=' | '?')) => Some(Argument::Text(value.into())),
                (None, Some('=')) => Some(take_value(&mut options.rest)?),
                (None, _) => None,
                (Some(_), _) => return None,
            };
            options.found.push((name.to_owned(), value));
            continue;
        }
        let Some(letters) = text.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            return Some(options);
        };
        options.rest = behind;
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            let value = if spec.valued.contains(letter) {
                let attached: String = letters.by_ref().collect();
                Some(match attached.is_empty() {
                    true => take_value(&mut options.rest)?,
                    false => Argument::Text(attached),
                })
            } else if spec.flags.contains(letter) {
                None
            } else {
                return None;
            };
            options.found.push((letter.to_string(), value));
        }
    }
}

/// The next word, which has to be exactly one.
fn take_value(rest: &mut &[Argument]) -> Option<Argument> {
    let (first, behind) = rest.split_first()?;
    if matches!(first, Argument::Hole(hole) if hole.many) {
        return None;
    }
    *rest = behind;
    Some(first.clone())
}
