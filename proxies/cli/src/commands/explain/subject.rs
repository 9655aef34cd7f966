//! Who asks, and for what: from the command line, completed by what the gateway knows.

use std::collections::BTreeMap;
use std::net::IpAddr;

use policy_core::{Principal, PrincipalKind, Protocol, Target};
use portcullis_evidence::inert;
use portcullis_gateway::config::{Config, HttpLeg};
use portcullis_gateway::start::open_existing_store;
use portcullis_gateway::store::{Store as _, User};

use super::super::token::acts_for;
use crate::args::Explain;
use crate::failure::Failure;

/// Who asks, and for what.
pub(super) struct Subject {
    pub(super) principal: Principal,
    pub(super) target: Target,
    pub(super) source: Option<IpAddr>,
}

impl Subject {
    /// Finds both out, and says what had to be assumed.
    pub(super) fn find(config: Option<&Config>, arguments: &Explain) -> Result<(Self, Vec<String>), Failure> {
        let mut notes = Vec::new();
        let principal = principal(config, arguments, &mut notes)?;
        let target = target(config, arguments, &mut notes)?;
        Ok((Self { principal, target, source: arguments.source }, notes))
    }
}

fn principal(
    config: Option<&Config>,
    arguments: &Explain,
    notes: &mut Vec<String>,
) -> Result<Principal, Failure> {
    let account = known(config, &arguments.user)?;
    let mut principal =
        Principal::human(arguments.user.as_str(), arguments.groups.iter().map(String::as_str));
    principal.kind = account.as_ref().map_or(PrincipalKind::Human, |user| user.kind);
    match account {
        Some(user) => {
            if user.disabled {
                notes.push(format!("the local user `{}` is disabled and can't log in at all", user.name));
            }
            if user.kind == PrincipalKind::Agent && user.owner.is_none() && arguments.on_behalf_of.is_none() {
                notes.push(format!(
                    "`{}` is an agent without an owner, which only a token lets in that says for whom it acts: \
                     --on-behalf-of USER",
                    user.name
                ));
            } else if let Some(owner) = acts_for(&user, arguments.on_behalf_of.as_deref())? {
                acting(config, owner, arguments, &mut principal, notes)?;
            }
            principal.person = user.person.map(Into::into);
            if arguments.groups.is_empty() {
                principal.groups = Some(user.groups.into_iter().map(Into::into).collect());
            }
        }
        None if arguments.groups.is_empty() => {
            principal.groups = None;
            notes.push(format!(
                "there is no local user `{}` and no --group was given: whatever depends on groups is \
                 undetermined, and restricts",
                arguments.user
            ));
        }
        None => {}
    }
    // Whoever is not known is what the command line makes of them.
    if let (None, Some(owner)) = (&principal.owner, &arguments.on_behalf_of) {
        principal.kind = PrincipalKind::Agent;
        acting(config, owner, arguments, &mut principal, notes)?;
    }
    Ok(principal)
}

/// Whom an agent acts for, and which groups that gives it.
fn acting(
    config: Option<&Config>,
    owner: &str,
    arguments: &Explain,
    agent: &mut Principal,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let account = known(config, owner)?;
    let name = inert::line(owner);
    if account.as_ref().is_some_and(|account| account.kind == PrincipalKind::Agent) {
        return Err(Failure::configuration(format_args!("{name} is an agent itself"))
            .help("an agent acts for a person or a service, never for another agent"));
    }
    if account.as_ref().is_some_and(|account| account.disabled) {
        notes.push(format!("the local user `{name}` is disabled, so nobody acts for them"));
    }
    let groups = match account {
        _ if !arguments.owner_groups.is_empty() => Some(arguments.owner_groups.clone()),
        Some(account) => Some(account.groups),
        None => {
            notes.push(format!(
                "there is no local user `{name}` and no --owner-group was given: whatever depends on the groups of \
                 whom the agent acts for is undetermined, and restricts"
            ));
            None
        }
    };
    agent.owner = Some(owner.into());
    agent.owner_groups = groups.map(|groups| groups.into_iter().map(Into::into).collect());
    Ok(())
}

/// What the configuration says of a target over HTTP.
pub(super) fn leg<'c>(config: Option<&'c Config>, target: &Target) -> Option<&'c HttpLeg> {
    let is_it = |subject: &Target| subject.protocol == target.protocol && subject.name == target.name;
    config?.http_targets().find(|(configured, _)| is_it(&configured.subject)).map(|(_, leg)| leg)
}

/// The local user of this name, where there is a store to look in. Nothing is made.
fn known(config: Option<&Config>, name: &str) -> Result<Option<User>, Failure> {
    let Some(config) = config else { return Ok(None) };
    match open_existing_store(config).map_err(Failure::configuration)? {
        Some(mut store) => store.user(name).map_err(Failure::io),
        None => Ok(None),
    }
}

/// The protocol that was named, or else that of the configured target.
fn protocol(config: Option<&Config>, arguments: &Explain) -> Result<Protocol, Failure> {
    const ALL: [Protocol; 5] =
        [Protocol::POSTGRES, Protocol::SSH, Protocol::HTTP, Protocol::KUBERNETES, Protocol::MCP];
    if let Some(named) = &arguments.protocol {
        return Ok(ALL.into_iter().find(|protocol| protocol.as_str() == named).unwrap_or(Protocol::POSTGRES));
    }
    let speaks = |protocol: &Protocol| {
        config.is_some_and(|config| config.target(protocol, &arguments.target).is_some())
    };
    let mut all = ALL.into_iter().filter(speaks);
    match (all.next(), all.next()) {
        (Some(first), Some(second)) => {
            let target = &arguments.target;
            let message = format!("a target of {first} and one of {second} are both called `{target}`");
            let help = format!("say which: --protocol {first} or --protocol {second}");
            Err(Failure::configuration(message).help(help))
        }
        (Some(only), None) => Ok(only),
        (None, _) => Ok(Protocol::POSTGRES),
    }
}

fn target(config: Option<&Config>, arguments: &Explain, notes: &mut Vec<String>) -> Result<Target, Failure> {
    let protocol = protocol(config, arguments)?;
    let configured = config.and_then(|config| config.target(&protocol, &arguments.target));
    let mut labels: BTreeMap<Box<str>, Box<str>> =
        configured.map(|target| target.subject.labels.clone()).unwrap_or_default();
    for label in &arguments.labels {
        let (name, value) = label.split_once('=').ok_or_else(|| {
            Failure::configuration(format_args!("`{label}` is no label")).help("write --label env=prod")
        })?;
        labels.insert(name.into(), value.into());
    }
    if configured.is_none() && labels.is_empty() {
        notes.push(format!(
            "the target `{}` is not configured and no --label was given: whatever depends on labels is \
             undetermined, and restricts",
            arguments.target
        ));
    }
    Ok(Target { name: arguments.target.as_str().into(), protocol, labels })
}
