//! `explain`: why a command gets the answer it gets, without running it and without a running gateway.

mod action;
mod report;
mod show;
mod subject;

use std::time::{SystemTime, UNIX_EPOCH};

use policy_core::vocabulary::Spelling;
use policy_core::{Action, ActionSet, Policy, Protocol, Request, Resource, Verb};
use policy_normalize::sql::{Rejected, Statement};
use portcullis_evidence::inert;
use portcullis_gateway::config::Config;

use self::report::{Judged, Report, StatementReport};
use self::subject::Subject;
use crate::args::Explain;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};
use crate::policies::Policies;
use crate::requests::{self, Asked};
use crate::{sql, texts};

pub(super) fn run(context: &Context, arguments: &Explain) -> Outcome {
    let (policies, config) = if arguments.policies.is_empty() {
        let config = context.config()?;
        (Policies::of(Some(&config), &config.policies)?, Some(config))
    } else {
        let config = context.config_if_named()?;
        (Policies::of(config.as_ref(), &arguments.policies)?, config)
    };
    if let Some(config) = config.as_ref().filter(|config| is_unknown(config, arguments)) {
        return unknown(context, config, arguments);
    }
    let loaded = policies.must_load(context.output)?;
    let policy = policies.compile(&loaded)?;
    let (subject, mut notes) = Subject::find(config.as_ref(), arguments)?;
    let asking = Asking { policy: &policy, subject: &subject, now: now()? };
    let text = arguments.text.as_str();
    let protocol = &subject.target.protocol;
    only_of_http(arguments, protocol)?;
    let report = if arguments.is_action {
        asking.actions(text, &action::read(text, protocol)?, notes)
    } else if *protocol == Protocol::POSTGRES {
        if arguments.protocol.is_none() && requests::looks_like_one(text) {
            notes.push("it is read as SQL, which it doesn't look like: --protocol http, kubernetes or mcp says otherwise".to_owned());
        }
        let search_path: Vec<&str> = arguments.search_path.split(',').map(str::trim).collect();
        notes.push(format!(
            "names without a schema are looked up in {}; no database is asked, so views, functions and `*` are taken \
             as the text spells them",
            search_path.iter().map(|schema| format!("`{schema}`")).collect::<Vec<_>>().join(", ")
        ));
        asking.statements(text, &search_path, notes)
    } else if *protocol != Protocol::SSH {
        let leg = subject::leg(config.as_ref(), &subject.target);
        let headers =
            arguments.headers.iter().map(|header| requests::field(header)).collect::<Result<_, _>>()?;
        let pinned = arguments.pinned.as_ref().map(|pinned| pinned == "yes");
        let asked = Asked { text, protocol, leg, headers, pinned };
        let actions = asked.actions(&policy, &mut notes)?;
        asking.actions(text, &actions, notes)
    } else {
        notes.push(
            "it is read as a command that is sent to run (`ssh HOST COMMAND`); relative paths are undetermined, because \
             no target is asked for the home directory; for file transfers and tunnels there is --do"
                .to_owned(),
        );
        asking.actions(text, &texts::command_line(text), notes)
    };
    if context.output.is_json() {
        context.output.document(&report)?;
    } else {
        show::show(context.output, &report)?;
    }
    Ok(if report.is_allowed() { Answer::Yes } else { Answer::No })
}

/// Refuses what only requests have, where none is asked about.
fn only_of_http(arguments: &Explain, protocol: &Protocol) -> Result<(), Failure> {
    let has_fields = [Protocol::HTTP, Protocol::KUBERNETES].contains(protocol);
    if !arguments.headers.is_empty() && !has_fields {
        return Err(Failure::usage(format_args!("a command of {protocol} has no header fields"))
            .help("leave --header out: it is for targets of http and kubernetes"));
    }
    if arguments.pinned.is_some() && *protocol != Protocol::MCP {
        return Err(Failure::usage(format_args!("a command of {protocol} calls no tools"))
            .help("leave --pinned out: it is for targets of mcp"));
    }
    Ok(())
}

/// Whether the target is neither configured nor made up on purpose, by `--label` or `--protocol`.
fn is_unknown(config: &Config, arguments: &Explain) -> bool {
    let is_made_up = arguments.protocol.is_some() || !arguments.labels.is_empty();
    !is_made_up && !config.targets.iter().any(|target| *target.subject.name == *arguments.target)
}

/// What a client hears too: no session is opened, so no rule is asked.
fn unknown(context: &Context, config: &Config, arguments: &Explain) -> Outcome {
    let targets: Vec<&str> = config.targets.iter().map(|target| &*target.subject.name).collect();
    if context.output.is_json() {
        context.output.document(&serde_json::json!({
            "command": arguments.text,
            "user": arguments.user,
            "target": arguments.target,
            "verdict": "not known",
            "targets": targets,
        }))?;
        return Ok(Answer::No);
    }
    let name = inert::line(&arguments.target);
    context
        .output
        .line(&format!("not known: no target `{name}` is configured in `{}`", config.file.display()))?;
    context.output.note(&format!(
        "there are {}; for one that is not configured yet, say what it is like: --label env=prod, --protocol ssh",
        targets.iter().map(|target| format!("`{}`", inert::line(target))).collect::<Vec<_>>().join(", ")
    ));
    Ok(Answer::No)
}

/// A policy, and who asks it.
struct Asking<'a> {
    policy: &'a Policy,
    subject: &'a Subject,
    now: i64,
}

impl Asking<'_> {
    fn statements(&self, text: &str, search_path: &[&str], notes: Vec<String>) -> Report {
        let connect = ActionSet::new([Action::new(Verb::CONNECT, Resource::None)]);
        let connect = self.judge(&connect, None);
        let parsed = match sql::statements(text, search_path) {
            Err(Rejected::Syntax { message }) => Ok(vec![Statement::unparsed(text, message)]),
            parsed => parsed,
        };
        let (whole, statements, rejected) = match parsed {
            Ok(statements) => {
                // One message is one command, whatever the number of its statements.
                let whole = self.judge(&sql::actions(&statements), None);
                let each = statements.iter().map(|statement| {
                    let alone = self.judge(&sql::actions(std::slice::from_ref(statement)), Some(statement));
                    StatementReport::new(text, statement, self.spelling(), alone)
                });
                (Some(whole), each.collect(), None)
            }
            Err(rejected) => (None, Vec::new(), Some(rejected.to_string())),
        };
        Report::new(text, self.subject, connect, whole, statements, rejected, notes)
    }

    /// What is judged as a whole: a command line, or an action as such.
    fn actions(&self, text: &str, actions: &ActionSet, notes: Vec<String>) -> Report {
        let connect = self.judge(&ActionSet::new([Action::new(Verb::CONNECT, Resource::None)]), None);
        let each = StatementReport::of_actions(text, actions, self.spelling(), self.judge(actions, None));
        Report::new(text, self.subject, connect, Some(self.judge(actions, None)), vec![each], None, notes)
    }

    fn spelling(&self) -> &Spelling {
        self.policy.spelling(&self.subject.target.protocol)
    }

    fn judge(&self, actions: &ActionSet, statement: Option<&Statement>) -> Judged {
        let request = Request {
            principal: &self.subject.principal,
            target: &self.subject.target,
            actions,
            source: self.subject.source,
            now: Some(self.now),
            grants: &[],
        };
        Judged::new(self.policy, &request, statement)
    }
}

fn now() -> Result<i64, Failure> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Failure::io("the clock says that it is before 1970: set it"))?;
    i64::try_from(since.as_secs()).map_err(Failure::io)
}
