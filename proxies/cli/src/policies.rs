//! Policy files: reading them, and making them a policy that can judge.

use std::path::{Path, PathBuf};

use policy_core::Policy;
use policy_lang::{Diagnostics, Environment, Loaded, Severity, Source, Style};
use portcullis_gateway::config::Config;
use portcullis_gateway::policies::environment;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, Tone};

/// The files of one policy, and what they may name.
#[derive(Debug)]
pub(crate) struct Policies {
    /// The files' texts.
    pub(crate) sources: Vec<Source>,
    /// What they are checked against.
    pub(crate) environment: Environment,
}

impl Policies {
    /// Reads `files`, or those that the configuration names where none is given.
    pub(crate) fn read(context: &Context, files: &[PathBuf]) -> Result<Self, Failure> {
        let (config, files) = if files.is_empty() {
            let config = context.config()?;
            let files = config.policies.clone();
            (Some(config), files)
        } else {
            (context.config_if_named()?, files.to_vec())
        };
        Self::of(config.as_ref(), &files)
    }

    /// Reads `files`, to be checked against `config` where there is one.
    pub(crate) fn of(config: Option<&Config>, files: &[PathBuf]) -> Result<Self, Failure> {
        Ok(Self {
            sources: files.iter().map(|file| source(file)).collect::<Result<_, _>>()?,
            environment: config.map(environment).unwrap_or_default(),
        })
    }

    /// Checks and lowers them.
    pub(crate) fn load(&self) -> Result<Loaded, Diagnostics> {
        policy_lang::load(&self.sources, &self.environment)
    }

    /// The policy and its tests, for commands that need one without errors.
    pub(crate) fn must_load(&self, output: Output) -> Result<Loaded, Failure> {
        self.load().map_err(|found| {
            let counted = count(found.errors(), "error");
            if output.is_json() {
                return first(&found, &counted);
            }
            let text = rendered(output, &found);
            Failure::configuration(format_args!("the policy has {counted}\n\n{}", text.trim_end()))
        })
    }

    /// The rules, compiled.
    pub(crate) fn compile(&self, loaded: &Loaded) -> Result<Policy, Failure> {
        Policy::compile([&loaded.rules], &self.environment.vocabularies).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Failure::configuration(format_args!("the policy can't be compiled:\n{}", errors.join("\n")))
        })
    }
}

/// For scripts: the first fault, and apart from it the way out. All of them are what `check --json` prints.
fn first(found: &Diagnostics, counted: &str) -> Failure {
    let all = "`portcullis check --json` prints all that is found";
    let Some(report) = found.reports().into_iter().find(|report| report.severity == Severity::Error) else {
        return Failure::configuration(format_args!("the policy has {counted}")).help(all);
    };
    let place = report.place.map_or(String::new(), |at| format!("{}:{}:{}: ", at.file, at.line, at.column));
    let ways_out: Vec<&str> = std::iter::once(report.label.as_str())
        .chain(report.help.iter().map(String::as_str))
        .chain([all])
        .filter(|way_out| !way_out.is_empty())
        .collect();
    Failure::configuration(format_args!("the policy has {counted}: {place}{}", report.message))
        .help(ways_out.join("; "))
}

/// Reads one file.
pub(crate) fn source(file: &Path) -> Result<Source, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    Ok(Source::new(file.display().to_string(), text))
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    let failure =
        Failure::configuration(format_args!("can't read the policy file `{}`: {error}", file.display()));
    match error.kind() {
        std::io::ErrorKind::InvalidData => failure.help("policies are UTF-8 text: is it the right file?"),
        std::io::ErrorKind::NotFound => failure.help("`portcullis init` writes a first policy"),
        _ => failure,
    }
}

/// Diagnostics as text, coloured where the answer is.
pub(crate) fn rendered(output: Output, found: &Diagnostics) -> String {
    found.render(if output.is_coloured() { Style::Coloured } else { Style::Plain })
}

/// Prints how many errors and warnings there are, with the tone that goes with them.
pub(crate) fn counted(output: Output, errors: usize, warnings: usize) -> String {
    match (errors, warnings) {
        (0, 0) => output.tone(Tone::Good, "no problems"),
        (0, warnings) => output.tone(Tone::Caution, &count(warnings, "warning")),
        (errors, 0) => output.tone(Tone::Bad, &count(errors, "error")),
        (errors, warnings) => {
            output.tone(Tone::Bad, &format!("{}, {}", count(errors, "error"), count(warnings, "warning")))
        }
    }
}

/// `1 rule`, `2 rules`.
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
