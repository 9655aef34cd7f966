//! The policies that ship with this crate.

/// Name and text.
const POLICIES: &[(&str, &str)] = &[
    ("kubernetes/basics", include_str!("../policies/kubernetes/basics.policy")),
    ("kubernetes/secrets", include_str!("../policies/kubernetes/secrets.policy")),
    ("postgres/basics", include_str!("../policies/postgres/basics.policy")),
    ("ssh/basics", include_str!("../policies/ssh/basics.policy")),
];

/// The text of a shipped policy, such as `postgres/basics`.
pub fn find(name: &str) -> Option<&'static str> {
    POLICIES.iter().find(|(shipped, _)| *shipped == name).map(|&(_, text)| text)
}

/// The names of all shipped policies.
pub fn names() -> impl Iterator<Item = &'static str> {
    POLICIES.iter().map(|&(name, _)| name)
}
