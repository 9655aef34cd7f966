//! Accounts from a source that may not answer: nobody waits for one for ever.

use std::sync::Arc;
use std::time::Duration;

use policy_core::Principal;
use rustls_pki_types::CertificateDer;

use super::proof::Identified;
use super::source::{Answer, Claim, IdentityError, IdentitySource};

/// The longest that a look-up may take. A command waits, or a watcher counts, for no longer on somebody who can't be looked up.
const PATIENCE: Duration = Duration::from_secs(2);

/// A source whose look-ups fail once they take too long.
#[derive(Debug)]
pub(crate) struct Patient(pub(crate) Arc<dyn IdentitySource>);

fn soon<T: 'static>(answer: Answer<'_, T>) -> Answer<'_, T> {
    Box::pin(async {
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or(Err(IdentityError::Slow(PATIENCE)))
    })
}

impl IdentitySource for Patient {
    fn claim<'a>(&'a self, name: &'a str) -> Answer<'a, Claim> {
        soon(self.0.claim(name))
    }

    fn current<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Principal>> {
        soon(self.0.current(name))
    }

    fn keys<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<String>> {
        soon(self.0.keys(name))
    }

    fn token<'a>(&'a self, shown: &'a str) -> Answer<'a, Option<Identified>> {
        soon(self.0.token(shown))
    }

    fn certificate<'a>(&'a self, verified: &'a CertificateDer<'_>) -> Answer<'a, Option<Identified>> {
        soon(self.0.certificate(verified))
    }

    fn still<'a>(&'a self, who: &'a Identified) -> Answer<'a, Option<Identified>> {
        soon(self.0.still(who))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    /// Never answers.
    #[derive(Debug)]
    struct Silent;

    impl IdentitySource for Silent {
        fn claim<'a>(&'a self, _: &'a str) -> Answer<'a, Claim> {
            Box::pin(pending())
        }

        fn current<'a>(&'a self, _: &'a str) -> Answer<'a, Option<Principal>> {
            Box::pin(pending())
        }

        fn keys<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<String>> {
            Box::pin(pending())
        }

        fn token<'a>(&'a self, _: &'a str) -> Answer<'a, Option<Identified>> {
            Box::pin(pending())
        }

        fn certificate<'a>(&'a self, _: &'a CertificateDer<'_>) -> Answer<'a, Option<Identified>> {
            Box::pin(pending())
        }

        fn still<'a>(&'a self, _: &'a Identified) -> Answer<'a, Option<Identified>> {
            Box::pin(pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_never_answers_lets_nobody_in_and_nobody_wait() {
        let patient = Patient(Arc::new(Silent));
        let began = tokio::time::Instant::now();
        assert!(matches!(patient.claim("ana").await, Err(IdentityError::Slow(_))));
        assert!(matches!(patient.current("ana").await, Err(IdentityError::Slow(_))));
        assert!(matches!(patient.keys("ana").await, Err(IdentityError::Slow(_))));
        let slow = |answer| matches!(answer, Err(IdentityError::Slow(_)));
        assert!(slow(patient.token("pcl_").await));
        assert!(slow(patient.certificate(&CertificateDer::from_slice(b"none")).await));
        let ana = Identified { principal: Principal::human("ana", ["eng"]), proof: "password".into() };
        assert!(slow(patient.still(&ana).await));
        assert!(began.elapsed() <= 7 * PATIENCE);
    }
}
