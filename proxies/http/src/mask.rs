//! What is looked for in an answer, and how: as the text it is, or as bytes that can only be watched.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use policy_core::mask::{
    Detectors, DetectorsError, FieldMasks, JsonError, JsonMasker, MaskKey, SseMasker, StreamMasker,
};
use policy_core::policy::Opaque;
use policy_normalize::http::charsets;
use portcullis_gateway::enforce::Judged;
use portcullis_gateway::finders::Finders;
use portcullis_gateway::stream::Input;

use crate::request::media_type;

/// What is looked for.
#[derive(Clone)]
pub(crate) struct Sought {
    /// What is found by its content; `None` is nothing.
    pub(crate) detectors: Option<Arc<Detectors>>,
    /// Whether a rule asks for that, and not only the gateway, for the target's credential.
    by_rule: bool,
    /// What is masked by the names of fields, and what becomes of an answer that has none.
    fields: Option<(Arc<FieldMasks>, Option<Opaque>)>,
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
    #[error(transparent)]
    Json(#[from] JsonError),
}

impl Sought {
    /// What a decision asks for, and what the gateway looks for always.
    ///
    /// # Errors
    /// Where it can't be compiled: nothing may be shown then.
    pub(crate) fn of(judged: &Judged, finders: &Finders, key: &MaskKey) -> Result<Self, DetectorsError> {
        let (policy, obligations) = (judged.policy(), judged.obligations());
        let fields = policy.field_masks(obligations).map(|fields| (fields, policy.opaque(obligations)));
        let detectors = match finders.of(Some(judged))? {
            None if fields.is_some() => Some(Arc::new(Detectors::new(&[])?)),
            detectors => detectors,
        };
        let by_rule = !policy.value_masks(obligations).is_empty();
        Ok(Self { detectors, by_rule, fields, key: key.clone() })
    }

    /// Whether a rule asks for anything of it.
    pub(crate) const fn is_by_rule(&self) -> bool {
        self.by_rule || self.fields.is_some()
    }

    pub(crate) const fn is_nothing(&self) -> bool {
        self.detectors.is_none()
    }

    /// What is masked by the names of fields.
    pub(crate) fn field_masks(&self) -> Option<&FieldMasks> {
        self.fields.as_ref().map(|(masks, _)| &**masks)
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

    /// What a client says, as recordings may have it: masked like what it is told.
    pub(crate) fn input(&self, command: u64, has_terminal: bool) -> Input {
        Input::new(command, self.detectors.clone(), self.key.clone(), has_terminal)
    }

    /// How what a client says, read as this type, is looked through before it is recorded: what a rule masks by the names of fields in
    /// answers is masked in it, too, and where it can't be seen nothing is recorded. The rest finds [`Sought::input`].
    pub(crate) fn said(&self, media_type: &str) -> Masker {
        match &self.fields {
            None => Masker::Nothing,
            // It names fields in its own way.
            Some(_) if media_type == "application/json-patch+json" => Masker::Withheld,
            Some(_) => self.masker(media_type).unwrap_or(Masker::Withheld),
        }
    }

    /// A short text that is all there, masked.
    pub(crate) fn text(&self, text: &[u8]) -> Vec<u8> {
        let Some(detectors) = &self.detectors else { return text.to_vec() };
        let (mut stream, mut shown) = (StreamMasker::default(), Vec::with_capacity(text.len()));
        stream.push(detectors, &self.key, text, &mut shown);
        stream.flush(detectors, &self.key, &mut shown);
        shown
    }

    /// How a body with these fields is looked through.
    ///
    /// # Errors
    /// Where what a rule masks could not be seen.
    pub(crate) fn body(&self, headers: &HeaderMap) -> Result<Masker, Unseen> {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let first = types.next();
        let media_type = media_type(first);
        if self.is_by_rule() {
            // Of two types a client may believe either.
            if types.next().is_some() {
                return Err(Unseen::Kind);
            }
            if Kind::of(&media_type) != Kind::Binary && !first.is_none_or(is_readable) {
                return Err(Unseen::Encoding);
            }
        }
        self.masker(&media_type)
    }

    /// How a body of this media type (lower case, without parameters) is looked through.
    ///
    /// # Errors
    /// Where what a rule masks could not be seen.
    pub(crate) fn masker(&self, media_type: &str) -> Result<Masker, Unseen> {
        let Some(detectors) = self.detectors.clone() else { return Ok(Masker::Nothing) };
        let fields = self.fields.as_ref().map(|(fields, _)| Arc::clone(fields));
        let how = match Kind::of(media_type) {
            // The credential alone is looked for as it is spelled.
            Kind::Json if self.is_by_rule() => How::Json(Box::new(JsonMasker::new(fields))),
            Kind::Events if self.is_by_rule() => How::Events(Box::new(SseMasker::new(fields))),
            _ if self.fields.is_some() => return self.opaque(),
            Kind::Json | Kind::Events | Kind::Text => How::Text(StreamMasker::default()),
            // Texts in it stand there as they are, and are too long to be changed.
            Kind::Binary if media_type.starts_with("application/com.github.proto-openapi.") => {
                How::Watch(StreamMasker::default())
            }
            Kind::Binary if self.by_rule => return Err(Unseen::Kind),
            Kind::Binary => How::Watch(StreamMasker::default()),
        };
        let beginning = (self.is_by_rule() && !matches!(how, How::Watch(_))).then(Vec::new);
        Ok(Masker::Looking(Box::new(Looking { detectors, key: self.key.clone(), how, beginning })))
    }

    /// What becomes of an answer that has no fields.
    fn opaque(&self) -> Result<Masker, Unseen> {
        match &self.fields {
            Some((_, Some(Opaque::Withhold))) => Ok(Masker::Withheld),
            _ => Err(Unseen::Kind),
        }
    }
}

/// Looks through one body.
pub(crate) enum Masker {
    /// Nothing is looked for.
    Nothing,
    /// It is looked through.
    Looking(Box<Looking>),
    /// Nothing of it is shown.
    Withheld,
}

pub(crate) struct Looking {
    detectors: Arc<Detectors>,
    key: MaskKey,
    how: How,
    /// Where a rule masks in a text: its first bytes, as far as they have come.
    beginning: Option<Vec<u8>>,
}

enum How {
    /// A text: what is found is masked.
    Text(StreamMasker),
    /// JSON texts, one after the other.
    Json(Box<JsonMasker>),
    /// Server-sent events.
    Events(Box<SseMasker>),
    /// Bytes that no mask can change: what is found ends the answer.
    Watch(StreamMasker),
}

impl Masker {
    /// What may be shown now, and how much was masked.
    pub(crate) fn push(&mut self, data: Bytes) -> Result<(Bytes, usize), Unseen> {
        match self {
            Self::Nothing => Ok((data, 0)),
            Self::Withheld => Ok((Bytes::new(), 0)),
            Self::Looking(looking) => looking.push(&data),
        }
    }

    /// What a recording may have of what a client sends: what can't be looked into may be anything.
    pub(crate) fn record(&mut self, data: Bytes) -> Bytes {
        self.push(data).map_or_else(
            |_| {
                *self = Self::Withheld;
                Bytes::new()
            },
            |(shown, _)| shown,
        )
    }

    /// The same, of what is left at the end.
    pub(crate) fn record_rest(&mut self) -> Bytes {
        self.finish().map(|(rest, _)| rest).unwrap_or_default()
    }

    /// Whether it holds something back that may be shown once nothing more has come for a moment.
    pub(crate) fn holds(&self) -> bool {
        match self {
            Self::Nothing | Self::Withheld => false,
            Self::Looking(looking) => match &looking.how {
                How::Text(stream) | How::Watch(stream) => stream.held() > 0,
                // Their values are shown whole, or not yet.
                How::Json(_) | How::Events(_) => false,
            },
        }
    }

    /// What may be shown now that nothing has come for a moment: all but the beginnings of finds.
    pub(crate) fn settle(&mut self) -> Result<(Bytes, usize), Unseen> {
        match self {
            Self::Nothing | Self::Withheld => Ok((Bytes::new(), 0)),
            Self::Looking(looking) => looking.settle(),
        }
    }

    /// What is left at the end.
    pub(crate) fn finish(&mut self) -> Result<(Bytes, usize), Unseen> {
        match self {
            Self::Nothing | Self::Withheld => Ok((Bytes::new(), 0)),
            Self::Looking(looking) => looking.finish(),
        }
    }
}

impl Looking {
    fn push(&mut self, data: &[u8]) -> Result<(Bytes, usize), Unseen> {
        let Self { detectors, key, how, beginning } = self;
        if let Some(beginning) = beginning.as_mut().filter(|beginning| beginning.len() < BEGINNING) {
            beginning.extend(data.iter().take(BEGINNING - beginning.len()));
            if is_wide(beginning) {
                return Err(Unseen::Encoding);
            }
        }
        let mut shown = Vec::with_capacity(data.len());
        let masked = match how {
            How::Text(stream) => stream.push(detectors, key, data, &mut shown),
            How::Json(json) => json.push(detectors, key, data, &mut shown)?,
            How::Events(events) => events.push(detectors, key, data, &mut shown)?,
            How::Watch(stream) => nothing(stream.push(detectors, key, data, &mut shown))?,
        };
        Ok((shown.into(), masked))
    }

    fn settle(&mut self) -> Result<(Bytes, usize), Unseen> {
        let Self { detectors, key, how, .. } = self;
        let mut shown = Vec::new();
        let masked = match how {
            How::Text(stream) => stream.settle(detectors, key, &mut shown),
            How::Watch(stream) => nothing(stream.settle(detectors, key, &mut shown))?,
            How::Json(_) | How::Events(_) => 0,
        };
        Ok((shown.into(), masked))
    }

    fn finish(&mut self) -> Result<(Bytes, usize), Unseen> {
        let Self { detectors, key, how, .. } = self;
        let mut shown = Vec::new();
        let masked = match how {
            How::Text(stream) => stream.flush(detectors, key, &mut shown),
            How::Json(json) => json.finish(detectors, key, &mut shown)?,
            How::Events(events) => events.finish(detectors, key, &mut shown)?,
            How::Watch(stream) => nothing(stream.flush(detectors, key, &mut shown))?,
        };
        Ok((shown.into(), masked))
    }
}

/// How many bytes tell that a text is of wide characters.
const BEGINNING: usize = 4;

/// Whether a text begins as UTF-16 or UTF-32 does: with the mark of its order, or with an empty half of a character.
fn is_wide(beginning: &[u8]) -> bool {
    beginning.starts_with(&[0xff, 0xfe]) || beginning.starts_with(&[0xfe, 0xff]) || beginning.contains(&0)
}

/// Whether a text with this `content-type` has the letters and digits of ASCII where masks look for them. Some servers put a charset
/// into quotes that are none.
fn is_readable(content_type: &HeaderValue) -> bool {
    let is_known = |charset: String| {
        let charset = charset.trim_matches('\'');
        matches!(charset, "utf-8" | "utf8" | "us-ascii" | "ascii" | "latin1")
            || charset.starts_with("iso-8859-")
            || charset.starts_with("windows-125")
    };
    content_type.to_str().is_ok_and(|text| charsets(text).all(is_known))
}

const fn nothing(found: usize) -> Result<usize, Unseen> {
    if found == 0 { Ok(0) } else { Err(Unseen::Credential) }
}

/// What a body is, as far as masks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One JSON text, or one a line.
    Json,
    /// Server-sent events.
    Events,
    /// Another text, whose bytes a mask may change. What names no type at all is taken for one.
    Text,
    Binary,
}

impl Kind {
    fn of(media_type: &str) -> Self {
        const JSON: [&str; 5] = [
            "application/json",
            "application/jsonl",
            "application/json-lines",
            "application/ndjson",
            "application/x-ndjson",
        ];
        const TEXTS: [&str; 7] = [
            "",
            "application/ecmascript",
            "application/graphql",
            "application/javascript",
            "application/x-www-form-urlencoded",
            "application/xml",
            "application/yaml",
        ];
        match media_type {
            "text/event-stream" => Self::Events,
            "text/json" => Self::Json,
            _ if JSON.contains(&media_type) || media_type.ends_with("+json") => Self::Json,
            _ if TEXTS.contains(&media_type) || media_type.starts_with("text/") => Self::Text,
            _ if media_type.ends_with("+xml") || media_type.ends_with("+yaml") => Self::Text,
            _ => Self::Binary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_through_where_its_characters_are_known() {
        for (content_type, expected) in [
            ("text/plain", true),
            ("text/plain; charset=utf-8", true),
            ("text/plain;charset=\"UTF-8\"", true),
            ("text/html; Charset = ISO-8859-15; x=y", true),
            ("text/plain; charset=windows-1252", true),
            ("text/plain; charset=utf-16", false),
            ("text/plain; charset=\"utf-16le\"", false),
            ("text/html; charset=utf-7", false),
            ("text/html; charset=ibm037", false),
            ("text/html; charset=utf-8; charset=utf-16", false),
            ("text/html; charset='utf-8'", true),
            ("text/html; charset=", false),
            ("text/html; charset", false),
            ("text/html; charset*=utf-16", false),
        ] {
            assert_eq!(is_readable(&HeaderValue::from_static(content_type)), expected, "{content_type}");
        }
        for (text, expected) in [
            (&b"\xff\xfe4\0"[..], true),
            (b"\xfe\xff\x004", true),
            (b"4\0", true),
            (b"\xef\xbb\xbf4", false),
            (b"\xff", false),
        ] {
            assert_eq!(is_wide(text), expected, "{text:?}");
        }
    }
}
