//! A program that runs in a pod, as far as recordings tell of it: what it was told, how large its terminal is, how it ended.

use portcullis_evidence::recording::Event;
use portcullis_gateway::enforce::{Receipt, Tape};
use portcullis_gateway::stream::Input;
use serde::Deserialize;
use serde_json::json;

use crate::mask::Sought;

/// The recorded side of a program. Cheap to clone: both directions know it.
#[derive(Clone)]
pub(crate) struct Program {
    tape: Tape,
    command: u64,
    /// Where what is said is recorded: always on a terminal, which can't be understood without.
    input: Option<Input>,
}

impl Program {
    pub(crate) fn new(tape: Tape, receipt: &Receipt, sought: &Sought, has_terminal: bool) -> Self {
        let command = receipt.command();
        let is_recorded = has_terminal || receipt.judged().records_results();
        let input = is_recorded.then(|| sought.input(command, has_terminal));
        if has_terminal && tape.is_on() {
            tape.push(&Event::Terminal { command, term: "xterm".into(), columns: 0, rows: 0 });
        }
        Self { tape, command, input }
    }

    /// Whether what it says is recorded, too.
    pub(crate) const fn is_recorded(&self) -> bool {
        self.input.is_some()
    }

    /// The client sends this.
    pub(crate) fn sent(&self, data: &[u8]) {
        if let Some(input) = &self.input
            && self.tape.is_on()
        {
            input.sent(&self.tape, data);
        }
    }

    /// The program has said this, which tells what of the input was echoed.
    pub(crate) fn answered(&self, data: &[u8]) {
        if let Some(input) = &self.input
            && self.tape.is_on()
        {
            input.answered(&self.tape, data);
        }
    }

    pub(crate) fn resize(&self, Size { width, height }: Size) {
        if self.tape.is_on() {
            self.tape.push(&Event::Resize { command: self.command, columns: width, rows: height });
        }
    }

    /// It has ended.
    pub(crate) fn end(&self, exited: Option<Exited>) {
        if !self.tape.is_on() {
            return;
        }
        if let Some(input) = &self.input {
            input.finish(&self.tape);
        }
        let status = exited.map(|Exited(status)| status);
        self.tape.push(&Event::Exit { command: self.command, status, signal: None });
    }
}

/// How large a terminal is, in characters, as the client said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Size {
    width: u32,
    height: u32,
}

impl Size {
    pub(crate) fn of(message: &[u8]) -> Option<Self> {
        serde_json::from_slice(message).ok()
    }
}

/// A program's exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exited(pub(crate) u32);

impl Exited {
    /// From the `Status` that a kubelet sends: success, or a failure with the cause `ExitCode`.
    pub(crate) fn of(message: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Status {
            status: String,
            details: Option<Details>,
        }
        #[derive(Deserialize)]
        struct Details {
            #[serde(default)]
            causes: Vec<Cause>,
        }
        #[derive(Deserialize)]
        struct Cause {
            reason: Option<String>,
            message: Option<String>,
        }
        let status: Status = serde_json::from_slice(message).ok()?;
        if status.status == "Success" {
            return Some(Self(0));
        }
        let causes = status.details?.causes;
        let cause = causes.into_iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
        Some(Self(cause.message?.parse().ok()?))
    }
}

/// The `Status` by which the gateway says why a program's streams end. Without one, kubectl takes an end for success.
pub(crate) fn broken_off(why: &str) -> Vec<u8> {
    let status =
        json!({ "metadata": {}, "status": "Failure", "reason": "Forbidden", "message": why, "code": 403 });
    status.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_how_a_program_ended() {
        let failed = r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#;
        assert_eq!(Exited::of(br#"{"metadata":{},"status":"Success"}"#), Some(Exited(0)));
        assert_eq!(Exited::of(failed.as_bytes()), Some(Exited(7)));
        assert_eq!(Exited::of(br#"{"status":"Failure","message":"no such container"}"#), None);
        assert_eq!(Exited::of(b"no json"), None);
        assert_eq!(Size::of(br#"{"Width":80,"Height":24}"#), Some(Size { width: 80, height: 24 }));
    }
}
