//! What is looked for in an answer, and how: as the text it is, or as bytes that can only be watched.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderValue};
use policy_core::mask::{Detectors, MaskKey, StreamMasker};

/// What is looked for.
#[derive(Clone)]
pub(crate) struct Sought {
    /// What is found by its content; `None` is nothing.
    pub(crate) detectors: Option<Arc<Detectors>>,
    /// Whether a rule asks for it, and not only the gateway, for the target's credential.
    pub(crate) by_rule: bool,
    pub(crate) key: MaskKey,
}

/// Why an answer can't be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unseen {
    #[error("it is of a kind that the policy's masks can't look into")]
    Kind,
    #[error("a field of it can't be masked")]
    Field,
    #[error("it is encoded in a way that can't be looked through")]
    Encoding,
    #[error("the target's own credential is in it")]
    Credential,
}

impl Sought {
    pub(crate) const fn is_nothing(&self) -> bool {
        self.detectors.is_none()
    }

    /// Masks the values of header fields, each a text of its own.
    pub(crate) fn fields(&self, headers: &mut HeaderMap) -> Result<(), Unseen> {
        if self.is_nothing() {
            return Ok(());
        }
        for value in headers.values_mut() {
            let shown = self.text(value.as_bytes());
            if shown != value.as_bytes() {
                *value = HeaderValue::from_bytes(&shown).map_err(|_| Unseen::Field)?;
            }
        }
        Ok(())
    }

    /// A short text that is all there, masked.
    pub(crate) fn text(&self, text: &[u8]) -> Vec<u8> {
        let Some(detectors) = &self.detectors else { return text.to_vec() };
        let (mut stream, mut shown) = (StreamMasker::default(), Vec::with_capacity(text.len()));
        stream.push(detectors, &self.key, text, &mut shown);
        stream.flush(detectors, &self.key, &mut shown);
        shown
    }

    /// How a body of this media type (lower case, without parameters) is looked through.
    pub(crate) fn masker(&self, media_type: &str) -> Result<Masker, Unseen> {
        let Some(detectors) = self.detectors.clone() else { return Ok(Masker::Nothing) };
        let sought = Looking { detectors, key: self.key.clone(), stream: StreamMasker::default() };
        match (is_text(media_type), self.by_rule) {
            (true, _) => Ok(Masker::Text(Box::new(sought))),
            // Texts in it stand there as they are, and are too long to be changed.
            (false, true) if media_type.starts_with("application/com.github.proto-openapi.") => {
                Ok(Masker::Watch(Box::new(sought)))
            }
            (false, false) => Ok(Masker::Watch(Box::new(sought))),
            (false, true) => Err(Unseen::Kind),
        }
    }
}

/// Looks through one body.
pub(crate) enum Masker {
    /// Nothing is looked for.
    Nothing,
    /// A text: what is found is masked.
    Text(Box<Looking>),
    /// Bytes that no mask can change: what is found ends the answer.
    Watch(Box<Looking>),
}

pub(crate) struct Looking {
    detectors: Arc<Detectors>,
    key: MaskKey,
    stream: StreamMasker,
}

impl Masker {
    /// What may be shown now, and how much was masked.
    pub(crate) fn push(&mut self, data: Bytes) -> Result<(Bytes, usize), Unseen> {
        let mut shown = Vec::with_capacity(data.len());
        match self {
            Self::Nothing => Ok((data, 0)),
            Self::Text(looking) => {
                let masked = looking.stream.push(&looking.detectors, &looking.key, &data, &mut shown);
                Ok((shown.into(), masked))
            }
            Self::Watch(looking) => {
                match looking.stream.push(&looking.detectors, &looking.key, &data, &mut shown) {
                    0 => Ok((shown.into(), 0)),
                    _ => Err(Unseen::Credential),
                }
            }
        }
    }

    /// What is left at the end.
    pub(crate) fn finish(&mut self) -> Result<(Bytes, usize), Unseen> {
        let mut shown = Vec::new();
        match self {
            Self::Nothing => Ok((Bytes::new(), 0)),
            Self::Text(looking) => {
                let masked = looking.stream.flush(&looking.detectors, &looking.key, &mut shown);
                Ok((shown.into(), masked))
            }
            Self::Watch(looking) => {
                match looking.stream.flush(&looking.detectors, &looking.key, &mut shown) {
                    0 => Ok((shown.into(), 0)),
                    _ => Err(Unseen::Credential),
                }
            }
        }
    }
}

/// Whether a media type is one of texts, whose bytes a mask may change. One that is not named is taken for a text: what can be
/// found in it is masked.
pub(crate) fn is_text(media_type: &str) -> bool {
    const TEXTS: [&str; 10] = [
        "",
        "application/ecmascript",
        "application/graphql",
        "application/javascript",
        "application/json",
        "application/ld+json",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
        "application/xml",
        "application/yaml",
    ];
    TEXTS.contains(&media_type)
        || media_type.starts_with("text/")
        || ["+json", "+xml", "+yaml", "-json", "-yaml", "/jsonl"].iter().any(|end| media_type.ends_with(end))
}
