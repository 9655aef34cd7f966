//! Getting in with the hidden credential, and no further than the target's part of the protocol goes.

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};

use super::dial::Binding;
use super::{Target, Unready, refused};
use crate::exchange;
use crate::transport::Transport;
use crate::wire::make;

/// The most bytes of one message of the exchange: bounds the nonce, the salt and the list of mechanisms.
const MESSAGE: usize = 8 << 10;

/// Proves the gateway to the target; with SCRAM, also that the target knows the password.
pub(super) async fn authenticate(
    transport: &mut Transport,
    target: &Target,
    binding: Binding,
) -> Result<(), Unready> {
    let password = target.credential.reveal();
    match request(transport).await? {
        Request::Ok => return Ok(()),
        Request::Cleartext if matches!(binding, Binding::Plain) => {
            return Err(Unready::Method("a cleartext password over a connection without TLS"));
        }
        Request::Cleartext => answer(transport, |out| make::text(out, password)).await?,
        Request::Md5(salt) => {
            let hash = md5_hash(target.user.as_bytes(), password.as_bytes(), salt);
            answer(transport, |out| make::text(out, &hash)).await?;
        }
        Request::Sasl(mechanisms) => scram(transport, password, binding, &mechanisms).await?,
        Request::SaslContinue(_) | Request::SaslFinal(_) => {
            return Err(Unready::Protocol("it continues an exchange that was not begun"));
        }
    }
    match request(transport).await? {
        Request::Ok => Ok(()),
        _ => Err(Unready::Protocol("it asks for a second proof")),
    }
}

async fn scram(
    transport: &mut Transport,
    password: &str,
    binding: Binding,
    mechanisms: &[u8],
) -> Result<(), Unready> {
    let offers = |name: &str| mechanisms.split(|&byte| byte == 0).any(|offer| offer == name.as_bytes());
    let (mechanism, binding) = match binding {
        Binding::Tls(Some(hash)) if offers(SCRAM_SHA_256_PLUS) => {
            (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(hash))
        }
        // "The client could have": a server that does offer binding, and sees this, knows of somebody between.
        Binding::Tls(Some(_)) if offers(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
        _ if offers(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unsupported()),
        _ => return Err(Unready::Method("a SASL mechanism other than SCRAM-SHA-256")),
    };
    let mut scram = ScramSha256::new(password.as_bytes(), binding);
    let first = scram.message().to_vec();
    answer(transport, |out| {
        make::text(out, mechanism);
        out.extend_from_slice(&u32::try_from(first.len()).unwrap_or_default().to_be_bytes());
        out.extend_from_slice(&first);
    })
    .await?;
    let Request::SaslContinue(challenge) = request(transport).await? else {
        return Err(Unready::Protocol("it broke the SCRAM exchange off"));
    };
    // Refuses more than 100,000 iterations before doing any of them.
    scram.update(&challenge).map_err(Unready::Scram)?;
    let proof = scram.message().to_vec();
    answer(transport, |out| out.extend_from_slice(&proof)).await?;
    let Request::SaslFinal(signature) = request(transport).await? else {
        return Err(Unready::Protocol("it lets the gateway in without proving that it knows the password"));
    };
    scram.finish(&signature).map_err(Unready::Scram)
}

/// What the target asks for.
enum Request {
    Ok,
    Cleartext,
    Md5([u8; 4]),
    Sasl(Vec<u8>),
    SaslContinue(Vec<u8>),
    SaslFinal(Vec<u8>),
}

async fn request(transport: &mut Transport) -> Result<Request, Unready> {
    let (tag, body) = exchange::read(transport, MESSAGE).await?;
    match tag {
        b'R' => {}
        b'E' => return Err(refused(&body)),
        _ => {
            return Err(Unready::Protocol("it sends other messages before it has authenticated the gateway"));
        }
    }
    let Some((code, rest)) = body.split_first_chunk::<4>() else {
        return Err(Unready::Protocol("it sends an authentication request without a code"));
    };
    match (u32::from_be_bytes(*code), rest) {
        (0, []) => Ok(Request::Ok),
        (3, []) => Ok(Request::Cleartext),
        (5, salt) => match salt.try_into() {
            Ok(salt) => Ok(Request::Md5(salt)),
            Err(_) => Err(Unready::Protocol("it sends an MD5 salt that is not four bytes")),
        },
        (10, mechanisms) => Ok(Request::Sasl(mechanisms.to_vec())),
        (11, data) => Ok(Request::SaslContinue(data.to_vec())),
        (12, data) => Ok(Request::SaslFinal(data.to_vec())),
        (2 | 7 | 8 | 9, _) => Err(Unready::Method("Kerberos, GSSAPI or SSPI")),
        _ => Err(Unready::Method("an unknown method")),
    }
}

async fn answer(transport: &mut Transport, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), Unready> {
    let mut out = Vec::with_capacity(256);
    make::message(&mut out, b'p', fill);
    exchange::send(transport, &out).await.map_err(Unready::Io)
}
