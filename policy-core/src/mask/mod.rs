//! What happens to values on their way back: [`Transform`]s, [`Detector`]s and the stream masker.

/// What becomes of a masked value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    /// NULL, or nothing where the protocol has no NULL.
    Null,
    /// A fixed replacement that says nothing about the value.
    Redact,
    /// A keyed, stable digest: equal values stay equal.
    Hash,
    /// The first characters are kept, the others replaced.
    First(u16),
    /// The last characters are kept, the others replaced.
    Last(u16),
    /// The recognisable part of an e-mail address or card number is kept.
    Partial,
}

/// A kind of value that can be recognised by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
