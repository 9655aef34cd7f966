//! Which host keys a target may show: pinned ones, and those that a trusted authority vouches for. Any other is refused.

use portcullis_gateway::config::{Leg, TargetConfig};
use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, PublicKey};

use crate::keys::{self, KeyError, is_broken, is_same};

/// The keys and authorities of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pins {
    keys: Vec<PublicKey>,
    authorities: Vec<PublicKey>,
    /// The name that a certificate must carry.
    host: String,
}

/// Why a target is not who it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stranger {
    #[error(
        "it shows another host key ({0}) than the ones that are pinned: it was replaced, or somebody sits in between"
    )]
    Changed(String),
    #[error("its host certificate is not good: {0}")]
    Certificate(&'static str),
}

impl Pins {
    /// What the configuration says, files read.
    ///
    /// # Errors
    /// Where a key is none, or the file of known hosts does not name the target.
    pub(crate) fn of(config: &TargetConfig) -> Result<Self, KeyError> {
        let Leg::Ssh { host_keys, host_authorities, known_hosts } = &config.leg else {
            return Ok(Self { keys: Vec::new(), authorities: Vec::new(), host: config.host.clone() });
        };
        let read =
            |texts: &[String]| texts.iter().map(|text| keys::public(text)).collect::<Result<Vec<_>, _>>();
        let mut pinned = read(host_keys)?;
        if let Some(file) = known_hosts {
            let known = russh::keys::known_hosts::known_host_keys_path(&config.host, config.port, file)
                .map_err(|error| KeyError::Unreadable(file.clone(), std::io::Error::other(error)))?;
            if known.is_empty() {
                return Err(KeyError::NotKnown(file.clone(), format!("[{}]:{}", config.host, config.port)));
            }
            pinned.extend(known.into_iter().map(|(_, key)| key));
        }
        Ok(Self { keys: pinned, authorities: read(host_authorities)?, host: config.host.clone() })
    }

    /// Whether this is the target. `now` is in seconds since the epoch.
    pub(crate) fn check(&self, shown: &PublicKeyOrCertificate, now: u64) -> Result<(), Stranger> {
        match shown.certificate() {
            None => {
                let key = shown.public_key();
                let known = self.keys.iter().any(|pinned| is_same(pinned, &key));
                known.then_some(()).ok_or_else(|| Stranger::Changed(keys::fingerprint(&key)))
            }
            Some(certificate) => self.vouched(certificate, now),
        }
    }

    fn vouched(&self, certificate: &Certificate, now: u64) -> Result<(), Stranger> {
        let must = |holds: bool, why| holds.then_some(()).ok_or(Stranger::Certificate(why));
        let trusted = self.authorities.iter().any(|own| own.key_data() == certificate.signature_key());
        must(trusted, "its authority is not among `host_authorities`")?;
        must(certificate.cert_type() == CertType::Host, "it is a user's")?;
        must(
            !is_broken(&certificate.signature().algorithm()),
            "its signature's algorithm proves nothing any more",
        )?;
        must(certificate.verify_signature().is_ok(), "its signature is wrong")?;
        let valid = (certificate.valid_after()..certificate.valid_before()).contains(&now);
        must(valid, "it is not valid at this time")?;
        must(certificate.valid_principals().contains(&self.host), "it is for another host")?;
        must(certificate.critical_options().is_empty(), "it has a critical option")
    }

    /// Whether certificates are worth asking for.
    pub(crate) fn has_authorities(&self) -> bool {
        !self.authorities.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::ssh_key::certificate::Builder;

    use super::*;
    use crate::keys::generate;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn only_a_pinned_key_is_the_target() {
        let (own, other) = (generate().unwrap(), generate().unwrap());
        let pins =
            Pins { keys: vec![own.public_key().clone()], authorities: Vec::new(), host: "web-1".into() };
        assert_eq!(pins.check(&own.public_key().clone().into(), NOW), Ok(()));
        assert!(matches!(pins.check(&other.public_key().clone().into(), NOW), Err(Stranger::Changed(_))));
        let nobody = Pins { keys: Vec::new(), ..pins };
        assert!(nobody.check(&own.public_key().clone().into(), NOW).is_err());
    }

    #[test]
    fn a_certificate_is_for_this_host_by_this_authority_now() {
        let (authority, host) = (generate().unwrap(), generate().unwrap());
        let issue = |kind: CertType, name: &str, until: u64| {
            let key = host.public_key().key_data().clone();
            let mut builder = Builder::new(vec![1; 32], key, NOW - 10, until).unwrap();
            builder.cert_type(kind).unwrap().valid_principal(name).unwrap();
            PublicKeyOrCertificate::from(builder.sign(&authority).unwrap())
        };
        let pins = Pins {
            keys: vec![host.public_key().clone()],
            authorities: vec![authority.public_key().clone()],
            host: "web-1".into(),
        };
        assert_eq!(pins.check(&issue(CertType::Host, "web-1", NOW + 1), NOW), Ok(()));
        for wrong in [
            issue(CertType::User, "web-1", NOW + 1),
            issue(CertType::Host, "web-2", NOW + 1),
            issue(CertType::Host, "web-1", NOW),
        ] {
            assert!(matches!(pins.check(&wrong, NOW), Err(Stranger::Certificate(_))));
        }
        let elsewhere = Pins { authorities: vec![host.public_key().clone()], ..pins };
        assert!(elsewhere.check(&issue(CertType::Host, "web-1", NOW + 1), NOW).is_err());
    }
}
