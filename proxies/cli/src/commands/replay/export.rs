//! Recordings as asciicast, for other players: <https://docs.asciinema.org/manual/asciicast/v3/> and
//! <https://docs.asciinema.org/manual/asciicast/v2/>.
//!
//! Output goes through the same sieve as in a replay, because a player may well write it to somebody's terminal.

use std::time::Duration;

use portcullis_evidence::inert::{self, Screen};
use serde_json::{Value, json};

use super::terminal::{Terminal, What};
use crate::args::Cast;

/// The file's lines.
pub(super) fn asciicast(terminal: &Terminal, cast: Cast) -> Vec<Value> {
    let (columns, rows) = terminal.size;
    let mut header = match cast {
        Cast::AsciicastV3 => {
            let mut term = json!({ "cols": columns, "rows": rows });
            if let (Some(term), Some(name)) = (term.as_object_mut(), &terminal.term) {
                term.insert("type".to_owned(), name.as_str().into());
            }
            json!({ "version": 3, "term": term })
        }
        Cast::AsciicastV2 => {
            let env: serde_json::Map<_, _> =
                terminal.term.iter().map(|name| ("TERM".to_owned(), name.as_str().into())).collect();
            json!({ "version": 2, "width": columns, "height": rows, "env": env })
        }
    };
    if let Some(header) = header.as_object_mut() {
        header.insert("title".to_owned(), inert::line(&terminal.title).to_string().into());
        header.extend(terminal.began.map(|began| ("timestamp".to_owned(), began.into())));
    }
    let mut lines = vec![header];
    let (mut screen, mut before) = (Screen::default(), Duration::ZERO);
    for moment in &terminal.moments {
        let (code, data) = match &moment.what {
            What::Output(text) => {
                let mut drawn = String::new();
                screen.push(text, &mut drawn);
                if drawn.is_empty() {
                    continue;
                }
                ("o", drawn)
            }
            What::Input(text) => ("i", text.clone()),
            What::Resize(columns, rows) => ("r", format!("{columns}x{rows}")),
            What::Marker(text) => ("m", inert::line(text).to_string()),
            What::Exit { status, signal } => match (cast, status, signal) {
                (Cast::AsciicastV3, Some(status), _) => ("x", status.to_string()),
                // A status is all that the format knows.
                (_, _, Some(signal)) => ("m", format!("ended by signal {}", inert::line(signal))),
                (_, Some(status), _) => ("m", format!("exited with {status}")),
                (_, None, None) => ("m", "ended without a status".to_owned()),
            },
        };
        let time = match cast {
            // Since the event before. Differences of whole microseconds, so that nothing adds up to a drift.
            Cast::AsciicastV3 => moment.at.saturating_sub(before),
            Cast::AsciicastV2 => moment.at,
        };
        before = moment.at;
        lines.push(json!([time.as_micros() as f64 / 1e6, code, data]));
    }
    lines
}
