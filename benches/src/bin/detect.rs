//! All detectors over text, beside Presidio's pattern recognisers where Python has `presidio_analyzer`.
//!
//! The text: 2 MB of rows as COPY prints them (ids, names, timestamps, notes, addresses of hosts), a few of which
//! hold an e-mail address, a card number or a phone number. Presidio gets the first lines of the same text and
//! five of the nine kinds (it has no recognisers for the others), so its task is the smaller one; how many of the
//! planted values each one finds is reported beside the speed. `PYTHON` names the interpreter (`python3`).
//!
//! And JSON: 2 MB of an API's answer, three fields of which are masked, through three detectors, or both.

use std::collections::BTreeMap;
use std::io;
use std::process::Command;

use policy_core::mask::{Detector, Detectors, MaskKey, Scratch, StreamMasker, TerminalMasker, Transform};
use portcullis_benches::report::{self, Figure};
use portcullis_benches::timing::median_ns;

#[path = "../detect/corpus.rs"]
mod corpus;
#[path = "../detect/json.rs"]
mod json;

use corpus::Corpus;

/// As much of the corpus as Presidio reads in some seconds, in lines.
const PEER_LINES: usize = 1500;

fn main() -> io::Result<()> {
    let corpus = Corpus::new(2_000_000);
    let text = corpus.lines.join("\n").into_bytes();
    let all = Detectors::new(&Detector::ALL.map(|detector| (detector, Transform::Redact)))
        .map_err(io::Error::other)?;
    let key = MaskKey::new(&[7; 32]).map_err(io::Error::other)?;
    let (mut scratch, mut out) = (Scratch::default(), Vec::with_capacity(2 * text.len()));
    let speed = |nanoseconds: f64| text.len() as f64 / nanoseconds * 1e3;

    let whole = median_ns(|| {
        out.clear();
        all.mask_into(&text, &key, &mut scratch, &mut out)
    });
    let fields: Vec<_> = text.split(|byte| matches!(byte, b'\n' | b'\t')).collect();
    let by_field = median_ns(|| {
        out.clear();
        fields.iter().map(|field| all.mask_into(field, &key, &mut scratch, &mut out)).sum::<usize>()
    });
    let stream = median_ns(|| {
        out.clear();
        let mut masker = StreamMasker::default();
        for piece in text.chunks(16 * 1024) {
            masker.push(&all, &key, piece, &mut out);
        }
        masker.flush(&all, &key, &mut out)
    });
    let terminal = median_ns(|| {
        out.clear();
        let mut masker = TerminalMasker::default();
        for piece in text.chunks(16 * 1024) {
            masker.push(&all, &key, piece, &mut out);
        }
        masker.finish(&all, &key, &mut out)
    });
    let mut figures = vec![
        Figure::new("detect/all", "portcullis", speed(whole), "MB/s"),
        Figure::new("detect/all/fields", "portcullis", speed(by_field), "MB/s"),
        Figure::new("detect/all/stream", "portcullis", speed(stream), "MB/s"),
        Figure::new("detect/all/terminal", "portcullis", speed(terminal), "MB/s"),
    ];
    for (what, speed) in json::speeds(2_000_000).map_err(io::Error::other)? {
        figures.push(Figure::new(format!("json/{what}"), "portcullis", speed, "MB/s"));
    }
    let found: Finds = corpus
        .lines
        .iter()
        .map(|line| {
            let finds = all.find(line.as_bytes(), &mut scratch);
            finds.iter().map(|find| (find.range.start, find.range.end)).collect()
        })
        .collect();
    for (kind, share) in corpus.recall(&found) {
        figures.push(Figure::new(format!("detect/recall/{kind}"), "portcullis", share, "%"));
    }
    match presidio(&corpus.lines[..PEER_LINES.min(corpus.lines.len())]) {
        Some((speed, found)) => {
            figures.push(Figure::new("detect/all", "presidio", speed, "MB/s"));
            for (kind, share) in corpus.recall(&found) {
                figures.push(Figure::new(format!("detect/recall/{kind}"), "presidio", share, "%"));
            }
        }
        None => println!(
            "Presidio is left out: PYTHON can't import presidio_analyzer (pip install presidio-analyzer)\n"
        ),
    }
    report::publish(&figures)
}

/// By line, where each find begins and ends, in bytes.
type Finds = Vec<Vec<(usize, usize)>>;

/// Presidio's speed in MB/s, and its finds by line, in characters; the corpus is ASCII, so these are bytes.
fn presidio(lines: &[String]) -> Option<(f64, Finds)> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let text = std::env::temp_dir().join(format!("portcullis-detect-{}.txt", std::process::id()));
    std::fs::write(&text, lines.join("\n")).ok()?;
    let output = Command::new(python).args(["-c", include_str!("../detect/presidio.py")]).arg(&text).output();
    // A file in the directory for such files; nothing depends on its end.
    let _ = std::fs::remove_file(&text);
    let output = output.ok().filter(|output| output.status.success())?;
    let answer: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&output.stdout).ok()?;
    let finds = serde_json::from_value(answer.get("finds")?.clone()).ok()?;
    Some((answer.get("speed")?.as_f64()?, finds))
}
