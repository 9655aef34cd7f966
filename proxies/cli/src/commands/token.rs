//! `token`: what HTTP clients prove themselves by where nobody types a password.

use std::time::Duration;

use policy_core::PrincipalKind;
use portcullis_evidence::inert;
use portcullis_gateway::identity::TokenText;
use portcullis_gateway::store::{NewToken, Store as _, Token, User};
use serde_json::{Value, json};

use super::gateway::{ago, now, until};
use super::init::shell;
use super::user::{no_such_user, store};
use crate::args;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};

/// The longest name, in bytes.
const LONGEST: usize = 63;

pub(super) fn run(context: &Context, action: &args::Token) -> Outcome {
    match action {
        args::Token::Create { user, expires, name, on_behalf_of } => {
            create(context, user, *expires, name, on_behalf_of.as_deref())
        }
        args::Token::List { user } => list(context, user.as_deref()),
        args::Token::Revoke { number, reason } => revoke(context, *number, reason),
    }
}

fn create(context: &Context, name: &str, expires: Duration, called: &str, owner: Option<&str>) -> Outcome {
    if called.len() > LONGEST || called.chars().any(char::is_control) {
        return Err(Failure::configuration("that can't be a token's name")
            .help(format_args!("at most {LONGEST} bytes, without control characters, such as --name ci")));
    }
    let mut store = store(context)?;
    let find = |store: &mut portcullis_gateway::store::Sqlite, name: &str| {
        store.user(name).map_err(Failure::io)?.ok_or_else(|| no_such_user(name))
    };
    let user = find(&mut store, name).map_err(|failure| match owner {
        Some(_) => failure.help(format_args!(
            "`portcullis user list` shows them; `portcullis user add {} --kind agent` makes one that acts for others",
            shell(&inert::line(name).to_string())
        )),
        None => failure,
    })?;
    let for_whom = acts_for(&user, owner)?;
    let named = for_whom.map(|owner| find(&mut store, owner)).transpose()?;
    if named.as_ref().is_some_and(|owner| owner.kind == PrincipalKind::Agent) {
        return Err(Failure::configuration(
            "an agent acts for a person or a service, never for another agent",
        )
        .help("--on-behalf-of USER says for whom"));
    }
    let token = TokenText::generate().map_err(Failure::io)?;
    let created = now();
    let new = NewToken {
        hash: token.hash(),
        user: user.name.clone(),
        name: called.to_owned(),
        owner: owner.map(str::to_owned),
        created,
        expires: created.saturating_add(i64::try_from(expires.as_millis()).unwrap_or(i64::MAX)),
    };
    let number = store.add_token(&new).map_err(Failure::io)?;
    if context.output.is_json() {
        let document = json!({
            "number": number,
            "user": new.user,
            "name": new.name,
            "on_behalf_of": new.owner,
            "expires": new.expires,
            "token": token.expose(),
        });
        context.output.document(&document)?;
        return Ok(Answer::Yes);
    }
    // Alone on its line: `TOKEN=$(portcullis token create …)`.
    context.output.line(token.expose())?;
    let acting = for_whom.map_or(String::new(), |owner| format!(", on behalf of {}", inert::line(owner)));
    context.output.note(&format!(
        "token {number} of {}{acting}, which ends {}: it is not shown again, and `portcullis token revoke {number}` ends it \
         before",
        inert::line(name),
        until(new.expires)
    ));
    for disabled in [Some(&user), named.as_ref()].into_iter().flatten().filter(|user| user.disabled) {
        let name = inert::line(&disabled.name);
        context.output.note(&format!(
            "{name} is locked out, so the token proves nobody until `portcullis revoke --restore {name}`"
        ));
    }
    Ok(Answer::Yes)
}

/// Whom a token's bearer will act for.
pub(super) fn acts_for<'a>(user: &'a User, said: Option<&'a str>) -> Result<Option<&'a str>, Failure> {
    let name = inert::line(&user.name);
    match (user.kind, user.owner.as_deref(), said) {
        (PrincipalKind::Agent, Some(owner), Some(said)) if owner != said => {
            let owner = inert::line(owner);
            Err(Failure::configuration(format_args!("{name} acts for {owner}, not for {}", inert::line(said)))
                .help(format_args!(
                    "leave --on-behalf-of out, or have an agent without an owner: `portcullis user add NAME --kind agent`"
                )))
        }
        (PrincipalKind::Agent, None, None) => Err(Failure::configuration(format_args!(
            "{name} is an agent without an owner: for whom does it act?"
        ))
        .help("--on-behalf-of USER says so")),
        (PrincipalKind::Agent, owner, said) => Ok(said.or(owner)),
        (_, _, None) => Ok(None),
        (kind, _, Some(_)) => {
            let kind = kind.as_str();
            Err(Failure::configuration(format_args!(
                "only an agent acts on behalf of somebody, and {name} is a {kind}"
            ))
            .help("leave --on-behalf-of out, or name an agent: `portcullis user list` shows which users are"))
        }
    }
}

fn list(context: &Context, user: Option<&str>) -> Outcome {
    let mut store = store(context)?;
    if let Some(name) = user
        && store.user(name).map_err(Failure::io)?.is_none()
    {
        return Err(no_such_user(name));
    }
    let tokens = store.tokens(user).map_err(Failure::io)?;
    if context.output.is_json() {
        context.output.document(&tokens.iter().map(document).collect::<Vec<_>>())?;
        return Ok(Answer::Yes);
    }
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            vec![
                token.number.to_string(),
                inert::line(&token.user).to_string(),
                inert::line(&token.name).to_string(),
                inert::line(token.owner.as_deref().unwrap_or_default()).to_string(),
                token.used.map_or_else(|| "never".to_owned(), ago),
                state(token),
            ]
        })
        .collect();
    let none = "no tokens: `portcullis token create --user NAME` makes one";
    context.output.table(&["token", "user", "name", "on behalf of", "last used", "state"], &rows, none)?;
    Ok(Answer::Yes)
}

fn state(token: &Token) -> String {
    match token.revoked {
        Some(at) => format!("revoked {}", ago(at)),
        None if token.is_good(now()) => format!("ends {}", until(token.expires)),
        None => format!("ended {}", ago(token.expires)),
    }
}

fn document(token: &Token) -> Value {
    json!({
        "number": token.number,
        "user": token.user,
        "name": token.name,
        "on_behalf_of": token.owner,
        "created": token.created,
        "expires": token.expires,
        "used": token.used,
        "revoked": token.revoked,
        "good": token.is_good(now()),
    })
}

fn revoke(context: &Context, number: u64, reason: &str) -> Outcome {
    let mut store = store(context)?;
    let Some(token) = store.token(number).map_err(Failure::io)? else {
        return Err(Failure::configuration(format_args!("there is no token {number}"))
            .help("`portcullis token list` shows them"));
    };
    let reason = if reason.is_empty() { "the token was revoked" } else { reason };
    let changed = store.revoke_token(number, "the operator", reason, now()).map_err(Failure::io)?;
    if context.output.is_json() {
        context.output.document(&json!({ "revoked": number, "changed": changed }))?;
    } else {
        let user = inert::line(&token.user);
        context.output.line(&if changed {
            format!("revoked token {number} of {user}; sessions that it opened end")
        } else {
            format!("token {number} of {user} was revoked before")
        })?;
    }
    Ok(Answer::Yes)
}
