//! Asking a running gateway, over its control socket.

use std::time::{SystemTime, UNIX_EPOCH};

use portcullis_evidence::inert;
use portcullis_gateway::control::{Client, ClientError, Credentials};
use portcullis_gateway::credential::Secret;

use crate::context::Context;
use crate::failure::Failure;
use crate::password::Hidden;

/// Puts a question to the gateway that the configuration describes, as a local user where one is given.
pub(super) fn ask<T>(
    context: &Context,
    user: Option<(&str, &Hidden)>,
    question: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
) -> Result<T, Failure> {
    let mut client = Client::new(context.config()?.control);
    if let Some((user, password)) = user {
        let password = Secret::new(password.as_bytes().to_vec());
        client = client.as_user(Credentials { user: user.to_owned(), password });
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io(format_args!("the system refuses a runtime: {error}")))?;
    runtime.block_on(question(&client)).map_err(|error| refused(&error))
}

/// Why a call failed, and the way out.
pub(super) fn refused(error: &ClientError) -> Failure {
    let failure = Failure::gateway(inert::lines(&error.to_string()));
    match error {
        // The gateway does well; what it was to take up does not.
        ClientError::Refused { status: 422, .. } => {
            Failure::configuration(failure.message).help("mend it, then `portcullis reload` again")
        }
        ClientError::Refused { status: 404, .. } => {
            failure.help("`portcullis approvals` and `portcullis sessions` list what there is")
        }
        ClientError::Refused { status: 409, .. } => {
            failure.help("`portcullis approvals --all` shows how it stands now")
        }
        ClientError::NotRunning(socket) => {
            let socket = inert::line(&socket.display().to_string()).to_string();
            Failure::gateway(format_args!("no gateway listens on `{socket}`")).help(
                "start it with `portcullis serve`, or name the configuration of one that runs: --config FILE",
            )
        }
        ClientError::Protocol(_) => failure.help("is the gateway of the same version as this command?"),
        _ => failure,
    }
}

/// How long ago a moment was, in milliseconds since the Unix epoch.
pub(super) fn ago(moment: i64) -> String {
    match span(now() - moment) {
        Some(span) => format!("{span} ago"),
        None => "just now".to_owned(),
    }
}

/// How long it is until a moment.
pub(super) fn until(moment: i64) -> String {
    match span(moment - now()) {
        Some(span) => format!("in {span}"),
        None => "now".to_owned(),
    }
}

/// Milliseconds since the Unix epoch.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds in the largest unit that says enough; `None` for less than a second.
fn span(millis: i64) -> Option<String> {
    match millis / 1000 {
        ..=0 => None,
        seconds @ 1..=119 => Some(format!("{seconds} s")),
        seconds @ 120..=7199 => Some(format!("{} min", seconds / 60)),
        seconds @ 7200..=172_799 => Some(format!("{} h", seconds / 3600)),
        seconds => Some(format!("{} days", seconds / 86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_rounded_down_to_what_matters() {
        for (millis, expected) in [
            (-5000, None),
            (999, None),
            (1000, Some("1 s")),
            (119_999, Some("119 s")),
            (120_000, Some("2 min")),
            (7_200_000, Some("2 h")),
            (172_800_000, Some("2 days")),
        ] {
            assert_eq!(span(millis).as_deref(), expected, "{millis}");
        }
    }
}
