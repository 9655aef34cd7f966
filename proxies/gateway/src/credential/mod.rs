//! A target's credential: where it is loaded from, and how it is kept from everyone but the target.

mod load;
mod sealed;
mod secret;

pub use load::{CredentialError, load, read_private};
pub use sealed::{SealedError, SecretsFile};
pub use secret::Secret;
