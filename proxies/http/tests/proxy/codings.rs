//! Content codings: taken off where an answer is looked through.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::pin::Pin;

use async_compression::Level;
use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use async_compression::zstd::CParameter;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::house::{House, authorization};

const MASKED: &str = r#"
policy "masks"
default deny
allow "all" { by group "eng"  on http  do post on "/**" }
mask  "cards" { on http  values credit_card  with redact }
"#;

const TEXT: &str = "a card 4111 1111 1111 1111 and more";

async fn encoded(codings: &[&str], text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for coding in codings {
        let mut out = Vec::new();
        {
            let mut encoder: Pin<Box<dyn AsyncWrite + '_>> = match *coding {
                "gzip" => Box::pin(GzipEncoder::new(&mut out)),
                "deflate" => Box::pin(ZlibEncoder::new(&mut out)),
                "br" => Box::pin(BrotliEncoder::new(&mut out)),
                "zstd" => Box::pin(ZstdEncoder::new(&mut out)),
                _ => panic!("{coding}"),
            };
            encoder.write_all(&bytes).await.unwrap();
            encoder.shutdown().await.unwrap();
        }
        bytes = out;
    }
    bytes
}

fn send(house: &House, coding: &str, body: &[u8]) -> TcpStream {
    let head = format!(
        "POST /x HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\nx-coding: {coding}\r\n{}content-length: {}\r\n\r\n",
        authorization("ana"),
        body.len()
    );
    let mut stream = house.raw();
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    stream
}

fn ask(house: &House, coding: &str, body: &[u8]) -> String {
    let mut answer = Vec::new();
    let _ = send(house, coding, body).read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn masks_look_through_what_is_encoded() {
    let house = House::policed(MASKED).await;
    for codings in [&["gzip"][..], &["deflate"], &["br"], &["zstd"], &["gzip", "br"], &["zstd", "gzip", "br"]]
    {
        let answer = ask(&house, &codings.join(", "), &encoded(codings, TEXT.as_bytes()).await);
        assert!(answer.contains("a card [redacted] and more"), "{codings:?}: {answer}");
        assert!(!answer.contains("content-encoding"), "{codings:?}: {answer}");
    }
    for (coding, why) in
        [("lzma", "can't be looked through"), ("gzip, gzip, gzip, gzip", "can't be looked through")]
    {
        let answer = ask(&house, coding, TEXT.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 502") && answer.contains(why), "{coding}: {answer}");
    }
    let lie = ask(&house, "gzip", TEXT.as_bytes());
    assert!(!lie.contains("4111"), "{lie}");
}

/// A transfer coding is undone by who is nearest to the target, and what is not undone is not looked through.
#[tokio::test]
async fn what_a_target_encodes_for_its_connection_is_not_passed_on() {
    let house = House::policed(&MASKED.replace("do post", "do get, post")).await;
    let mut stream = house.raw();
    let request = format!(
        "GET /deflated HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n{}\r\n",
        authorization("ana")
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("can't be looked through"), "{answer}");
}

/// A text whose characters are not those that masks look for.
#[tokio::test]
async fn masks_do_not_guess_at_characters() {
    let house = House::policed(MASKED).await;
    let wide: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (kind, body, is_shown) in [
        ("text/plain; charset=utf-8", TEXT.as_bytes(), true),
        ("text/plain; charset=utf-16le", &wide, false),
        ("text/plain; charset=utf-7", TEXT.as_bytes(), false),
        ("text/plain", &[b"\xff\xfe", wide.as_slice()].concat(), false),
        ("text/plain", &wide, false),
        // Of two types a client may believe either.
        ("text/plain\r\nx-type-too: image/png", TEXT.as_bytes(), false),
    ] {
        let head = format!(
            "POST /x HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\nx-coding: identity\r\nx-type: {kind}\r\n{}\
             content-length: {}\r\n\r\n",
            authorization("ana"),
            body.len()
        );
        let mut stream = house.raw();
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).replace('\0', "");
        assert_eq!(answer.contains("a card [redacted]"), is_shown, "{kind}: {answer}");
        assert!(!answer.contains("1111"), "{kind}: {answer}");
    }
}

/// What refers further back than any answer may (RFC 9659, section 3) would have that much kept in memory.
#[tokio::test]
async fn a_wide_window_is_not_opened() {
    let house = House::policed(MASKED).await;
    for (window, is_shown) in [(23, true), (24, false)] {
        let mut out = Vec::new();
        let parameters = [CParameter::window_log(window)];
        let mut encoder = ZstdEncoder::with_quality_and_params(&mut out, Level::Default, &parameters);
        encoder.write_all(TEXT.as_bytes()).await.unwrap();
        // What is known to be short is given a window of its length.
        encoder.flush().await.unwrap();
        encoder.shutdown().await.unwrap();
        let answer = ask(&house, "zstd", &out);
        assert_eq!(answer.contains("a card [redacted]"), is_shown, "{window}: {answer}");
    }
}

/// Eight megabytes are eight kilobytes over the wire: they stream through, and what is held of them at a time is bounded.
#[tokio::test]
async fn a_bomb_streams_through() {
    let house = House::policed(MASKED).await;
    let bomb = encoded(&["gzip"], &vec![b'x'; 8 << 20]).await;
    assert!(bomb.len() < 10_000, "{}", bomb.len());
    let before = resident();
    let mut stream = send(&house, "gzip", &bomb);
    let (mut piece, mut total) = (vec![0; 64 << 10], 0);
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        total += read;
    }
    assert!(total > 8 << 20, "{total}");
    let grown = resident().saturating_sub(before);
    assert!(grown < 6 << 20, "{} KiB", grown >> 10);
}

/// What this process holds in memory, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
