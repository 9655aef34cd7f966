//! What becomes of output that is held back, because it may be the beginning of a find, when no more of it comes.

use std::time::Duration;

use bytes::Bytes;

use super::Output;

/// After how much silence what is held back is shown, but for the beginnings of finds.
pub const SETTLED: Duration = Duration::from_millis(20);
/// After how much silence all of it is.
const RELEASED: Duration = Duration::from_secs(1);

/// How far a silence was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Silence {
    /// Not yet.
    #[default]
    Fresh,
    /// What begins no find was shown.
    Settled,
    /// All was shown: whoever writes it may wait for an answer to it.
    Released,
}

impl Silence {
    /// How long after the last output it is to be answered again; never, where all was.
    pub const fn after(self) -> Option<Duration> {
        match self {
            Self::Fresh => Some(SETTLED),
            Self::Settled => Some(RELEASED),
            Self::Released => None,
        }
    }

    /// Answers it: how outputs are to be shown.
    pub fn answer(&mut self) -> fn(&mut Output) -> Bytes {
        let (next, show): (_, fn(&mut Output) -> Bytes) = match self {
            Self::Fresh => (Self::Settled, Output::settle),
            Self::Settled | Self::Released => (Self::Released, Output::release),
        };
        *self = next;
        show
    }
}
