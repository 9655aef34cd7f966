//! A first target over HTTP.

use super::{Step, WHERE_HTTP, quoted, shell};
use crate::args::Init;

/// The first policy.
pub(super) const STARTER: &str = include_str!("starter-http.policy");

/// The first configuration. What stands in angle brackets is filled in.
const CONFIGURATION: &str = include_str!("starter-http.toml");

/// The configuration of one target over HTTP.
pub(super) fn configuration(arguments: &Init, url: &str) -> String {
    let value = |name: &str| match name {
        "state" => quoted(&arguments.state),
        "listen" => quoted(&listen(arguments).to_string()),
        "curl" => curl(arguments),
        "name" => quoted(&arguments.name),
        "url" => quoted(url),
        "prefix" => quoted(&format!("/{}", arguments.name)),
        "env" => quoted(&arguments.env),
        // Nothing that parses.
        other => format!("<{other}>"),
    };
    // Filled in from left to right, once: what is put there is looked at no more.
    let parts = CONFIGURATION.split(['<', '>']).enumerate();
    parts.map(|(index, part)| if index % 2 == 1 { value(part) } else { part.to_owned() }).collect()
}

fn listen(arguments: &Init) -> std::net::SocketAddr {
    arguments.listen.unwrap_or(WHERE_HTTP)
}

/// What comes after `init`, but for what is the same for every target.
pub(super) fn steps(arguments: &Init) -> [Step; 2] {
    let token = "TOKEN=$(portcullis token create --user YOU --expires 8h)".to_owned();
    [
        Step { command: token, why: "in another terminal: what clients show the gateway" },
        Step { command: curl(arguments), why: "the target's own paths come behind its name" },
    ]
}

pub(super) fn secret(arguments: &Init) -> Step {
    let command = format!("portcullis secret set {}", shell(&arguments.name));
    Step { command, why: "the token that the target asks for" }
}

fn curl(arguments: &Init) -> String {
    let listen = listen(arguments);
    let ip = listen.ip();
    // The certificate that is made names this machine and loopback.
    let host = match ip {
        ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        std::net::IpAddr::V4(ip) => ip.to_string(),
    };
    let certificate = arguments.folder.join(&arguments.state).join("server.crt");
    let certificate = certificate.strip_prefix(".").unwrap_or(&certificate).display().to_string();
    format!(
        "curl --cacert {} --oauth2-bearer \"$TOKEN\" https://{host}:{}/{}/",
        shell(&certificate),
        listen.port(),
        arguments.name
    )
}
