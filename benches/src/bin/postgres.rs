//! `pgbench -S` and large streams: PostgreSQL direct, through PgBouncer (session pooling), and through Portcullis.
//!
//! Runs are interleaved, program by program, so that a busy machine slows all of them; medians are reported. All programs run
//! with equal TLS settings: none, or with `--tls` TLS on both legs, the target's certificate verified in full.
//!
//! `BENCH_SECONDS` (a pgbench run), `BENCH_ROUNDS` and `BENCH_STREAM_MB` make it shorter or longer; `BENCH_ONLY` runs
//! the workloads whose names contain it, such as `prepared/8` or `stream`.

use std::error::Error;

use portcullis_benches::report::{self, Figure};
use portcullis_testkit::Postgres;

#[path = "../postgres/load.rs"]
mod load;
#[path = "../postgres/programs.rs"]
mod programs;
#[path = "../postgres/streams.rs"]
mod streams;

use programs::Programs;

const MODES: [&str; 3] = ["simple", "extended", "prepared"];
const CLIENTS: [u32; 3] = [1, 8, 32];

fn main() -> Result<(), Box<dyn Error>> {
    let is_tls = std::env::args().any(|argument| argument == "--tls");
    let rounds = number("BENCH_ROUNDS", 5)?;
    let seconds = number("BENCH_SECONDS", 4)?;
    let megabytes = number("BENCH_STREAM_MB", 1000)?;
    let mut programs = Programs::start(Postgres::shared(), is_tls)?;
    programs.fill()?;
    let mut figures = Vec::new();
    for mode in MODES {
        for clients in CLIENTS.into_iter().filter(|clients| is_wanted(&format!("pgbench/{mode}/{clients}"))) {
            eprintln!("pgbench, {mode}, {clients} clients: {rounds} rounds of {seconds} s");
            figures.extend(load::measure(&programs, mode, clients, rounds, seconds)?);
        }
    }
    if is_wanted("stream") {
        eprintln!("streams of {megabytes} MB, {rounds} rounds");
        figures.extend(streams::measure(&programs, megabytes, rounds)?);
    }
    let (recorded, masked) = programs.recorded()?;
    let sent = load::TRANSACTIONS.load(std::sync::atomic::Ordering::Relaxed);
    eprintln!(
        "{sent} transactions through portcullis, {recorded} commands in its audit log, {masked} rows masked"
    );
    if recorded < sent || (masked == 0 && !is_tls && is_wanted("stream")) {
        return Err("the audit log lacks commands, or nothing was masked".into());
    }
    if is_tls {
        figures.iter_mut().for_each(|figure| figure.workload += "/tls");
    }
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

/// The middle of some values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Figures of one workload, one for each program in order.
fn figures(workload: &str, unit: &str, programs: &Programs, values: Vec<Vec<f64>>) -> Vec<Figure> {
    let programs = programs.all.iter().map(|program| program.name);
    programs.zip(values).map(|(name, values)| Figure::new(workload, name, median(values), unit)).collect()
}
