//! Who a client is: local users, and the proof that one of them is there.
//!
//! A look-up gives a [`Claim`] for every name, known or not: the exchange looks the same, and takes the same time, for
//! users that don't exist. Only [`Claim::prove`] turns one into a [`Principal`](policy_core::Principal).

mod fixed;
mod patient;
mod scram;
mod users;

pub use fixed::FixedUsers;
pub(crate) use patient::Patient;
pub use scram::{NotAVerifier, PasswordRefused, Verifier};
pub use users::{Answer, Claim, IdentityError, IdentitySource, LocalUsers, Proven};
