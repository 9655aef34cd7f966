//! What a user certificate must say, beyond that its key was proven.
//!
//! Source: OpenSSH's PROTOCOL.certkeys and `sshd_config`'s TrustedUserCAKeys. Signature and times are checked before by
//! the SSH library; the times are checked here again, so that nothing hangs on that.

use std::net::IpAddr;

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, PublicKey};

use crate::keys::is_broken;

/// Why a certificate lets nobody in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotValid {
    #[error("its authority is not among `ssh.user_authorities`")]
    Authority,
    #[error("it is a host's certificate, not a user's")]
    Host,
    #[error("it is signed with an algorithm that proves nothing any more")]
    Algorithm,
    #[error("it is not valid at this time")]
    Time,
    #[error("`{0}` is not among its principals")]
    Principal(String),
    #[error("it may not be used from {0}")]
    Source(IpAddr),
    #[error("its critical option `{0}` is not understood")]
    Option(String),
    #[error("its signature is wrong")]
    Signature,
}

/// What a certificate demands of the session.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Demands {
    /// The only command that may run, whatever the client asks for.
    pub(crate) force_command: Option<String>,
    /// Whether a terminal, tunnels, the agent, X11 are permitted: the extensions that it carries.
    pub(crate) permits: Permits,
}

/// The permissions that are off unless a certificate carries them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Permits {
    pub(crate) pty: bool,
    pub(crate) port_forwarding: bool,
    pub(crate) agent_forwarding: bool,
    pub(crate) x11_forwarding: bool,
}

impl Permits {
    /// What somebody may who came without a certificate: it is the policy's to say.
    pub(crate) const ALL: Self =
        Self { pty: true, port_forwarding: true, agent_forwarding: true, x11_forwarding: true };
}

/// Checks a certificate for the account `user`, at `now` (seconds since the epoch), from `source`.
pub(crate) fn check(
    certificate: &Certificate,
    authorities: &[PublicKey],
    user: &str,
    source: IpAddr,
    now: u64,
) -> Result<Demands, NotValid> {
    if certificate.cert_type() != CertType::User {
        return Err(NotValid::Host);
    }
    if !authorities.iter().any(|authority| authority.key_data() == certificate.signature_key()) {
        return Err(NotValid::Authority);
    }
    if is_broken(&certificate.signature().algorithm()) {
        return Err(NotValid::Algorithm);
    }
    certificate.verify_signature().map_err(|_| NotValid::Signature)?;
    if now < certificate.valid_after() || now >= certificate.valid_before() {
        return Err(NotValid::Time);
    }
    // A certificate without principals would be good for every account: OpenSSH does not take those from an authority
    // that is trusted for all, and neither does this. Names are compared whole: a comma is a character like any other.
    if !certificate.valid_principals().iter().any(|principal| principal == user) {
        return Err(NotValid::Principal(user.to_owned()));
    }
    let mut demands = Demands::default();
    for (name, value) in certificate.critical_options().iter() {
        match name.as_str() {
            "force-command" => demands.force_command = Some(value.clone()),
            "source-address" if within(value, source) => {}
            "source-address" => return Err(NotValid::Source(source)),
            other => return Err(NotValid::Option(other.to_owned())),
        }
    }
    let has = |name: &str| certificate.extensions().contains_key(name);
    demands.permits = Permits {
        pty: has("permit-pty"),
        port_forwarding: has("permit-port-forwarding"),
        agent_forwarding: has("permit-agent-forwarding"),
        x11_forwarding: has("permit-X11-forwarding"),
    };
    Ok(demands)
}

/// Whether an address is in a list of addresses and networks (`10.0.0.0/8,::1`). What can't be read admits nobody.
fn within(list: &str, address: IpAddr) -> bool {
    let address = address.to_canonical();
    list.split(',').any(|entry| contains(entry.trim(), address).unwrap_or(false))
}

fn contains(entry: &str, address: IpAddr) -> Option<bool> {
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => (network.parse::<IpAddr>().ok()?, Some(bits.parse::<u32>().ok()?)),
        None => (entry.parse::<IpAddr>().ok()?, None),
    };
    let bits_of = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((network, width), (address, other_width)) = (bits_of(network.to_canonical()), bits_of(address));
    let bits = bits.unwrap_or(width);
    if width != other_width || bits > width {
        return Some(false);
    }
    let mask = if bits == 0 { 0 } else { u128::MAX << (128 - bits) };
    Some(network & mask == address & mask)
}

#[cfg(test)]
mod tests {
    use russh::keys::PrivateKey;
    use russh::keys::ssh_key::certificate::Builder;

    use super::*;
    use crate::keys::generate;

    const NOW: u64 = 1_800_000_000;

    fn issue(authority: &PrivateKey, change: impl FnOnce(&mut Builder)) -> Certificate {
        let key = generate().unwrap();
        let mut builder =
            Builder::new(vec![7; 32], key.public_key().key_data().clone(), NOW - 10, NOW + 10).unwrap();
        builder.cert_type(CertType::User).unwrap();
        change(&mut builder);
        builder.sign(authority).unwrap()
    }

    fn checked(certificate: &Certificate, authority: &PrivateKey) -> Result<Demands, NotValid> {
        let home = "127.0.0.1".parse().unwrap();
        check(certificate, &[authority.public_key().clone()], "ana", home, NOW)
    }

    #[test]
    fn only_the_named_principal_of_a_trusted_authority_comes_in() {
        let (authority, other) = (generate().unwrap(), generate().unwrap());
        let good = issue(&authority, |builder| {
            builder.valid_principal("ana").unwrap();
        });
        assert_eq!(checked(&good, &authority), Ok(Demands::default()));
        assert_eq!(checked(&good, &other), Err(NotValid::Authority));
        for principals in [vec!["bob"], vec!["ana,bob"], vec!["Ana"], vec!["ana "], vec!["bob", "an"]] {
            let wrong = issue(&authority, |builder| {
                principals.iter().for_each(|name| {
                    builder.valid_principal(*name).unwrap();
                });
            });
            assert_eq!(checked(&wrong, &authority), Err(NotValid::Principal("ana".into())), "{principals:?}");
        }
        let anyone = issue(&authority, |builder| {
            builder.all_principals_valid().unwrap();
        });
        assert_eq!(checked(&anyone, &authority), Err(NotValid::Principal("ana".into())));
        let key = generate().unwrap().public_key().key_data().clone();
        let mut builder = Builder::new(vec![7; 32], key, NOW - 10, NOW + 10).unwrap();
        builder.cert_type(CertType::Host).unwrap().valid_principal("ana").unwrap();
        let host = builder.sign(&authority).unwrap();
        assert_eq!(checked(&host, &authority), Err(NotValid::Host));
    }

    #[test]
    fn times_are_bounds() {
        let authority = generate().unwrap();
        let good = issue(&authority, |builder| {
            builder.valid_principal("ana").unwrap();
        });
        let home = "127.0.0.1".parse().unwrap();
        let at = |now| check(&good, &[authority.public_key().clone()], "ana", home, now).is_ok();
        assert_eq!([NOW - 11, NOW - 10, NOW + 9, NOW + 10].map(at), [false, true, true, false]);
    }

    #[test]
    fn critical_options_are_honoured_or_refused() {
        let authority = generate().unwrap();
        let with = |name: &str, value: &str| {
            issue(&authority, |builder| {
                builder.valid_principal("ana").unwrap().critical_option(name, value).unwrap();
            })
        };
        let forced = checked(&with("force-command", "uptime"), &authority).unwrap();
        assert_eq!(forced.force_command.as_deref(), Some("uptime"));
        assert_eq!(
            checked(&with("verify-required", ""), &authority),
            Err(NotValid::Option("verify-required".into()))
        );
        assert!(checked(&with("source-address", "127.0.0.0/8,::1"), &authority).is_ok());
        assert!(checked(&with("source-address", "10.0.0.0/8"), &authority).is_err());
        assert!(checked(&with("source-address", "nonsense"), &authority).is_err());
    }

    #[test]
    fn addresses_are_in_networks() {
        for (list, address, inside) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("0.0.0.0/0", "11.1.2.3", true),
            ("0.0.0.0/0", "::1", false),
            ("10.1.2.3", "::ffff:10.1.2.3", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/129", "2001:db8::", false),
            ("", "10.1.2.3", false),
        ] {
            assert_eq!(within(list, address.parse().unwrap()), inside, "{list} {address}");
        }
    }
}
