//! Measures what evidence costs: `cargo run --release -p portcullis-evidence --example append_speed [DIR]`.
//!
//! Shown is the processor time of the appending thread, which other load on the machine disturbs little, and wall time.
//!
//! DIR should be on the disk that evidence will be on; it is the current directory unless given. A part can be run alone under
//! `strace -fc` by naming it after the directory: `outcome`, `transaction`, `batch8`, `strict`.

#![allow(clippy::print_stdout, reason = "a report for people")]

use std::env;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use portcullis_evidence::record::{
    DecisionKind, Intent, Outcome, Parameter, Result as Ended, Statement, Verdict,
};
use portcullis_evidence::verify::{VerifyOptions, verify};
use portcullis_evidence::{AuditLog, Batch, Hash, LogOptions, Part, Record, Scope, Serialized, SigningKey};

type Failure = Box<dyn Error>;

const ROUNDS: u32 = 50_000;

fn main() -> Result<(), Failure> {
    let base = env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let part = env::args().nth(2);
    let wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let dir = base.join(format!("append-speed-{}", std::process::id()));
    let log = AuditLog::open(
        &dir.join("evidence"),
        SigningKey::load_or_create(&dir.join("state"))?,
        LogOptions::default(),
    )?;

    let scope = Scope::session("01JDC6ZKQ4N8WYX2", "ana@example.com", "shop");
    let statement = Serialized::new(&Statement {
        digest: Hash::of(b"select * from orders where id = $1"),
        actions: vec!["select public.orders".into()],
    })?;
    let verdict = Serialized::new(&Verdict {
        decision: DecisionKind::Allow,
        rules: vec!["engineers work".into()],
        because: None,
        obligations: vec![],
        policy: "2b1f64ac".into(),
    })?;
    let parameters = [Parameter::Text("421337".into())];
    let intent = |command| {
        Record::Intent(Intent {
            command,
            via: "execute".into(),
            statement: Part::Serialized(&statement),
            text: None,
            parameters: (&parameters[..]).into(),
            verdict: Part::Serialized(&verdict),
            observed: None,
            approval: None,
        })
    };
    let outcome = |command| {
        Record::Outcome(Outcome {
            command,
            result: Ended::Done,
            rows: Some(1),
            bytes: 118,
            masked: 0,
            error: None,
            micros: 93,
        })
    };

    let mut batch = Batch::new();
    if wanted("outcome") {
        report("one record (outcome) an append", &log, ROUNDS, |round| {
            batch.push(&scope, &outcome(round.into()))?;
            log.append(&mut batch)?;
            Ok(())
        })?;
    }
    if wanted("transaction") {
        report("two records (outcome, intent) an append", &log, ROUNDS, |round| {
            batch.push(&scope, &outcome(round.into()))?;
            batch.push(&scope, &intent(round.into()))?;
            log.append(&mut batch)?;
            Ok(())
        })?;
    }
    if wanted("batch8") {
        report("sixteen records an append", &log, ROUNDS / 8, |round| {
            for _ in 0..8 {
                batch.push(&scope, &outcome(round.into()))?;
                batch.push(&scope, &intent(round.into()))?;
            }
            log.append(&mut batch)?;
            Ok(())
        })?;
    }
    if wanted("strict") {
        report("one record an append, on disk, one thread", &log, 300, |round| {
            batch.push(&scope, &outcome(round.into()))?;
            log.append_strict(&mut batch)?;
            Ok(())
        })?;
    }
    if part.is_none() {
        report("serialising two records alone", &log, ROUNDS, |round| {
            batch.push(&scope, &outcome(round.into()))?;
            batch.push(&scope, &intent(round.into()))?;
            batch.clear();
            Ok(())
        })?;
        for bytes in [300, 760] {
            let took = plain_writes(&dir.join("plain"), bytes)?;
            show(&format!("for comparison: a plain write of {bytes} bytes"), took, ROUNDS, "");
        }
        log.close()?;
        let report = verify(log.directory(), &VerifyOptions::default())?;
        assert!(report.is_intact(), "{:?}", report.findings);
        println!(
            "verify: {} records, {:.0} MB in {} segments, {} checkpoints: {:.0} MB/s",
            report.records,
            report.bytes as f64 / 1e6,
            report.segments,
            report.checkpoints,
            report.megabytes_per_second()
        );
    }
    drop(log);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Runs `round` often, five times over, and prints the median of the five.
fn report(
    what: &str,
    log: &AuditLog,
    rounds: u32,
    mut round: impl FnMut(u32) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut times, seq, bytes) = (Vec::new(), log.last_seq(), log.bytes_appended());
    for _ in 0..5 {
        let watch = Watch::start();
        (1..=rounds).try_for_each(&mut round)?;
        times.push(watch.read());
    }
    times.sort();
    let median = times.get(2).copied().unwrap_or_default();
    let (records, bytes) = (log.last_seq() - seq, log.bytes_appended() - bytes);
    let size = bytes.checked_div(records).unwrap_or_default();
    show(what, median, rounds, &format!("{records} records of {size} bytes"));
    Ok(())
}

/// The thread's processor time, and wall time.
type Took = (Duration, Duration);

struct Watch {
    processor: Duration,
    wall: Instant,
}

impl Watch {
    fn start() -> Self {
        Self { processor: processor(), wall: Instant::now() }
    }

    fn read(&self) -> Took {
        (processor() - self.processor, self.wall.elapsed())
    }
}

fn processor() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

fn show(what: &str, (processor, wall): Took, rounds: u32, more: &str) {
    let each = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(rounds);
    println!("{what:48} {:8.0} ns processor {:9.0} ns wall   {more}", each(processor), each(wall));
}

/// What the kernel takes for a `write` of this size, without any log.
fn plain_writes(path: &Path, bytes: usize) -> Result<Took, Failure> {
    let mut file: File = OpenOptions::new().append(true).create(true).open(path)?;
    let line = vec![b'x'; bytes];
    let watch = Watch::start();
    for _ in 0..ROUNDS {
        file.write_all(&line)?;
    }
    Ok(watch.read())
}
