//! SFTP, version 3, as a gateway in the middle sees it: judged request by request. No I/O happens here.
//!
//! [`Gate`] is what a proxy drives. It takes the client's bytes and the target's, and says packet by packet what is
//! to be judged, what may pass because it continues something that was admitted, and what is refused out of hand.
//!
//! - [`wire`]: bytes to packets, to their last byte;
//! - [`path`]: the one form in which a path is judged *and* sent;
//! - [`operation`]: what a request does, in the words of policies;
//! - [`gate`]: the order of things, handles, and which reply answers what.
//!
//! What is out of reach: symbolic links that exist on the target. A path is judged as it is written; where a link
//! leads is known to the target alone. Making one is an action of its own (`symlink`), with where it leads as `to`.
//!
//! Sources: draft-ietf-secsh-filexfer-02, and `PROTOCOL`, section 4, of OpenSSH for its deviations and extensions.

pub mod gate;
mod handles;
pub mod operation;
pub mod path;
#[cfg(test)]
mod tests;
pub mod wire;

pub use gate::{Ask, Fatal, Gate, Refused, Reply, Step};
pub use handles::{Access, Closed};

/// The subsystem's name.
pub const SUBSYSTEM: &str = "sftp";
