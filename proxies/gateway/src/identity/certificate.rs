//! Whom a client certificate names: the common name (CN) of its subject, and nothing else in it.

use rustls_pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

/// The longest name of a user, in bytes.
const LONGEST: usize = 63;

/// What a certificate says about its bearer.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    /// From when on it proves nobody, in milliseconds since the Unix epoch.
    pub(super) expires: i64,
}

/// The user that a client certificate names: the one common name (CN, RFC 5280 section 4.1.2.6) of its subject. Alternative
/// names are not looked at. This is no verification: that is TLS's.
///
/// # Errors
/// See [`NotAName`]. Such a certificate proves nobody.
pub fn client_name(certificate: &CertificateDer<'_>) -> Result<String, NotAName> {
    read(certificate).map(|named| named.name)
}

pub(super) fn read(certificate: &CertificateDer<'_>) -> Result<Named, NotAName> {
    let (rest, parsed) = parse_x509_certificate(certificate).map_err(|_| NotAName::Unreadable)?;
    if !rest.is_empty() {
        return Err(NotAName::Unreadable);
    }
    let mut names = parsed.subject().iter_common_name();
    let name = match (names.next(), names.next()) {
        (Some(name), None) => name.as_str().map_err(|_| NotAName::NotText)?,
        (None, _) => return Err(NotAName::Absent),
        (Some(_), Some(_)) => return Err(NotAName::Several),
    };
    if name.is_empty() || name.len() > LONGEST || name.chars().any(char::is_control) {
        return Err(NotAName::NotText);
    }
    // The last second is part of the validity (RFC 5280 section 4.1.2.5).
    let expires = parsed.validity().not_after.timestamp().saturating_add(1).saturating_mul(1000);
    Ok(Named { name: name.to_owned(), expires })
}

/// Why a certificate names no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    /// It is no X.509 certificate, or there is more behind it.
    #[error("it is no X.509 certificate")]
    Unreadable,
    /// Its subject has no common name.
    #[error(
        "its subject has no common name (CN): a user's name stands there, not among the alternative names"
    )]
    Absent,
    /// Its subject has more than one common name.
    #[error("its subject has more than one common name (CN), so whom it means can't be told")]
    Several,
    /// The common name can't be a user's.
    #[error("the common name (CN) of its subject is no text of 1 to 63 bytes without control characters")]
    NotText,
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn certificate(
        subject: impl IntoIterator<Item = (DnType, DnValue)>,
        alternative: &[&str],
    ) -> CertificateDer<'static> {
        let names: Vec<String> = alternative.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind, value);
        }
        params.self_signed(&KeyPair::generate().expect("a key")).expect("made").der().clone()
    }

    /// rcgen keeps one value a type, so a second common name is written over an attribute of the same length.
    fn of_two() -> CertificateDer<'static> {
        let two = [(DnType::CommonName, "ana".into()), (DnType::OrganizationName, "ben".into())];
        let mut der = certificate(two, &[]).to_vec();
        // OID 2.5.4.10, organization, becomes OID 2.5.4.3.
        while let Some(at) = der.windows(5).position(|window| window == [6, 3, 0x55, 4, 10]) {
            der[at + 4] = 3;
        }
        CertificateDer::from(der)
    }

    #[test]
    fn the_common_name_is_the_user() {
        let named = |name: &str| client_name(&certificate([(DnType::CommonName, name.into())], &["ben"]));
        assert_eq!(named("ana").as_deref(), Ok("ana"));
        assert_eq!(named("ana").as_deref(), Ok("ana"));
        let more = [(DnType::OrganizationName, "eng".into()), (DnType::CommonName, "ana".into())];
        assert_eq!(client_name(&certificate(more, &[])).as_deref(), Ok("ana"));
    }

    #[test]
    fn what_names_nobody_or_two_is_refused() {
        let long = "a".repeat(64);
        for (certificate, why) in [
            (certificate([(DnType::OrganizationName, "ana".into())], &["ana"]), NotAName::Absent),
            (of_two(), NotAName::Several),
            (certificate([(DnType::CommonName, "".into())], &[]), NotAName::NotText),
            (certificate([(DnType::CommonName, "ana\0".into())], &[]), NotAName::NotText),
            (certificate([(DnType::CommonName, long.as_str().into())], &[]), NotAName::NotText),
            (CertificateDer::from_slice(b"ana"), NotAName::Unreadable),
        ] {
            assert_eq!(client_name(&certificate), Err(why));
        }
        let mut longer = certificate([(DnType::CommonName, "ana".into())], &[]).to_vec();
        longer.push(0);
        assert_eq!(client_name(&CertificateDer::from(longer)), Err(NotAName::Unreadable));
    }
}
