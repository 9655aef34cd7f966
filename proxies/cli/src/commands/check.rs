//! `check`: what is wrong with policies.

use policy_lang::{Loaded, Report};
use serde::Serialize;

use crate::args;
use crate::context::Context;
use crate::failure::{Answer, Outcome};
use crate::policies::{Policies, count, counted, rendered};

#[derive(Serialize)]
struct Document {
    ok: bool,
    files: Vec<String>,
    rules: Option<usize>,
    tests: Option<usize>,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Report>,
}

pub(super) fn run(context: &Context, arguments: &args::Policies) -> Outcome {
    let output = context.output;
    let policies = Policies::read(context, &arguments.files)?;
    let result = policies.load();
    let (loaded, found) = match &result {
        Ok(loaded) => {
            policies.compile(loaded)?;
            (Some(loaded), &loaded.warnings)
        }
        Err(found) => (None, found),
    };
    let files: Vec<String> = policies.sources.iter().map(|source| source.name.to_string()).collect();
    let answer = if loaded.is_some() { Answer::Yes } else { Answer::No };
    if output.is_json() {
        output.document(&Document {
            ok: loaded.is_some(),
            files,
            rules: loaded.map(own_rules),
            tests: loaded.map(|loaded| loaded.tests.len()),
            errors: found.errors(),
            warnings: found.warnings(),
            diagnostics: found.reports(),
        })?;
        return Ok(answer);
    }
    if !found.is_empty() {
        output.line(&rendered(output, found))?;
    }
    let size = loaded.map_or(String::new(), |loaded| {
        let (rules, tests) = (own_rules(loaded), loaded.tests.len());
        format!("{}, {}, ", count(rules, "rule"), count(tests, "test"))
    });
    let problems = counted(output, found.errors(), found.warnings());
    output.line(&format!("{}: {size}{problems}", files.join(", ")))?;
    Ok(answer)
}

/// The rules that stand in the files themselves, not in shipped ones that they use.
fn own_rules(loaded: &Loaded) -> usize {
    let shipped = |file: &str| file.starts_with('<');
    let rules = loaded.rules.rules.iter();
    rules.filter(|rule| !rule.place.as_ref().is_some_and(|place| shipped(&place.file))).count()
}
