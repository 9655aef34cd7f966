//! What a recording holds for a terminal: frames, markers, and which of several terminals they are of.

use std::time::Duration;

use portcullis_evidence::Text;
use portcullis_evidence::recording::{Event, Played};

/// The parts of a recording that a terminal can play.
#[derive(Debug, Default)]
pub(super) struct Terminal {
    /// The terminal's type; `None` where no command had a terminal.
    pub(super) term: Option<String>,
    /// Columns and rows at the beginning.
    pub(super) size: (u16, u16),
    /// When the recording began, in seconds since 1970.
    pub(super) began: Option<u64>,
    /// Who was where.
    pub(super) title: String,
    pub(super) moments: Vec<Moment>,
}

/// Something that happened, and when.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) at: Duration,
    pub(super) what: What,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    Output(String),
    Input(String),
    Resize(u16, u16),
    /// A command or an operation on a file, of any channel.
    Marker(String),
    Exit {
        status: Option<u32>,
        signal: Option<String>,
    },
}

impl Terminal {
    /// The first terminal there is, or that of the command that is asked for. Without a terminal, all output.
    pub(super) fn of(events: &[Played], command: Option<u64>) -> Self {
        let first = events.iter().find_map(|played| match played.event {
            Event::Terminal { command, .. } => Some(command),
            _ => None,
        });
        let wanted = command.or(first);
        let mut terminal = Self { size: size(0, 0), ..Self::default() };
        let is_wanted = |of: u64| wanted.is_none_or(|wanted| wanted == of);
        let mut raw = true;
        for Played { at, event } in events {
            let what = match event {
                Event::Opened { principal, target, started, .. } => {
                    terminal.began = Some(started.as_micros() / 1_000_000);
                    terminal.title = format!("{principal} at {target}");
                    continue;
                }
                Event::Terminal { command, term, columns, rows } if is_wanted(*command) => {
                    terminal.term = Some(term.to_string());
                    terminal.size = size(*columns, *rows);
                    raw = false;
                    continue;
                }
                Event::Resize { command, columns, rows } if is_wanted(*command) => {
                    let (columns, rows) = size(*columns, *rows);
                    What::Resize(columns, rows)
                }
                Event::Output { command, text, .. } if is_wanted(*command) => What::Output(lines(text, raw)),
                Event::Input { command, text } if is_wanted(*command) => What::Input(text.to_string()),
                Event::Exit { command, status, signal } if is_wanted(*command) => {
                    What::Exit { status: *status, signal: signal.as_ref().map(ToString::to_string) }
                }
                Event::Command { command, text, .. } => What::Marker(format!("#{command} {text}")),
                Event::File { .. } => What::Marker(super::file(event)),
                _ => continue,
            };
            terminal.moments.push(Moment { at: *at, what });
        }
        terminal
    }
}

/// A size that a player can show: what is 0 was never said, and nobody's screen has more than a thousand columns.
fn size(columns: u32, rows: u32) -> (u16, u16) {
    let within = |value: u32, usual: u16, most: u16| match u16::try_from(value) {
        Ok(0) => usual,
        Ok(value) => value.min(most),
        Err(_) => most,
    };
    (within(columns, 80, 1000), within(rows, 24, 500))
}

/// Output that went to no terminal has line feeds alone.
fn lines(text: &Text<'_>, raw: bool) -> String {
    if raw { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_such_as_can_be_shown() {
        let cases = [
            ((0, 0), (80, 24)),
            ((132, 50), (132, 50)),
            ((65535, 65535), (1000, 500)),
            ((u32::MAX, 1), (1000, 1)),
        ];
        for ((columns, rows), expected) in cases {
            assert_eq!(size(columns, rows), expected);
        }
    }
}
