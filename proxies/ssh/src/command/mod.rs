//! What a client asks for, in the policy's words. Pure: texts in, actions out.

use std::borrow::Cow;
use std::sync::Arc;

use policy_core::{Action, ActionSet, Resource, Value, Verb};
use policy_normalize::shell::{self, Environment};

const SHELL: Verb = Verb::new("shell");
const SUBSYSTEM: Verb = Verb::new("subsystem");
const FORWARD: Verb = Verb::new("forward");
const ENV: Verb = Verb::new("env");
const AGENT_FORWARD: Verb = Verb::new("agent_forward");
const X11: Verb = Verb::new("x11");

/// One thing that a client asked for.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// How it came, in the protocol's words.
    pub(crate) via: &'static str,
    /// What it says.
    pub(crate) text: String,
    /// What it does.
    pub(crate) actions: Arc<ActionSet>,
}

/// What a session channel starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Exec(Vec<u8>),
    Shell,
    Subsystem(String),
}

/// What is sent to the target to start it, once it is admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Launch {
    Exec(Vec<u8>),
    Shell,
    Subsystem(String),
}

impl Command {
    /// Whether it is the far end of somebody's copy, scp's or rsync's: files that are read, and no command that shows them.
    pub(crate) fn copies_files(&self) -> bool {
        let does = |verb: &str| self.actions.iter().any(|action| action.verb.as_str() == verb);
        does("read") && !does("exec") && !does("shell")
    }
}

/// What starting comes to: the command that is judged, and what is then sent.
pub(crate) fn start(start: &Start, has_pty: bool, home: Option<&str>) -> (Command, Launch) {
    let (via, text, mut actions, launch) = match start {
        Start::Shell => {
            ("shell", "shell".to_owned(), vec![Action::new(SHELL, Resource::None)], Launch::Shell)
        }
        Start::Subsystem(name) => {
            let action = Action::new(SUBSYSTEM, Resource::named([name]));
            ("subsystem", format!("subsystem {name}"), vec![action], Launch::Subsystem(name.clone()))
        }
        Start::Exec(bytes) => {
            let (text, actions, launch) = exec(bytes, home);
            ("exec", text.into_owned(), actions, launch)
        }
    };
    if has_pty {
        actions.push(Action::new(Verb::PTY, Resource::None));
    }
    (Command { via, text, actions: Arc::new(ActionSet::new(actions)) }, launch)
}

/// A command line, as the target's shell will read it. One that is a plain list of words is sent as those words,
/// quoted anew, so that no shell can read it otherwise than it was judged.
fn exec<'a>(bytes: &'a [u8], home: Option<&str>) -> (Cow<'a, str>, Vec<Action>, Launch) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return (String::from_utf8_lossy(bytes), vec![Action::unknown()], Launch::Exec(bytes.to_vec()));
    };
    let reading = shell::read(text, &Environment { home, ..Environment::default() });
    let actions = reading.actions.iter().cloned().collect();
    let sent = match &reading.argv {
        Some(argv) => shell::quote(argv).into_bytes(),
        None => bytes.to_vec(),
    };
    (text.into(), actions, Launch::Exec(sent))
}

/// Whether an action is on a path that could not be told for want of the home directory.
pub(crate) fn wants_home(actions: &ActionSet) -> bool {
    actions.iter().any(|action| {
        action.resource == Resource::Undetermined
            && matches!(action.verb.as_str(), "read" | "write" | "append" | "remove" | "list")
    })
}

/// An environment variable. Its value is judged with it.
pub(crate) fn variable(name: &str, value: &str) -> Command {
    let action = Action::new(ENV, Resource::named([name])).with("value", Value::Text(value.into()));
    one("env", format!("{name}={value}"), action)
}

/// The client's agent is lent to the target.
pub(crate) fn agent() -> Command {
    one("agent", "agent forwarding".to_owned(), Action::new(AGENT_FORWARD, Resource::None))
}

/// X11 is forwarded.
pub(crate) fn x11() -> Command {
    one("x11", "X11 forwarding".to_owned(), Action::new(X11, Resource::None))
}

/// Which way a tunnel is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The client connects to what the target reaches (`-L`, `-D`, `-W`).
    Local,
    /// The target listens for the client (`-R`).
    Remote,
}

impl Direction {
    const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
        }
    }
}

/// A tunnel to a host and port, or from where the target listens.
pub(crate) fn tunnel(direction: Direction, host: &str, port: u32) -> Command {
    let action = forward(direction)
        .with("host", Value::Text(host.into()))
        .with("port", Value::Integer(i64::from(port)));
    one("forward", format!("{} tunnel {host}:{port}", direction.word()), action)
}

/// Whether the port of a tunnel, if it has one, can be a port.
pub(crate) fn has_port(tunnel: &Command) -> bool {
    tunnel.actions.iter().all(|action| match action.attribute("port") {
        Some(Value::Integer(port)) => u16::try_from(*port).is_ok(),
        _ => true,
    })
}

/// A tunnel to a Unix socket, or from one that the target makes.
pub(crate) fn socket(direction: Direction, path: &str) -> Command {
    let action = forward(direction).with("socket", Value::Text(path.into()));
    one("forward", format!("{} tunnel {path}", direction.word()), action)
}

fn forward(direction: Direction) -> Action {
    Action::new(FORWARD, Resource::None).with("direction", Value::Text(direction.word().into()))
}

fn one(via: &'static str, text: String, action: Action) -> Command {
    Command { via, text, actions: Arc::new(ActionSet::new([action])) }
}
