//! Passwords and secrets: from a file, the environment, standard input or the terminal; never from the command line.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::args::Password;
use crate::failure::Failure;

/// The variable that a password is taken from.
const VARIABLE: &str = "PORTCULLIS_PASSWORD";
/// The longest value, in bytes.
const LONGEST: u64 = 64 * 1024;

/// A value that is forgotten when it is dropped.
pub(crate) type Hidden = Zeroizing<String>;

/// The password of somebody who has one.
pub(crate) fn known(arguments: &Password, whose: &str) -> Result<Hidden, Failure> {
    match given(arguments)? {
        Some(password) => Ok(password),
        None => ask(&format!("Password of {whose}: ")),
    }
}

/// A new password, asked for twice.
pub(crate) fn new(arguments: &Password, whose: &str) -> Result<Hidden, Failure> {
    match given(arguments)? {
        Some(password) => Ok(password),
        None => ask_twice(&format!("New password of {whose}: ")).map_err(|failure| match failure.help.clone() {
            Some(help) => failure.help(format_args!(
                "{help}; an agent or a service (--kind) needs none, nor does whom tokens, keys or certificates let in \
                 (--no-password)"
            )),
            None => failure,
        }),
    }
}

/// A new password where one is given; nobody is asked.
pub(crate) fn offered(arguments: &Password) -> Result<Option<Hidden>, Failure> {
    given(arguments)
}

/// A secret's value: what standard input brings, or what the terminal is asked for. One trailing newline is dropped.
pub(crate) fn secret(name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if io::stdin().is_terminal() {
        let value = ask_twice(&format!("Value of the secret {name}: "))?;
        return Ok(Zeroizing::new(value.as_bytes().to_vec()));
    }
    let mut value = Zeroizing::new(Vec::new());
    io::stdin()
        .lock()
        .take(LONGEST + 1)
        .read_to_end(&mut value)
        .map_err(|error| Failure::io(format_args!("can't read standard input: {error}")))?;
    if value.ends_with(b"\n") {
        value.pop();
    }
    if value.len() as u64 > LONGEST {
        return Err(Failure::io("the value is longer than 65,536 bytes: is it the right one?"));
    }
    if value.is_empty() {
        return Err(Failure::io("standard input brought no value")
            .help(format_args!("as in `printf %s \"$VALUE\" | portcullis secret set {name}`")));
    }
    Ok(value)
}

fn given(arguments: &Password) -> Result<Option<Hidden>, Failure> {
    if let Some(file) = &arguments.password_file {
        return from_file(file).map(Some);
    }
    match std::env::var(VARIABLE) {
        Ok(password) if password.is_empty() => Err(Failure::io(format_args!("${VARIABLE} is empty"))),
        Ok(password) => Ok(Some(Zeroizing::new(password))),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::io(format_args!("${VARIABLE} is not UTF-8 text")))
        }
    }
}

fn from_file(file: &Path) -> Result<Hidden, Failure> {
    let failed = |error: io::Error| {
        Failure::io(format_args!("can't read the password file `{}`: {error}", file.display()))
    };
    let open = fs::File::open(file).map_err(failed)?;
    let metadata = open.metadata().map_err(failed)?;
    // A pipe (`--password-file <(pass show gateway)`) has no readers besides this one.
    if metadata.is_file() && metadata.mode() & 0o077 != 0 {
        let (file, mode) = (file.display(), metadata.mode() & 0o777);
        return Err(Failure::io(format_args!(
            "the password file `{file}` has mode {mode:o}, so others can read it"
        ))
        .help(format_args!("run `chmod 600 {file}`")));
    }
    let mut password = Zeroizing::new(String::new());
    open.take(LONGEST).read_to_string(&mut password).map_err(failed)?;
    if password.ends_with('\n') {
        password.pop();
    }
    if password.is_empty() {
        return Err(Failure::io(format_args!("the password file `{}` is empty", file.display())));
    }
    Ok(password)
}

fn ask_twice(prompt: &str) -> Result<Hidden, Failure> {
    let first = ask(prompt)?;
    if *ask("Once more: ")? != *first {
        return Err(Failure::io("the two are not the same: nothing was changed"));
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<Hidden, Failure> {
    let answer = rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| {
        Failure::io(format_args!("there is no terminal to ask for a password: {error}"))
            .help(format_args!("give --password-file, or set ${VARIABLE}"))
    })?;
    if answer.is_empty() {
        return Err(Failure::io("nothing was typed: nothing was changed"));
    }
    Ok(answer)
}
