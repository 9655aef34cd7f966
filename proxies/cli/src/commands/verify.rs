//! `verify`: whether the evidence is as it was written, and what can't be known.

use std::path::Path;

use portcullis_evidence::verify::{Finding, Report};
use portcullis_evidence::{Checkpoint, PUBLIC_KEY_FILE, PublicKey, VerifyOptions};
use serde_json::json;

use crate::args::Verify;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};
use crate::output::{Output, Tone};
use crate::policies::count;

pub(super) fn run(context: &Context, arguments: &Verify) -> Outcome {
    let (folder, own_key) = match &arguments.folder {
        Some(folder) => (folder.clone(), None),
        None => {
            let config = context.config()?;
            let key = Some(config.state.join(PUBLIC_KEY_FILE)).filter(|key| key.exists());
            (config.evidence, key)
        }
    };
    let options = VerifyOptions {
        checkpoint: arguments.checkpoint.as_deref().map(checkpoint).transpose()?,
        public_key: arguments.key.clone().or(own_key).as_deref().map(key).transpose()?,
        pruned: arguments.pruned,
        skip_recordings: arguments.skip_recordings,
    };
    let report =
        portcullis_evidence::verify(&folder, &options).map_err(|error| unreadable(&folder, &error))?;
    if report.segments == 0 && report.findings.is_empty() {
        return Err(Failure::io(format_args!("there is no audit log in `{}`", folder.display()))
            .help("name the evidence folder; the log begins when the gateway first starts"));
    }
    if context.output.is_json() {
        context.output.document(&document(&folder, &report))?;
    } else {
        show(context.output, &folder, &report)?;
    }
    Ok(if report.is_intact() { Answer::Yes } else { Answer::No })
}

fn checkpoint(file: &Path) -> Result<Checkpoint, Failure> {
    Checkpoint::read(file)
        .map_err(|error| Failure::io(error).help("it is a copy of the folder's checkpoint.json"))
}

fn key(file: &Path) -> Result<PublicKey, Failure> {
    PublicKey::read(file).map_err(|error| {
        Failure::io(error).help(format_args!("it is a copy of the state folder's {PUBLIC_KEY_FILE}"))
    })
}

fn unreadable(folder: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::io(format_args!("can't read the evidence in `{}`: {error}", folder.display()));
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            failure.help("run this as the gateway's own user, or as root")
        }
        std::io::ErrorKind::NotFound => failure.help("the gateway makes it when it first starts"),
        _ => failure,
    }
}

fn document(folder: &Path, report: &Report) -> serde_json::Value {
    let finding = |finding: &Finding| {
        json!({
            "problem": finding.kind.is_problem(),
            "kind": format!("{:?}", finding.kind),
            "file": finding.file,
            "line": finding.line,
            "record": finding.seq,
            "message": finding.message,
        })
    };
    json!({
        "ok": report.is_intact(),
        "folder": folder,
        "log": report.log,
        "key": report.key.map(|key| key.to_string()),
        "key_is_given": report.key_is_given,
        "checkpoint_is_given": report.checkpoint_is_given,
        "segments": report.segments,
        "records": report.records,
        "first": report.first,
        "last": report.last,
        "checkpoints": report.checkpoints,
        "signed": report.signed,
        "unsigned": report.unsigned(),
        "recordings": report.recordings,
        "bytes": report.bytes + report.recording_bytes,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "more": report.more,
        "seconds": report.elapsed.as_secs_f64(),
    })
}

fn show(output: Output, folder: &Path, report: &Report) -> Result<(), Failure> {
    let what = format!(
        "{} (numbers {} to {}) in {}, {}, {}",
        count(number(report.records), "record"),
        report.first,
        report.last,
        count(number(report.segments), "segment"),
        count(number(report.checkpoints), "good checkpoint"),
        count(number(report.recordings), "recording"),
    );
    if report.is_intact() {
        output.line(&format!("{}: `{}`", output.tone(Tone::Good, "intact"), folder.display()))?;
    } else {
        let problems = report.findings.iter().filter(|finding| finding.kind.is_problem()).count();
        let problems = count(problems + number(report.more), "problem");
        let verdict = output.tone(Tone::Bad, "NOT intact");
        output.line(&format!("{verdict}: `{}`, {problems}", folder.display()))?;
    }
    output.line(&format!("  {what}"))?;
    for finding in &report.findings {
        let (tone, word) =
            if finding.kind.is_problem() { (Tone::Bad, "problem") } else { (Tone::Caution, "notice") };
        output.line(&format!("  {} {finding}", output.tone(tone, word)))?;
    }
    if report.more > 0 {
        output.line(&format!("  and {} more", report.more))?;
    }
    for limit in unknown(report) {
        output.line(&output.tone(Tone::Faint, &format!("  {limit}")))?;
    }
    Ok(())
}

/// What this run could not have found.
fn unknown(report: &Report) -> Vec<String> {
    let mut limits = Vec::new();
    if report.unsigned() > 0 {
        let records = match report.unsigned() {
            1 => "record".to_owned(),
            unsigned => format!("{unsigned} records"),
        };
        limits.push(format!(
            "no checkpoint covers the last {records} yet: whoever writes the folder could change or cut them off"
        ));
    }
    if !report.checkpoint_is_given {
        limits.push(
            "without --checkpoint, a log that was cut back to an older checkpoint reads as one that ended there"
                .to_owned(),
        );
    }
    if !report.key_is_given {
        limits.push(
            "the key is the one that the log names itself; --key with a copy kept elsewhere finds a log that was replaced"
                .to_owned(),
        );
    }
    limits
}

fn number(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
