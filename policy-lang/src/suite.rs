//! Inline tests: `test "…" { … }` blocks, run against the policy they stand in.
//!
//! A test that says `run "…"` needs somebody who turns text into actions: the caller's [`Normaliser`].

mod coverage;
mod run;

use std::net::IpAddr;

use policy_core::rule::{Place, RuleId};
use policy_core::{ActionSet, Policy, Principal, Protocol, Target};
use serde::Serialize;

pub use coverage::{ClauseCoverage, RuleCoverage};
pub use run::run;

/// Turns the text of a command into its actions, as the protocol's proxy would.
pub trait Normaliser {
    /// The actions of `text`, with the attributes that `policy` looks at.
    ///
    /// # Errors
    ///
    /// Why the text can't be read at all, or that the protocol is not known. The test fails then.
    fn normalise(&self, protocol: &Protocol, text: &str, policy: &Policy) -> Result<ActionSet, String>;
}

/// One test: one command, and what should become of it.
#[derive(Clone, Debug)]
pub struct Test {
    /// What it shows.
    pub name: Box<str>,
    /// Who asks.
    pub principal: Principal,
    /// What is reached.
    pub target: Target,
    /// Where the client connects from, if the test says so.
    pub source: Option<IpAddr>,
    /// When, if the test says so; conditions on time are undetermined otherwise.
    pub now: Option<i64>,
    /// What is asked.
    pub command: Command,
    /// The holds that count as approved.
    pub granted: Vec<RuleId>,
    /// What should become of it; at least one.
    pub expectations: Vec<Expectation>,
    /// Where it stands.
    pub place: Place,
}

/// What a test asks.
#[derive(Clone, Debug)]
pub enum Command {
    /// A text that the caller's normaliser turns into actions.
    Text(Box<str>),
    /// The actions themselves.
    Actions(ActionSet),
}

/// One `expect`.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// What.
    pub outcome: Outcome,
    /// From what, if the test says so.
    pub by: Option<Cause>,
}

/// What can be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The command goes through.
    Allow,
    /// It is refused.
    Deny,
    /// It waits for reviewers.
    Hold,
    /// Something is masked.
    Mask,
    /// Something is limited.
    Limit,
    /// Something is recorded.
    Record,
}

/// Where an outcome comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A rule.
    Rule(RuleId),
    /// Nothing permitted it.
    Default,
}

/// What came of all tests.
#[derive(Clone, Debug, Serialize)]
pub struct SuiteReport {
    /// Each test, in the order of the files.
    pub results: Vec<TestResult>,
    /// Each rule, in the order of the files.
    pub coverage: Vec<RuleCoverage>,
}

impl SuiteReport {
    /// Whether every test passed.
    pub fn passed(&self) -> bool {
        self.results.iter().all(TestResult::passed)
    }
}

/// What came of one test.
#[derive(Clone, Debug, Serialize)]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// Where it stands, as `file:line`.
    pub place: String,
    /// What was not as expected; empty if the test passed.
    pub failures: Vec<String>,
}

impl TestResult {
    /// Whether all was as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}
