//! `replay`: what happened in a session, from its recording, or from the audit log where there is none.
//!
//! A session that had a terminal is played (`player`, on the `stage` that a terminal is), searched or exported; any
//! other is listed.

mod export;
mod player;
mod search;
mod stage;
mod terminal;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use portcullis_evidence::inert;
use portcullis_evidence::read::{self, Command, Ending};
use portcullis_evidence::record::{DecisionKind, Parameter, Result as CommandResult};
use portcullis_evidence::recording::{self, End, Event, FileResult, Played, Reader, Stream};
use serde_json::json;

use crate::args::Replay;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};
use crate::output::{Output, Tone};

use player::Player;
use search::Shown;
use terminal::Terminal;

pub(super) fn run(context: &Context, arguments: &Replay) -> Outcome {
    let output = context.output;
    let folder = match &arguments.evidence {
        Some(folder) => folder.clone(),
        None => context.config()?.evidence,
    };
    let Some(session) = &arguments.session else { return list(output, &folder) };
    match recording::find(&folder, session) {
        Some(file) => {
            let screen =
                Screen { output, rows: arguments.rows, log: &folder, session, reasons: OnceCell::new() };
            if output.is_json() && arguments.search.is_none() {
                return play(&screen, &file);
            }
            in_terminal(output, &file, arguments)?.map_or_else(|| play(&screen, &file), Ok)
        }
        None if arguments.search.is_some() || arguments.export.is_some() => {
            let session = inert::line(session);
            Err(Failure::io(format_args!("there is no recording of a session `{session}`"))
                .help("only sessions that a `record` rule matched have one; `portcullis replay` lists them"))
        }
        None => from_log(output, &folder, session),
    }
}

/// The sessions that there is evidence of.
fn list(output: Output, folder: &Path) -> Outcome {
    let commands = read::commands(folder, |_| true).map_err(|error| unreadable(folder, &error))?;
    let recorded = recording::sessions(folder).map_err(|error| unreadable(folder, &error))?;
    let mut sessions: Vec<(String, Vec<&Command>)> = Vec::new();
    for command in &commands {
        match sessions.iter_mut().find(|(session, _)| *session == command.session) {
            Some((_, list)) => list.push(command),
            None => sessions.push((command.session.clone(), vec![command])),
        }
    }
    if output.is_json() {
        let each = sessions.iter().map(|(session, list)| {
            json!({
                "id": session,
                "principal": list.first().map(|command| &command.principal),
                "target": list.first().map(|command| &command.target),
                "began": list.first().map(|command| command.time),
                "commands": list.len(),
                "recorded": recorded.contains(session),
            })
        });
        output.document(&each.collect::<Vec<_>>())?;
        return Ok(Answer::Yes);
    }
    let rows: Vec<Vec<String>> = sessions
        .iter()
        .filter_map(|(session, list)| {
            let first = list.first()?;
            Some(vec![
                inert::line(session).to_string(),
                inert::line(&first.principal).to_string(),
                inert::line(&first.target).to_string(),
                first.time.to_string(),
                list.len().to_string(),
                if recorded.contains(session) { "yes" } else { "" }.to_owned(),
            ])
        })
        .collect();
    output.table(
        &["session", "user", "target", "first command", "commands", "recorded"],
        &rows,
        "no session ran a command yet",
    )?;
    Ok(Answer::Yes)
}

fn unreadable(folder: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::io(format_args!("can't read the evidence in `{}`: {error}", folder.display()))
        .help("run this as the gateway's own user; `portcullis verify` says whether the evidence is intact")
}

/// Plays, searches or exports a terminal; `None` if the recording is to be listed.
fn in_terminal(output: Output, file: &Path, arguments: &Replay) -> Result<Option<Answer>, Failure> {
    let needed = arguments.search.is_some() || arguments.export.is_some();
    if !needed && (arguments.events || arguments.rows || !had_terminal(file)?) {
        return Ok(None);
    }
    let events: Vec<Played> = open(file)?.collect();
    let of = |event: &Event<'_>| match event {
        Event::Command { command, .. } | Event::Terminal { command, .. } | Event::Output { command, .. } => {
            Some(*command)
        }
        _ => None,
    };
    if let Some(number) = arguments.command
        && !events.iter().any(|played| of(&played.event) == Some(number))
    {
        return Err(Failure::io(format_args!("this session has no command {number}"))
            .help("`portcullis replay SESSION --events` lists its commands"));
    }
    let terminal = Terminal::of(&events, arguments.command);
    drop(events);
    if let Some(text) = &arguments.search {
        return found(output, &search::search(&terminal, text)).map(Some);
    }
    if let Some(cast) = arguments.export {
        return written(output, &export::asciicast(&terminal, cast), arguments.output.as_deref()).map(Some);
    }
    let to = arguments.to.unwrap_or(Duration::MAX);
    let player = Player::new(&terminal, arguments.speed, arguments.from, to, arguments.max_pause);
    stage::play(output, player)?;
    Ok(Some(Answer::Yes))
}

/// Whether a recording is one to play: most of PostgreSQL's are long, and none is.
fn had_terminal(file: &Path) -> Result<bool, Failure> {
    Ok(open(file)?.any(|played| matches!(played.event, Event::Terminal { .. })))
}

fn open(file: &Path) -> Result<Reader, Failure> {
    Reader::open(file)
        .map_err(|error| Failure::io(format_args!("can't read the recording `{}`: {error}", file.display())))
}

/// Says where a text was shown.
fn found(output: Output, shown: &[Shown]) -> Outcome {
    if output.is_json() {
        let each = shown.iter().map(|shown| json!({ "at": shown.at.as_secs_f64(), "line": shown.line }));
        output.document(&each.collect::<Vec<_>>())?;
    } else if shown.is_empty() {
        output.line("that was never shown")?;
    }
    for shown in shown.iter().filter(|_| !output.is_json()) {
        let at = output.tone(Tone::Faint, &format!("{:>9.3}s", shown.at.as_secs_f64()));
        output.line(&format!("{at}  {}", inert::line(&shown.line)))?;
    }
    Ok(if shown.is_empty() { Answer::No } else { Answer::Yes })
}

/// Writes lines of JSON to a file that only its owner can read, or to standard output.
fn written(output: Output, lines: &[serde_json::Value], file: Option<&Path>) -> Outcome {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let Some(path) = file else {
        output.raw(text.as_bytes())?;
        return Ok(Answer::Yes);
    };
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::io(format_args!("can't write `{}`: {error}", path.display())))?;
    Ok(Answer::Yes)
}

/// Lists a recording, event by event.
fn play(screen: &Screen<'_>, file: &Path) -> Outcome {
    let Screen { output, rows, .. } = *screen;
    let mut reader = open(file)?;
    let mut events = Vec::new();
    for played in &mut reader {
        if output.is_json() {
            if rows || !matches!(played.event, Event::Row { .. } | Event::Columns { .. }) {
                events.push(json!({ "at": played.at.as_secs_f64(), "event": played.event }));
            }
        } else {
            screen.event(played.at, &played.event)?;
        }
    }
    let (word, torn) = match reader.end() {
        Some(End::Closed) => ("closed", None),
        Some(End::Open) | None => ("open", None),
        Some(End::Torn { reason }) => ("torn", Some(reason)),
    };
    if output.is_json() {
        output.document(&json!({ "source": "recording", "end": word, "events": events }))?;
    } else if let Some(reason) = torn {
        let reason = inert::line(reason);
        output.line(&output.tone(Tone::Caution, &format!("the recording ends in the middle: {reason}")))?;
    } else if word == "open" {
        output.line(&output.tone(
            Tone::Faint,
            "the recording is not closed: the session still runs, or the gateway was killed",
        ))?;
    }
    Ok(Answer::Yes)
}

struct Screen<'a> {
    output: Output,
    rows: bool,
    log: &'a Path,
    session: &'a str,
    /// Why commands were not allowed, by their numbers: the log has it, recordings have not.
    reasons: OnceCell<BTreeMap<u64, String>>,
}

impl Screen<'_> {
    /// Why a command was not allowed, where the log still says so.
    fn reason(&self, command: u64) -> Option<&str> {
        let read = || read::commands(self.log, |of| of == self.session).unwrap_or_default();
        let because = |command: Command| {
            Some((command.intent.command, command.intent.verdict.value()?.because.as_ref()?.to_string()))
        };
        let reasons = self.reasons.get_or_init(|| read().into_iter().filter_map(because).collect());
        reasons.get(&command).map(String::as_str)
    }

    fn say(&self, at: Duration, text: &str) -> Result<(), Failure> {
        let at = self.output.tone(Tone::Faint, &format!("{:>9.3}s", at.as_secs_f64()));
        self.output.line(&format!("{at}  {text}"))
    }

    fn event(&self, at: Duration, event: &Event<'_>) -> Result<(), Failure> {
        match event {
            Event::Opened { session, principal, target, source, started, .. } => self.say(
                at,
                &format!(
                    "session {} of {} at {} from {}, opened {started}",
                    inert::line(session),
                    inert::line(principal),
                    inert::line(target),
                    inert::line(source)
                ),
            ),
            Event::Command { command, text, parameters, decision, .. } => {
                let rules: Vec<&str> = decision.rules.iter().map(AsRef::as_ref).collect();
                self.command(at, *command, decision.decision, &rules, text, parameters)
            }
            Event::Columns { names, .. } if self.rows => {
                let names: Vec<String> = names.iter().map(|name| inert::line(name).to_string()).collect();
                self.say(at, &format!("     {}", self.output.tone(Tone::Strong, &names.join(" | "))))
            }
            Event::Row { values, .. } if self.rows => {
                let shown = |value: &Option<_>| match value {
                    Some(text) => inert::line(AsRef::<str>::as_ref(text)).to_string(),
                    None => "NULL".to_owned(),
                };
                let values: Vec<String> = values.iter().map(shown).collect();
                self.say(at, &format!("     {}", values.join(" | ")))
            }
            Event::Columns { .. } | Event::Row { .. } => Ok(()),
            Event::RowsOmitted { rows, .. } => self.say(at, &format!("     {rows} more rows, counted only")),
            Event::Input { text, .. } => self.say(at, &format!("  <- {}", inert::line(text))),
            Event::Output { stream: Stream::Stdout, text, .. } => {
                self.say(at, &format!("  -> {}", inert::line(text)))
            }
            Event::Output { stream: Stream::Stderr, text, .. } => {
                self.say(at, &format!("  2> {}", inert::line(text)))
            }
            Event::Terminal { command, term, columns, rows } => {
                self.say(at, &format!("#{command} terminal {}, {columns}×{rows}", inert::line(term)))
            }
            Event::Resize { command, columns, rows } => {
                self.say(at, &format!("#{command} terminal is now {columns}×{rows}"))
            }
            Event::Exit { command, status, signal } => {
                self.say(at, &exit(*command, *status, signal.as_deref()))
            }
            Event::File { .. } => self.say(at, &file(event)),
            Event::Message { severity, text } => {
                self.say(at, &format!("     {}: {}", inert::line(severity), inert::line(text)))
            }
            Event::Approval { approval, command, state } => self
                .say(at, &format!("#{command} approval {}: {}", inert::line(approval), inert::line(state))),
            Event::Outcome { command, result, rows, error, micros } => {
                self.say(at, &outcome(*command, *result, *rows, error.as_deref(), *micros))
            }
            Event::Closed { reason } => self.say(at, &format!("closed: {}", inert::line(reason))),
        }
    }

    fn command(
        &self,
        at: Duration,
        number: u64,
        decision: DecisionKind,
        rules: &[&str],
        text: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<(), Failure> {
        let (tone, word) = match decision {
            DecisionKind::Allow => (Tone::Good, "allowed"),
            DecisionKind::Deny => (Tone::Bad, "DENIED "),
            DecisionKind::Hold => (Tone::Caution, "HELD   "),
        };
        let by: Vec<String> = rules.iter().map(|rule| format!("`{}`", inert::line(rule))).collect();
        let by = match (decision, by.is_empty()) {
            (DecisionKind::Allow, _) | (_, true) => String::new(),
            (_, false) => self.output.tone(Tone::Faint, &format!("  by {}", by.join(", "))),
        };
        self.say(at, &format!("#{number} {}  {}{by}", self.output.tone(tone, word), inert::line(text)))?;
        if decision != DecisionKind::Allow
            && let Some(reason) = self.reason(number)
        {
            self.say(
                at,
                &format!("     {}", self.output.tone(Tone::Faint, &inert::line(reason).to_string())),
            )?;
        }
        parameters.iter().enumerate().try_for_each(|(index, parameter)| {
            let value = match parameter {
                Parameter::Null => "NULL".to_owned(),
                Parameter::Text(text) => format!("\"{}\"", inert::line(text)),
                Parameter::Masked(text) => format!("\"{}\" (masked)", inert::line(text)),
            };
            self.say(at, &format!("     ${} = {value}", index + 1))
        })
    }
}

fn outcome(
    command: u64,
    result: CommandResult,
    rows: Option<u64>,
    error: Option<&str>,
    micros: u64,
) -> String {
    let took = format!("{:.3} ms", micros as f64 / 1000.0);
    let rows = rows.map_or(String::new(), |rows| format!(", {rows} row{}", if rows == 1 { "" } else { "s" }));
    match result {
        CommandResult::Done => format!("#{command} done{rows} in {took}"),
        CommandResult::Failed => {
            format!("#{command} failed with {} after {took}", inert::line(error.unwrap_or("no code")))
        }
        CommandResult::Unknown => format!("#{command} outcome not known{rows} after {took}"),
    }
}

fn exit(command: u64, status: Option<u32>, signal: Option<&str>) -> String {
    match (status, signal) {
        (_, Some(signal)) => format!("#{command} ended by signal {}", inert::line(signal)),
        (Some(status), None) => format!("#{command} exited with {status}"),
        (None, None) => format!("#{command} ended without a status"),
    }
}

fn file(event: &Event<'_>) -> String {
    let Event::File { command, operation, path, to, result, error, bytes } = event else {
        return String::new();
    };
    let to = to.as_ref().map_or(String::new(), |to| format!(" -> {}", inert::line(to)));
    let bytes = bytes.map_or(String::new(), |bytes| format!(", {bytes} bytes"));
    let error = error.as_ref().map_or(String::new(), |error| format!(": {}", inert::line(error)));
    let result = match result {
        FileResult::Done => "done",
        FileResult::Denied => "denied",
        FileResult::Failed => "failed",
        FileResult::Unknown => "outcome not known",
    };
    format!("#{command} {} {}{to}  {result}{error}{bytes}", inert::line(operation), inert::line(path))
}

/// What the audit log says of a session that has no recording.
fn from_log(output: Output, folder: &Path, session: &str) -> Outcome {
    let commands = read::commands(folder, |of| of == session).map_err(|error| unreadable(folder, &error))?;
    let Some(first) = commands.first() else {
        return Err(Failure::io(format_args!(
            "there is no evidence of a session `{}`",
            inert::line(session)
        ))
        .help("`portcullis replay` without a session lists those there are"));
    };
    if output.is_json() {
        let each: Vec<serde_json::Value> = commands.iter().map(entry).collect();
        output.document(&json!({ "source": "log", "commands": each }))?;
        return Ok(Answer::Yes);
    }
    let screen = Screen { output, rows: false, log: folder, session, reasons: OnceCell::new() };
    let (principal, target) = (inert::line(&first.principal), inert::line(&first.target));
    output.line(&format!(
        "session {} of {principal} at {target}, first command {}",
        inert::line(session),
        first.time
    ))?;
    for command in &commands {
        let at = command.time.since(first.time);
        let verdict = command.intent.verdict.value();
        let rules: Vec<&str> = verdict.iter().flat_map(|verdict| &verdict.rules).map(AsRef::as_ref).collect();
        screen.command(
            at,
            command.intent.command,
            verdict.map_or(DecisionKind::Deny, |verdict| verdict.decision),
            &rules,
            command.text.as_deref().unwrap_or("(its text is in a segment that was archived)"),
            &command.intent.parameters,
        )?;
        if let Some(outcome_of) = &command.outcome {
            let end = at + Duration::from_micros(outcome_of.micros);
            let text = outcome(
                outcome_of.command,
                outcome_of.result,
                outcome_of.rows,
                outcome_of.error.as_deref(),
                outcome_of.micros,
            );
            screen.say(end, &text)?;
        } else if command.ending() == Ending::Unknown {
            screen.say(at, &format!("#{} outcome not recorded yet", command.intent.command))?;
        }
    }
    output.line(&output.tone(
        Tone::Faint,
        "from the audit log: no `record` rule matched, so there is no recording and no rows",
    ))?;
    Ok(Answer::Yes)
}

fn entry(command: &Command) -> serde_json::Value {
    json!({
        "record": command.seq,
        "time": command.time,
        "text": command.text,
        "intent": command.intent,
        "outcome": command.outcome,
    })
}
