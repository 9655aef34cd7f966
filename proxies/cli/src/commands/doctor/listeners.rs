//! Whether the ports can be had, and how clients are met there.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use policy_core::Protocol;
use portcullis_gateway::config::Config;
use portcullis_gateway::control::Status;

use super::finding::Finding;

pub(super) fn examine(config: &Config, running: Option<&Status>, findings: &mut Vec<Finding>) {
    let serves = |protocol: &Protocol| config.targets_of(protocol).next().is_some();
    let (postgres, http) = (serves(&Protocol::POSTGRES), config.http_targets().next().is_some());
    let listeners = [
        ("listen.postgres", "postgres", postgres, &config.listen.postgres),
        ("listen.ssh", "ssh", serves(&Protocol::SSH), &config.listen.ssh),
        ("listen.http", "http, kubernetes or mcp", http, &config.listen.http),
    ];
    for (key, protocol, is_served, addresses) in listeners {
        for address in addresses {
            if is_served {
                port(key, *address, running, findings);
            } else {
                let what = format!("nobody will listen on {address}: there is no target of {protocol}");
                findings.push(Finding::warning(key, what).mend(format!("add one, or leave `{key}` out")));
            }
        }
    }
    if let Some(address) = config.health {
        port("health.listen", address, running, findings);
    }
    if !config.tls.required && (postgres || http) {
        let mut all = config.listen.postgres.iter().chain(&config.listen.http);
        let reached = all.any(|address| !address.ip().is_loopback());
        let what = "clients may connect without TLS";
        let finding =
            if reached { Finding::bad("tls.required", what) } else { Finding::warning("tls.required", what) };
        findings.push(
            finding
                .why("what they send and get can then be read and changed on the way")
                .mend("say `required = true` under `[tls]`"),
        );
    }
}

fn port(key: &str, address: SocketAddr, running: Option<&Status>, findings: &mut Vec<Finding>) {
    findings.push(match (TcpListener::bind(address), running) {
        (Ok(_), None) => Finding::good(key, format!("{address} is free")),
        (Ok(_), Some(status)) => {
            Finding::bad(key, format!("the gateway (process {}) does not listen on {address}", status.pid))
                .why("it runs with another configuration than this file")
                .mend("start it again")
        }
        (Err(error), Some(status)) if error.kind() == ErrorKind::AddrInUse => {
            Finding::good(key, format!("{address} is in use while the gateway runs (process {})", status.pid))
        }
        (Err(error), None) if error.kind() == ErrorKind::AddrInUse => {
            Finding::bad(key, format!("another program listens on {address}"))
                .why("`serve` can't start")
                .mend(format!("`ss -ltnp 'sport = :{}'` says which; or choose another port", address.port()))
        }
        (Err(error), _) if error.kind() == ErrorKind::PermissionDenied => {
            Finding::bad(key, format!("this user may not listen on {address}"))
                .why("`serve` can't start")
                .mend("choose a port above 1023")
        }
        (Err(error), _) => Finding::bad(key, format!("can't listen on {address}: {error}"))
            .why("`serve` can't start")
            .mend("name an address of this machine, such as 127.0.0.1 or 0.0.0.0"),
    });
}
