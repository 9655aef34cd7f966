//! Peers that keep no rule: raw bytes over TCP, from either side.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a peer waits for bytes before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection on which a test says exactly what it likes.
#[derive(Debug)]
pub struct Raw(TcpStream);

impl Raw {
    /// Connects to `address`.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).expect("a connection"))
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self(stream)
    }

    /// Sends `bytes` as they are. A peer that has hung up already is no error here.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// A second handle on the same connection, for a thread that writes while this one reads.
    #[must_use]
    pub fn split(&self) -> Self {
        Self(self.0.try_clone().expect("another handle"))
    }

    /// Reads exactly `count` bytes.
    #[must_use]
    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("more bytes");
        bytes
    }

    /// Reads one message: its type and its body.
    #[must_use]
    pub fn message(&mut self) -> (u8, Vec<u8>) {
        let header: [u8; 5] = self.read(5).try_into().expect("five bytes");
        let [tag, length @ ..] = header;
        let length = u32::from_be_bytes(length) as usize;
        (tag, self.read(length.checked_sub(4).expect("a length of at least four")))
    }

    /// Reads messages up to and including the first of type `last`.
    #[must_use]
    pub fn until(&mut self, last: u8) -> Vec<(u8, Vec<u8>)> {
        let mut messages = Vec::new();
        loop {
            let message = self.message();
            let found = message.0 == last;
            messages.push(message);
            if found {
                return messages;
            }
        }
    }

    /// Reads to the end of the connection.
    #[must_use]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("still open: {bytes:?}"),
            // A reset is an end too.
            _ => bytes,
        }
    }
}

/// Frames `body` as a message of type `tag`.
#[must_use]
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&u32::try_from(body.len() + 4).expect("a short body").to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A version 3.0 startup packet of `pairs`.
#[must_use]
pub fn startup(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (key, value) in pairs {
        for part in [key, value] {
            body.extend_from_slice(part.as_bytes());
            body.push(0);
        }
    }
    body.push(0);
    let mut bytes = u32::try_from(body.len() + 4).expect("a short packet").to_be_bytes().to_vec();
    bytes.append(&mut body);
    bytes
}

/// A fake server: each connection it accepts is handed to the test's script, on a thread.
#[derive(Debug)]
pub struct FakeServer {
    /// Where it listens.
    pub address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl FakeServer {
    /// Plays `script` to the first connection.
    #[must_use]
    pub fn once(script: impl FnOnce(Raw) + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a connection");
            script(Raw::new(stream));
        });
        Self { address, thread: Some(thread) }
    }

    /// Waits for the script's end, and fails if it failed.
    pub fn finish(mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server's script");
        }
    }
}
