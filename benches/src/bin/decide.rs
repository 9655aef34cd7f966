//! One decision with 10, 100 and 1,000 rules: Portcullis beside Cedar and Regorus (OPA's Rego).
//!
//! The rules: drop and truncate are forbidden in production unless the user is in group `dba`; so is a delete
//! without a predicate; and so is, for each of the other rules, `alter` of one table unless the user is in one
//! group. Everything else is allowed. The requests: `drop orders` (denied by the first rule), `select orders` (allowed).
//!
//! Portcullis alone also decides with 1,000 rules of one verb that differ in their globs, in the group they are
//! for, or in the target they are about.

use portcullis_benches::report::{self, Figure};
use portcullis_benches::timing::median_ns;

#[cfg(feature = "peers")]
#[path = "../decide/cedar.rs"]
mod cedar;
#[path = "../decide/portcullis.rs"]
mod portcullis;
#[cfg(feature = "peers")]
#[path = "../decide/rego.rs"]
mod rego;

/// Who asks what, and what must come out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// `drop orders`.
    Deny,
    /// `select orders`.
    Allow,
}

impl Ask {
    const ALL: [Self; 2] = [Self::Deny, Self::Allow];

    fn name(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Deny => "drop",
            Self::Allow => "select",
        }
    }
}

/// The right answer is checked before it is timed, so that no program is timed for a wrong one.
fn measure(workload: &str, program: &str, ask: Ask, mut allows: impl FnMut() -> bool) -> Figure {
    assert_eq!(allows(), ask == Ask::Allow, "{program} decides {workload} wrongly");
    Figure::new(workload, program, median_ns(allows) / 1e3, "µs")
}

fn main() -> std::io::Result<()> {
    let mut figures = Vec::new();
    for rules in [10, 100, 1_000] {
        for ask in Ask::ALL {
            let workload = format!("decide/{rules}/{}", ask.name());
            let case = portcullis::anchor(rules, ask);
            figures.push(measure(&workload, "portcullis", ask, || case.allows()));
            #[cfg(feature = "peers")]
            {
                let case = cedar::anchor(rules, ask);
                figures.push(measure(&workload, "cedar", ask, || case.allows()));
                let mut case = rego::anchor(rules, ask);
                figures.push(measure(&workload, "regorus", ask, || case.allows()));
            }
        }
    }
    for (kind, vary) in [
        ("globs", portcullis::Vary::Globs),
        ("groups", portcullis::Vary::Groups),
        ("targets", portcullis::Vary::Targets),
    ] {
        for rules in [10, 1_000] {
            for ask in Ask::ALL {
                let case = portcullis::varied(rules, vary, ask);
                let workload = format!("decide-{kind}/{rules}/{}", ask.name());
                figures.push(measure(&workload, "portcullis", ask, || case.allows()));
            }
        }
    }
    report::publish(&figures)
}
