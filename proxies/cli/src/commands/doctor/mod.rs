//! `doctor`: what is unsafe or will not work, why it matters, and how to mend it.

mod certificate;
mod evidence;
mod files;
mod finding;
mod groups;
mod listeners;
mod policy;
mod process;
mod targets;
mod tokens;

use portcullis_evidence::inert;
use portcullis_gateway::config::Config;
use portcullis_gateway::control::{Client, Status};
use serde_json::json;

use self::finding::{Finding, Grade};
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};
use crate::output::{Output, Tone};
use crate::policies::count;

pub(super) fn run(context: &Context) -> Outcome {
    let file = context.config_file()?;
    let findings = match Config::load(&file) {
        Ok(config) => examine(&config)?,
        Err(error) => vec![
            Finding::bad("configuration", format!("it can't be used\n{}", error.fault()))
                .why("`serve` refuses it, and nothing else can be looked at")
                .mend(error.way_out().unwrap_or("correct the line it names")),
        ],
    };
    let bad = findings.iter().filter(|finding| finding.grade == Grade::Bad).count();
    let warnings = findings.iter().filter(|finding| finding.grade == Grade::Warning).count();
    if context.output.is_json() {
        context.output.document(
            &json!({ "ok": bad == 0, "problems": bad, "warnings": warnings, "findings": findings }),
        )?;
    } else {
        findings.iter().try_for_each(|finding| show(context.output, finding))?;
        let summary = match (bad, warnings) {
            (0, 0) => context.output.tone(Tone::Good, "nothing to mend"),
            (0, warnings) => context.output.tone(Tone::Caution, &count(warnings, "warning")),
            (bad, warnings) => context
                .output
                .tone(Tone::Bad, &format!("{}, {}", count(bad, "problem"), count(warnings, "warning"))),
        };
        context.output.line(&format!("\n{summary}"))?;
    }
    Ok(if bad == 0 { Answer::Yes } else { Answer::No })
}

/// Looks at everything, in the order in which it would fail.
fn examine(config: &Config) -> Result<Vec<Finding>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io(format_args!("the system refuses a runtime: {error}")))?;
    // Whether a gateway of this configuration runs decides how some of the rest is read.
    let running = runtime.block_on(Client::new(&config.control).status()).ok();
    let mut findings =
        vec![Finding::good("configuration", format!("`{}` can be used", config.file.display()))];
    policy::examine(config, &mut findings);
    files::examine(config, &mut findings);
    evidence::examine(config, &mut findings);
    process::examine(running.as_ref(), &mut findings);
    listeners::examine(config, running.as_ref(), &mut findings);
    certificate::examine(config, &mut findings);
    tokens::examine(config, &mut findings);
    runtime.block_on(targets::examine(config, &mut findings));
    if let Some(status) = &running {
        gateway(status, &mut findings);
    }
    Ok(findings)
}

/// What a running gateway says of itself.
fn gateway(status: &Status, findings: &mut Vec<Finding>) {
    findings.push(Finding::good(
        "gateway",
        format!(
            "version {} runs as process {}, {} open, {} held",
            inert::line(&status.version),
            status.pid,
            count(status.sessions, "session"),
            count(status.held, "command"),
        ),
    ));
    if let Some(fault) = &status.evidence_fault {
        findings.push(
            Finding::bad("gateway", format!("evidence can't be written: {}", inert::line(fault)))
                .why("nothing is forwarded until it can")
                .mend("make room or mend the disk: it goes on by itself once records can be written"),
        );
    }
    if let Some(fault) = &status.reload_fault {
        findings.push(
            Finding::bad("gateway", format!("the latest reload changed nothing: {}", inert::lines(fault)))
                .why("what is on disk is not in force")
                .mend("mend what it says, then `portcullis reload`"),
        );
    }
    if !status.store_ok {
        findings.push(
            Finding::bad("gateway", "the store can't be read")
                .why("revocations can't be seen, so sessions are stopped")
                .mend("see the gateway's log for what SQLite says"),
        );
    }
}

fn show(output: Output, finding: &Finding) -> Result<(), Failure> {
    let (tone, word) = match finding.grade {
        Grade::Good => (Tone::Good, "ok     "),
        Grade::Warning => (Tone::Caution, "warning"),
        Grade::Bad => (Tone::Bad, "PROBLEM"),
    };
    let what = finding.what.replace('\n', "\n         ");
    output.line(&format!("{}  {}: {what}", output.tone(tone, word), finding.about))?;
    for (label, text) in [("why", &finding.why), ("mend", &finding.mend)] {
        if let Some(text) = text {
            output.line(&format!("         {} {text}", output.tone(Tone::Faint, &format!("{label}:"))))?;
        }
    }
    Ok(())
}
