//! `policy-core` judges what a client asks for against a compiled, immutable policy.
//!
//! It performs no I/O, reads no clock, knows no wire protocol and parses no text: a caller that has
//! SQL, a shell line or an HTTP request first turns it into [`Action`]s (see `policy-normalize`), and
//! a caller that has policy *text* first turns it into [`Rule`]s (see `policy-lang`).
//!
//! # Reading order
//!
//! 1. The model: [`action`] (one effect), [`name`] (what it is done to), [`lineage`] (where data flows), [`command`] (a set of
//!    effects), [`subject`] (who asks, and what is reached), [`request`] (all of it together),
//!    [`vocabulary`] (what a protocol offers).
//! 2. The engine: [`rule`] (what an author wrote), [`policy`] (indexed and immutable), [`evaluate`]
//!    (the verdict), [`decision`] (the answer), [`explain`] (its reasons), [`approval`] (votes
//!    and watchers to status).
//! 3. [`mask`]: what happens to values on their way back.
//! 4. [`mod@reference`]: the naive evaluator that the compiled one is held equal to.
//!
//! # Judging in a program of your own
//!
//! ```
//! use policy_core::rule::{Do, Expr, Fact, Fallback, Mode, RuleSet, Scope, Selector};
//! use policy_core::{Action, ActionSet, Denial, Effect, Policy, Principal, Protocol, Request, Resource, Rule};
//! use policy_core::{RuleId, Target, Value, Verb, Verdict, vocabulary};
//!
//! let on = vec![Selector { protocol: Protocol::POSTGRES, names: vec![], labels: None }];
//! let does = |verb| Some(vec![Do { verbs: vec![Verb::new(verb)], resources: vec![] }]);
//! let rule = |id: &str, effect, scope| Rule {
//!     id: RuleId(id.into()), mode: Mode::Enforce, scope, effect, say: None, place: None,
//! };
//! let rules = RuleSet {
//!     name: "service".into(),
//!     fallback: Fallback::Deny,
//!     rules: vec![
//!         rule("engineers delete", Effect::Allow, Scope {
//!             by: Some(Expr::Group("eng".into())), on: on.clone(), does: does("delete"), ..Scope::default()
//!         }),
//!         rule("unfiltered deletes", Effect::Deny, Scope {
//!             on: on.clone(), does: does("delete"),
//!             unless: Some(Expr::Holds(Fact::Attribute("filtered".into()))),
//!             ..Scope::default()
//!         }),
//!     ],
//! };
//! let policy = Policy::compile([&rules], &vocabulary::shipped()).map_err(|errors| errors[0].clone())?;
//!
//! // DELETE FROM public.orders, without WHERE.
//! let orders = Resource::named(["public", "orders"]);
//! let actions = ActionSet::new([
//!     Action::new(Verb::new("delete"), orders).with("filtered", Value::Bool(false)),
//! ]);
//! let ana = Principal::human("ana", ["eng"]);
//! let shop = Target { name: "shop".into(), protocol: Protocol::POSTGRES, labels: Default::default() };
//! let request =
//!     Request { principal: &ana, target: &shop, actions: &actions, source: None, now: None, grants: &[] };
//!
//! let Verdict::Deny(Denial::Forbidden { by, .. }) = policy.evaluate(&request).verdict else {
//!     panic!("an unfiltered delete is refused");
//! };
//! assert_eq!(policy.rule_id(by).map(|id| &*id.0), Some("unfiltered deletes"));
//! # Ok::<(), policy_core::CompileError>(())
//! ```

pub mod action;
pub mod approval;
pub mod command;
pub mod decision;
pub mod evaluate;
pub mod explain;
pub mod lineage;
pub mod mask;
pub mod name;
pub mod policy;
pub mod reference;
pub mod request;
pub mod rule;
pub mod subject;
pub mod truth;
pub mod vocabulary;
mod watching;
mod words;

pub use action::{Action, ActionSet, Attribute, Resource, Slot, Value, Verb};
pub use command::{Command, Digest};
pub use decision::{Breach, Decision, Denial, Obligations, Verdict};
pub use explain::Explanation;
pub use lineage::{Lineage, Sources};
pub use name::{Name, Tree};
pub use policy::{CompileError, Policy};
pub use request::Request;
pub use rule::{Effect, Rule, RuleId, RuleSet};
pub use subject::{Principal, PrincipalKind, Protocol, Target};
