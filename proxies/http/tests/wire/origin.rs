//! An origin that takes nothing but what RFC 9112 calls a message, and remembers what it was sent.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Listens until the process ends.
pub struct Origin {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request that came whole.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `POST /x [body]`
    pub line: String,
    /// Its head, up to the empty line.
    pub head: String,
}

impl Origin {
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let all = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let seen = Arc::clone(&all);
                std::thread::spawn(move || carry(stream.unwrap(), &seen));
            }
        });
        Self { port, seen }
    }

    /// What it was asked since this was called last.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

/// Answers on a connection, until it ends or nothing more can be understood.
fn carry(mut stream: TcpStream, seen: &Mutex<Vec<Seen>>) {
    let mut read = Vec::new();
    while let Some((request, length)) = next(&mut stream, &mut read) {
        read.drain(..length);
        let is_head = request.head.starts_with("HEAD ");
        let is_odd = request.line.starts_with("odd:");
        seen.lock().unwrap().push(request);
        let body = if is_head { "" } else { "ok\n" };
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{body}");
        if is_odd || stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The next whole request, and how much of what was read it is. What can't be one is remembered as odd.
fn next(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<(Seen, usize)> {
    let end = loop {
        if let Some(end) = find(read, b"\r\n\r\n") {
            break end;
        }
        more(stream, read)?;
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let odd = |why: &str, length| Some((Seen { line: format!("odd: {why}"), head: head.clone() }, length));
    if head.replace("\r\n", "").contains(['\r', '\n', '\0']) {
        return odd("a bare CR, LF or NUL", end + 4);
    }
    let field = |name: &str| -> Vec<String> {
        let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    };
    let start = end + 4;
    let (body, length) = match (field("content-length").as_slice(), field("transfer-encoding").as_slice()) {
        ([], []) => (Vec::new(), start),
        ([length], []) => {
            let Ok(length) = length.parse::<usize>() else { return odd("its length", start) };
            while read.len() < start + length {
                more(stream, read)?;
            }
            (read[start..start + length].to_vec(), start + length)
        }
        ([], [chunked]) if chunked == "chunked" => {
            let mut at = start;
            let mut body = Vec::new();
            loop {
                let line = line(stream, read, at)?;
                let Ok(size) = usize::from_str_radix(&String::from_utf8_lossy(&read[at..line]), 16) else {
                    return odd("a chunk's size", at);
                };
                at = line + 2;
                while read.len() < at + size + 2 {
                    more(stream, read)?;
                }
                body.extend_from_slice(&read[at..at + size]);
                if &read[at + size..at + size + 2] != b"\r\n" {
                    return odd("a trailer, or no end of a chunk", at);
                }
                at += size + 2;
                if size == 0 {
                    break (body, at);
                }
            }
        }
        _ => return odd("its length is said twice", start),
    };
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let line = format!("{method} {target} [{}]", String::from_utf8_lossy(&body));
    Some((Seen { line, head }, length))
}

/// Where the line that begins here ends.
fn line(stream: &mut TcpStream, read: &mut Vec<u8>, at: usize) -> Option<usize> {
    loop {
        if let Some(end) = find(&read[at..], b"\r\n") {
            return Some(at + end);
        }
        more(stream, read)?;
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 16 << 10];
    match stream.read(&mut piece) {
        Ok(count @ 1..) => read.extend_from_slice(&piece[..count]),
        _ => return None,
    }
    Some(())
}
