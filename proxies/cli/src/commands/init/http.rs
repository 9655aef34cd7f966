//! A first target over HTTP.

use portcullis_gateway::config::Config;

use super::{Step, WHERE_HTTP, quoted, shell};
use crate::args::Init;

/// The first policy.
pub(super) const STARTER: &str = include_str!("starter-http.policy");

/// Which part of the example a line is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Shared,
    Postgres,
    Ssh,
    Http,
}

/// The example, with the signs taken off its target over HTTP and put before that of PostgreSQL.
pub(super) fn configuration(arguments: &Init, url: &str) -> String {
    let mut part = Part::Shared;
    let lines = Config::example().lines().map(|line| {
        let next = [("# `psql ", Part::Postgres), ("# `ssh ", Part::Ssh), ("# `curl ", Part::Http)];
        part = next.iter().find(|(start, _)| line.starts_with(start)).map_or(part, |(_, part)| *part);
        match part {
            Part::Shared => shared(line, arguments),
            Part::Postgres if line.starts_with("# `psql ") => {
                "# One of PostgreSQL: take the signs off these lines and off `postgres` under [listen]."
                    .to_owned()
            }
            Part::Postgres if line.is_empty() || line.starts_with('#') => line.to_owned(),
            Part::Postgres => format!("# {line}"),
            Part::Ssh => line.to_owned(),
            Part::Http => own(line, arguments, url),
        }
    });
    lines.map(|line| line + "\n").collect()
}

fn shared(line: &str, arguments: &Init) -> String {
    match line.trim_start_matches("# ").split(" = ").next() {
        Some("state") => format!("state = {}", quoted(&arguments.state)),
        Some("postgres") => format!("# {line}      # needs a PostgreSQL target, below"),
        Some("http") => format!("http = {}", quoted(&listen(arguments).to_string())),
        _ => line.to_owned(),
    }
}

/// A line of the target's own part.
fn own(line: &str, arguments: &Init, url: &str) -> String {
    if line.starts_with("# `curl ") {
        return format!(
            "# This one is reached by\n# `{}`,\n# with a token of `portcullis token create` or",
            curl(arguments)
        );
    }
    let Some(text) = line.strip_prefix("# ").filter(|text| !text.starts_with(' ')) else {
        return line.to_owned();
    };
    match text.split(" = ").next() {
        Some("[[target]]") => text.to_owned(),
        Some("name") => format!("name = {}", quoted(&arguments.name)),
        Some("protocol") => text.to_owned(),
        Some("address") => format!("address = {}", quoted(url)),
        Some("prefix") => {
            let place = format!("prefix = {}", quoted(&format!("/{}", arguments.name)));
            format!(
                "{place}           # or hosts = [\"{}.example.org\"], or listen = \"127.0.0.1:8081\" for it alone",
                arguments.name
            )
        }
        Some("credential") => {
            let secret = format!("credential = {{ secret = {} }}", quoted(&arguments.name));
            format!("{secret}      # or {{ env = \"…\" }} or {{ file = \"…\" }}; none, if it asks for none")
        }
        Some("tls") if url.starts_with("http://") => line.to_owned(),
        Some("tls") => {
            "# tls = { ca = \"ca.crt\" }             # the system's roots, unless said otherwise".to_owned()
        }
        Some("labels") => format!("labels = {{ env = {} }}", quoted(&arguments.env)),
        _ => line.to_owned(),
    }
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
