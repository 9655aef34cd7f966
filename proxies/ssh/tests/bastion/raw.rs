//! A client that keeps no rule: SSH's transport by hand (RFC 4253, curve25519-sha256 and aes128-gcm@openssh.com), so that any
//! message can be sent in any state.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis_testkit::ssh::{Certificate, Key};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::Ed25519KeyPair;
use russh::keys::ssh_key::private::Ed25519Keypair;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long the other side may take to answer or to hang up.
const PATIENCE: Duration = Duration::from_secs(20);
const VERSION: &str = "SSH-2.0-Raw";
const TAG: usize = 16;

pub mod number {
    pub const DISCONNECT: u8 = 1;
    pub const IGNORE: u8 = 2;
    pub const SERVICE_REQUEST: u8 = 5;
    pub const SERVICE_ACCEPT: u8 = 6;
    pub const KEXINIT: u8 = 20;
    pub const NEWKEYS: u8 = 21;
    pub const ECDH_INIT: u8 = 30;
    pub const ECDH_REPLY: u8 = 31;
    pub const AUTH_REQUEST: u8 = 50;
    pub const AUTH_FAILURE: u8 = 51;
    pub const AUTH_SUCCESS: u8 = 52;
    pub const AUTH_INFO_REQUEST: u8 = 60;
    pub const GLOBAL_REQUEST: u8 = 80;
    pub const REQUEST_SUCCESS: u8 = 81;
    pub const REQUEST_FAILURE: u8 = 82;
    pub const CHANNEL_OPEN: u8 = 90;
    pub const CHANNEL_CONFIRMATION: u8 = 91;
    pub const CHANNEL_OPEN_FAILURE: u8 = 92;
    pub const CHANNEL_DATA: u8 = 94;
    pub const CHANNEL_EXTENDED_DATA: u8 = 95;
    pub const CHANNEL_EOF: u8 = 96;
    pub const CHANNEL_CLOSE: u8 = 97;
    pub const CHANNEL_REQUEST: u8 = 98;
    pub const CHANNEL_SUCCESS: u8 = 99;
    pub const CHANNEL_FAILURE: u8 = 100;
}

/// A message that is being written.
#[derive(Clone)]
pub struct Message(pub Vec<u8>);

impl Message {
    pub fn new(number: u8) -> Self {
        Self(vec![number])
    }

    pub fn string(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.0.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        self.0.extend(bytes);
        self
    }

    pub fn number(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub fn flag(mut self, flag: bool) -> Self {
        self.0.push(flag.into());
        self
    }
}

/// One direction's keys.
struct Cipher {
    key: LessSafeKey,
    iv: [u8; 12],
}

impl Cipher {
    fn nonce(&mut self) -> Nonce {
        let nonce = self.iv;
        let (_, counter) = self.iv.split_last_chunk_mut::<8>().unwrap();
        *counter = u64::from_be_bytes(*counter).wrapping_add(1).to_be_bytes();
        Nonce::assume_unique_for_key(nonce)
    }
}

/// What was heard of one channel.
#[derive(Debug, Default)]
pub struct Said {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub status: Option<u32>,
    /// Answers to requests: success or failure.
    pub answers: Vec<bool>,
    /// How often its end was told.
    pub ends: usize,
    pub closed: bool,
}

impl Said {
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// The client.
pub struct Peer {
    stream: TcpStream,
    server_version: String,
    offers: (Vec<u8>, Vec<u8>),
    session: Vec<u8>,
    sealing: Option<Cipher>,
    opening: Option<Cipher>,
    agreed: Option<(Cipher, Cipher)>,
    channels: u32,
    /// What is offered beside the key exchange itself: `kex-strict-c-v00@openssh.com`, or nothing.
    pub strict: bool,
}

impl Peer {
    /// Connects and says its version.
    pub async fn greet(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(format!("{VERSION}\r\n").as_bytes()).await.unwrap();
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            line.push(stream.read_u8().await.unwrap());
        }
        let server_version = String::from_utf8(line).unwrap().trim_end().to_owned();
        Self {
            stream,
            server_version,
            offers: Default::default(),
            session: Vec::new(),
            sealing: None,
            opening: None,
            agreed: None,
            channels: 0,
            strict: true,
        }
    }

    /// Through the first key exchange.
    pub async fn encrypted(address: SocketAddr) -> Self {
        let mut peer = Self::greet(address).await;
        peer.exchange().await;
        peer
    }

    /// Logged in.
    pub async fn logged_in(address: SocketAddr, user: &str, key: &Key) -> Self {
        Self::proven(address, |peer| peer.proof(user, key, true)).await
    }

    /// The same by a certificate of the key.
    pub async fn certified(address: SocketAddr, user: &str, key: &Key, certificate: &Certificate) -> Self {
        let certificate = russh::keys::Certificate::from_openssh(&certificate.text).unwrap();
        let blob = certificate.to_bytes().unwrap();
        Self::proven(address, |peer| peer.signed(user, key, "ssh-ed25519-cert-v01@openssh.com", &blob)).await
    }

    async fn proven(address: SocketAddr, proof: impl FnOnce(&Self) -> Message) -> Self {
        let mut peer = Self::encrypted(address).await;
        peer.ask_for_authentication().await;
        peer.send(&proof(&peer)).await;
        let answer = peer.receive().await.expect("an answer");
        assert_eq!(answer[0], number::AUTH_SUCCESS);
        peer
    }

    pub async fn send(&mut self, message: &Message) {
        let payload = &message.0;
        let ahead = if self.sealing.is_some() { 0 } else { 4 };
        let block = if self.sealing.is_some() { 16 } else { 8 };
        let mut padding = block - (ahead + 1 + payload.len()) % block;
        if padding < 4 {
            padding += block;
        }
        let length = u32::try_from(1 + payload.len() + padding).unwrap().to_be_bytes();
        let mut packet = vec![u8::try_from(padding).unwrap()];
        packet.extend(payload);
        packet.resize(1 + payload.len() + padding, 0);
        if let Some(cipher) = &mut self.sealing {
            let nonce = cipher.nonce();
            cipher.key.seal_in_place_append_tag(nonce, Aad::from(length), &mut packet).unwrap();
        }
        // Who has hung up already is no error here.
        let _ = self.stream.write_all(&[&length[..], &packet].concat()).await;
    }

    /// Waits until the other side has hung up.
    pub async fn hung_up(&mut self) {
        while self.receive().await.is_some() {}
    }

    /// The next message; `None` once the other side has hung up.
    pub async fn receive(&mut self) -> Option<Vec<u8>> {
        let read = tokio::time::timeout(PATIENCE, self.read()).await;
        read.expect("neither an answer nor an end")
    }

    async fn read(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await.ok()?;
        let tag = if self.opening.is_some() { TAG } else { 0 };
        let mut packet = vec![0; u32::from_be_bytes(length) as usize + tag];
        self.stream.read_exact(&mut packet).await.ok()?;
        if let Some(cipher) = &mut self.opening {
            let nonce = cipher.nonce();
            cipher
                .key
                .open_in_place(nonce, Aad::from(length), &mut packet)
                .expect("a packet under these keys");
            packet.truncate(packet.len() - TAG);
        }
        let padding = packet[0] as usize;
        Some(packet[1..packet.len() - padding].to_vec())
    }

    /// Messages up to the first of a kind; that one is what comes back.
    pub async fn until(&mut self, number: u8) -> Vec<u8> {
        loop {
            let message = self.receive().await.unwrap_or_else(|| panic!("no {number} before the end"));
            if message[0] == number {
                return message;
            }
        }
    }

    /// Everything until the other side hangs up, after this side has.
    pub async fn rest(mut self) -> Vec<Vec<u8>> {
        let _ = self.stream.shutdown().await;
        let mut messages = Vec::new();
        while let Some(message) = self.receive().await {
            messages.push(message);
        }
        messages
    }

    pub async fn exchange(&mut self) {
        self.offer().await;
        self.agree().await;
        self.renew().await;
    }

    /// KEXINIT, both ways.
    pub async fn offer(&mut self) {
        self.offer_or_end().await;
        assert!(!self.offers.1.is_empty(), "no KEXINIT before the end");
    }

    /// The same, of a server that may hang up.
    pub async fn offer_or_end(&mut self) {
        let mut cookie = [0; 16];
        SystemRandom::new().fill(&mut cookie).unwrap();
        let mut message = Message::new(number::KEXINIT);
        message.0.extend(cookie);
        let strict = if self.strict { ",kex-strict-c-v00@openssh.com" } else { "" };
        let kex = format!("curve25519-sha256{strict}");
        let (cipher, mac) = ("aes128-gcm@openssh.com", "hmac-sha2-256-etm@openssh.com");
        for list in [&kex, "ssh-ed25519", cipher, cipher, mac, mac, "none", "none", "", ""] {
            message = message.string(list);
        }
        let message = message.flag(false).number(0);
        self.send(&message).await;
        let mut theirs = Vec::new();
        while let Some(answer) = self.receive().await {
            if answer[0] == number::KEXINIT {
                theirs = answer;
                break;
            }
        }
        self.offers = (message.0, theirs);
    }

    /// The server's offers, as text.
    pub fn offered(&self) -> String {
        String::from_utf8_lossy(&self.offers.1).into_owned()
    }

    /// ECDH, both ways. The keys are in force with [`Peer::renew`].
    pub async fn agree(&mut self) {
        let own = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).unwrap();
        let public = own.compute_public_key().unwrap();
        self.send(&Message::new(number::ECDH_INIT).string(&public)).await;
        let reply = self.until(number::ECDH_REPLY).await;
        let mut rest = &reply[1..];
        let (host_key, theirs) = (string(&mut rest), string(&mut rest));
        let secret = agree_ephemeral(own, &UnparsedPublicKey::new(&X25519, &theirs), mpint).unwrap();
        let hashed = Message(Vec::new())
            .string(VERSION)
            .string(&self.server_version)
            .string(&self.offers.0)
            .string(&self.offers.1)
            .string(host_key)
            .string(&public)
            .string(theirs);
        let hash = digest(&SHA256, &[hashed.0, secret.clone()].concat());
        let hash = hash.as_ref();
        if self.session.is_empty() {
            self.session = hash.to_vec();
        }
        let derive = |letter: &[u8]| digest(&SHA256, &[&secret, hash, letter, &self.session].concat());
        let cipher = |iv: &[u8], key: &[u8]| Cipher {
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &derive(key).as_ref()[..16]).unwrap()),
            iv: derive(iv).as_ref()[..12].try_into().unwrap(),
        };
        self.agreed = Some((cipher(b"A", b"C"), cipher(b"B", b"D")));
    }

    /// NEWKEYS, both ways.
    pub async fn renew(&mut self) {
        let (sealing, opening) = self.agreed.take().unwrap();
        self.send(&Message::new(number::NEWKEYS)).await;
        self.sealing = Some(sealing);
        self.until(number::NEWKEYS).await;
        self.opening = Some(opening);
    }

    pub async fn ask_for_authentication(&mut self) {
        self.send(&Message::new(number::SERVICE_REQUEST).string("ssh-userauth")).await;
        self.until(number::SERVICE_ACCEPT).await;
    }

    /// A request to log in by a key: offered only, or proven.
    pub fn proof(&self, user: &str, key: &Key, proven: bool) -> Message {
        let blob = Message(Vec::new()).string("ssh-ed25519").string(pair(key).public.0).0;
        if proven {
            self.signed(user, key, "ssh-ed25519", &blob)
        } else {
            asked(user, "ssh-ed25519", &blob, false)
        }
    }

    /// A request that proves a key, which is shown as `blob`.
    fn signed(&self, user: &str, key: &Key, algorithm: &str, blob: &[u8]) -> Message {
        let request = asked(user, algorithm, blob, true);
        let signer = Ed25519KeyPair::from_seed_unchecked(&pair(key).private.to_bytes()).unwrap();
        let signed = signer.sign(&[Message(Vec::new()).string(&self.session).0, request.0.clone()].concat());
        request.string(Message(Vec::new()).string("ssh-ed25519").string(signed.as_ref()).0)
    }

    /// Opens a session channel.
    pub async fn session(&mut self) -> Line {
        self.session_or_end().await.expect("a channel")
    }

    /// The same, of a server that may hang up.
    pub async fn session_or_end(&mut self) -> Option<Line> {
        let ours = self.channels;
        self.channels += 1;
        let open = Message::new(number::CHANNEL_OPEN).string("session").number(ours);
        self.send(&open.number(1 << 30).number(32_768)).await;
        loop {
            let answer = self.receive().await?;
            if answer[0] == number::CHANNEL_CONFIRMATION {
                return Some(Line { ours, theirs: word(&mut &answer[5..]) });
            }
        }
    }

    /// Opens a channel of any kind; `None` where that is refused.
    pub async fn open(&mut self, kind: &str, rest: impl FnOnce(Message) -> Message) -> Option<Line> {
        let ours = self.channels;
        self.channels += 1;
        let open =
            Message::new(number::CHANNEL_OPEN).string(kind).number(ours).number(1 << 30).number(32_768);
        self.send(&rest(open)).await;
        loop {
            let answer = self.receive().await.expect("an answer");
            match answer[0] {
                number::CHANNEL_CONFIRMATION => return Some(Line { ours, theirs: word(&mut &answer[5..]) }),
                number::CHANNEL_OPEN_FAILURE => return None,
                _ => {}
            }
        }
    }

    /// Takes the next channel that the other side opens.
    pub async fn take(&mut self, kind: &str) -> Line {
        let open = self.until(number::CHANNEL_OPEN).await;
        let mut rest = &open[1..];
        assert_eq!(String::from_utf8_lossy(&string(&mut rest)), kind);
        let line = Line { ours: self.channels, theirs: word(&mut rest) };
        self.channels += 1;
        let taken = Message::new(number::CHANNEL_CONFIRMATION).number(line.theirs).number(line.ours);
        self.send(&taken.number(1 << 30).number(32_768)).await;
        line
    }

    /// Asks for something of the whole connection; what is answered, `None` where it is refused.
    pub async fn ask(&mut self, what: &str, rest: impl FnOnce(Message) -> Message) -> Option<Vec<u8>> {
        self.send(&rest(Message::new(number::GLOBAL_REQUEST).string(what).flag(true))).await;
        loop {
            let answer = self.receive().await.expect("an answer");
            match answer[0] {
                number::REQUEST_SUCCESS => return Some(answer[1..].to_vec()),
                number::REQUEST_FAILURE => return None,
                _ => {}
            }
        }
    }

    /// Asks for something on a channel, with an answer.
    pub async fn request(&mut self, line: Line, what: &str, rest: impl FnOnce(Message) -> Message) {
        let message = Message::new(number::CHANNEL_REQUEST).number(line.theirs).string(what).flag(true);
        self.send(&rest(message)).await;
    }

    pub async fn exec(&mut self, line: Line, command: &str) {
        self.request(line, "exec", |message| message.string(command)).await;
    }

    pub async fn data(&mut self, line: Line, bytes: &[u8]) {
        self.send(&Message::new(number::CHANNEL_DATA).number(line.theirs).string(bytes)).await;
    }

    pub async fn eof(&mut self, line: Line) {
        self.send(&Message::new(number::CHANNEL_EOF).number(line.theirs)).await;
    }

    pub async fn close(&mut self, line: Line) {
        self.send(&Message::new(number::CHANNEL_CLOSE).number(line.theirs)).await;
    }

    /// Hears a channel until something holds of it, or it is closed.
    pub async fn hear(&mut self, line: Line, enough: impl Fn(&Said) -> bool) -> Said {
        let mut said = Said::default();
        while !said.closed && !enough(&said) {
            let Some(message) = self.receive().await else { break };
            let mut rest = &message[1..];
            if message[0] == number::GLOBAL_REQUEST {
                self.send(&Message::new(number::REQUEST_FAILURE)).await;
            }
            if message[0] < number::CHANNEL_DATA || word(&mut rest) != line.ours {
                continue;
            }
            match message[0] {
                number::CHANNEL_DATA => said.stdout.extend(string(&mut rest)),
                number::CHANNEL_EXTENDED_DATA => {
                    let _ = word(&mut rest);
                    said.stderr.extend(string(&mut rest));
                }
                number::CHANNEL_EOF => said.ends += 1,
                number::CHANNEL_CLOSE => said.closed = true,
                number::CHANNEL_SUCCESS => said.answers.push(true),
                number::CHANNEL_FAILURE => said.answers.push(false),
                number::CHANNEL_REQUEST if string(&mut rest) == b"exit-status" => {
                    rest = &rest[1..];
                    said.status = Some(word(&mut rest));
                }
                _ => {}
            }
        }
        said
    }

    /// Hears a channel to its end.
    pub async fn end(&mut self, line: Line) -> Said {
        let said = self.hear(line, |_| false).await;
        assert!(said.closed, "{said:?}");
        said
    }
}

/// A channel, by both its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub ours: u32,
    pub theirs: u32,
}

/// A request to log in by what `blob` holds, up to where a signature would stand.
fn asked(user: &str, algorithm: &str, blob: &[u8], proven: bool) -> Message {
    Message::new(number::AUTH_REQUEST)
        .string(user)
        .string("ssh-connection")
        .string("publickey")
        .flag(proven)
        .string(algorithm)
        .string(blob)
}

fn pair(key: &Key) -> Ed25519Keypair {
    let private = russh::keys::decode_secret_key(&key.private, None).unwrap();
    private.key_data().ed25519().expect("an Ed25519 key").clone()
}

fn word(rest: &mut &[u8]) -> u32 {
    let (word, more) = rest.split_first_chunk().unwrap();
    *rest = more;
    u32::from_be_bytes(*word)
}

fn string(rest: &mut &[u8]) -> Vec<u8> {
    let length = word(rest) as usize;
    let (string, more) = rest.split_at(length);
    *rest = more;
    string.to_vec()
}

/// A number without a sign, as RFC 4251, section 5, has it.
fn mpint(bytes: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    let sign = digits.first().is_some_and(|first| first & 0x80 != 0);
    Message(Vec::new()).string([if sign { &[0][..] } else { &[] }, &digits].concat()).0
}
