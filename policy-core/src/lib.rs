//! `policy-core` judges what a client asks for against a compiled, immutable policy.
//!
//! It performs no I/O, reads no clock, knows no wire protocol and parses no text: a caller that has
//! SQL, a shell line or an HTTP request first turns it into [`Action`]s (see `policy-normalize`), and
//! a caller that has policy *text* first turns it into [`Rule`]s (see `policy-lang`).
//!
//! # Reading order
//!
//! 1. The model: [`action`] (one effect), [`command`] (a set of effects), [`subject`] (who asks, and
//!    what is reached), [`request`] (all of it together), [`vocabulary`] (what a protocol offers).
//! 2. The engine: [`rule`] (what an author wrote), [`policy`] (indexed and immutable), [`evaluate`]
//!    (the verdict), [`decision`] (the answer and its reasons), [`approval`] (votes to status).
//! 3. [`mask`]: what happens to values on their way back.
//! 4. [`reference`]: the naive evaluator that the compiled one is held equal to.

pub mod action;
pub mod command;
pub mod mask;
pub mod request;
pub mod rule;
pub mod subject;
pub mod vocabulary;

pub use action::{Action, ActionSet, Attribute, Name, Resource, Value, Verb};
pub use command::{Command, Digest};
pub use request::Request;
pub use rule::{Effect, Rule, RuleId, RuleSet};
pub use subject::{Principal, PrincipalKind, Protocol, Target};
