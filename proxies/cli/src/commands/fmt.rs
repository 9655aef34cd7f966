//! `fmt`: policies in the one canonical layout.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use policy_lang::Source;
use serde::Serialize;

use crate::args;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};
use crate::policies::{count, rendered, source};

#[derive(Serialize)]
struct Changed {
    file: String,
    changed: bool,
}

pub(super) fn run(context: &Context, arguments: &args::Fmt) -> Outcome {
    let output = context.output;
    let files = if arguments.files.is_empty() { context.config()?.policies } else { arguments.files.clone() };
    if files == [PathBuf::from("-")] {
        return filter(context, arguments.check);
    }
    // All are laid out before the first is written, so that a mistake in one changes none.
    let mut laid_out = Vec::new();
    for file in &files {
        let source = source(file)?;
        laid_out.push((file, formatted(context, &source)?, source));
    }
    let mut changes = Vec::new();
    for (file, text, source) in laid_out {
        let changed = *text != *source.text;
        if changed && !arguments.check {
            replace(file, &text)?;
        }
        changes.push(Changed { file: source.name.to_string(), changed });
    }
    let changed = changes.iter().filter(|change| change.changed).count();
    if output.is_json() {
        output.document(&serde_json::json!({ "files": changes, "changed": changed }))?;
    } else {
        let verb = if arguments.check { "would change" } else { "changed" };
        for change in changes.iter().filter(|change| change.changed) {
            output.line(&format!("{verb} {}", change.file))?;
        }
        if changed == 0 {
            output.line(&format!("{} already in the canonical layout", count(files.len(), "file")))?;
        }
    }
    Ok(if arguments.check && changed > 0 { Answer::No } else { Answer::Yes })
}

/// Standard input to standard output, for editors.
fn filter(context: &Context, check: bool) -> Outcome {
    let mut text = String::new();
    let read =
        std::io::stdin().lock().take(policy_lang::MAX_TOTAL_BYTES as u64 + 1).read_to_string(&mut text);
    read.map_err(|error| Failure::io(format_args!("can't read standard input: {error}")))?;
    let source = Source::new("<standard input>", text);
    let laid_out = formatted(context, &source)?;
    if check {
        return Ok(if *laid_out == *source.text { Answer::Yes } else { Answer::No });
    }
    context.output.raw(laid_out.as_bytes())?;
    Ok(Answer::Yes)
}

fn formatted(context: &Context, source: &Source) -> Result<String, Failure> {
    policy_lang::format(source).map_err(|found| {
        let text = rendered(context.output, &found);
        Failure::configuration(format_args!(
            "`{}` can't be laid out before it can be read\n\n{}",
            source.name,
            text.trim_end()
        ))
    })
}

/// Replaces a file as a whole, its mode kept: a crash leaves the old or the new one. Links are followed.
fn replace(file: &Path, text: &str) -> Result<(), Failure> {
    let failed =
        |error| Failure::io(format_args!("can't write the policy file `{}`: {error}", file.display()));
    let file = fs::canonicalize(file).map_err(failed)?;
    let permissions = fs::metadata(&file).map_err(failed)?.permissions();
    let temporary = file.with_extension(format!("new-{}", std::process::id()));
    let written = fs::File::create_new(&temporary).and_then(|mut new| {
        new.write_all(text.as_bytes())?;
        new.set_permissions(permissions)?;
        new.sync_all()?;
        fs::rename(&temporary, &file)
    });
    written.map_err(|error| {
        // It may not have been made; the error that matters is the first.
        let _ = fs::remove_file(&temporary);
        failed(error)
    })
}
