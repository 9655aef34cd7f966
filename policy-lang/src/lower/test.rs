//! Inline tests, made ready to run.

use std::collections::BTreeMap;
use std::net::IpAddr;

use policy_core::rule::{Pattern, RuleId};
use policy_core::vocabulary::{Type, Vocabulary};
use policy_core::{
    Action, ActionSet, Name, Principal, PrincipalKind, Resource, Target, Tree, Value as CoreValue, Verb,
};

use super::Lowering;
use crate::ast::{Actor, Cause, Expect, Kind, Pair, Step, Test as Written, Text, Value, Word};
use crate::check::did_you_mean;
use crate::diagnostic::Diagnostic;
use crate::span::Spanned;
use crate::suite::{Command, Expectation, Outcome, Test};
use crate::words;

/// The rules that a test may name.
pub(crate) type RuleKinds = BTreeMap<Box<str>, Kind>;

impl<'a> Lowering<'a> {
    /// A test, or nothing if it has errors; those are in `found`.
    pub(crate) fn test(&mut self, test: &'a Written, rules: &RuleKinds) -> Option<Test> {
        let errors = self.found.len();
        self.steps_stand_once(test);
        let steps = || test.steps.iter().map(|step| &step.value);
        let mut principal = None;
        let mut target = None;
        let mut source: Option<IpAddr> = None;
        let mut now = None;
        let mut granted = Vec::new();
        let mut expectations = Vec::new();
        for step in steps() {
            match step {
                Step::As(actor) => principal = self.principal(actor),
                Step::At { protocol, name, labels } => target = self.target(protocol, name, labels),
                Step::From(text) => match text.value.parse() {
                    Ok(address) => source = Some(address),
                    Err(_) => {
                        self.error(text.span, "this is no IP address", "expected one such as `10.0.0.7`")
                    }
                },
                Step::Time(day, hour) => now = self.time(day, *hour),
                Step::Granted(names) => {
                    granted.extend(names.iter().filter_map(|name| self.hold_id(name, rules)))
                }
                Step::Expect(expect) => expectations.extend(self.expectation(expect, rules)),
                Step::Run(_) | Step::Do { .. } => {}
            }
        }
        let run = steps().find_map(|step| match step {
            Step::Run(text) => Some(text),
            _ => None,
        });
        let vocabulary = steps().find_map(|step| match step {
            Step::At { protocol, .. } => self.environment.vocabulary(&protocol.value),
            _ => None,
        });
        let mut actions = Vec::new();
        for step in steps() {
            if let (Step::Do { verb, resource, attributes }, Some(with)) = (step, vocabulary) {
                actions.extend(self.action(verb, resource.as_ref(), attributes, with));
            }
        }
        let has_do = steps().any(|step| matches!(step, Step::Do { .. }));
        let command = match (run, has_do) {
            (Some(text), false) => Command::Text(text.value.clone()),
            (None, true) => Command::Actions(ActionSet::new(actions)),
            (Some(text), true) => {
                self.error(text.span, "a test runs a text or lists actions, not both", "and there is a `do`");
                return None;
            }
            (None, false) => {
                self.lacks(test, "what is asked", "run \"select 1\"` or `do select on \"public.orders\"");
                return None;
            }
        };
        for (lacking, what, example) in [
            (
                !steps().any(|step| matches!(step, Step::As(_))),
                "who asks",
                "as user \"ana\" in group \"eng\"",
            ),
            (
                !steps().any(|step| matches!(step, Step::At { .. })),
                "where",
                "at postgres \"shop\" with env = \"prod\"",
            ),
            (
                !steps().any(|step| matches!(step, Step::Expect(_))),
                "what is expected",
                "expect deny by \"…\"",
            ),
        ] {
            if lacking {
                self.lacks(test, what, example);
            }
        }
        let place = self.place(test.name.span);
        (self.found.len() == errors).then_some(Test {
            name: test.name.value.clone(),
            principal: principal?,
            target: target?,
            source,
            now,
            command,
            granted,
            expectations,
            place,
        })
    }

    fn steps_stand_once(&mut self, test: &Written) {
        let mut seen: BTreeMap<&str, crate::span::Span> = BTreeMap::new();
        for step in &test.steps {
            let keyword = step.value.keyword();
            if matches!(step.value, Step::Do { .. } | Step::Expect(_)) {
                continue;
            }
            if let Some(&first) = seen.get(keyword) {
                let found = Diagnostic::error(
                    step.span,
                    format!("`{keyword}` stands twice in this test"),
                    "again here",
                )
                .context(first, "first here")
                .help("a test is one command; write a second test");
                self.found.push(found);
            }
            seen.entry(keyword).or_insert(step.span);
        }
    }

    fn lacks(&mut self, test: &Written, what: &str, example: &str) {
        let found =
            Diagnostic::error(test.name.span, format!("this test does not say {what}"), "in this test")
                .help(format!("add, for example, `{example}`"));
        self.found.push(found);
    }

    fn principal(&mut self, actor: &Actor) -> Option<Principal> {
        let kind = match &*actor.kind.value {
            "user" | "human" => PrincipalKind::Human,
            "service" => PrincipalKind::Service,
            "agent" => PrincipalKind::Agent,
            other => {
                let message = format!("`{other}` is no kind of principal");
                self.unknown_word(&actor.kind, &message, &["user", "service", "agent"]);
                return None;
            }
        };
        for group in actor.groups.iter().chain(&actor.owner_groups) {
            if let Some(groups) = &self.environment.groups
                && !groups.contains(&group.value)
            {
                let message = format!("no configured identity source produces the group `{}`", group.value);
                let label = did_you_mean(&group.value, groups.iter().map(|group| &**group), "unknown group");
                self.found.push(Diagnostic::error(group.span, message, label));
            }
        }
        Some(Principal {
            id: actor.id.value.clone(),
            kind,
            groups: Some(actor.groups.iter().map(|group| group.value.clone()).collect()),
            claims: self.texts(&actor.claims)?,
            person: None,
            owner: actor.owner.as_ref().map(|owner| owner.value.clone()),
            owner_groups: actor
                .owner
                .is_some()
                .then(|| actor.owner_groups.iter().map(|group| group.value.clone()).collect()),
        })
    }

    fn target(&mut self, protocol: &Word, name: &Text, labels: &[Pair]) -> Option<Target> {
        let Some(with) = self.environment.vocabulary(&protocol.value) else {
            self.found.push(self.environment.unknown_protocol(protocol));
            return None;
        };
        let protocol = with.protocol.clone();
        Some(Target { name: name.value.clone(), protocol, labels: self.texts(labels)? })
    }

    /// Labels and claims are texts.
    fn texts(&mut self, pairs: &[Pair]) -> Option<BTreeMap<Box<str>, Box<str>>> {
        let mut texts = BTreeMap::new();
        for pair in pairs {
            match &pair.value.value {
                Value::Text(text) => {
                    texts.insert(pair.name.value.clone(), text.clone());
                }
                _ => {
                    self.error(
                        pair.value.span,
                        format!("`{}` is a text", pair.name.value),
                        "expected a text in quotes",
                    );
                    return None;
                }
            }
        }
        Some(texts)
    }

    /// Seconds since the epoch of the first such hour in 1970.
    fn time(&mut self, day: &Word, hour: Spanned<i64>) -> Option<i64> {
        let Some(index) = words::WEEKDAYS.iter().position(|name| *name == &*day.value) else {
            self.unknown_word(day, &format!("`{}` is no weekday", day.value), words::WEEKDAYS);
            return None;
        };
        if !(0..24).contains(&hour.value) {
            self.error(hour.span, "hours are 0 to 23, UTC", "no such hour");
            return None;
        }
        Some(i64::try_from(index).ok()? * 86_400 + hour.value * 3_600)
    }

    fn hold_id(&mut self, name: &Text, rules: &RuleKinds) -> Option<RuleId> {
        match rules.get(&name.value) {
            Some(Kind::Hold) => Some(RuleId(name.value.as_ref().into())),
            Some(kind) => {
                let message = format!("`{}` is no hold, so it can't be granted", name.value);
                self.error(name.span, message, format!("this is a `{}` rule", kind.as_str()));
                None
            }
            None => self.unknown_rule(name, rules),
        }
    }

    fn unknown_rule<T>(&mut self, name: &Text, rules: &RuleKinds) -> Option<T> {
        let label = did_you_mean(&name.value, rules.keys().map(|name| &**name), "not in these files");
        self.error(name.span, format!("no rule is called `{}`", name.value), label);
        None
    }

    fn expectation(&mut self, expect: &Expect, rules: &RuleKinds) -> Option<Expectation> {
        let (outcome, kind) = match &*expect.outcome.value {
            "allow" => (Outcome::Allow, Kind::Allow),
            "deny" => (Outcome::Deny, Kind::Deny),
            "hold" => (Outcome::Hold, Kind::Hold),
            "mask" | "masks" => (Outcome::Mask, Kind::Mask),
            "limit" => (Outcome::Limit, Kind::Limit),
            "record" => (Outcome::Record, Kind::Record),
            other => {
                let message = format!("`{other}` is nothing that can be expected");
                self.unknown_word(
                    &expect.outcome,
                    &message,
                    &["allow", "deny", "hold", "mask", "limit", "record"],
                );
                return None;
            }
        };
        let by = match &expect.by {
            None => None,
            Some(Cause::Default(span)) => {
                if outcome != Outcome::Deny {
                    self.error(
                        span.span,
                        "only a denial can come from the default",
                        "expected a rule's name",
                    );
                    return None;
                }
                Some(crate::suite::Cause::Default)
            }
            Some(Cause::Rule(name)) => match rules.get(&name.value) {
                Some(found) if *found == kind => {
                    Some(crate::suite::Cause::Rule(RuleId(name.value.as_ref().into())))
                }
                // A mask may refuse what it can't trace.
                Some(Kind::Mask) if outcome == Outcome::Deny => {
                    Some(crate::suite::Cause::Rule(RuleId(name.value.as_ref().into())))
                }
                Some(found) => {
                    let message = format!(
                        "`{}` is a `{}` rule, which never leads to `{}`",
                        name.value,
                        found.as_str(),
                        kind.as_str()
                    );
                    self.error(name.span, message, "of another kind");
                    return None;
                }
                None => return self.unknown_rule(name, rules),
            },
        };
        Some(Expectation { outcome, by })
    }

    fn action(
        &mut self,
        verb: &Word,
        resource: Option<&Text>,
        attributes: &[Pair],
        with: &Vocabulary,
    ) -> Option<Action> {
        let Some(spec) = with.verb(&verb.value) else {
            let label = did_you_mean(&verb.value, with.verbs.keys().map(|name| &**name), "unknown verb");
            self.error(verb.span, format!("`{}` has no verb `{}`", with.protocol, verb.value), label);
            return None;
        };
        let resource = match resource {
            None => Resource::None,
            Some(text) => {
                let pattern = self.pattern(text, with)?;
                self.check_kubernetes_resource(text, verb, with, &[spec]);
                if let [root @ .., last] = &*pattern.segments
                    && &**last == "**"
                    && !root.iter().any(|segment| segment.contains('*'))
                {
                    Resource::Tree(Name::new(root.iter()).map_or(Tree::EVERYTHING, Tree::of))
                } else if pattern.segments.iter().any(|segment| segment.contains('*')) {
                    self.error(
                        text.span,
                        "an action is done to one thing, or to all below one (`/srv/**`), not to a pattern",
                        "expected a name",
                    );
                    return None;
                } else {
                    Resource::named(pattern.segments.iter())
                }
            }
        };
        let mut action = Action::new(Verb::from(verb.value.to_string()), resource);
        for pair in attributes {
            let Some(kind) = spec.attribute(&pair.name.value) else {
                let label = did_you_mean(
                    &pair.name.value,
                    spec.attributes.keys().map(|name| &**name),
                    "unknown attribute",
                );
                let message = format!("`{}` has no attribute `{}`", verb.value, pair.name.value);
                self.error(pair.name.span, message, label);
                return None;
            };
            self.check_header_name(pair.name.span, &pair.name.value, with);
            let value = self.attribute_value(pair, kind, with, &action.resource)?;
            action = action.with(pair.name.value.to_string(), value);
        }
        Some(action)
    }

    fn attribute_value(
        &mut self,
        pair: &Pair,
        kind: Type,
        with: &Vocabulary,
        resource: &Resource,
    ) -> Option<CoreValue> {
        Some(match (&pair.value.value, kind) {
            (Value::Bool(value), Type::Bool | Type::Scalar) => CoreValue::Bool(*value),
            (Value::Integer(value), Type::Integer | Type::Scalar) => CoreValue::Integer(*value),
            (Value::Text(value), Type::Text | Type::Scalar) => CoreValue::Text(value.clone()),
            (Value::List(list), Type::List) => {
                CoreValue::List(list.iter().map(|text| text.value.clone()).collect())
            }
            (Value::List(list), Type::Names) => {
                let mut names = Vec::new();
                for text in list {
                    let pattern = self.pattern(text, with)?;
                    names.push(member(&pattern, resource)?.as_joined().into());
                }
                CoreValue::List(names.into())
            }
            _ => {
                self.error(
                    pair.value.span,
                    format!("`{}` is {kind}", pair.name.value),
                    format!("expected {kind}"),
                );
                return None;
            }
        })
    }
}

/// The full name of a resource's member: a bare name is one of the resource that the action is done to.
fn member(pattern: &Pattern, resource: &Resource) -> Option<Name> {
    match (&*pattern.segments, resource) {
        ([bare], Resource::Named(resource)) => Name::new(resource.segments().chain([&**bare])),
        (full, _) => Name::new(full.iter()),
    }
}
