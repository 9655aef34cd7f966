//! Rules that can't do what their author meant, as warnings.
//!
//! What is found is certain, and much is not looked for: conditions are compared as they are written, patterns
//! only where one plainly covers the other. No warning does not mean that a policy is right; tests do that.
//!
//! - a condition that can never be true;
//! - an allow or hold, all of whose actions an unconditional deny forbids;
//! - two rules that say the same;
//! - a deny or allow without any clause, which is about everything.

use std::collections::{BTreeMap, HashMap};

use policy_core::rule::{Comparison, Do, Effect, Expr, Fact, Literal, Mode, Pattern, Rule, Scope, Selector};
use policy_core::{RuleSet, Verb};

use crate::ast::Item;
use crate::check::Unit;
use crate::diagnostic::Diagnostic;
use crate::span::Span;

pub(crate) fn analyze(rules: &RuleSet, units: &[Unit<'_>], found: &mut Vec<Diagnostic>) {
    let heads: BTreeMap<&str, Span> = units
        .iter()
        .filter(|unit| !unit.shipped)
        .flat_map(|unit| &unit.file.items)
        .filter_map(|item| match &item.value {
            Item::Rule(rule) => Some((&*rule.name.as_ref()?.value, rule.head())),
            _ => None,
        })
        .collect();
    let head = |rule: &Rule| heads.get(&*rule.id.0).copied();
    let denies: Vec<&Rule> = rules.rules.iter().filter(|deny| is_unconditional(deny)).collect();
    let mut said: HashMap<(&Scope, &Effect, Mode), &Rule> = HashMap::new();
    for rule in &rules.rules {
        let twin = said.insert((&rule.scope, &rule.effect, rule.mode), rule);
        let Some(span) = head(rule) else { continue };
        found.extend(contradiction(rule, span));
        found.extend(about_everything(rule, span));
        found.extend(shadow(rule, &denies, span, &head));
        if let Some(twin) = twin {
            let message = format!("`{}` says the same as `{}`", rule.id, twin.id);
            let diagnostic = Diagnostic::warning(span, message, "one of them is enough");
            found.push(match head(twin) {
                Some(first) => diagnostic.context(first, "the other"),
                None => diagnostic,
            });
        }
    }
}

fn about_everything(rule: &Rule, span: Span) -> Option<Diagnostic> {
    let (message, help) = match rule.effect {
        _ if rule.scope != Scope::default() => return None,
        Effect::Deny => ("refuses everything, to everyone, everywhere", "add `on`, `by` or `do`"),
        Effect::Allow => {
            ("allows everything that is understood, to everyone, everywhere", "add `by`, `on` and `do`")
        }
        Effect::Hold(_) => ("holds everything, for everyone, everywhere", "add `on`, `by` or `do`"),
        Effect::Mask(_) | Effect::Limit(_) | Effect::Record(_) => return None,
    };
    Some(
        Diagnostic::warning(span, format!("`{}` {message}", rule.id), "has no clause that narrows it")
            .help(help),
    )
}

// --- conditions that can't be true ----------------------------------------------------------------------

fn contradiction(rule: &Rule, span: Span) -> Option<Diagnostic> {
    let parts = [("by", &rule.scope.by), ("when", &rule.scope.when)];
    let (clause, why) =
        parts.into_iter().find_map(|(clause, expr)| Some((clause, never(expr.as_ref()?)?)))?;
    let consequence = match rule.effect {
        Effect::Allow => "it permits nothing",
        Effect::Hold(_) => "nobody is ever asked",
        _ => "it applies only where something can't be determined",
    };
    let message = format!("the `{clause}` of `{}` can never be true: {consequence}", rule.id);
    Some(Diagnostic::warning(span, message, why))
}

/// Why a condition can never be true, if that is plain to see.
fn never(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Any(list) => {
            let mut reasons: Option<String> = None;
            for item in list {
                reasons = Some(never(item)?);
            }
            reasons
        }
        Expr::All(_) => {
            let mut parts = Vec::new();
            conjuncts(expr, &mut parts);
            parts
                .iter()
                .find_map(|part| match part {
                    Expr::Any(_) => never(part),
                    _ => None,
                })
                .or_else(|| clash(&parts))
        }
        _ => None,
    }
}

fn conjuncts<'e>(expr: &'e Expr, parts: &mut Vec<&'e Expr>) {
    match expr {
        Expr::All(list) => list.iter().for_each(|item| conjuncts(item, parts)),
        other => parts.push(other),
    }
}

/// Conditions with more parts are not compared: every part would meet every other.
const MOST_PARTS: usize = 64;

/// Two conjuncts that exclude each other.
fn clash(parts: &[&Expr]) -> Option<String> {
    if parts.len() > MOST_PARTS {
        return None;
    }
    for (index, one) in parts.iter().enumerate() {
        for other in parts.iter().skip(index + 1) {
            let opposite = |a: &Expr, b: &Expr| matches!(a, Expr::Not(inner) if **inner == *b);
            if opposite(one, other) || opposite(other, one) {
                return Some("it asks for a condition and its opposite".to_owned());
            }
            if let (
                Expr::Compare(fact, relation, value),
                Expr::Compare(other_fact, other_relation, other_value),
            ) = (one, other)
                && fact == other_fact
                && excludes((*relation, value), (*other_relation, other_value))
            {
                return Some(format!("no {} is both", named(fact)));
            }
        }
    }
    None
}

fn named(fact: &Fact) -> String {
    match fact {
        Fact::Attribute(name) | Fact::Label(name) | Fact::Claim(name) => format!("`{name}`"),
        Fact::Hour => "`hour`".to_owned(),
        Fact::Weekday => "`weekday`".to_owned(),
        Fact::Source => "`source`".to_owned(),
    }
}

fn excludes(one: (Comparison, &Literal), other: (Comparison, &Literal)) -> bool {
    match (one, other) {
        ((Comparison::Equal, a), (Comparison::Equal, b)) => a != b,
        ((Comparison::Equal, a), (Comparison::NotEqual, b))
        | ((Comparison::NotEqual, a), (Comparison::Equal, b)) => a == b,
        ((one, Literal::Integer(a)), (other, Literal::Integer(b))) => {
            let (low, high) = (range(one, *a), range(other, *b));
            low.0.max(high.0) > low.1.min(high.1)
        }
        _ => false,
    }
}

/// The whole numbers that a comparison leaves, both ends included.
fn range(comparison: Comparison, value: i64) -> (i64, i64) {
    match comparison {
        Comparison::Equal => (value, value),
        Comparison::NotEqual => (i64::MIN, i64::MAX),
        Comparison::Less => (i64::MIN, value.saturating_sub(1)),
        Comparison::LessOrEqual => (i64::MIN, value),
        Comparison::Greater => (value.saturating_add(1), i64::MAX),
        Comparison::GreaterOrEqual => (value, i64::MAX),
    }
}

// --- allows and holds in the shadow of a deny -------------------------------------------------------------

/// Allows are not compared with more denies than this.
const MOST_DENIES: usize = 256;

fn shadow(
    rule: &Rule,
    denies: &[&Rule],
    span: Span,
    head: &impl Fn(&Rule) -> Option<Span>,
) -> Option<Diagnostic> {
    let permits = matches!(rule.effect, Effect::Allow | Effect::Hold(_));
    let does = rule.scope.does.as_ref().filter(|_| permits && rule.mode == Mode::Enforce)?;
    if denies.len() > MOST_DENIES {
        return None;
    }
    let mut by: Option<&Rule> = None;
    for selector in each(&rule.scope.on) {
        for part in does {
            for verb in &part.verbs {
                for resource in each(&part.resources) {
                    let deny = denies.iter().find(|deny| forbids(&deny.scope, selector, verb, resource))?;
                    by = Some(deny);
                }
            }
        }
    }
    let by = by?;
    let message = format!("`{}` permits nothing: `{}` forbids all of it", rule.id, by.id);
    let mut diagnostic = Diagnostic::warning(span, message, "never has an effect");
    if let Some(deny) = head(by) {
        diagnostic = diagnostic.context(deny, "a deny wins, whatever the order");
    }
    let witness = does.first().and_then(witness)?;
    Some(diagnostic.help(format!("for example, `{witness}` is refused")))
}

/// Every element, or one `None` for "all" where there are none.
fn each<T>(list: &[T]) -> impl Iterator<Item = Option<&T>> {
    let all = list.is_empty().then_some(None);
    list.iter().map(Some).chain(all)
}

fn is_unconditional(rule: &Rule) -> bool {
    let scope = &rule.scope;
    rule.effect == Effect::Deny
        && rule.mode == Mode::Enforce
        && scope.by.is_none()
        && scope.when.is_none()
        && scope.unless.is_none()
}

fn forbids(deny: &Scope, selector: Option<&Selector>, verb: &Verb, resource: Option<&Pattern>) -> bool {
    let here = deny.on.is_empty()
        || selector.is_some_and(|selector| {
            deny.on.iter().any(|on| {
                let everywhere = on.names.is_empty() && on.labels.is_none();
                on.protocol == selector.protocol && (everywhere || on == selector)
            })
        });
    let this = deny.does.as_ref().is_none_or(|does| {
        does.iter().any(|does| {
            let covers = |pattern| resource.is_some_and(|resource| covers(pattern, resource));
            does.verbs.contains(verb) && (does.resources.is_empty() || does.resources.iter().any(covers))
        })
    });
    here && this
}

/// Whether every name that matches the second pattern plainly matches the first.
fn covers(wide: &Pattern, narrow: &Pattern) -> bool {
    let (wide, narrow) = (&wide.segments, &narrow.segments);
    if wide == narrow {
        return true;
    }
    let (prefix, rest) = match wide.split_last() {
        Some((last, prefix)) if &**last == "**" => (prefix, true),
        _ => (&**wide, false),
    };
    let fits = if rest { narrow.len() >= prefix.len() } else { narrow.len() == prefix.len() };
    let one = |wide: &str, narrow: &str| narrow != "**" && (wide == "*" || wide == narrow);
    fits && prefix.iter().zip(narrow.iter()).all(|(wide, narrow)| one(wide, narrow))
}

/// One action that the clause matches, in words.
fn witness(does: &Do) -> Option<String> {
    let verb = does.verbs.first()?;
    Some(match does.resources.first() {
        None => verb.to_string(),
        Some(pattern) => {
            let name: Vec<String> =
                pattern.segments.iter().map(|segment| segment.replace('*', "x")).collect();
            format!("{verb} on {}", name.join("."))
        }
    })
}
