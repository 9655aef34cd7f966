//! How a command ends: with an answer, or with what went wrong and the way out.

use std::fmt;
use std::process::ExitCode;

/// The answer of a command that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done, and the answer is yes. Exit code 0.
    Yes,
    /// Done, and the answer is no. Exit code 1.
    No,
}

impl From<Answer> for ExitCode {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Yes => Self::SUCCESS,
            Answer::No => Self::from(1),
        }
    }
}

/// Which of the documented exit codes a failure has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was asked for can't be meant. Exit code 2, as `clap` answers itself.
    Usage,
    /// The configuration or a policy file can't be used. Exit code 3.
    Configuration,
    /// The gateway can't be reached, or refused. Exit code 4.
    Gateway,
    /// Reading or writing failed. Exit code 5.
    Io,
}

/// A command that could not be done.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Which exit code it has.
    pub(crate) kind: Kind,
    /// What happened: the thing and the place.
    pub(crate) message: String,
    /// The way out, where one is known.
    pub(crate) help: Option<String>,
}

impl Failure {
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Usage, message: message.to_string(), help: None }
    }

    /// What `clap` says: `error: …`, then, behind a line that is empty, suggestions and usage.
    pub(crate) fn misspelt(said: &str) -> Self {
        let said = said.strip_prefix("error: ").unwrap_or(said).trim_end();
        match said.split_once("\n\n") {
            Some((message, help)) => Self::usage(message).help(help.trim_start()),
            None => Self::usage(said),
        }
    }

    pub(crate) fn configuration(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Configuration, message: message.to_string(), help: None }
    }

    pub(crate) fn gateway(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Gateway, message: message.to_string(), help: None }
    }

    pub(crate) fn io(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Io, message: message.to_string(), help: None }
    }

    /// Adds the way out.
    #[must_use]
    pub(crate) fn help(mut self, help: impl fmt::Display) -> Self {
        self.help = Some(help.to_string());
        self
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Usage => 2,
            Kind::Configuration => 3,
            Kind::Gateway => 4,
            Kind::Io => 5,
        })
    }
}

/// What every command returns.
pub(crate) type Outcome = Result<Answer, Failure>;
