//! Files to a rule set and its tests: the one door of this crate.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy_core::rule::RuleSet;

use crate::ast::{File, Item, Rule, Text};
use crate::check::{self, Definitions, Environment, Unit, did_you_mean};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::lower::{Lowering, test::RuleKinds};
use crate::parse;
use crate::shipped;
use crate::span::Source;
use crate::suite::Test;

/// The most bytes that all files of a policy have together.
pub const MAX_TOTAL_BYTES: usize = 16 << 20;

/// A policy that has been checked.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The rules, ready to be compiled.
    pub rules: RuleSet,
    /// The inline tests.
    pub tests: Vec<Test>,
    /// What is allowed, and probably not meant. Never contains errors.
    pub warnings: Diagnostics,
}

/// Reads, checks and lowers the files of one policy. Their order does not matter, save that the first that
/// names its policy names the whole.
///
/// ```
/// use policy_lang::{Environment, Source, load};
///
/// let source = Source::new("shop.policy", r#"
///     deny "destructive ddl" {
///       on  postgres where env == "prod"
///       do  drop, truncate
///       say "go through a migration"
///     }
/// "#);
/// let loaded = load(&[source], &Environment::default())?;
/// assert_eq!(loaded.rules.rules[0].id.to_string(), "destructive ddl");
/// # Ok::<(), policy_lang::Diagnostics>(())
/// ```
///
/// # Errors
///
/// All that is wrong with the files, if anything is: nothing is loaded then. Warnings come along.
pub fn load(sources: &[Source], environment: &Environment) -> Result<Loaded, Diagnostics> {
    let mut sources = sources.to_vec();
    let mut found = Vec::new();
    if sources.iter().map(|source| source.text.len()).sum::<usize>() > MAX_TOTAL_BYTES {
        let message = format!("the policy's files have more than {} MiB together", MAX_TOTAL_BYTES >> 20);
        return Err(Diagnostics::new(sources.into(), vec![Diagnostic::general(message)]));
    }
    let own = sources.len();
    let mut parsed: Vec<parse::Parsed> =
        sources.iter().enumerate().map(|(index, source)| parse_one(index, source)).collect();
    for source in shipped_sources(parsed.iter().map(|parsed| &parsed.file), &mut found) {
        parsed.push(parse_one(sources.len(), &source));
        sources.push(source);
    }
    let mut broken = BTreeSet::new();
    let mut kinds = RuleKinds::new();
    for one in &mut parsed {
        found.append(&mut one.found);
        broken.append(&mut one.broken);
        kinds.extend(one.broken_rules.drain(..));
    }
    let sources: Arc<[Source]> = sources.into();
    let units: Vec<Unit<'_>> = parsed
        .iter()
        .enumerate()
        .map(|(index, parsed)| Unit { file: &parsed.file, shipped: index >= own })
        .collect();
    check::check_rule_names(units.iter().flat_map(|unit| rules(unit.file)), &mut found);
    for unit in &units {
        let named =
            rules(unit.file).filter_map(|rule| Some((rule.name.as_ref()?.value.clone(), rule.kind.value)));
        kinds.extend(named);
    }
    let mut loaded = Lowered::default();
    let own: Vec<&File> = units.iter().filter(|unit| !unit.shipped).map(|unit| unit.file).collect();
    lower(&own, environment, broken, &kinds, &sources, &mut loaded, &mut found);
    for unit in units.iter().filter(|unit| unit.shipped) {
        // A shipped file says nothing about the name or the default of the policy that uses it.
        let (name, fallback) = (loaded.rules.name.clone(), loaded.rules.fallback);
        lower(&[unit.file], environment, BTreeSet::new(), &kinds, &sources, &mut loaded, &mut found);
        (loaded.rules.name, loaded.rules.fallback) = (name, fallback);
    }
    let failed = found.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    if !failed {
        crate::analyze::analyze(&loaded.rules, &units, &mut found);
    }
    let diagnostics = Diagnostics::new(sources, found);
    if failed {
        return Err(diagnostics);
    }
    Ok(Loaded { rules: loaded.rules, tests: loaded.tests, warnings: diagnostics })
}

fn parse_one(index: usize, source: &Source) -> parse::Parsed {
    parse::parse(u32::try_from(index).unwrap_or(u32::MAX), source)
}

#[derive(Default)]
struct Lowered {
    rules: RuleSet,
    tests: Vec<Test>,
}

/// Lowers files that share their sets and tags.
fn lower(
    files: &[&File],
    environment: &Environment,
    broken: BTreeSet<Box<str>>,
    kinds: &RuleKinds,
    sources: &Arc<[Source]>,
    loaded: &mut Lowered,
    found: &mut Vec<Diagnostic>,
) {
    let definitions = Definitions::collect(files.iter().copied(), environment, broken, found);
    let mut lowering = Lowering::new(environment, &definitions, sources);
    for file in files {
        loaded.rules.rules.extend(rules(file).filter_map(|rule| lowering.rule(rule)));
    }
    for item in files.iter().flat_map(|file| &file.items) {
        match &item.value {
            Item::Tag(tag) => lowering.check_tag(tag),
            Item::Set(set) => lowering.check_set(set),
            Item::Test(test) => loaded.tests.extend(lowering.test(test, kinds)),
            Item::Policy(_) | Item::Default(_) | Item::Use(_) | Item::Rule(_) => {}
        }
    }
    found.append(&mut lowering.found);
    if found.iter().all(|diagnostic| diagnostic.severity == Severity::Warning) {
        definitions.unused(found);
    }
    loaded.rules.name = definitions.name.unwrap_or_default().into();
    loaded.rules.fallback = definitions.fallback;
}

/// The shipped files that are used, each once.
fn shipped_sources<'a>(files: impl Iterator<Item = &'a File>, found: &mut Vec<Diagnostic>) -> Vec<Source> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut sources = Vec::new();
    for name in files.flat_map(uses) {
        match shipped::find(&name.value) {
            Some(text) if names.insert(&name.value) => {
                sources.push(Source::new(format!("<{}>", name.value), text));
            }
            Some(_) => {}
            None => {
                let known = || shipped::names();
                let message = format!("no shipped policy is called `{}`", name.value);
                found.push(
                    Diagnostic::error(name.span, message, did_you_mean(&name.value, known(), "not shipped"))
                        .help(format!("shipped policies: {}", crate::words::listed(known())))
                        .help("files of your own are given beside this one, not used from it"),
                );
            }
        }
    }
    sources
}

fn uses(file: &File) -> impl Iterator<Item = &Text> {
    file.items.iter().filter_map(|item| match &item.value {
        Item::Use(name) => Some(name),
        _ => None,
    })
}

fn rules(file: &File) -> impl Iterator<Item = &Rule> {
    file.items.iter().filter_map(|item| match &item.value {
        Item::Rule(rule) => Some(rule),
        _ => None,
    })
}
