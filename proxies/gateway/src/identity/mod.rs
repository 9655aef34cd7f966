//! Who a client is: local users, and the proof that one of them is there.
//!
//! A look-up gives a [`Claim`] for every name, known or not: the exchange looks the same, and takes the same time, for
//! users that don't exist. Only [`Claim::prove`] turns one into a [`Principal`](policy_core::Principal).
//!
//! A token, or a certificate that TLS has verified, proves by itself: [`IdentitySource::token`] and
//! [`IdentitySource::certificate`] give whom, and [`IdentitySource::still`] says whether they do at a later moment.

mod accounts;
mod certificate;
mod fixed;
mod patient;
mod proof;
mod scram;
mod source;
#[cfg(test)]
mod tests;
mod token;
mod users;

pub(crate) use accounts::Accounts;
pub use certificate::{NotAName, client_name};
pub use fixed::FixedUsers;
pub(crate) use patient::Patient;
pub use proof::{Identified, Proof};
pub use scram::{NotAVerifier, PasswordRefused, Verifier};
pub use source::{Answer, Claim, IdentityError, IdentitySource, Proven};
pub use token::{NoRandomness, TokenText};
pub use users::LocalUsers;
