//! Server-sent events (HTML, section 9.2), taken apart and written anew: what a client reads is what was looked at, however odd it was
//! written.

/// The longest event, and the longest answer, that is looked into, in bytes.
pub(super) const MOST_BYTES: usize = 16 << 20;

/// Takes a stream apart.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    /// The beginning of a line.
    line: Vec<u8>,
    event: Event,
    bytes: usize,
    /// Whether the last byte ended a line as a carriage return: a line feed behind it belongs to it.
    returned: bool,
    begun: bool,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    kind: Option<String>,
    id: Option<String>,
    retry: Option<String>,
    /// What it carries; `None` where there is no such line, which is no event to a client.
    pub(super) data: Option<String>,
    /// Whether there was a line that says nothing, by which a server shows that it is there.
    comment: bool,
}

/// The stream can't be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Odd {
    #[error("it is longer than what is looked into")]
    Long,
    #[error("it is no text")]
    NoText,
}

impl Splitter {
    /// The events that have come to their end with these bytes. One that never does is none.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, Odd> {
        let mut events = Vec::new();
        for &byte in bytes {
            let follows = std::mem::replace(&mut self.returned, byte == b'\r');
            match byte {
                b'\n' if follows => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    if let Some(event) = self.line(&line)? {
                        events.push(event);
                    }
                }
                _ => {
                    self.bytes += 1;
                    if self.bytes > MOST_BYTES {
                        return Err(Odd::Long);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(events)
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Event>, Odd> {
        let mut line = std::str::from_utf8(line).map_err(|_| Odd::NoText)?;
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            self.bytes = 0;
            let event = std::mem::take(&mut self.event);
            return Ok((event != Event::default()).then_some(event));
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let event = &mut self.event;
        match name {
            "" => event.comment = true,
            "event" => event.kind = Some(value.to_owned()),
            "id" if !value.contains('\0') => event.id = Some(value.to_owned()),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                event.retry = Some(value.to_owned())
            }
            "data" => match &mut event.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => event.data = Some(value.to_owned()),
            },
            _ => {}
        }
        Ok(None)
    }
}

impl Event {
    /// The same event with this in it.
    pub(super) fn with(self, data: String) -> Self {
        Self { data: Some(data), ..self }
    }

    /// The same event under the id that this makes of its own.
    pub(super) fn called(self, id: impl FnOnce(&str) -> Option<String>) -> Self {
        Self { id: self.id.as_deref().and_then(id), ..self }
    }

    /// The same event without what it carries: a client notes its id.
    pub(super) fn emptied(self) -> Self {
        Self { kind: None, data: None, comment: true, ..self }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut line = |name: &str, value: &str| {
            for part in [name.as_bytes(), b": ", value.as_bytes(), b"\n"] {
                out.extend_from_slice(part);
            }
        };
        if self.comment {
            line("", "");
        }
        for (name, value) in [("event", &self.kind), ("id", &self.id), ("retry", &self.retry)] {
            if let Some(value) = value {
                line(name, value);
            }
        }
        if let Some(data) = &self.data {
            data.split('\n').for_each(|part| line("data", part));
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn events_are_written_as_they_are_read() {
        for (text, expected) in [
            ("data: a\n\n", "data: a\n\n"),
            ("data:a\r\n\r\n", "data: a\n\n"),
            ("data:a\r\rdata\r\r", "data: a\n\ndata: \n\n"),
            ("\u{feff}data: a\n\n", "data: a\n\n"),
            (
                "event: message\nid: 1\nretry: 5\nother: x\ndata: {\ndata: }\n\n",
                "event: message\nid: 1\nretry: 5\ndata: {\ndata: }\n\n",
            ),
            (": here\n\n", ": \n\n"),
            ("id: 1\n\n", "id: 1\n\n"),
            ("id: a\0b\ndata:  a\n\n", "data:  a\n\n"),
            ("data: a\n", ""),
            ("\n\n\n", ""),
            ("Data: a\n\n", ""),
        ] {
            for size in [1, 2, text.len()] {
                let (mut splitter, mut out) = (Splitter::default(), Vec::new());
                for piece in text.as_bytes().chunks(size) {
                    splitter.push(piece).unwrap().iter().for_each(|event| event.write(&mut out));
                }
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn what_has_no_end_is_not_kept() {
        let mut splitter = Splitter::default();
        let piece = vec![b'a'; 1 << 20];
        let odd = (0..17).find_map(|_| splitter.push(&piece).err());
        assert_eq!(odd, Some(Odd::Long));
        let mut splitter = Splitter::default();
        let lines = b"data: aaaaaaaaaa\n".repeat(1 << 16);
        assert_eq!((0..17).find_map(|_| splitter.push(&lines).err()), Some(Odd::Long));
        assert_eq!(Splitter::default().push(b"data: \xff\n"), Err(Odd::NoText));
    }
}
