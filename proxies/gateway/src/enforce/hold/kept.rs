//! The command that waits, and what a vote on it is bound to.

use std::sync::Arc;

use bytes::Bytes;
use policy_core::Digest;

use crate::enforce::asked::{Asked, Parameter, Stage, Statement};
use crate::enforce::live::Live;
use crate::enforce::session::cut;
use crate::store::BoundTo;

/// What was asked, kept while it waits.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) statement: Arc<Statement>,
    via: &'static str,
    parameters: Vec<KeptParameter>,
    body: Option<Bytes>,
    pub(super) in_transaction: bool,
    pub(super) settings: Vec<(Box<str>, Box<str>)>,
    pub(super) justification: Option<Box<str>>,
}

#[derive(Debug)]
struct KeptParameter {
    value: Option<Box<[u8]>>,
    binary: bool,
    sensitive: bool,
}

impl Kept {
    pub(super) fn of(asked: &Asked<'_>) -> Self {
        Self {
            statement: Arc::clone(asked.statement),
            via: asked.via,
            parameters: asked
                .parameters
                .iter()
                .map(|parameter| KeptParameter {
                    value: parameter.value.map(Into::into),
                    binary: parameter.binary,
                    sensitive: parameter.sensitive,
                })
                .collect(),
            body: asked.body.cloned(),
            in_transaction: asked.in_transaction,
            settings: asked.settings.to_vec(),
            justification: asked.justification.map(Into::into),
        }
    }

    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        let parameters = self.parameters.iter();
        let lent = parameters.map(|KeptParameter { value, binary, sensitive }| Parameter {
            value: value.as_deref(),
            binary: *binary,
            sensitive: *sensitive,
        });
        lent.collect()
    }

    pub(super) fn asked<'a>(&'a self, parameters: &'a [Parameter<'a>]) -> Asked<'a> {
        Asked {
            parameters,
            body: self.body.as_ref(),
            in_transaction: self.in_transaction,
            settings: &self.settings,
            justification: self.justification.as_deref(),
            ..Asked::new(&self.statement, Stage::Execute, self.via)
        }
    }

    /// The command in the clear, its parameters and its body below.
    pub(super) fn revealed(&self) -> String {
        let mut text = self.statement.raw.to_string();
        for (number, parameter) in self.parameters.iter().enumerate() {
            let value = match &parameter.value {
                None => "NULL".to_owned(),
                Some(value) if parameter.binary => format!("({} bytes)", value.len()),
                Some(value) => format!("{:?}", String::from_utf8_lossy(value)),
            };
            text.push_str(&format!("\n${} = {value}", number + 1));
        }
        if let Some(body) = self.body.as_ref().filter(|body| !body.is_empty()) {
            text.push('\n');
            text.push_str(&in_words(body));
        }
        text
    }

    /// All that a vote is about, besides the holds that it names itself.
    pub(super) fn binding(&self, live: &Live) -> Digest {
        let entry = &live.entry;
        let actions = format!("{:?}", self.statement.bound);
        let session = entry.id.0.to_be_bytes();
        let place: &[u8] = match live.bound_to {
            BoundTo::Session => &session,
            BoundTo::Principal => b"any session",
        };
        let mut parts: Vec<&[u8]> = vec![
            b"approval",
            &self.statement.digest.0,
            actions.as_bytes(),
            entry.principal.id.as_bytes(),
            // An agent may act for many people: what is approved for one is not for another.
            entry.principal.owner.as_deref().unwrap_or_default().as_bytes(),
            place,
            entry.target.protocol.as_str().as_bytes(),
            entry.target.name.as_bytes(),
        ];
        for parameter in &self.parameters {
            parts.push(match (&parameter.value, parameter.binary) {
                (None, _) => b"null",
                (Some(_), true) => b"binary",
                (Some(_), false) => b"text",
            });
            parts.push(parameter.value.as_deref().unwrap_or_default());
        }
        for (name, value) in &self.settings {
            parts.extend([b"setting".as_slice(), name.as_bytes(), value.as_bytes()]);
        }
        live.gateway.digest(&parts)
    }
}

/// The most of a body that reviewers are shown, in bytes.
const BODY_SHOWN: usize = 64 << 10;

/// A body as far as it can be read, and how much more of it there is.
fn in_words(body: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(body) else {
        return format!("(a body of {} bytes, not text)", body.len());
    };
    match cut(text, BODY_SHOWN) {
        (all, "") => all.to_owned(),
        (first, rest) => format!("{first}\n(and {} bytes more, not shown)", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_of_a_body_is_told() {
        let check = |body: &[u8], expected: &str| assert_eq!(in_words(body), expected);
        check(b"{\"a\":1}", "{\"a\":1}");
        check(b"\xff\0", "(a body of 2 bytes, not text)");
        let most = "x".repeat(BODY_SHOWN);
        check(most.as_bytes(), &most);
        check(format!("{most}y").as_bytes(), &format!("{most}\n(and 1 bytes more, not shown)"));
        // It is not cut within a character.
        let odd = format!("{}ä", "x".repeat(BODY_SHOWN - 1));
        check(odd.as_bytes(), &format!("{}\n(and 2 bytes more, not shown)", "x".repeat(BODY_SHOWN - 1)));
    }
}
