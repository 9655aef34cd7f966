//! Who asks: a local user, by basic authentication.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::{AUTHORIZATION, HeaderMap};
use policy_core::Principal;
use portcullis_gateway::identity::{IdentityError, IdentitySource};

/// The longest credentials that are looked at, in bytes.
const LONGEST: usize = 4 << 10;

/// Why nobody is let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("nobody was proven")]
    Unproven,
    #[error("credentials are shown as `authorization: Basic …`")]
    Absent,
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// What a request shows for who sends it.
pub(crate) fn shown(fields: &HeaderMap) -> Result<&[u8], Refused> {
    let mut all = fields.get_all(AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (Some(only), None) if only.len() <= LONGEST => Ok(only.as_bytes()),
        (None, _) => Err(Refused::Absent),
        _ => Err(Refused::Unproven),
    }
}

/// Proves it.
pub(crate) async fn prove(identity: &dyn IdentitySource, shown: &[u8]) -> Result<Principal, Refused> {
    let text = std::str::from_utf8(shown).map_err(|_| Refused::Unproven)?;
    let (scheme, encoded) = text.split_once(' ').ok_or(Refused::Absent)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Refused::Absent);
    }
    let decoded = BASE64.decode(encoded.trim()).map_err(|_| Refused::Unproven)?;
    let decoded = String::from_utf8(decoded).map_err(|_| Refused::Unproven)?;
    let (name, password) = decoded.split_once(':').ok_or(Refused::Unproven)?;
    let claim = identity.claim(name).await?;
    claim.prove_by_password(password).ok_or(Refused::Unproven)
}
