//! Which names of a family a policy looks at.

use std::collections::BTreeMap;

use policy_core::Policy;

/// The families of attributes that requests and messages have: of `body` is `body.amount`.
const FAMILIES: [&str; 5] = ["arguments", "body", "form", "header", "query"];

/// Which names of these families a policy looks at: only these are attributes of an action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<&'static str, Box<[String]>>);

impl Fields {
    /// What this policy looks at.
    pub fn of(policy: &Policy) -> Self {
        Self(FAMILIES.map(|family| (family, policy.looks_at(family).map(str::to_owned).collect())).into())
    }

    /// The names that it looks at, without their family.
    pub fn of_family(&self, family: &str) -> &[String] {
        self.0.get(family).map_or(&[], |names| names)
    }

    /// Whether bodies have to be read.
    pub fn need_body(&self) -> bool {
        ["body", "form"].iter().any(|family| !self.of_family(family).is_empty())
    }
}
