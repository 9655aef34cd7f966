//! `user`: the local users that may log in and vote.

use policy_core::PrincipalKind;
use portcullis_evidence::inert;
use portcullis_gateway::identity::{TokenText, Verifier};
use portcullis_gateway::start::open_store;
use portcullis_gateway::store::{Revocation, RevocationSubject, Sqlite, Store as _, User};
use serde_json::{Value, json};

use super::user_key;
use crate::args;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};
use crate::password;

pub(super) fn run(context: &Context, action: &args::User) -> Outcome {
    match action {
        args::User::Add { name, groups, kind, person, owner, no_password, password } => {
            let kind = match kind.as_str() {
                "service" => PrincipalKind::Service,
                "agent" => PrincipalKind::Agent,
                _ => PrincipalKind::Human,
            };
            let mut groups: Vec<String> =
                groups.iter().flat_map(|list| list.split(',')).map(|group| group.trim().to_owned()).collect();
            groups.sort();
            groups.dedup();
            let user = User {
                name: name.clone(),
                verifier: String::new(),
                kind,
                groups,
                person: person.clone(),
                owner: owner.clone(),
                disabled: false,
                keys: Vec::new(),
            };
            add(context, user, if *no_password { None } else { Some(password) })
        }
        args::User::List => list(context),
        args::User::Key { action } => user_key::run(context, action),
        args::User::Remove { name } => remove(context, name),
    }
}

pub(super) fn store(context: &Context) -> Result<Sqlite, Failure> {
    open_store(&context.config()?)
        .map_err(|error| Failure::io(error).help("run this as the gateway's own user, or as root"))
}

/// `password` is how it is given; `None` is that there shall be none.
fn add(context: &Context, mut user: User, password: Option<&args::Password>) -> Outcome {
    check(&user)?;
    let mut store = store(context)?;
    if let Some(owner) = &user.owner {
        let Some(found) = store.user(owner).map_err(Failure::io)? else {
            return Err(Failure::configuration(format_args!(
                "there is no local user `{}`",
                inert::line(owner)
            ))
            .help("an agent's owner is a local user; `portcullis user list` shows them"));
        };
        if found.kind == PrincipalKind::Agent {
            return Err(Failure::configuration(format_args!("{} is an agent itself", inert::line(owner)))
                .help("an agent acts for a person or a service: --owner USER"));
        }
    }
    let was = store.user(&user.name).map_err(Failure::io)?;
    user.keys = was.as_ref().map(|was| was.keys.clone()).unwrap_or_default();
    let new = match password {
        None => None,
        Some(password) if user.kind == PrincipalKind::Human => Some(password::new(password, &user.name)?),
        Some(password) => password::offered(password)?,
    };
    user.verifier = match (&new, &was) {
        (Some(new), _) => verifier(&user.name, new)?,
        (None, Some(was)) if password.is_some() => was.verifier.clone(),
        (None, _) => of_nobody(&user.name)?,
    };
    store.put_user(&user).map_err(Failure::io)?;
    if context.output.is_json() {
        context.output.document(&json!({ "changed": was.is_some(), "user": document(&user) }))?;
    } else {
        let word = if was.is_some() { "changed" } else { "added" };
        context.output.line(&format!("{word} {}: {}", inert::line(&user.name), described(&user)))?;
        match (&new, &was) {
            (Some(_), _) => {}
            (None, Some(_)) if password.is_some() => {
                context.output.note("if it had a password, it has the same still: --no-password takes it away");
            }
            (None, _) => context.output.note(
                "it has no password: over HTTP a token lets it in (`portcullis token create`), over SSH a key (`portcullis user \
                 key add`)",
            ),
        }
        if user.groups.is_empty() {
            context
                .output
                .note("without a group, rules with `by group …` give this user nothing: --group NAME");
        }
        if user.kind == PrincipalKind::Agent && user.owner.is_none() {
            context.output.note(
                "without an owner it is let in by tokens alone that say for whom it acts: --owner USER, or `portcullis \
                 token create --on-behalf-of USER`",
            );
        }
    }
    Ok(Answer::Yes)
}

/// What is kept of a password.
fn verifier(name: &str, password: &str) -> Result<String, Failure> {
    let verifier = Verifier::new(name, password)
        .map_err(|refused| Failure::configuration(format_args!("this password is not taken: {refused}")))?;
    Ok(verifier.to_string())
}

/// What is kept where there is no password: of 256 random bits, which nobody has seen. To whoever tries one it looks like any other.
fn of_nobody(name: &str) -> Result<String, Failure> {
    let random = TokenText::generate().map_err(Failure::io)?;
    // As it stands it would be taken for a token.
    verifier(name, random.expose().trim_start_matches("pcl_"))
}

/// Names that the protocols could not carry, or that make no sense.
fn check(user: &User) -> Result<(), Failure> {
    let bad =
        |text: &str| text.is_empty() || text.len() > 63 || text.chars().any(|c| c.is_control() || c == ':');
    if bad(&user.name) {
        return Err(Failure::configuration(format_args!(
            "`{}` can't be a user's name",
            inert::line(&user.name)
        ))
        .help("1 to 63 bytes, without colons and control characters"));
    }
    if let Some(group) = user.groups.iter().find(|group| bad(group)) {
        return Err(Failure::configuration(format_args!("`{}` can't be a group", inert::line(group))).help(
            "1 to 63 bytes, without colons and control characters; several are given as --group A --group B",
        ));
    }
    match (&user.owner, user.kind) {
        (Some(_), PrincipalKind::Agent) | (None, _) => Ok(()),
        (Some(_), _) => {
            Err(Failure::configuration("only an agent has an owner")
                .help("add --kind agent, or drop --owner"))
        }
    }
}

fn list(context: &Context) -> Outcome {
    let users = store(context)?.users().map_err(Failure::io)?;
    if context.output.is_json() {
        context.output.document(&users.iter().map(document).collect::<Vec<_>>())?;
        return Ok(Answer::Yes);
    }
    let rows: Vec<Vec<String>> = users
        .iter()
        .map(|user| {
            let state = if user.disabled { "disabled" } else { "active" };
            vec![
                inert::line(&user.name).to_string(),
                user.kind.as_str().to_owned(),
                user.groups.join(", "),
                user.keys.len().to_string(),
                state.to_owned(),
            ]
        })
        .collect();
    let none = "no local users: `portcullis user add NAME --group GROUP` adds one";
    context.output.table(&["user", "kind", "groups", "keys", "state"], &rows, none)?;
    Ok(Answer::Yes)
}

fn remove(context: &Context, name: &str) -> Outcome {
    let mut store = store(context)?;
    if !store.remove_user(name).map_err(Failure::io)? {
        return Err(no_such_user(name));
    }
    // Gateways look for these, wherever they run: who is gone keeps nothing open, and nothing waiting.
    let at =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis();
    let revocation = Revocation {
        subject: RevocationSubject::User(name.to_owned()),
        by: "the operator".to_owned(),
        reason: "the account was removed".to_owned(),
        at: i64::try_from(at).unwrap_or(i64::MAX),
    };
    store.revoke(&revocation).map_err(Failure::io)?;
    if context.output.is_json() {
        context.output.document(&json!({ "removed": name }))?;
    } else {
        context.output.line(&format!("removed {}; sessions that were open end", inert::line(name)))?;
    }
    Ok(Answer::Yes)
}

/// Whether there is a local user of this name.
pub(super) fn exists(context: &Context, name: &str) -> Result<bool, Failure> {
    Ok(store(context)?.user(name).map_err(Failure::io)?.is_some())
}

/// Lets a user log in, or no longer. `false` if nothing had to change.
pub(super) fn set_disabled(context: &Context, name: &str, disabled: bool) -> Result<bool, Failure> {
    let mut store = store(context)?;
    let mut user = store.user(name).map_err(Failure::io)?.ok_or_else(|| no_such_user(name))?;
    if user.disabled == disabled {
        return Ok(false);
    }
    user.disabled = disabled;
    store.put_user(&user).map_err(Failure::io)?;
    Ok(true)
}

pub(super) fn no_such_user(name: &str) -> Failure {
    Failure::configuration(format_args!("there is no local user `{}`", inert::line(name)))
        .help("`portcullis user list` shows them")
}

fn document(user: &User) -> Value {
    json!({
        "name": user.name,
        "kind": user.kind,
        "groups": user.groups,
        "person": user.person,
        "owner": user.owner,
        "disabled": user.disabled,
        "keys": user.keys,
    })
}

fn described(user: &User) -> String {
    let groups = if user.groups.is_empty() {
        "no groups".to_owned()
    } else {
        format!("groups {}", user.groups.join(", "))
    };
    let person = user.person.as_ref().map_or(String::new(), |person| format!(", of {}", inert::line(person)));
    let owner = user.owner.as_ref().map_or(String::new(), |owner| format!(", for {}", inert::line(owner)));
    format!("{}, {groups}{person}{owner}", user.kind.as_str())
}
