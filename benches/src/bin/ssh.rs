//! SSH: direct, through an OpenSSH jump host, and through Portcullis with recording on, without and with masks.
//!
//! Bulk transfers use OpenSSH's own clients; keystrokes, and sessions that only wait, use one client library for all
//! three ways. Runs are interleaved, way by way, so that a busy machine slows all of them; medians are reported.
//!
//! `BENCH_ROUNDS`, `BENCH_SECONDS` (counting sessions), `BENCH_STREAM_MB` and `BENCH_SESSIONS` (idle ones) make it shorter
//! or longer; `BENCH_ONLY` runs the workloads whose names contain it.

use std::error::Error;

use portcullis_benches::report::{self, Figure};

#[path = "../ssh/bulk.rs"]
mod bulk;
#[path = "../ssh/interactive.rs"]
mod interactive;
#[path = "../ssh/ways.rs"]
mod ways;

use ways::Ways;

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = number("BENCH_ROUNDS", 5)?;
    let seconds = number("BENCH_SECONDS", 4)?;
    let megabytes = number("BENCH_STREAM_MB", 1000)?;
    let sessions = number("BENCH_SESSIONS", 1000)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ways = Ways::start(megabytes)?;
    let mut figures = Vec::new();
    for workload in ["cat", "sftp get", "sftp put"].into_iter().filter(|name| is_wanted(name)) {
        eprintln!("{workload} of {megabytes} MB, {rounds} rounds");
        figures.extend(bulk::measure(&runtime, &ways, workload, megabytes, rounds)?);
    }
    if is_wanted("sessions") {
        eprintln!("sessions opened, 4 at a time, {rounds} rounds of {seconds} s");
        figures.extend(bulk::sessions(&runtime, &ways, rounds, seconds)?);
    }
    if is_wanted("keystroke") {
        eprintln!("keystrokes");
        figures.extend(runtime.block_on(interactive::keystrokes(&ways, rounds))?);
    }
    if is_wanted("idle") {
        eprintln!("{sessions} idle sessions");
        figures.extend(runtime.block_on(interactive::idle(&ways, sessions))?);
    }
    ways.was_recorded()?;
    report::publish(&figures)?;
    Ok(())
}

fn number(name: &str, default: u32) -> Result<u32, Box<dyn Error>> {
    match std::env::var(name) {
        Ok(text) => Ok(text.parse().map_err(|_| format!("{name} is `{text}`, which is no number"))?),
        Err(_) => Ok(default),
    }
}

/// Whether a workload was asked for: all are, unless some were.
fn is_wanted(workload: &str) -> bool {
    std::env::var("BENCH_ONLY").map_or(true, |only| workload.contains(&*only))
}

/// The value that this share of all is not above.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
    let at = ((values.len() as f64) * share) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Figures of one workload, one for each way in order.
fn figures(workload: &str, unit: &str, ways: &Ways, values: &[f64]) -> Vec<Figure> {
    ways.all.iter().zip(values).map(|(way, value)| Figure::new(workload, way.name, *value, unit)).collect()
}
