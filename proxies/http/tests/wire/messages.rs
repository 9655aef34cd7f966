//! Requests and answers of HTTP/1.1 as bytes.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use crate::house::authorization;

/// `{h}` in a text: the fields that every request needs.
pub fn fields() -> String {
    format!("host: api.test\r\n{}", authorization())
}

/// A client that reads answers one by one.
pub struct Client {
    pub stream: TcpStream,
    read: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Client {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// Sends a text, each character a byte, with `{h}` and `{ana}` written out. At `{end}` it says that it sends nothing more.
    pub fn send(&mut self, text: &str) {
        let whole = text.replace("{h}", &fields()).replace("{ana}", &authorization());
        let (text, ends) = match whole.strip_suffix("{end}") {
            Some(text) => (text, true),
            None => (&*whole, false),
        };
        let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect();
        // The other side may have closed already: what it said is read all the same.
        let _ = self.stream.write_all(&bytes);
        if ends {
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    /// The next answer; none when the connection ends instead.
    pub fn answer(&mut self, is_head: bool) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&self.read[..end]).to_lowercase();
        self.read.drain(..end + 4);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok())?;
        let field = |name: &str| {
            let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
            lines.find(|(field, _)| *field == name).map(|(_, value)| value.to_owned())
        };
        let mut body = Vec::new();
        if is_head || status < 200 || status == 204 || status == 304 {
        } else if let Some(length) = field("content-length") {
            body = self.exactly(length.parse().ok()?)?;
        } else if field("transfer-encoding").is_some() {
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(&size, 16).ok()?;
                body.extend(self.exactly(size)?);
                self.exactly(2)?;
                if size == 0 {
                    break;
                }
            }
        } else {
            while self.more().is_some() {}
            body = std::mem::take(&mut self.read);
        }
        Some(Answer { status, head, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Whether the other side closes now, with nothing more to say.
    pub fn is_closed(&mut self) -> bool {
        let mut piece = [0; 1024];
        self.read.is_empty()
            && match self.stream.read(&mut piece) {
                Ok(count) => count == 0,
                Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
            }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|window| window == b"\r\n") {
                let line = String::from_utf8_lossy(&self.read[..end]).into_owned();
                self.read.drain(..end + 2);
                return Some(line);
            }
            self.more()?;
        }
    }

    fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            self.more()?;
        }
        Some(self.read.drain(..count).collect())
    }

    fn more(&mut self) -> Option<()> {
        let mut piece = [0; 16 << 10];
        match self.stream.read(&mut piece) {
            Ok(count @ 1..) => self.read.extend_from_slice(&piece[..count]),
            _ => return None,
        }
        Some(())
    }
}
