//! Command lines → actions.
//!
//! [`read`] takes what an SSH client asks to run (`ssh host 'text'`), which the target's sshd hands to the user's login
//! shell with `-c`, and gives the set of actions that it stands for, in the vocabulary of
//! `policy_core::vocabulary::ssh`.
//!
//! # What it promises
//!
//! - **No command is dropped.** Every command that the shell may run is an `exec` (or a `shell`, or a file operation)
//!   of the set, whichever branch or loop it stands in, or the set holds `unknown`.
//! - **A wrapped command is an action too**: `sudo`, `env`, `xargs`, `find -exec`, `sh -c`, `timeout` and their like are
//!   themselves an action, and so is what they run. An option of a wrapper that is not known makes it `unknown`.
//! - **What is not known of a word is a hole** ([`policy_core::Slot`]), and a command whose name has one is `unknown`.
//! - **Several shells are read.** A text is read as bash (and ksh), dash (and busybox's ash) and zsh would, and does all that any of
//!   them makes of it: `ls {a,b}` is `ls a b` and `ls {a,b}`.
//! - **Bounded.** Bytes, tokens, nesting, actions and all that expansions produce are capped ([`Limits`]). No text
//!   overflows a stack or panics.
//!
//! # What it can't see
//!
//! A login shell of another family (csh, tcsh, fish): such accounts need another shell, or a policy that permits only
//! what has an [`Reading::argv`], sent as [`quote`] writes it. What startup files of the account define (aliases,
//! functions, `PATH`). What a program does: code in another language (`python -c`, `perl -e`) and options of known
//! programs that start others are `unknown`, a program or a script by name is its `exec`. What a program that was
//! started with a terminal offers there (a pager's `!`). Links between directories.

mod ansi;
mod argument;
mod arithmetic;
mod ast;
mod brace;
mod builtins;
mod dialect;
mod expand;
mod follow;
mod grammar;
mod here;
mod interpreters;
mod invoke;
mod lex;
mod limits;
mod options;
mod parameter;
pub mod path;
mod programs;
mod quote;
mod redirect;
mod remote;
mod run;
mod scripts;
mod search;
mod simple;
mod table;
mod transfer;
mod variables;
mod wrappers;

use std::collections::HashSet;

use policy_core::{Action, ActionSet};

use ast::{Join, Kind, Part, Program};
use dialect::Dialect;
use lex::Parser;
use limits::Budget;
use run::Runner;
use variables::State;

pub use limits::Limits;
pub use quote::quote;

/// What a text's meaning depends on besides the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Environment<'a> {
    /// The account's home directory on the target, where commands start: an absolute path. `None` where it is not
    /// known: then relative paths are undetermined.
    pub home: Option<&'a str>,
    /// How much a text may hold.
    pub limits: Limits,
}

/// What a text does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Its actions; a text without commands is a `noop`.
    pub actions: ActionSet,
    /// The words of a text that is one plain command: no operators, expansions, assignments or redirections, the same in
    /// every shell. [`quote`] writes it anew.
    pub argv: Option<Vec<String>>,
}

/// Reads a text as login shells do. What is not UTF-8 is for the caller to call `unknown`.
///
/// ```
/// use policy_core::{Value, Verb};
/// use policy_normalize::shell::{self, Environment};
///
/// let environment = Environment { home: Some("/home/ana"), ..Environment::default() };
/// let reading = shell::read("sudo systemctl restart \"nginx-$N\" > log", &environment);
/// let done: Vec<&Verb> = reading.actions.iter().map(|action| &action.verb).collect();
/// assert_eq!(done, [&Verb::new("write"), &Verb::new("exec"), &Verb::new("exec")]);
/// assert_eq!(reading.argv, None);
///
/// let plain = shell::read(r"systemctl 'sta'tus ngin\x", &environment);
/// assert_eq!(plain.argv.as_deref(), Some(&["systemctl", "status", "nginx"].map(String::from)[..]));
/// ```
pub fn read(text: &str, environment: &Environment<'_>) -> Reading {
    let limits = environment.limits;
    if text.len() > limits.bytes || !is_readable(text) {
        return Reading { actions: ActionSet::unknown(), argv: None };
    }
    let budget = Budget::new(limits);
    let mut actions = vec![];
    let mut done = HashSet::new();
    let programs = Dialect::ALL.map(|dialect| (dialect, Parser::new(text, dialect, &budget, 0).whole()));
    for (dialect, program) in &programs {
        let mut runner = Runner::new(environment, text, *dialect, &budget, &mut actions, &mut done);
        let followed = match program {
            Ok(program) => runner.whole(program, &mut State::new(environment.home, Some(vec![]))),
            Err(fault) => Err(*fault),
        };
        if followed.is_err() {
            runner.unknown();
            // The limits are shared: others would get no further.
            if followed == Err(limits::Fault::Limit) {
                break;
            }
        }
    }
    if actions.len() > limits.actions {
        actions.push(Action::unknown());
    }
    let actions = if actions.is_empty() { ActionSet::noop() } else { ActionSet::new(actions) };
    let mut vectors = programs.iter().map(|(_, program)| program.as_ref().ok().and_then(plain_words));
    let argv = vectors.next().flatten().filter(|first| vectors.all(|other| other.as_ref() == Some(first)));
    Reading { actions, argv }
}

/// Whether a text has no characters that terminals and shells take for something else.
fn is_readable(text: &str) -> bool {
    text.chars().all(|character| !character.is_control() || matches!(character, '\n' | '\t'))
}

/// The words of a program that is one plain command.
fn plain_words(program: &Program) -> Option<Vec<String>> {
    let [entry] = program.entries.as_slice() else { return None };
    let [(Join::First, pipeline)] = entry.chain.as_slice() else { return None };
    let [command] = pipeline.stages.as_slice() else { return None };
    let Kind::Simple(simple) = &command.kind else { return None };
    if entry.background || pipeline.negated || !command.redirects.is_empty() || !simple.assignments.is_empty()
    {
        return None;
    }
    let words = simple.words.iter().enumerate().map(|(index, word)| {
        let mut text = String::new();
        for part in word {
            match part {
                Part::Plain(plain) if plain.contains(['*', '?', '[', ']', '{', '}', '~', '^', '#', '$']) => {
                    return None;
                }
                Part::Plain(plain)
                    if text.is_empty()
                        && (plain.starts_with('=') || (index == 0 && plain.starts_with('%'))) =>
                {
                    return None;
                }
                Part::Plain(plain) | Part::Quoted(plain) => text.push_str(plain),
                _ => return None,
            }
        }
        Some(text)
    });
    words.collect::<Option<Vec<_>>>().filter(|words| !words.is_empty())
}
