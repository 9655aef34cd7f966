//! HTTP: requests a second through nginx as a plain reverse proxy and through Portcullis with policy and evidence, without
//! and with a mask; how long an event takes that an origin sends; and what a WebSocket that only waits costs.
//!
//! One nginx serves a small JSON file to all ways; another is the peer. Rounds are interleaved, way by way, so that a busy
//! machine slows all of them; medians are reported. `h2load` sends, and takes its share of the machine.
//!
//! `BENCH_ROUNDS`, `BENCH_SECONDS` (of one round), `BENCH_EVENTS` and `BENCH_SOCKETS` make it shorter or longer.

use std::error::Error;

use portcullis_benches::report::{self, Figure};

#[path = "../http/events.rs"]
mod events;
#[path = "../http/load.rs"]
mod load;
#[path = "../http/sockets.rs"]
mod sockets;
#[path = "../http/ways.rs"]
mod ways;

use ways::Ways;

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = number("BENCH_ROUNDS", 5)?;
    let seconds = number("BENCH_SECONDS", 4)?;
    let events = number("BENCH_EVENTS", 2000)?;
    let waiting = number("BENCH_SOCKETS", 9000)?;
    let ways = Ways::start()?;
    let mut figures = Vec::new();
    for version in [load::Version::One, load::Version::Two] {
        eprintln!("{}, {rounds} rounds of {seconds} s", version.name());
        let mut all = vec![Vec::new(); ways.all.len()];
        for _ in 0..rounds {
            for (way, values) in ways.all.iter().zip(&mut all) {
                values.push(load::requests_a_second(way, version, seconds)?);
            }
        }
        for (way, values) in ways.all.iter().zip(all) {
            figures.push(Figure::new(
                format!("small JSON, {}", version.name()),
                way.name,
                median(values),
                "req/s",
            ));
        }
    }
    eprintln!("{events} events a way");
    for events::Delay { name, median, p99 } in events::delays(events)? {
        figures.push(Figure::new("a server-sent event, median", name, median, "us"));
        figures.push(Figure::new("a server-sent event, 99 of 100", name, p99, "us"));
    }
    eprintln!("{waiting} waiting WebSockets");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let kib = runtime.block_on(sockets::memory_each(waiting))?;
    figures.push(Figure::new("a waiting WebSocket", "portcullis", kib, "KiB"));
    report::publish(&figures)?;
    Ok(())
}

fn number(name: &str, default: u32) -> Result<u32, Box<dyn Error>> {
    match std::env::var(name) {
        Ok(text) => Ok(text.parse().map_err(|_| format!("{name} is `{text}`, which is no number"))?),
        Err(_) => Ok(default),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
