//! Many short transactions: `pgbench -S`.

use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_benches::report::Figure;

use crate::programs::{Program, Programs};
use crate::{figures, median};

/// One of so many transactions is logged with its latency.
const SAMPLED: &str = "0.05";

/// Throughput in transactions a second, latencies in microseconds.
pub fn measure(
    programs: &Programs,
    mode: &str,
    clients: u32,
    rounds: u32,
    seconds: u32,
) -> Result<Vec<Figure>, Box<dyn Error>> {
    let mut tps = vec![Vec::new(); programs.all.len()];
    let (mut middle, mut worst) = (tps.clone(), tps.clone());
    for _ in 0..rounds {
        for (index, program) in programs.all.iter().enumerate() {
            let run = run(programs, program, mode, clients, seconds)?;
            for (all, one) in [(&mut tps, run.tps), (&mut middle, run.p50), (&mut worst, run.p99)] {
                all[index].push(one);
            }
        }
    }
    let workload = format!("pgbench/{mode}/{clients}");
    Ok([
        figures(&workload, "tps", programs, tps),
        figures(&format!("{workload}/p50"), "µs", programs, middle),
        figures(&format!("{workload}/p99"), "µs", programs, worst),
    ]
    .concat())
}

/// Transactions that went through the gateway.
pub static TRANSACTIONS: AtomicU64 = AtomicU64::new(0);

struct Run {
    tps: f64,
    p50: f64,
    p99: f64,
}

fn run(
    programs: &Programs,
    program: &Program,
    mode: &str,
    clients: u32,
    seconds: u32,
) -> Result<Run, Box<dyn Error>> {
    let output = programs
        .client("pgbench", program.port)
        .args(["-n", "-S", "-M", mode, "-c", &clients.to_string(), "-T", &seconds.to_string()])
        .args(["--log", "--log-prefix=transactions", "--sampling-rate", SAMPLED])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    let failed =
        text.lines().any(|line| line.starts_with("number of failed transactions") && !line.contains(": 0 "));
    let Some(tps) = tps.filter(|_| output.status.success() && !failed) else {
        return Err(format!("{}: {text}{}", program.name, String::from_utf8_lossy(&output.stderr)).into());
    };
    if program.name == "portcullis" {
        let done = text.lines().find_map(|line| {
            let (_, count) = line.split_once("number of transactions actually processed: ")?;
            count.split('/').next()?.trim().parse::<u64>().ok()
        });
        TRANSACTIONS
            .fetch_add(done.ok_or("pgbench did not say how many transactions it ran")?, Ordering::Relaxed);
    }
    let mut latencies = latencies(programs)?;
    latencies.sort_by(f64::total_cmp);
    let p99 = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or(f64::NAN);
    Ok(Run { tps, p50: median(latencies), p99 })
}

/// The latencies that pgbench logged (third field, microseconds); the logs are gone afterwards.
fn latencies(programs: &Programs) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut latencies = Vec::new();
    for entry in fs::read_dir(programs.directory.path())? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("transactions")) {
            let text = fs::read_to_string(&path)?;
            latencies.extend(text.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<f64>().ok()));
            fs::remove_file(path)?;
        }
    }
    Ok(latencies)
}
