//! A rule's scope made ready: what the index proposes, this decides.

use super::condition::{Condition, Facts};
use super::glob::Glob;
use crate::action::{Action, Resource, Verb};
use crate::subject::{Protocol, Target};
use crate::truth::Prospect;

/// A compiled [`crate::rule::Scope`].
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    pub(crate) by: Option<Condition>,
    /// Empty is everywhere.
    pub(crate) on: Box<[On]>,
    /// `None` is every action.
    pub(crate) does: Option<Box<[Does]>>,
    pub(crate) when: Option<Condition>,
    pub(crate) unless: Option<Condition>,
}

#[derive(Clone, Debug)]
pub(crate) struct On {
    pub(crate) protocol: Protocol,
    /// Empty is all.
    pub(crate) names: Box<[Glob]>,
    pub(crate) labels: Option<Condition>,
}

#[derive(Clone, Debug)]
pub(crate) struct Does {
    pub(crate) verbs: Box<[Verb]>,
    /// Empty is any resource, or none.
    pub(crate) resources: Box<[Glob]>,
}

impl Matcher {
    /// Whether principal and target match: all that opening a session asks.
    pub(crate) fn admits(&self, target: &Target, facts: &mut Facts<'_>) -> Prospect {
        let on = self.on(target, facts);
        if on.is_false() { on } else { on.and(self.by(facts)) }
    }

    /// Whether every clause holds for `action`, whose verb counts as `verb`. The index may already
    /// have shown that `do` holds.
    pub(crate) fn matches(
        &self,
        target: &Target,
        verb: &str,
        action: &Action,
        does_holds: bool,
        facts: &mut Facts<'_>,
    ) -> Prospect {
        let mut all = Prospect::TRUE;
        let clauses: [&dyn Fn(&mut Facts<'_>) -> Prospect; 5] = [
            &|facts| if does_holds { Prospect::TRUE } else { self.does(verb, action, facts) },
            &|facts| self.on(target, facts),
            &|facts| self.by(facts),
            &|facts| self.when(facts),
            &|facts| self.not_excepted(facts),
        ];
        for clause in clauses {
            all = all.and(clause(facts));
            if all.is_false() {
                break;
            }
        }
        all
    }

    pub(crate) fn on(&self, target: &Target, facts: &mut Facts<'_>) -> Prospect {
        if self.on.is_empty() {
            return Prospect::TRUE;
        }
        self.on.iter().fold(Prospect::FALSE, |any, on| any.or(on.matches(target, facts)))
    }

    pub(crate) fn does(&self, verb: &str, action: &Action, facts: &mut Facts<'_>) -> Prospect {
        match &self.does {
            None => Prospect::TRUE,
            Some(does) => {
                does.iter().fold(Prospect::FALSE, |any, does| any.or(does.matches(verb, action, facts)))
            }
        }
    }

    pub(crate) fn by(&self, facts: &mut Facts<'_>) -> Prospect {
        self.by.as_ref().map_or(Prospect::TRUE, |by| by.evaluate(facts))
    }

    pub(crate) fn when(&self, facts: &mut Facts<'_>) -> Prospect {
        self.when.as_ref().map_or(Prospect::TRUE, |when| when.evaluate(facts))
    }

    pub(crate) fn not_excepted(&self, facts: &mut Facts<'_>) -> Prospect {
        self.unless.as_ref().map_or(Prospect::TRUE, |unless| unless.evaluate(facts).opposite())
    }

    /// Whether `do` names the verb.
    pub(crate) fn names(&self, verb: &str) -> bool {
        self.does.as_ref().is_some_and(|does| does.iter().any(|does| does.names(verb)))
    }
}

impl On {
    fn matches(&self, target: &Target, facts: &mut Facts<'_>) -> Prospect {
        if self.protocol != target.protocol {
            return Prospect::FALSE;
        }
        if !self.names.is_empty() && !self.names.iter().any(|name| name.matches(&target.name)) {
            return Prospect::FALSE;
        }
        self.labels.as_ref().map_or(Prospect::TRUE, |labels| labels.evaluate(facts))
    }
}

impl Does {
    pub(crate) fn names(&self, verb: &str) -> bool {
        self.verbs.iter().any(|named| named.as_str() == verb)
    }

    fn matches(&self, verb: &str, action: &Action, facts: &mut Facts<'_>) -> Prospect {
        if !self.names(verb) {
            return Prospect::FALSE;
        }
        if self.resources.is_empty() {
            return Prospect::TRUE;
        }
        match &action.resource {
            Resource::None => Prospect::FALSE,
            Resource::Named(name) => self.resources.iter().any(|glob| glob.matches(name.as_joined())).into(),
            Resource::Tree(tree) => {
                let each = self.resources.iter().map(|glob| glob.matches_tree(tree).into());
                each.fold(Prospect::FALSE, Prospect::or)
            }
            Resource::Pending => {
                facts.read.parameters = true;
                Prospect::PENDING
            }
            Resource::Undetermined => Prospect::UNDETERMINED,
        }
    }
}
