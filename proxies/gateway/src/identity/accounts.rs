//! Accounts that are looked up to answer one question, each once.

use std::collections::BTreeMap;

use policy_core::Principal;

use super::source::{IdentityError, IdentitySource};

/// Accounts as they are now. Made for one question and gone with it: groups change.
#[derive(Debug, Default)]
pub(crate) struct Accounts(BTreeMap<String, Option<Principal>>);

impl Accounts {
    /// Looks an account up, unless it was before.
    pub(crate) async fn look_up(
        &mut self,
        source: &dyn IdentitySource,
        name: &str,
    ) -> Result<(), IdentityError> {
        if !self.0.contains_key(name) {
            let current = source.current(name).await?;
            self.0.insert(name.to_owned(), current);
        }
        Ok(())
    }

    /// One of those that were looked up, if it is there and may act.
    pub(crate) fn get(&self, name: &str) -> Option<&Principal> {
        self.0.get(name)?.as_ref()
    }
}
