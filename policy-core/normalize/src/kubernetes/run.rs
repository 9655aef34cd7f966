//! What a command in a container does: the words that `exec` is given, as the shell normaliser reads them.

use policy_core::{Action, Value};

use crate::shell::{self, Environment};

/// One effect of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// A program is run, with these arguments.
    Program {
        argv: Value,
        /// Whether it is a shell or interpreter that reads what it is to do from standard input.
        shell: bool,
    },
    /// What the shell normaliser says of files and variables, or that it does not know.
    Other(Action),
}

/// What these words do. The first effect is the command itself as it is asked for.
///
/// No shell reads them on their way: they are quoted for the shell normaliser, which has to find the same words again.
pub(super) fn effects(words: &[&str]) -> Vec<Effect> {
    let reading = shell::read(&shell::quote(words), &Environment::default());
    let asked = Value::List(words.iter().map(|word| Box::from(*word)).collect());
    let runs = |action: &Action| action.attribute("argv") == Some(&asked);
    let is = |action: &Action, verb: &str| action.verb.as_str() == verb;
    // A shell that is asked for by itself is no `exec`.
    let asked_is_shell = reading.actions.iter().any(|action| is(action, "shell"))
        && !reading.actions.iter().any(|action| is(action, "exec") && runs(action));
    let mut effects = vec![Effect::Program { argv: asked.clone(), shell: asked_is_shell }];
    if reading.argv.is_none_or(|argv| argv != words) {
        effects.push(Effect::Other(Action::unknown()));
    }
    for action in &reading.actions {
        match action.verb.as_str() {
            "exec" if runs(action) => {}
            "exec" => {
                let argv = action.attribute("argv").cloned().unwrap_or(Value::Undetermined);
                effects.push(Effect::Program { argv, shell: false });
            }
            "shell" if asked_is_shell => {}
            // A shell that the command starts: what it is called by is not said.
            "shell" => effects.push(Effect::Program { argv: Value::Undetermined, shell: true }),
            "noop" => {}
            "env" | "read" | "remove" | "write" => effects.push(Effect::Other(action.clone())),
            _ => effects.push(Effect::Other(Action::unknown())),
        }
    }
    effects
}
