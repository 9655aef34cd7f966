//! Plain text or TLS, before anything is said.
//!
//! Every packet is read to its last byte and no further, so nothing that was sent in plain text can pass for something
//! that came encrypted (CVE-2021-23214).

use std::sync::Arc;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Rejected, refuse};
use crate::refuse::{Refusal, SqlState};
use crate::settings::{ServerTls, Settings};
use crate::transport::Transport;
use crate::wire::Malformed;
use crate::wire::startup::{First, LARGEST_PACKET};

/// The first byte of a TLS handshake record; no startup packet is long enough to begin with it.
const TLS_HANDSHAKE: u8 = 0x16;

pub(super) enum Negotiated {
    Cancel {
        transport: Transport,
        process: u32,
        secret: Vec<u8>,
    },
    Startup {
        transport: Transport,
        /// Over TLS: what SCRAM can be bound to.
        binding: Option<Arc<[u8]>>,
        /// The startup packet, without its length.
        packet: Vec<u8>,
    },
}

pub(super) async fn negotiate(mut stream: TcpStream, settings: &Settings) -> Result<Negotiated, Rejected> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first == [TLS_HANDSHAKE] {
        let Some(tls) = &settings.tls else {
            return Err(Malformed::Field("length").into());
        };
        return encrypted(stream, tls, true).await;
    }
    // One question about each kind of encryption, then the startup packet.
    let (mut may_ask_tls, mut may_ask_gss) = (true, true);
    loop {
        let packet = read_packet(&mut stream).await?;
        match First::decode(&packet)? {
            First::Tls if may_ask_tls => {
                may_ask_tls = false;
                let Some(tls) = &settings.tls else {
                    stream.write_all(b"N").await?;
                    continue;
                };
                refuse_stuffed(&stream)?;
                stream.write_all(b"S").await?;
                return encrypted(stream, tls, false).await;
            }
            First::Gss if may_ask_gss => {
                may_ask_gss = false;
                refuse_stuffed(&stream)?;
                stream.write_all(b"N").await?;
            }
            First::Tls | First::Gss => return Err(Malformed::Field("repeated request for encryption").into()),
            First::Cancel { process, secret } => {
                let (transport, secret) = (Transport::Tcp(stream), secret.to_vec());
                return Ok(Negotiated::Cancel { transport, process, secret });
            }
            First::Startup(_) if settings.allow_plaintext => {
                return Ok(Negotiated::Startup { transport: Transport::Tcp(stream), binding: None, packet });
            }
            First::Startup(_) => {
                let refusal =
                    Refusal::new(SqlState::AUTHORIZATION, "this gateway takes connections by TLS only")
                        .hint("connect with `sslmode=require`, or better `verify-full`");
                return Err(refuse(&mut Transport::Tcp(stream), refusal).await);
            }
        }
    }
}

async fn encrypted(stream: TcpStream, tls: &ServerTls, is_direct: bool) -> Result<Negotiated, Rejected> {
    let acceptor = TlsAcceptor::from(tls.config.clone());
    let mut stream = acceptor.accept(stream).await.map_err(Rejected::Handshake)?;
    // Without a request before it, only ALPN tells that the client means PostgreSQL at all.
    if is_direct && stream.get_ref().1.alpn_protocol() != Some(ServerTls::ALPN) {
        return Err(Malformed::Field("ALPN protocol").into());
    }
    let packet = read_packet(&mut stream).await?;
    match First::decode(&packet)? {
        First::Cancel { process, secret } => {
            let (transport, secret) = (Transport::ClientLeg(Box::new(stream)), secret.to_vec());
            Ok(Negotiated::Cancel { transport, process, secret })
        }
        First::Startup(_) => Ok(Negotiated::Startup {
            transport: Transport::ClientLeg(Box::new(stream)),
            binding: tls.binding.clone(),
            packet,
        }),
        First::Tls | First::Gss => Err(Malformed::Field("request for encryption within TLS").into()),
    }
}

/// Bytes that came before the answer can't be part of what follows it.
fn refuse_stuffed(stream: &TcpStream) -> Result<(), Rejected> {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    match SockRef::from(stream).peek(&mut byte) {
        Ok(0) => Ok(()),
        Ok(_) => Err(Rejected::Stuffed),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn read_packet(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<Vec<u8>, Rejected> {
    let length = stream.read_u32().await?;
    let body = length.checked_sub(4).ok_or(Malformed::Length(length))?;
    let body = usize::try_from(body).unwrap_or(usize::MAX);
    if body > LARGEST_PACKET {
        return Err(Malformed::TooLong { tag: b' ', length, cap: LARGEST_PACKET as u32 }.into());
    }
    let mut packet = vec![0; body];
    stream.read_exact(&mut packet).await?;
    Ok(packet)
}
