//! Brace expansion: `{a,b}` and `{1..9}`.

use super::ast::{Part, Word};
use super::limits::{Budget, Fault};

/// A character that may be a brace, or a part that is none.
#[derive(Clone)]
enum Unit {
    Character(char),
    Part(Part),
}

/// The words that a word stands for, or `None` where shells may disagree.
pub(super) fn expand(word: &Word, sequences: bool, budget: &Budget) -> Result<Option<Vec<Word>>, Fault> {
    if !word.iter().any(|part| matches!(part, Part::Plain(text) if text.contains('{'))) {
        return Ok(Some(vec![word.clone()]));
    }
    let mut units = vec![];
    for part in word {
        match part {
            Part::Plain(text) => units.extend(text.chars().map(Unit::Character)),
            other => units.push(Unit::Part(other.clone())),
        }
    }
    Ok(words(&units, sequences, budget, 0)?.map(|words| words.into_iter().map(together).collect()))
}

fn is(unit: Option<&Unit>, character: char) -> bool {
    matches!(unit, Some(Unit::Character(found)) if *found == character)
}

fn words(
    units: &[Unit],
    sequences: bool,
    budget: &Budget,
    depth: usize,
) -> Result<Option<Vec<Vec<Unit>>>, Fault> {
    budget.depth(depth)?;
    let mut results: Vec<Vec<Unit>> = vec![vec![]];
    let mut at = 0;
    while let Some(unit) = units.get(at) {
        if !is(Some(unit), '{') {
            budget.expanded(results.len())?;
            results.iter_mut().for_each(|result| result.push(unit.clone()));
            at += 1;
            continue;
        }
        let Some((inner, behind)) = group(units, at) else {
            // Not closed: an ordinary character, unless something else in the word could make it more.
            let rest = units.get(at..).unwrap_or_default();
            if rest.iter().any(|unit| is(Some(unit), ',') || is(Some(unit), '.') || is(Some(unit), '}')) {
                return Ok(None);
            }
            budget.expanded(results.len())?;
            results.iter_mut().for_each(|result| result.push(unit.clone()));
            at += 1;
            continue;
        };
        let Some(choices) = choices(inner, sequences, budget, depth)? else { return Ok(None) };
        let mut product = vec![];
        for result in &results {
            for choice in &choices {
                budget.expanded(result.len() + choice.len() + 1)?;
                product.push([&result[..], &choice[..]].concat());
            }
        }
        results = product;
        at = behind;
    }
    Ok(Some(results))
}

/// What is between the brace here and the one that closes it, and where it goes on.
fn group(units: &[Unit], at: usize) -> Option<(&[Unit], usize)> {
    let mut open = 0usize;
    for (index, unit) in units.iter().enumerate().skip(at) {
        if is(Some(unit), '{') {
            open += 1;
        } else if is(Some(unit), '}') {
            open -= 1;
            if open == 0 {
                return Some((units.get(at + 1..index)?, index + 1));
            }
        }
    }
    None
}

fn choices(
    inner: &[Unit],
    sequences: bool,
    budget: &Budget,
    depth: usize,
) -> Result<Option<Vec<Vec<Unit>>>, Fault> {
    let mut pieces = vec![vec![]];
    let mut open = 0usize;
    for unit in inner {
        open += usize::from(is(Some(unit), '{'));
        open = open.saturating_sub(usize::from(is(Some(unit), '}')));
        if open == 0 && is(Some(unit), ',') {
            pieces.push(vec![]);
        } else if let Some(piece) = pieces.last_mut() {
            piece.push(unit.clone());
        }
    }
    if let [only] = pieces.as_slice() {
        if sequences && only.windows(2).any(|pair| is(pair.first(), '.') && is(pair.last(), '.')) {
            return sequence(only, budget);
        }
        let Some(words) = words(only, sequences, budget, depth + 1)? else { return Ok(None) };
        let braced = |mut word: Vec<Unit>| {
            word.insert(0, Unit::Character('{'));
            word.push(Unit::Character('}'));
            word
        };
        return Ok(Some(words.into_iter().map(braced).collect()));
    }
    let mut all = vec![];
    for piece in pieces {
        let Some(words) = words(&piece, sequences, budget, depth + 1)? else { return Ok(None) };
        all.extend(words);
    }
    Ok(Some(all))
}

/// `1..9`, `9..1`, `1..9..2`, `a..e`. Padded numbers and mixed ranges differ between shells.
fn sequence(units: &[Unit], budget: &Budget) -> Result<Option<Vec<Vec<Unit>>>, Fault> {
    let mut text = String::new();
    for unit in units {
        match unit {
            Unit::Character(character) => text.push(*character),
            Unit::Part(_) => return Ok(None),
        }
    }
    let pieces: Vec<&str> = text.split("..").collect();
    let (first, last, step) = match pieces.as_slice() {
        [first, last] => (*first, *last, 1),
        [first, last, step] => match number(step) {
            Some(step) if step > 0 => (*first, *last, step),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let letter = |text: &str| {
        let mut characters = text.chars();
        characters.next().filter(|_| characters.next().is_none()).filter(char::is_ascii_alphabetic)
    };
    let texts: Box<dyn Fn(i64) -> String> = Box::new(|value| value.to_string());
    let (first, last, text) = match (number(first), number(last), letter(first), letter(last)) {
        (Some(first), Some(last), ..) => (first, last, texts),
        (_, _, Some(first), Some(last)) if first.is_ascii_lowercase() == last.is_ascii_lowercase() => {
            let character =
                |value: i64| u8::try_from(value).map_or(String::new(), |byte| char::from(byte).to_string());
            (
                i64::from(u32::from(first)),
                i64::from(u32::from(last)),
                Box::new(character) as Box<dyn Fn(i64) -> String>,
            )
        }
        _ => return Ok(None),
    };
    let count = first.abs_diff(last) / step.unsigned_abs() + 1;
    budget.expanded(usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(8))?;
    let sign = if first <= last { step } else { -step };
    let mut words = vec![];
    let mut value = first;
    for _ in 0..count {
        words.push(text(value).chars().map(Unit::Character).collect());
        value += sign;
    }
    Ok(Some(words))
}

/// A number of at most nine digits without leading zeros.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    (plain && (digits == "0" || !digits.starts_with('0')) && text != "-0").then(|| text.parse().ok())?
}

fn together(units: Vec<Unit>) -> Word {
    let mut word = Word::new();
    for unit in units {
        match (unit, word.last_mut()) {
            (Unit::Character(character), Some(Part::Plain(text))) => text.push(character),
            (Unit::Character(character), _) => word.push(Part::Plain(character.to_string())),
            (Unit::Part(part), _) => word.push(part),
        }
    }
    word
}
