//! `watch`: what happens in a live session, as it happens, and the way to end it.

use std::io::{self, IsTerminal, Read};

use portcullis_evidence::record::DecisionKind;
use portcullis_evidence::recording::{Event, Stream};
use portcullis_evidence::{Part, Serialized, inert};
use portcullis_gateway::control::{Client, ClientError, Told};
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tokio::sync::mpsc;

use super::gateway;
use crate::args::Watch;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};
use crate::output::{Output, Tone};
use crate::password;

pub(super) fn run(context: &Context, arguments: &Watch) -> Outcome {
    let output = context.output;
    let password = match &arguments.user {
        Some(user) => Some((user.as_str(), password::known(&arguments.password, user)?)),
        None => None,
    };
    let user = password.as_ref().map(|(user, password)| (*user, password));
    let (session, reason) = (arguments.session.as_str(), arguments.reason.as_str());
    if arguments.end {
        let ended = gateway::ask(context, user, async |client| client.end(session, reason).await)?;
        if output.is_json() {
            output.document(&ended)?;
        } else {
            output.line(&format!("ended session {}", inert::line(session)))?;
        }
        return Ok(Answer::Yes);
    }
    let keys = Keys::listen(output)?;
    let mut keys = keys.as_ref().map(|keys| keys.pressed());
    let drawing = (!output.is_json() && io::stdout().is_terminal()).then(inert::Screen::default);
    let mut screen = Screen { output, at_start: true, drawing };
    let told = gateway::ask(context, user, async |client| {
        Ok(follow(client, session, reason, &mut screen, keys.as_mut()).await)
    })?;
    screen.leave()?;
    told.map(|()| Answer::Yes).map_err(|failed| match failed {
        Failed::Client(error) => gateway::refused(&error),
        Failed::Output(failure) => failure,
    })
}

enum Failed {
    Client(ClientError),
    Output(Failure),
}

/// Shows what happens until it is over, or the watcher leaves.
async fn follow(
    client: &Client,
    session: &str,
    reason: &str,
    screen: &mut Screen,
    mut keys: Option<&mut mpsc::UnboundedReceiver<Key>>,
) -> Result<(), Failed> {
    let mut watching = client.watch(session).await.map_err(Failed::Client)?;
    loop {
        let key = async {
            match keys.as_deref_mut() {
                Some(keys) => keys.recv().await.unwrap_or(Key::Leave),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            told = watching.next() => match told.map_err(Failed::Client)? {
                Some(told) => screen.show(&told).map_err(Failed::Output)?,
                None => return Ok(()),
            },
            key = key => match key {
                Key::Leave => return Ok(()),
                // The stream says how it ends.
                Key::End => drop(client.end(session, reason).await.map_err(Failed::Client)?),
            },
        }
    }
}

struct Screen {
    output: Output,
    /// Whether the next thing begins on a line of its own.
    at_start: bool,
    /// On a terminal, what may be drawn there.
    drawing: Option<inert::Screen>,
}

impl Screen {
    fn show(&mut self, told: &Told<'_>) -> Result<(), Failure> {
        if self.output.is_json() {
            // Serialised so that nothing in it acts, should this be a terminal all the same.
            let line = Serialized::new(told).map_err(Failure::io)?;
            return self.output.line(&serde_json::to_string(&Part::Serialized(&line)).map_err(Failure::io)?);
        }
        match told {
            Told::Session { id, principal, target, protocol, source, client, watchers, .. } => {
                let inert = |text: &str| inert::line(text).to_string();
                let from =
                    source.as_deref().map_or(String::new(), |source| format!(" from {}", inert(source)));
                self.note(&format!(
                    "watching session {} of {} at {} ({}){from}, {}",
                    inert(id),
                    inert(principal),
                    inert(target),
                    inert(protocol),
                    inert(client),
                ))?;
                if !watchers.is_empty() {
                    self.note(&format!("watched by {}", inert(&watchers.join(", "))))?;
                }
                if Keys::are_there(self.output) {
                    self.note("q leaves, K ends the session in your name")?;
                }
                Ok(())
            }
            Told::Event { event, .. } => self.event(event),
            Told::Over { reason } => self.note(&format!("over: {}", inert::line(reason))),
        }
    }

    fn event(&mut self, event: &Event<'_>) -> Result<(), Failure> {
        let inert = |text: &str| inert::line(text).to_string();
        match event {
            Event::Output { stream, text, .. } => self.content(text, *stream == Stream::Stderr),
            Event::Command { command, via, text, decision, .. } => {
                let word = match decision.decision {
                    DecisionKind::Allow => self.output.tone(Tone::Good, "allowed"),
                    DecisionKind::Deny => self.output.tone(Tone::Bad, "DENIED"),
                    DecisionKind::Hold => self.output.tone(Tone::Caution, "HELD"),
                };
                self.note(&format!("#{command} {word} {} {}", inert(via), inert(text)))
            }
            Event::Approval { approval, command, state } => {
                self.note(&format!("#{command} approval {}: {}", inert(approval), inert(state)))
            }
            Event::File { operation, path, .. } => {
                self.note(&format!("{} {}", inert(operation), inert(path)))
            }
            Event::Message { severity, text } => self.note(&format!("{}: {}", inert(severity), inert(text))),
            Event::Exit { command, status, .. } => {
                let status = status.map_or("a signal".to_owned(), |status| status.to_string());
                self.note(&format!("#{command} exited with {status}"))
            }
            Event::Row { values, .. } => {
                let shown = |value: &Option<_>| match value {
                    Some(text) => inert(AsRef::<str>::as_ref(text)),
                    None => "NULL".to_owned(),
                };
                self.note(&values.iter().map(shown).collect::<Vec<_>>().join(" | "))
            }
            // The output shows what of the input was echoed; the rest is of no use without a terminal of the same size.
            Event::Input { .. }
            | Event::Terminal { .. }
            | Event::Resize { .. }
            | Event::Opened { .. }
            | Event::Columns { .. }
            | Event::RowsOmitted { .. }
            | Event::Outcome { .. }
            | Event::Closed { .. } => Ok(()),
        }
    }

    /// What a program wrote: its lines, and nothing that acts.
    fn content(&mut self, text: &str, is_error: bool) -> Result<(), Failure> {
        self.at_start = text.ends_with('\n');
        if let Some(drawing) = &mut self.drawing {
            // As the one who is watched sees it, but for whatever would do more than draw.
            let mut drawn = String::new();
            drawing.push(text, &mut drawn);
            return self.output.raw(drawn.as_bytes());
        }
        let text = text.replace("\r\n", "\n");
        let shown = inert::lines(&text).to_string();
        let shown = if is_error { self.output.tone(Tone::Caution, &shown) } else { shown };
        self.output.raw(shown.as_bytes())
    }

    /// Gives the terminal back as it was.
    fn leave(&mut self) -> Result<(), Failure> {
        if let Some(drawing) = &self.drawing {
            self.output.raw(drawing.reset().as_bytes())?;
            if !self.at_start {
                self.output.line("")?;
            }
        }
        Ok(())
    }

    /// What the gateway says, on a line of its own.
    fn note(&mut self, text: &str) -> Result<(), Failure> {
        if !std::mem::replace(&mut self.at_start, true) {
            self.output.line("")?;
        }
        self.output.line(&self.output.tone(Tone::Faint, &format!("-- {text}")))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Leave,
    End,
}

impl Key {
    fn of(byte: u8) -> Option<Self> {
        match byte {
            b'q' | 0x03 | 0x04 => Some(Self::Leave),
            b'K' => Some(Self::End),
            _ => None,
        }
    }
}

/// The keyboard, key by key, until this is dropped.
struct Keys {
    before: Termios,
}

impl Keys {
    fn are_there(output: Output) -> bool {
        !output.is_json() && io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    fn listen(output: Output) -> Result<Option<Self>, Failure> {
        if !Self::are_there(output) {
            return Ok(None);
        }
        let failed = |error| Failure::io(format_args!("can't read keys from the terminal: {error}"));
        let before = termios::tcgetattr(io::stdin()).map_err(failed)?;
        let mut keys = before.clone();
        keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &keys).map_err(failed)?;
        Ok(Some(Self { before }))
    }

    /// Reads on a thread of its own, which ends with the process.
    fn pressed(&self) -> mpsc::UnboundedReceiver<Key> {
        let (pressed, keys) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for byte in io::stdin().lock().bytes() {
                let Ok(byte) = byte else { return };
                if let Some(key) = Key::of(byte)
                    && pressed.send(key).is_err()
                {
                    return;
                }
            }
        });
        keys
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // A terminal that is gone needs no mending.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_key_ends_a_session() {
        for byte in 0..=u8::MAX {
            assert_eq!(Key::of(byte) == Some(Key::End), byte == b'K', "{byte}");
        }
        assert_eq!(Key::of(b'q'), Some(Key::Leave));
    }
}
