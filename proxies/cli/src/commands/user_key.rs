//! `user key`: the public keys that local users log in with.

use std::io::Read as _;
use std::path::Path;

use portcullis_evidence::inert;
use portcullis_gateway::store::Store as _;
use portcullis_ssh::keys;
use serde_json::json;

use super::user::{no_such_user, store};
use crate::args::Key;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};

/// The longest file of keys, in bytes.
const LONGEST: u64 = 1 << 20;

pub(super) fn run(context: &Context, action: &Key) -> Outcome {
    match action {
        Key::Add { name, file } => add(context, name, file),
        Key::List { name } => list(context, name),
        Key::Remove { name, fingerprint } => remove(context, name, fingerprint),
    }
}

fn add(context: &Context, name: &str, file: &Path) -> Outcome {
    let text = read(file)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut new = Vec::new();
    for line in lines {
        let key = keys::public(line).map_err(|error| {
            let words = inert::line(&error.to_string()).to_string();
            Failure::configuration(words).help("give the `.pub` file, never the private key beside it")
        })?;
        new.push((keys::fingerprint(&key), line.to_owned()));
    }
    if new.is_empty() {
        return Err(Failure::configuration(format_args!("there is no public key in `{}`", file.display()))
            .help("`ssh-keygen -t ed25519` makes one; give its `.pub` file"));
    }
    let mut store = store(context)?;
    let mut user = store.user(name).map_err(Failure::io)?.ok_or_else(|| no_such_user(name))?;
    let known: Vec<String> = user.keys.iter().filter_map(|key| fingerprint(key)).collect();
    let added: Vec<(String, String)> =
        new.into_iter().filter(|(fingerprint, _)| !known.contains(fingerprint)).collect();
    user.keys.extend(added.iter().map(|(_, line)| line.clone()));
    store.put_user(&user).map_err(Failure::io)?;
    if context.output.is_json() {
        let fingerprints: Vec<_> = added.iter().map(|(fingerprint, _)| fingerprint).collect();
        context.output.document(&json!({ "user": name, "added": fingerprints }))?;
    } else if added.is_empty() {
        context.output.line(&format!("{} has that already", inert::line(name)))?;
    } else {
        for (fingerprint, _) in &added {
            context.output.line(&format!("{} may log in with {fingerprint}", inert::line(name)))?;
        }
    }
    Ok(Answer::Yes)
}

fn read(file: &Path) -> Result<String, Failure> {
    let unreadable = |error| Failure::io(format_args!("can't read `{}`: {error}", file.display()));
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(LONGEST).read_to_string(&mut text).map_err(unreadable)?;
    } else {
        let opened = std::fs::File::open(file).map_err(unreadable)?;
        opened.take(LONGEST).read_to_string(&mut text).map_err(unreadable)?;
    }
    Ok(text)
}

fn list(context: &Context, name: &str) -> Outcome {
    let user = store(context)?.user(name).map_err(Failure::io)?.ok_or_else(|| no_such_user(name))?;
    if context.output.is_json() {
        let each = user.keys.iter().map(|key| json!({ "fingerprint": fingerprint(key), "key": key }));
        context.output.document(&each.collect::<Vec<_>>())?;
        return Ok(Answer::Yes);
    }
    let rows: Vec<Vec<String>> = user
        .keys
        .iter()
        .map(|key| {
            let mut words = key.split_ascii_whitespace();
            let kind = words.next().unwrap_or_default().to_owned();
            let comment = words.skip(1).collect::<Vec<_>>().join(" ");
            vec![fingerprint(key).unwrap_or_default(), kind, inert::line(&comment).to_string()]
        })
        .collect();
    let none = format!(
        "{} has no keys: `portcullis user key add {} FILE` adds some",
        inert::line(name),
        inert::line(name)
    );
    context.output.table(&["fingerprint", "kind", "comment"], &rows, &none)?;
    Ok(Answer::Yes)
}

fn remove(context: &Context, name: &str, wanted: &str) -> Outcome {
    let mut store = store(context)?;
    let mut user = store.user(name).map_err(Failure::io)?.ok_or_else(|| no_such_user(name))?;
    let before = user.keys.len();
    user.keys.retain(|key| fingerprint(key).as_deref() != Some(wanted));
    if user.keys.len() == before {
        return Err(Failure::configuration(format_args!(
            "{} has no key `{}`",
            inert::line(name),
            inert::line(wanted)
        ))
        .help(format!("`portcullis user key list {}` shows them", inert::line(name))));
    }
    store.put_user(&user).map_err(Failure::io)?;
    if context.output.is_json() {
        context.output.document(&json!({ "user": name, "removed": wanted }))?;
    } else {
        context.output.line(&format!("{} no longer logs in with {wanted}", inert::line(name)))?;
        context.output.note(&format!(
            "sessions that are open stay open: `portcullis revoke --user {}` ends them",
            inert::line(name)
        ));
    }
    Ok(Answer::Yes)
}

fn fingerprint(key: &str) -> Option<String> {
    keys::public(key).ok().map(|key| keys::fingerprint(&key))
}
