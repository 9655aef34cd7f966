//! The options that a request's query gives, as the API server takes them.

use policy_core::Value;

/// The pairs of a query, decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a>(pub(super) &'a [(String, String)]);

/// A truth value of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    Off,
    On,
    /// It is there several times: the server takes the first, its clients may mean the last.
    Unclear,
}

/// What a selector narrows a field to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Narrowed {
    No,
    To(String),
    Unclear,
}

impl<'a> Query<'a> {
    pub(super) fn all(self, key: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// One text, or none; several are undetermined.
    pub(super) fn text(self, key: &str) -> Value {
        let mut values = self.all(key);
        match (values.next(), values.next()) {
            (None, _) => Value::Absent,
            (Some(value), None) => Value::Text(value.into()),
            (Some(_), Some(_)) => Value::Undetermined,
        }
    }

    /// A truth value: anything but `0` and `false` is true, nothing at all included (`Convert_Slice_string_To_bool`).
    pub(super) fn switch(self, key: &str) -> Switch {
        let mut values = self.all(key);
        match (values.next(), values.next()) {
            (None, _) => Switch::Off,
            (Some(value), None) if value == "0" || value.eq_ignore_ascii_case("false") => Switch::Off,
            (Some(_), None) => Switch::On,
            (Some(_), Some(_)) => Switch::Unclear,
        }
    }

    /// Whether the query asks that nothing be kept. The server refuses other words than `All`.
    pub(super) fn dry_run(self) -> Value {
        match (self.all("dryRun").count(), self.all("dryRun").filter(|value| *value == "All").count()) {
            (0, _) => Value::Bool(false),
            (said, all) if said == all => Value::Bool(true),
            _ => Value::Undetermined,
        }
    }

    /// What the field selector narrows a field to: `metadata.name=x,type!=y`.
    pub(super) fn narrowed(self, field: &str) -> Narrowed {
        let selector = match self.text("fieldSelector") {
            Value::Absent => return Narrowed::No,
            Value::Text(selector) => selector,
            _ => return Narrowed::Unclear,
        };
        let Some(terms) = terms(&selector) else { return Narrowed::Unclear };
        let mut values: Vec<String> =
            terms.into_iter().filter(|(name, _)| name == field).map(|(_, value)| value).collect();
        values.dedup();
        match (values.pop(), values.pop()) {
            (None, _) => Narrowed::No,
            (Some(value), None) if !value.is_empty() => Narrowed::To(value),
            _ => Narrowed::Unclear,
        }
    }
}

impl Switch {
    pub(super) fn value(self) -> Value {
        match self {
            Self::Off => Value::Bool(false),
            Self::On => Value::Bool(true),
            Self::Unclear => Value::Undetermined,
        }
    }
}

/// The fields that a selector says to be equal to something (`fields.ParseSelector` of k8s.io/apimachinery): terms between
/// commas, in values of which `\` stands before `\`, `,` and `=`. `None` for what is no selector.
fn terms(selector: &str) -> Option<Vec<(String, String)>> {
    let mut equal = vec![];
    let mut rest = selector;
    while !rest.is_empty() {
        let mut escaped = false;
        let end = rest.find(|c: char| {
            let ends = c == ',' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (term, behind) = end.map_or((rest, ""), |end| (&rest[..end], &rest[end + 1..]));
        rest = behind;
        if term.is_empty() {
            continue;
        }
        let at = term.find('=')?;
        let (name, value) = (&term[..at], &term[at + 1..]);
        match name.strip_suffix('!') {
            Some(_) => drop(unescaped(value)?),
            None => equal.push((name.to_owned(), unescaped(value.strip_prefix('=').unwrap_or(value))?)),
        }
    }
    Some(equal)
}

fn unescaped(value: &str) -> Option<String> {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => plain.push(characters.next().filter(|c| matches!(c, '\\' | ',' | '='))?),
            ',' | '=' => return None,
            _ => plain.push(c),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_as_the_server_does() {
        let to = |name: &str| Narrowed::To(name.to_owned());
        for (selector, expected) in [
            ("", Narrowed::No),
            ("metadata.name=x", to("x")),
            ("metadata.name==x", to("x")),
            ("metadata.name!=x", Narrowed::No),
            ("type=Opaque,metadata.name=x", to("x")),
            ("metadata.name=x,", to("x")),
            ("metadata.name=x,metadata.name=x", to("x")),
            ("metadata.name=x,metadata.name=y", Narrowed::Unclear),
            ("spec.nodeName=x", Narrowed::No),
            (r"metadata.name=a\,b", to("a,b")),
            (r"metadata.name=a\\,type=x", to(r"a\")),
            ("metadata.name=a=b", Narrowed::Unclear),
            (r"metadata.name=\x", Narrowed::Unclear),
            ("metadata.name=", Narrowed::Unclear),
            ("metadata.name", Narrowed::Unclear),
            (" metadata.name=x", Narrowed::No),
        ] {
            let pairs = [("fieldSelector".to_owned(), selector.to_owned())];
            assert_eq!(Query(&pairs).narrowed("metadata.name"), expected, "{selector}");
        }
        assert_eq!(Query(&[]).narrowed("metadata.name"), Narrowed::No);
    }
}
