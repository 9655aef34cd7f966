//! Where a text was shown.

use std::time::Duration;

use portcullis_evidence::inert::Screen;

use super::terminal::{Terminal, What};

/// A place where the text was shown, and the line around it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// When its last character was.
    pub(super) at: Duration,
    pub(super) line: String,
}

/// Every place where the text was shown, escape sequences aside; a text that was shown in several pieces, too.
pub(super) fn search(terminal: &Terminal, wanted: &str) -> Vec<Shown> {
    let mut screen = Screen::text_only();
    let mut text = String::new();
    // Where in the text each piece begins.
    let mut pieces: Vec<(usize, Duration)> = Vec::new();
    for moment in &terminal.moments {
        if let What::Output(output) = &moment.what {
            pieces.push((text.len(), moment.at));
            screen.push(output, &mut text);
        }
    }
    if wanted.is_empty() {
        return Vec::new();
    }
    let shown = text.match_indices(wanted).map(|(at, _)| {
        let last = at + wanted.len() - 1;
        let piece = pieces.partition_point(|(begins, _)| *begins <= last).saturating_sub(1);
        let begins = text.get(..at).and_then(|before| before.rfind(['\n', '\r'])).map_or(0, |at| at + 1);
        let ends = text.get(at..).and_then(|rest| rest.find(['\n', '\r'])).map_or(text.len(), |end| at + end);
        Shown {
            at: pieces.get(piece).map(|(_, at)| *at).unwrap_or_default(),
            line: text.get(begins..ends.max(at + wanted.len())).unwrap_or_default().to_owned(),
        }
    });
    shown.collect()
}
