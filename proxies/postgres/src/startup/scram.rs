//! SCRAM-SHA-256, the server's side: the client proves its password, and the gateway that it knows its verifier.
//!
//! Source: RFC 5802 and RFC 7677; PostgreSQL documentation, "SASL Authentication". As in PostgreSQL, the user name is that
//! of the startup packet, and the one inside the exchange is ignored.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use policy_core::Principal;
use portcullis_gateway::identity::Claim;
use portcullis_gateway::throttle::Place;
use ring::rand::{SecureRandom, SystemRandom};

use super::{Rejected, refuse};
use crate::cancel::is_same;
use crate::exchange;
use crate::refuse::{Refusal, SqlState};
use crate::transport::Transport;
use crate::wire::make;

const PLAIN: &str = "SCRAM-SHA-256";
const BOUND: &str = "SCRAM-SHA-256-PLUS";
/// The most bytes of one of the client's messages.
const MESSAGE: usize = 4 << 10;

/// Lets the client prove that it is `user`. Users that don't exist have a claim too, which nothing proves; nor does anything
/// where the client's address has guessed too often.
pub(super) async fn verify(
    transport: &mut Transport,
    user: &str,
    claim: Claim,
    binding: Option<Arc<[u8]>>,
    place: &Place,
) -> Result<Principal, Rejected> {
    let mut out = Vec::with_capacity(256);
    make::message(&mut out, b'R', |out| {
        out.extend_from_slice(&10_u32.to_be_bytes());
        if binding.is_some() {
            make::text(out, BOUND);
        }
        make::text(out, PLAIN);
        out.push(0);
    });
    exchange::send(transport, &out).await?;
    let (tag, body) = exchange::read(transport, MESSAGE).await?;
    let first =
        initial(tag, &body).and_then(|(mechanism, first)| First::read(mechanism, first, binding.as_deref()));
    let Some(first) = first else { return Err(broken(transport).await) };

    let verifier = claim.verifier();
    let Some(nonce) = nonce(first.nonce) else { return Err(broken(transport).await) };
    let challenge = format!("r={nonce},s={},i={}", BASE64.encode(verifier.salt()), verifier.iterations());
    send(transport, 11, &challenge).await?;

    let (tag, body) = exchange::read(transport, MESSAGE).await?;
    let last = std::str::from_utf8(&body).ok().filter(|_| tag == b'p').and_then(Last::read);
    let Some(last) = last else { return Err(broken(transport).await) };
    if last.nonce != nonce || !is_same(&last.binding, &first.expected_binding(binding.as_deref())) {
        return Err(broken(transport).await);
    }
    let message = format!("{},{challenge},{}", first.bare, last.without_proof);
    let attempt = place.attempt().await;
    let proven = attempt.as_ref().and_then(|_| claim.prove(message.as_bytes(), &last.proof));
    let Some(proven) = proven else {
        if let Some(attempt) = attempt {
            attempt.failed();
        }
        let text = format!("password authentication failed for user \"{user}\"");
        refuse(transport, Refusal::new(SqlState::PASSWORD, text)).await;
        return Err(Rejected::Password(user.to_owned()));
    };
    send(transport, 12, &format!("v={}", BASE64.encode(proven.server_signature))).await?;
    Ok(proven.principal)
}

/// The mechanism and the first message of a SASLInitialResponse.
fn initial(tag: u8, body: &[u8]) -> Option<(&str, &str)> {
    let end = body.iter().position(|&byte| byte == 0).filter(|_| tag == b'p')?;
    let (mechanism, rest) = body.split_at_checked(end)?;
    let (length, first) = rest.get(1..)?.split_first_chunk::<4>()?;
    if usize::try_from(u32::from_be_bytes(*length)) != Ok(first.len()) {
        return None;
    }
    Some((std::str::from_utf8(mechanism).ok()?, std::str::from_utf8(first).ok()?))
}

/// The client's first message: `gs2-header` and `client-first-message-bare`.
struct First<'a> {
    header: &'a str,
    is_bound: bool,
    bare: &'a str,
    nonce: &'a str,
}

impl<'a> First<'a> {
    /// Reads it, if it is in order for the mechanism chosen and for what was offered.
    fn read(mechanism: &str, text: &'a str, binding: Option<&[u8]>) -> Option<Self> {
        let (flag, rest) = text.split_once(',')?;
        let (authzid, bare) = rest.split_once(',')?;
        let is_bound = match (mechanism, flag) {
            (PLAIN, "n") => false,
            // "I could bind, but you did not offer it": somebody took the offer away, if it was made.
            (PLAIN, "y") if binding.is_none() => false,
            (BOUND, "p=tls-server-end-point") if binding.is_some() => true,
            _ => return None,
        };
        // No other identity, and no mandatory extension (`m=`).
        if !authzid.is_empty() || !bare.starts_with("n=") {
            return None;
        }
        let nonce = bare.split(',').nth(1)?.strip_prefix("r=").filter(|nonce| is_nonce(nonce))?;
        let header = text.get(..text.len() - bare.len())?;
        Some(Self { header, is_bound, bare, nonce })
    }

    fn expected_binding(&self, binding: Option<&[u8]>) -> Vec<u8> {
        let mut expected = self.header.as_bytes().to_vec();
        if self.is_bound {
            expected.extend_from_slice(binding.unwrap_or_default());
        }
        expected
    }
}

/// The client's last message.
struct Last<'a> {
    binding: Vec<u8>,
    nonce: &'a str,
    proof: [u8; 32],
    without_proof: &'a str,
}

impl<'a> Last<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut parts = without_proof.split(',');
        let binding = BASE64.decode(parts.next()?.strip_prefix("c=")?).ok()?;
        let nonce = parts.next()?.strip_prefix("r=")?;
        let proof = BASE64.decode(proof).ok()?.try_into().ok()?;
        Some(Self { binding, nonce, proof, without_proof })
    }
}

/// Printable ASCII without a comma, and enough of it to be one.
fn is_nonce(text: &str) -> bool {
    (8..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

fn nonce(client: &str) -> Option<String> {
    let mut random = [0; 18];
    SystemRandom::new().fill(&mut random).ok()?;
    Some(format!("{client}{}", BASE64.encode(random)))
}

async fn send(transport: &mut Transport, code: u32, text: &str) -> Result<(), Rejected> {
    let mut out = Vec::with_capacity(256);
    make::message(&mut out, b'R', |out| {
        out.extend_from_slice(&code.to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    });
    Ok(exchange::send(transport, &out).await?)
}

async fn broken(transport: &mut Transport) -> Rejected {
    refuse(transport, Refusal::new(SqlState::PROTOCOL, "malformed SCRAM message")).await
}
