//! Whether targets are reached safely, let the gateway in, and give its role no more than it needs.

use std::time::{SystemTime, UNIX_EPOCH};

use policy_core::Protocol;
use portcullis_evidence::inert;
use portcullis_gateway::config::{Config, Leg, TargetConfig, TargetTls};
use portcullis_postgres::probe::{Power, ProbeError, Probed, probe};

use super::finding::Finding;

/// The oldest and newest servers that this is tested with.
const TESTED: std::ops::RangeInclusive<u32> = 15..=18;
/// What the target's clock may differ by, in seconds.
const SKEW: u64 = 5;

pub(super) async fn examine(config: &Config, findings: &mut Vec<Finding>) {
    for target in config.targets_of(&Protocol::POSTGRES) {
        let about = format!("target {}", inert::line(&target.subject.name));
        if let Leg::Postgres { tls, .. } = &target.leg {
            protection(&about, target, tls, findings);
        }
        match probe(target, &config.secrets).await {
            Ok(probed) => {
                let (version, user) = (inert::line(&probed.version), inert::line(&target.user));
                let what = format!("PostgreSQL {version} lets the role `{user}` in");
                findings.push(Finding::good(&about, what));
                judge(&about, target, &probed, findings);
            }
            // Said already, where credentials are looked at.
            Err(ProbeError::Configuration(portcullis_postgres::ServeError::Credential(..))) => {}
            Err(error) => findings.push(unreachable(&about, target, &error)),
        }
    }
    examine_ssh(config, findings).await;
    examine_http(config, findings).await;
}

/// Whether SSH targets are who they should be, and let the gateway in.
async fn examine_ssh(config: &Config, findings: &mut Vec<Finding>) {
    for target in config.targets_of(&Protocol::SSH) {
        let about = format!("target {}", inert::line(&target.subject.name));
        let user = inert::line(&target.user).to_string();
        match portcullis_ssh::probe(config, target).await {
            Ok(by) => {
                findings.push(Finding::good(
                    &about,
                    format!("lets `{user}` in by {by}, and its host key is the pinned one"),
                ));
                if target.user == "root" {
                    findings.push(
                        Finding::warning(&about, "the gateway's account there is root")
                            .why("whatever a policy permits by mistake is done as root")
                            .mend(
                                "give the gateway an account of its own, with `sudo` for what sessions need",
                            ),
                    );
                }
            }
            // Said already, where credentials are looked at.
            Err(portcullis_ssh::ProbeError::Configuration(portcullis_ssh::ServeError::Credential(..))) => {}
            Err(error) => {
                let (host, port) = (inert::line(&target.host).to_string(), target.port);
                let words = error.to_string();
                findings.push(
                    Finding::bad(&about, format!("at `{host}`, port {port}: {}", inert::line(&words)))
                        .why("sessions with this target will fail like that")
                        .mend(match &target.credential {
                            _ if words.contains("host key") => format!(
                                "compare `ssh-keyscan -p {port} {host}` with /etc/ssh/*.pub on the target itself; only if they agree, put that line into `host_keys`"
                            ),
                            Some(_) => format!("try `ssh -p {port} {user}@{host}` with the same key from this machine; the target's log says more"),
                            None => format!(
                                "have the target trust the gateway's authority: `TrustedUserCAKeys` in its sshd_config, with the line of `{}`",
                                config.state.join("ssh_user_ca.pub").display()
                            ),
                        }),
                );
            }
        }
    }
}

/// Whether targets over HTTP are there, and who they should be.
async fn examine_http(config: &Config, findings: &mut Vec<Finding>) {
    for (target, leg) in config.http_targets() {
        let about = format!("target {}", inert::line(&target.subject.name));
        protection(&about, target, &leg.tls, findings);
        match portcullis_http::probe(config, target, leg).await {
            Ok(spoken) => {
                findings.push(Finding::good(&about, format!("it is there, and {spoken} is spoken with it")));
            }
            // Said already, where credentials are looked at.
            Err(portcullis_http::ProbeError::Configuration(portcullis_http::ServeError::Credential(..))) => {}
            Err(error) => {
                let (host, port) = (inert::line(&target.host), target.port);
                let words = error.to_string();
                let scheme = if leg.tls == TargetTls::Disable { "http" } else { "https" };
                findings.push(
                    Finding::bad(&about, format!("at `{host}`, port {port}: {}", inert::line(&words)))
                        .why("requests to this target will fail like that")
                        .mend(format!("try `curl -v {scheme}://{host}:{port}/` from this machine")),
                );
            }
        }
    }
}

fn protection(about: &str, target: &TargetConfig, tls: &TargetTls, findings: &mut Vec<Finding>) {
    match tls {
        TargetTls::VerifyFull { .. } => {}
        TargetTls::Require => findings.push(
            Finding::warning(about, "its certificate is not checked (`mode = \"require\"`)")
                .why("whoever sits between could pose as the target")
                .mend("drop `mode`, and name its authority: `tls = { ca = \"ca.crt\" }`"),
        ),
        TargetTls::Disable if target.is_local() => {}
        TargetTls::Disable => findings.push(
            Finding::warning(about, format!("it is reached without encryption at `{}`", inert::line(&target.host)))
                .why("the network between sees all that is said, and the credential where the target takes it in the clear")
                .mend("have the target speak TLS, and name its authority: `tls = { ca = \"ca.crt\" }`"),
        ),
    }
}

fn unreachable(about: &str, target: &TargetConfig, error: &ProbeError) -> Finding {
    let (host, port) = (inert::line(&target.host), target.port);
    let words = error.to_string();
    Finding::bad(about, format!("at `{host}`, port {port}: {}", inert::line(&words)))
        .why("sessions with this target will fail like that")
        .mend(
            "try `psql` with the same host, role and password from this machine; the target's log says more",
        )
}

fn judge(about: &str, target: &TargetConfig, probed: &Probed, findings: &mut Vec<Finding>) {
    let role = inert::line(&target.user);
    for power in &probed.powers {
        findings.push(match power {
            Power::Superuser => Finding::bad(about, format!("the role `{role}` is superuser"))
                .why("an allowed function or setting could then read the server's files, run programs and change its settings")
                .mend("give the gateway a role that owns or may use what sessions need, and no more"),
            Power::Attribute(name @ ("CREATEROLE" | "BYPASSRLS" | "REPLICATION")) => {
                Finding::bad(about, format!("the role `{role}` has {name}"))
                    .why(match *name {
                        "CREATEROLE" => "it can make itself and others members of stronger roles",
                        "BYPASSRLS" => "row-level security does not hold for sessions of the gateway",
                        _ => "it can copy the whole server",
                    })
                    .mend(format!("as an administrator: ALTER ROLE {role} NO{name}"))
            }
            Power::Attribute(name) => Finding::warning(about, format!("the role `{role}` has {name}"))
                .why("sessions rarely need it")
                .mend(format!("as an administrator: ALTER ROLE {role} NO{name}")),
            Power::Member(group) => {
                let group = inert::line(group);
                Finding::bad(about, format!("the role `{role}` is a member of `{group}`"))
                    .why("that reaches past the database, where no policy judges")
                    .mend(format!("as an administrator: REVOKE {group} FROM {role}"))
            }
        });
    }
    if probed.powers.is_empty() {
        findings
            .push(Finding::good(about, format!("the role `{role}` is neither superuser nor close to it")));
    }
    let major = probed.version_number / 10_000;
    if !TESTED.contains(&major) {
        let what = format!(
            "PostgreSQL {major} is not among those this is tested with ({} to {})",
            TESTED.start(),
            TESTED.end()
        );
        findings.push(
            Finding::warning(about, what)
                .why("it may read statements otherwise than the gateway's grammar")
                .mend("use one of those, or try it out well"),
        );
    }
    if !probed.standard_conforming_strings {
        findings.push(
            Finding::warning(about, "`standard_conforming_strings` is off there")
                .why("sessions of the gateway pin it on, so programs that rely on backslashes in strings read differently")
                .mend("turn it on, or write such strings as E'…'"),
        );
    }
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let apart = here.abs_diff(u64::try_from(probed.clock).unwrap_or_default());
    if apart > SKEW {
        findings.push(
            Finding::warning(about, format!("its clock and this machine's are {apart} s apart"))
                .why("times in evidence and in the target's log don't agree")
                .mend("keep both by NTP"),
        );
    }
}
