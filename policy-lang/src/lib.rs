//! The policy language: text to policy-core's rules, with diagnostics that teach.
