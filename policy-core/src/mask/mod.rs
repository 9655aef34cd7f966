//! What happens to values on their way back: [`Transform`]s, [`Detector`]s and the stream masker.

mod detect;
mod transform;

pub use transform::{Applied, Joined, MaskKey, REDACTED, Transform, ValueKind, WeakMaskKey};

/// A kind of value that can be recognised by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// Payment card numbers (Luhn, with separators).
    CreditCard,
    /// E-mail addresses.
    Email,
    /// US social security numbers.
    Ssn,
    /// International bank account numbers (mod 97).
    Iban,
    /// Telephone numbers.
    Phone,
    /// JSON Web Tokens.
    Jwt,
    /// AWS access key ids and secret keys.
    AwsKey,
    /// PEM private keys.
    PrivateKey,
    /// Values of `Authorization` headers.
    Authorization,
}
