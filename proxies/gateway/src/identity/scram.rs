//! SCRAM-SHA-256 (RFC 5802, RFC 7677) from the server's side: verifiers in PostgreSQL's textual form.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::token::TokenText;

/// Iterations of new verifiers. RFC 7677 asks for 4,096 at least; more slow a thief of verifiers down.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(15_000).unwrap();
/// The most that a stored verifier may ask of a client, and of us.
const MOST_ITERATIONS: u32 = 1_000_000;
const KEY_BYTES: usize = 32;
pub(super) const SALT_BYTES: usize = 16;

/// What is stored instead of a password: it checks proofs and passwords, and gives neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    iterations: NonZeroU32,
    salt: Box<[u8]>,
    stored_key: [u8; KEY_BYTES],
    server_key: [u8; KEY_BYTES],
}

impl Verifier {
    /// Makes the verifier of a new password.
    ///
    /// # Errors
    /// Where the password is too weak to stand in front of anything, or the system has no randomness.
    pub fn new(user: &str, password: &str) -> Result<Self, PasswordRefused> {
        if password.chars().count() < 8 {
            return Err(PasswordRefused::TooShort);
        }
        if password.chars().any(char::is_control) {
            return Err(PasswordRefused::ControlCharacter);
        }
        if TokenText::is_meant(password) {
            return Err(PasswordRefused::Token);
        }
        if password.trim().is_empty() || password.eq_ignore_ascii_case(user) {
            return Err(PasswordRefused::Guessable);
        }
        let mut salt = [0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).map_err(|_| PasswordRefused::NoRandomness)?;
        Ok(Self::derive(password, &salt, ITERATIONS))
    }

    fn derive(password: &str, salt: &[u8], iterations: NonZeroU32) -> Self {
        let salted = salted(password, salt, iterations);
        let client_key = sign(&*salted, b"Client Key");
        let server_key = sign(&*salted, b"Server Key");
        Self { iterations, salt: salt.into(), stored_key: hash(&client_key), server_key }
    }

    /// One that no password fits, for users that don't exist. The salt must be stable for a name, or two
    /// attempts would tell.
    pub(super) fn mock(
        salt: [u8; SALT_BYTES],
        stored_key: [u8; KEY_BYTES],
        server_key: [u8; KEY_BYTES],
    ) -> Self {
        Self { iterations: ITERATIONS, salt: salt.into(), stored_key, server_key }
    }

    /// What the server's first message tells the client.
    pub fn iterations(&self) -> u32 {
        self.iterations.get()
    }

    /// What the server's first message tells the client, before base64.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Whether this is the user's password. Takes as long as the iterations do.
    pub fn fits(&self, password: &str) -> bool {
        let candidate = Self::derive(password, &self.salt, self.iterations);
        candidate.stored_key.ct_eq(&self.stored_key).into()
    }

    /// Checks a client's proof over the exchange's AuthMessage (RFC 5802, section 3). The server's signature if it
    /// is right.
    pub(super) fn check(&self, auth_message: &[u8], proof: &[u8]) -> Option<[u8; KEY_BYTES]> {
        let signature = sign(&self.stored_key, auth_message);
        let mut client_key = Zeroizing::new([0; KEY_BYTES]);
        if proof.len() != KEY_BYTES {
            return None;
        }
        for ((byte, proof), signature) in client_key.iter_mut().zip(proof).zip(signature) {
            *byte = proof ^ signature;
        }
        let right: bool = hash(&*client_key).ct_eq(&self.stored_key).into();
        right.then(|| sign(&self.server_key, auth_message))
    }
}

/// PostgreSQL's form: `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, stored, server) =
            (BASE64.encode(&self.salt), BASE64.encode(self.stored_key), BASE64.encode(self.server_key));
        write!(f, "SCRAM-SHA-256${}:{salt}${stored}:{server}", self.iterations)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

impl FromStr for Verifier {
    type Err = NotAVerifier;

    fn from_str(text: &str) -> Result<Self, NotAVerifier> {
        let parse = || {
            let (parameters, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
            let (iterations, salt) = parameters.split_once(':')?;
            let (stored, server) = keys.split_once(':')?;
            let iterations: NonZeroU32 = iterations.parse().ok()?;
            let salt = BASE64.decode(salt).ok()?;
            let stored_key = BASE64.decode(stored).ok()?.try_into().ok()?;
            let server_key = BASE64.decode(server).ok()?.try_into().ok()?;
            let sound = iterations.get() <= MOST_ITERATIONS && !salt.is_empty();
            sound.then(|| Self { iterations, salt: salt.into(), stored_key, server_key })
        };
        parse().ok_or(NotAVerifier)
    }
}

/// The text is no SCRAM-SHA-256 verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a verifier of the form `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`")]
pub struct NotAVerifier;

/// Why a new password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefused {
    /// Fewer than 8 characters.
    #[error("the password is too short: use 8 characters or more")]
    TooShort,
    /// A tab, a line end, a NUL.
    #[error("the password has a control character in it, which clients can't type")]
    ControlCharacter,
    /// It begins as tokens do.
    #[error("the password begins like a token, and would be taken for one: use another")]
    Token,
    /// White space, or the user's own name.
    #[error("the password is the first one to be guessed: use another")]
    Guessable,
    /// The system's random generator failed.
    #[error("the system has no randomness for a salt")]
    NoRandomness,
}

fn salted(password: &str, salt: &[u8], iterations: NonZeroU32) -> Zeroizing<[u8; KEY_BYTES]> {
    // As PostgreSQL: what SASLprep (RFC 4013) does not take is used as it is.
    let prepared = stringprep::saslprep(password).unwrap_or(password.into());
    let mut salted = Zeroizing::new([0; KEY_BYTES]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, prepared.as_bytes(), &mut *salted);
    salted
}

fn sign(key: &[u8], message: &[u8]) -> [u8; KEY_BYTES] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    array(tag.as_ref())
}

fn hash(bytes: &[u8]) -> [u8; KEY_BYTES] {
    array(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn array(bytes: &[u8]) -> [u8; KEY_BYTES] {
    let mut array = [0; KEY_BYTES];
    array.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3.
    #[test]
    fn the_exchange_of_rfc_7677() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let verifier = Verifier::derive("pencil", &salt, NonZeroU32::new(4096).expect("not zero"));
        let auth_message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = BASE64.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").expect("base64");
        let signature = verifier.check(auth_message.as_bytes(), &proof).expect("the proof is right");
        assert_eq!(BASE64.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");

        let mut wrong = proof.clone();
        wrong[31] ^= 1;
        assert_eq!(verifier.check(auth_message.as_bytes(), &wrong), None);
        assert_eq!(verifier.check(auth_message.as_bytes(), &proof[..31]), None);
        assert_eq!(verifier.check(b"another exchange", &proof), None);
    }

    #[test]
    fn text_reads_back() {
        let verifier = Verifier::new("ana", "correct horse").expect("taken");
        assert_eq!(verifier.to_string().parse(), Ok(verifier.clone()));
        assert!(verifier.fits("correct horse"));
        assert!(!verifier.fits("correct horse "));
        assert!(!format!("{verifier:?}").contains("SCRAM"));
        for text in [
            "",
            "SCRAM-SHA-256$4096:$a:b",
            "SCRAM-SHA-256$0:c2FsdA==$a:b",
            "SCRAM-SHA-1$4096:c2FsdA==$a:b",
            "md5abc",
            "SCRAM-SHA-256$4096:c2FsdA==$YQ==:YQ==",
        ] {
            assert_eq!(text.parse::<Verifier>(), Err(NotAVerifier), "{text}");
        }
        let costly = verifier.to_string().replace("15000", "1000000000");
        assert_eq!(costly.parse::<Verifier>(), Err(NotAVerifier), "minutes of work for every attempt");
    }

    #[test]
    fn saslprep_makes_spellings_equal() {
        let verifier = Verifier::new("ana", "pass\u{ad}word\u{a0}Ⅸ").expect("taken");
        assert!(verifier.fits("password IX"));
    }

    #[test]
    fn weak_passwords_are_refused() {
        for (password, why) in [
            ("", PasswordRefused::TooShort),
            ("1234567", PasswordRefused::TooShort),
            ("         ", PasswordRefused::Guessable),
            ("Anastasia", PasswordRefused::Guessable),
            ("pcl_correct horse", PasswordRefused::Token),
            ("abcdefgh\n", PasswordRefused::ControlCharacter),
        ] {
            assert_eq!(Verifier::new("anastasia", password), Err(why), "{password:?}");
        }
    }
}
