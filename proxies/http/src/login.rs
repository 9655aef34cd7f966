//! Who asks: a local user by password or token, or whoever a certificate or an identity provider's token names.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::{AUTHORIZATION, HeaderMap};
use portcullis_gateway::identity::{Identified, IdentityError, IdentitySource, TokenText, Verifier};
use portcullis_gateway::throttle::Full;
use ring::digest::{Context, SHA256};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

/// The longest credentials that are looked at, in bytes.
const LONGEST: usize = 4 << 10;

/// Why nobody is let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// With the account that is claimed, where there is one: what names none may be a secret in the wrong place, and is not repeated.
    #[error("nobody was proven")]
    Unproven { claimed: Option<Box<str>> },
    #[error("credentials are shown as `authorization: Bearer …` or `authorization: Basic …`")]
    Absent,
    #[error(transparent)]
    Often(#[from] Full),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// What a request shows for who sends it; nothing of it is believed yet, but that TLS has verified a certificate.
#[derive(Clone, Copy)]
pub(crate) enum Shown<'a> {
    /// A name and a password in base64 (RFC 7617).
    Basic(&'a str),
    /// A token (RFC 6750), opaque to everybody but the identity source.
    Bearer(&'a str),
    /// The certificate of the connection.
    Certificate(&'a CertificateDer<'a>),
}

/// Reads what a request shows. What stands in the request goes first; the certificate of its connection speaks for requests that
/// show nothing else.
pub(crate) fn shown<'a>(
    fields: &'a HeaderMap,
    certificate: Option<&'a CertificateDer<'a>>,
) -> Result<Shown<'a>, Refused> {
    let mut all = fields.get_all(AUTHORIZATION).iter();
    let only = match (all.next(), all.next()) {
        (Some(only), None) if only.len() <= LONGEST => only,
        (None, _) => return certificate.map(Shown::Certificate).ok_or(Refused::Absent),
        _ => return Err(Refused::Unproven { claimed: None }),
    };
    let (scheme, credentials) =
        only.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Refused::Absent)?;
    match scheme {
        _ if scheme.eq_ignore_ascii_case("basic") => Ok(Shown::Basic(credentials.trim())),
        _ if scheme.eq_ignore_ascii_case("bearer") => Ok(Shown::Bearer(credentials.trim())),
        _ => Err(Refused::Absent),
    }
}

/// Somebody who was proven. It is looked up for each request, so that nothing of it is copied.
#[derive(Clone)]
pub(crate) struct Proven {
    pub(crate) who: Arc<Identified>,
    /// What their password was proven by, where it was one: another is another password.
    pub(crate) verifier: Option<Arc<Verifier>>,
}

/// Proves it.
pub(crate) async fn prove(identity: &dyn IdentitySource, shown: Shown<'_>) -> Result<Proven, Refused> {
    let proven = match shown {
        Shown::Basic(encoded) => return basic(identity, encoded).await,
        Shown::Bearer(token) => identity.token(token).await?,
        Shown::Certificate(certificate) => identity.certificate(certificate).await?,
    };
    proven.map(without_password).ok_or(Refused::Unproven { claimed: None })
}

fn without_password(who: Identified) -> Proven {
    Proven { who: Arc::new(who), verifier: None }
}

/// A password, or a token of that very user: git, pip and many others know passwords only.
async fn basic(identity: &dyn IdentitySource, encoded: &str) -> Result<Proven, Refused> {
    let nobody = || Refused::Unproven { claimed: None };
    let decoded = Zeroizing::new(BASE64.decode(encoded).map_err(|_| nobody())?);
    let (name, password) = pair(&decoded).ok_or_else(nobody)?;
    let claim = identity.claim(name).await?;
    let claimed = claim.account().map(Into::into);
    let proven = if TokenText::is_meant(password) {
        let proven = identity.token(password).await?;
        proven.filter(|proven| *proven.principal.id == *name).map(without_password)
    } else {
        let verifier = Some(Arc::new(claim.verifier().clone()));
        claim.prove_by_password(password).map(|principal| {
            let who = Arc::new(Identified { principal, proof: "basic".into() });
            Proven { who, verifier }
        })
    };
    proven.ok_or(Refused::Unproven { claimed })
}

impl Proven {
    /// Who it is now; `None` where what was shown proves nobody any more.
    pub(crate) async fn still(&self, identity: &dyn IdentitySource) -> Result<Option<Self>, IdentityError> {
        let Self { who, verifier } = self;
        if let Some(verifier) = verifier
            && identity.claim(&who.principal.id).await?.verifier() != &**verifier
        {
            return Ok(None);
        }
        let now = identity.still(who).await?;
        Ok(now.map(|who| Self { who: Arc::new(who), verifier: verifier.clone() }))
    }
}

/// A name and a password, which may have a colon.
fn pair(decoded: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(decoded).ok()?.split_once(':')
}

impl Shown<'_> {
    /// A digest that only the same has.
    pub(crate) fn key(self) -> [u8; 32] {
        let (kind, bytes) = match self {
            Self::Basic(encoded) => (b"basic ", encoded.as_bytes()),
            Self::Bearer(token) => (b"bearer", token.as_bytes()),
            Self::Certificate(certificate) => (b"shown ", &**certificate),
        };
        let mut context = Context::new(&SHA256);
        context.update(kind);
        context.update(bytes);
        let mut key = [0; 32];
        key.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        key
    }
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Basic(_) => "Basic(…)",
            Self::Bearer(_) => "Bearer(…)",
            Self::Certificate(_) => "Certificate(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn what_is_shown_is_told_by_its_scheme() {
        let certificate = CertificateDer::from_slice(b"a certificate");
        for (fields, with, is) in [
            (&["Basic YTpi"][..], None, "Ok(Basic(…))"),
            (&["bAsIc  YTpi "], None, "Ok(Basic(…))"),
            (&["Bearer pcl_x"], None, "Ok(Bearer(…))"),
            (&["bearer pcl_x"], Some(&certificate), "Ok(Bearer(…))"),
            (&[], Some(&certificate), "Ok(Certificate(…))"),
            (&[], None, "Err(Absent)"),
            (&["Bearer"], Some(&certificate), "Err(Absent)"),
            (&["Negotiate abc"], Some(&certificate), "Err(Absent)"),
            (&["Bearer a", "Bearer b"], Some(&certificate), "Err(Unproven { claimed: None })"),
        ] {
            let mut map = HeaderMap::new();
            for field in fields {
                map.append(AUTHORIZATION, HeaderValue::from_static(field));
            }
            assert_eq!(format!("{:?}", shown(&map, with)), is, "{fields:?}");
        }
        let mut map = HeaderMap::new();
        let long = format!("Bearer {}", "a".repeat(LONGEST));
        map.insert(AUTHORIZATION, HeaderValue::from_str(&long).expect("a value"));
        assert_eq!(format!("{:?}", shown(&map, None)), "Err(Unproven { claimed: None })");
    }

    #[test]
    fn what_is_remembered_of_one_scheme_is_nothing_of_another() {
        assert_ne!(Shown::Basic("x").key(), Shown::Bearer("x").key());
        assert_ne!(Shown::Bearer("x").key(), Shown::Bearer("y").key());
        assert_eq!(Shown::Bearer("x").key(), Shown::Bearer("x").key());
    }
}
