//! Bulk transfers and many short sessions, by OpenSSH's own clients.

use std::error::Error;
use std::process::Stdio;
use std::time::{Duration, Instant};

use portcullis_benches::report::Figure;
use tokio::runtime::Runtime;

use crate::ways::{Way, Ways};
use crate::{figures, quantile};

/// Megabytes a second of one workload.
pub fn measure(
    runtime: &Runtime,
    ways: &Ways,
    workload: &str,
    megabytes: u32,
    rounds: u32,
) -> Result<Vec<Figure>, Box<dyn Error>> {
    let mut rates = vec![Vec::new(); ways.all.len()];
    for _ in 0..rounds {
        for (way, rates) in ways.all.iter().zip(&mut rates) {
            let began = Instant::now();
            once(runtime, ways, way, workload)?;
            rates.push(f64::from(megabytes) / began.elapsed().as_secs_f64());
        }
    }
    let medians: Vec<f64> = rates.into_iter().map(|rates| quantile(rates, 0.5)).collect();
    Ok(figures(&format!("ssh/{workload}"), "MB/s", ways, &medians))
}

fn once(runtime: &Runtime, ways: &Ways, way: &Way, workload: &str) -> Result<(), Box<dyn Error>> {
    let file = ways.file.display();
    let output = match workload {
        "cat" => {
            let mut command = way.client.command("ssh");
            command.args(["box", &format!("cat {file}")]).stdin(Stdio::null()).stdout(Stdio::null());
            let output = command.stderr(Stdio::piped()).output()?;
            return if output.status.success() {
                Ok(())
            } else {
                Err(String::from_utf8_lossy(&output.stderr).into())
            };
        }
        "sftp get" => runtime.block_on(way.client.sftp(&format!("get {file} /dev/null\n"))),
        _ => runtime.block_on(way.client.sftp(&format!("put {file} {file}.back\n"))),
    };
    if output.code == Some(0) { Ok(()) } else { Err(output.errors().into()) }
}

/// Sessions a second that run `true`, four at a time.
pub fn sessions(
    runtime: &Runtime,
    ways: &Ways,
    rounds: u32,
    seconds: u32,
) -> Result<Vec<Figure>, Box<dyn Error>> {
    let mut rates = vec![Vec::new(); ways.all.len()];
    for _ in 0..rounds {
        for (way, rates) in ways.all.iter().zip(&mut rates) {
            let began = Instant::now();
            let until = Duration::from_secs(u64::from(seconds));
            let one = || async {
                let mut opened = 0_u32;
                while began.elapsed() < until {
                    let output = way.client.ssh(&["box", "true"]).await;
                    if output.code != Some(0) {
                        return Err(output.errors());
                    }
                    opened += 1;
                }
                Ok(opened)
            };
            let opened = runtime.block_on(async { tokio::try_join!(one(), one(), one(), one()) })?;
            let opened = opened.0 + opened.1 + opened.2 + opened.3;
            rates.push(f64::from(opened) / began.elapsed().as_secs_f64());
        }
    }
    let medians: Vec<f64> = rates.into_iter().map(|rates| quantile(rates, 0.5)).collect();
    Ok(figures("ssh/sessions", "/s", ways, &medians))
}
