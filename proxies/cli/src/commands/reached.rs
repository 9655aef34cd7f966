//! Where clients reach the gateway, as `--gateway` says it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use portcullis_evidence::inert;

use crate::failure::Failure;

/// The longest name of a host (RFC 1035, section 2.3.4), in bytes.
const LONGEST: usize = 253;

/// A host as a URL spells it, so an IPv6 address in brackets; and a port, where one was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

impl Reached {
    /// Reads `HOST`, `HOST:PORT`, `[IPv6]`, `[IPv6]:PORT`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(wrong(
                text,
                "an IPv6 address stands in brackets",
                format_args!("--gateway '[{text}]'"),
            ));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let scheme = inert::line(scheme);
            return Err(wrong(text, format_args!("`{scheme}://` is no part of a host"), EXAMPLES));
        }
        let (host, port) = match text.strip_prefix('[').map(|inner| inner.split_once(']')) {
            Some(None) => return Err(wrong(text, "`[` is never closed", EXAMPLES)),
            Some(Some((address, rest))) => {
                if address.parse::<Ipv6Addr>().is_err() {
                    let address = inert::line(address);
                    return Err(wrong(text, format_args!("`{address}` is no IPv6 address"), EXAMPLES));
                }
                let port = match rest.strip_prefix(':') {
                    Some(port) => Some(port),
                    None if rest.is_empty() => None,
                    None => {
                        let rest = inert::line(rest);
                        return Err(wrong(text, format_args!("`{rest}` behind the address"), EXAMPLES));
                    }
                };
                (format!("[{address}]"), port)
            }
            None => {
                let (host, port) =
                    text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
                if let Some(at) = host.find(|c: char| !is_of_a_name(c)) {
                    let rest = inert::line(host.get(at..).unwrap_or_default());
                    return Err(wrong(text, format_args!("`{rest}` is no part of a host's name"), EXAMPLES));
                }
                if host.is_empty() || host.len() > LONGEST || host.split('.').rev().skip(1).any(str::is_empty)
                {
                    return Err(wrong(text, "it has no host", EXAMPLES));
                }
                (host.to_ascii_lowercase(), port)
            }
        };
        let port = port
            .map(|port| match port.parse::<u16>() {
                Ok(number) if number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
                _ => {
                    let port = inert::line(port);
                    Err(wrong(text, format_args!("`{port}` is no port, which is 1 to 65535"), EXAMPLES))
                }
            })
            .transpose()?;
        Ok(Self { host, port })
    }

    /// Also as a URL of HTTPS without a path.
    pub(super) fn parse_https(text: &str) -> Result<Self, Failure> {
        match text.strip_prefix("https://") {
            Some(rest) => Self::parse(rest.strip_suffix('/').unwrap_or(rest)),
            None if text.starts_with("http://") => Err(wrong(
                text,
                "`http://` is in the clear, where no client shows its token",
                "--gateway https://gateway.example.org:8443",
            )),
            None => Self::parse(text),
        }
    }

    /// The address that the gateway listens on, where that says how it is reached.
    pub(super) fn listening(listen: &SocketAddr, example: &str) -> Result<Self, Failure> {
        let host = match listen.ip() {
            ip if ip.is_unspecified() => {
                return Err(Failure::configuration(format_args!(
                    "the gateway listens on every address ({listen})"
                ))
                .help(format_args!("say by which name clients reach it: --gateway {example}")));
            }
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Ok(Self { host, port: None })
    }

    /// The host without brackets.
    pub(super) fn bare(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

const EXAMPLES: &str = "as in --gateway gateway.example.org, --gateway gateway.example.org:8443 or --gateway '[2001:db8::1]:8443'";

fn wrong(text: &str, what: impl fmt::Display, help: impl fmt::Display) -> Failure {
    Failure::usage(format_args!("`--gateway {}` names no host: {what}", inert::line(text))).help(help)
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_perhaps_a_port() {
        for (text, host, port) in [
            ("gw.test", "gw.test", None),
            ("GW.test.", "gw.test.", None),
            ("gw", "gw", None),
            ("gw_1.test:8443", "gw_1.test", Some(8443)),
            ("10.0.0.1:443", "10.0.0.1", Some(443)),
            ("[::1]", "[::1]", None),
            ("[::1]:8443", "[::1]", Some(8443)),
        ] {
            let expected = Reached { host: host.to_owned(), port };
            assert_eq!(Reached::parse(text).expect(text), expected);
            assert_eq!(Reached::parse_https(&format!("https://{text}/")).expect(text), expected);
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_place() {
        for (text, place) in [
            ("", "it has no host"),
            (":8443", "it has no host"),
            ("gw..test", "it has no host"),
            ("::1", "stands in brackets"),
            ("[::1", "never closed"),
            ("[gw]:1", "`gw` is no IPv6 address"),
            ("[::1]8443", "`8443` behind the address"),
            ("gw/path", "`/path` is no part"),
            ("ana@gw", "`@gw` is no part"),
            ("gw test", "` test` is no part"),
            ("gw:0", "`0` is no port"),
            ("gw:65536", "`65536` is no port"),
            ("gw:+1", "`+1` is no port"),
            ("gw:", "`` is no port"),
            ("gw:1:2", "`1:2` is no port"),
            ("https://gw/prod", "`/prod` is no part"),
            ("https://https://gw", "`https://` is no part"),
            ("http://gw", "in the clear"),
            ("ftp://gw", "`ftp://` is no part"),
        ] {
            let failure = Reached::parse_https(text).expect_err(text);
            assert!(failure.message.contains(place) && failure.help.is_some(), "{text}: {failure:?}");
        }
    }
}
