//! The closed lists of words that the language brings itself.

use policy_core::mask::Detector;
use policy_core::subject::PrincipalKind;

/// The transforms of a mask.
pub(crate) const TRANSFORMS: &[&str] = &["null", "redact", "hash", "first", "last", "partial"];

/// The detectors of a mask, by the word that policies use.
pub(crate) const DETECTORS: &[(&str, Detector)] = &[
    ("credit_card", Detector::CreditCard),
    ("email", Detector::Email),
    ("ssn", Detector::Ssn),
    ("iban", Detector::Iban),
    ("phone", Detector::Phone),
    ("jwt", Detector::Jwt),
    ("aws_key", Detector::AwsKey),
    ("private_key", Detector::PrivateKey),
    ("authorization", Detector::Authorization),
];

/// The days of the week, from the one that the Unix epoch began on.
pub(crate) const WEEKDAYS: &[&str] = &["thu", "fri", "sat", "sun", "mon", "tue", "wed"];

/// The kinds of principal.
pub(crate) const KINDS: &[(&str, PrincipalKind)] =
    &[("human", PrincipalKind::Human), ("service", PrincipalKind::Service), ("agent", PrincipalKind::Agent)];

/// Facts about the request that every protocol has.
pub(crate) const REQUEST_FACTS: &[&str] = &["hour", "weekday", "source"];

/// Looks a word up in one of the tables above.
pub(crate) fn find<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(name, _)| *name == word).map(|&(_, value)| value)
}

/// The candidate that the word was probably meant to be: a few letters away, or its beginning.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_ascii_lowercase();
    let length = folded.chars().count();
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &candidate.to_ascii_lowercase()), candidate))
        // A third of the letters may be wrong: more, and the guess would puzzle rather than help.
        .filter(|(distance, candidate)| {
            let begins = candidate.len() >= 3 && folded.starts_with(*candidate)
                || length >= 3 && candidate.starts_with(&*folded);
            begins || *distance <= candidate.chars().count().max(length) / 3
        })
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

/// `` `a`, `b` and `c` ``, at most twelve of them.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let words: Vec<&str> = words.into_iter().collect();
    let quoted: Vec<String> = words.iter().take(SHOWN).map(|word| format!("`{word}`")).collect();
    match (quoted.split_last(), words.len().saturating_sub(SHOWN)) {
        (None, _) => "nothing".to_owned(),
        (Some((last, [])), 0) => last.clone(),
        (Some((last, rest)), 0) => format!("{} and {last}", rest.join(", ")),
        (_, more) => format!("{} and {more} more", quoted.join(", ")),
    }
}
