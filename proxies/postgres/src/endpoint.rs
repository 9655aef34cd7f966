//! What ties a SCRAM exchange to the TLS connection below it: the hash of the server's certificate.
//!
//! Source: RFC 5929, section 4.1 (`tls-server-end-point`), and RFC 5802, section 6.

use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};

/// The hash of `certificate` (DER) for channel binding; `None` where its signature algorithm leaves the hash undefined
/// or the certificate can't be read, so that no binding is offered.
pub(crate) fn hash(certificate: &[u8]) -> Option<Vec<u8>> {
    Some(digest(algorithm(certificate)?, certificate).as_ref().to_vec())
}

/// The hash of the certificate's signature; MD5 and SHA-1 count as SHA-256.
fn algorithm(certificate: &[u8]) -> Option<&'static Algorithm> {
    // Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OID, … }, … }
    let (certificate, _) = element(certificate, 0x30)?;
    let (_, rest) = element(certificate, 0x30)?;
    let (identifier, _) = element(rest, 0x30)?;
    let (oid, _) = element(identifier, 0x06)?;
    match oid {
        // 1.2.840.113549.1.1.{4,5,11}: RSA with MD5, SHA-1, SHA-256; 1.2.840.10045.4.{1,3.2}: ECDSA with SHA-1, SHA-256.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04 | 0x05 | 0x0b]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02] => Some(&SHA256),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03] => Some(&SHA384),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04] => Some(&SHA512),
        _ => None,
    }
}

/// The DER element at the front, which must have this tag: its content and what follows.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, bytes) = bytes.split_first()?;
    let (&length, bytes) = bytes.split_first()?;
    let (length, bytes) = match length {
        0..=0x7f => (usize::from(length), bytes),
        0x81..=0x84 => {
            let (digits, bytes) = bytes.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), bytes)
        }
        _ => return None,
    };
    (first == tag).then(|| bytes.split_at_checked(length))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_certificates_have_no_hash() {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let der = issued.cert.der();
        assert_eq!(hash(der).unwrap(), digest(&SHA256, der).as_ref());
        for end in 0..40 {
            assert_eq!(hash(&der[..end]), None);
        }
    }
}
