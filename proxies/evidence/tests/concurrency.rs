//! Many appenders at once, and what a steady state costs in allocations.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests state what they expect by failing"
)]

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use common::{open, open_with, outcome};
use portcullis_evidence::read::{Ending, commands};
use portcullis_evidence::record::{DecisionKind, Intent, Parameter, Statement, Verdict};
use portcullis_evidence::verify::{VerifyOptions, verify};
use portcullis_evidence::{Batch, Hash, LogOptions, Part, Record, Scope, Serialized, TextMark, entries};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tempfile::TempDir;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

#[test]
fn eight_appenders_keep_their_order_and_the_chain() {
    let dir = TempDir::new().unwrap();
    let options = LogOptions { segment_bytes: 200_000, checkpoint_records: 500, ..LogOptions::default() };
    let log = open_with(dir.path(), options).unwrap();
    let synced = Arc::new(AtomicU64::new(0));
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let (log, synced) = (&log, synced.clone());
            threads.spawn(move || {
                let scope = Scope::session(&format!("s{thread}"), "ana", "shop");
                let mut batch = Batch::new();
                let mut last = 0;
                for command in 0..1000 {
                    for _ in 0..=command % 3 {
                        batch.push(&scope, &outcome(command)).unwrap();
                    }
                    let seq = log.append(&mut batch).unwrap();
                    assert!(seq > last);
                    last = seq;
                    if command % 100 == 0 {
                        let synced = synced.clone();
                        log.sync(seq, move |result| {
                            result.unwrap();
                            synced.fetch_add(1, Ordering::SeqCst);
                        });
                    }
                }
            });
        }
    });
    log.wait_synced(log.last_seq()).unwrap();
    log.close().unwrap();
    assert_eq!(synced.load(Ordering::SeqCst), 80, "every waiter was told");

    let report = verify(log.directory(), &VerifyOptions::default()).unwrap();
    assert_eq!((report.findings.as_slice(), report.unsigned()), (&[][..], 0));
    assert!(report.segments > 5 && report.checkpoints > 10);
    let mut last = [None; 8];
    let mut count = 0;
    for entry in entries(log.directory()).unwrap() {
        let entry = entry.unwrap();
        let Record::Outcome(outcome) = entry.record else { continue };
        let thread: usize = entry.session.unwrap()[1..].parse().unwrap();
        assert!(last[thread] <= Some(outcome.command), "session s{thread} is out of order");
        last[thread] = Some(outcome.command);
        count += 1;
    }
    assert_eq!(count, 8 * (334 + 333 * 2 + 333 * 3));
}

#[test]
fn a_steady_state_allocates_nothing_and_gives_each_text_once() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    let scope = Scope::session("s1", "ana", "shop");
    let statement = Statement { digest: Hash::of(b"t"), actions: vec!["select public.orders".into()] };
    let statement = Serialized::new(&statement).unwrap();
    let verdict = Serialized::new(&Verdict {
        decision: DecisionKind::Allow,
        rules: vec!["engineers work".into()],
        because: None,
        obligations: vec![],
        policy: "p1".into(),
    })
    .unwrap();
    let (mark, parameters) = (TextMark::default(), [Parameter::Text("42".into())]);
    let mut batch = Batch::new();
    let mut transaction = |command| {
        let text = log.needs_text(&mark).then_some("select * from orders where id = $1".into());
        let gives_text = text.is_some();
        let intent = Intent {
            command,
            via: "execute".into(),
            statement: Part::Serialized(&statement),
            text,
            parameters: (&parameters[..]).into(),
            verdict: Part::Serialized(&verdict),
            observed: None,
            approval: None,
        };
        batch.push(&scope, &outcome(command - 1)).unwrap();
        batch.push(&scope, &Record::Intent(intent)).unwrap();
        log.append(&mut batch).unwrap();
        if gives_text {
            log.gave_text(&mark);
        }
    };
    (1..100).for_each(&mut transaction);
    // Tests of this file run in one process under `cargo test`: count until a stretch has no foreign allocation in it.
    let calm = (0..50).any(|stretch| {
        let region = Region::new(ALLOCATOR);
        (0..100).for_each(|command| transaction(100 + stretch * 100 + command));
        let change = region.change();
        change.allocations + change.reallocations == 0
    });
    assert!(calm, "an append allocates");

    let commands = commands(log.directory(), |session| session == "s1").unwrap();
    assert_eq!(commands.iter().filter(|command| command.intent.text.is_some()).count(), 1);
    assert!(
        commands.iter().all(|command| command.text.as_deref() == Some("select * from orders where id = $1"))
    );
    assert_eq!(commands.last().unwrap().ending(), Ending::Unknown, "the last outcome was never recorded");
    assert!(
        commands[..commands.len() - 1].iter().all(|command| matches!(command.ending(), Ending::Known(_)))
    );
}

#[test]
fn strict_appends_are_on_disk_and_share_their_syncs() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let mut batch = Batch::new();
                for command in 0..50 {
                    batch.push(&Scope::gateway(), &outcome(command)).unwrap();
                    let seq = log.append_strict(&mut batch).unwrap();
                    assert!(log.synced_seq() >= seq);
                }
            });
        }
    });
    // What is on disk already is answered at once, on this thread.
    let here = std::thread::current().id();
    log.sync(1, move |result| sender.send((result.is_ok(), std::thread::current().id())).unwrap());
    assert_eq!(receiver.try_recv().unwrap(), (true, here));
}
