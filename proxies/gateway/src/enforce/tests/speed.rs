use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::*;

const POLICY: &str = r#"
allow "engineers work" { by group "eng"  on postgres  do select, insert on "public.*" }
mask "personal data" { on postgres  columns "public.users.email"  with redact }
"#;

/// A transaction as pgbench's prepared mode has it: one Execute of a statement that was seen before.
fn transaction(session: &mut Session, asked: &Asked<'_>) {
    let mut judging = std::pin::pin!(session.judge(asked));
    let Poll::Ready(Judgement::Admit(permit)) =
        judging.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("the common way waits for nothing")
    };
    permit.forward().outcome(Outcome { rows: Some(1), bytes: 77, ..Outcome::default() });
}

#[tokio::test]
async fn a_statement_seen_before_allocates_nothing() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    let statement = house.select();
    let parameters = [Parameter { value: Some(b"4711"), binary: false, sensitive: false }];
    let asked = Asked { parameters: &parameters, ..asked(&statement, Stage::Execute) };
    for _ in 0..100 {
        transaction(&mut session, &asked);
    }
    let info = allocation_counter::measure(|| (0..1000).for_each(|_| transaction(&mut session, &asked)));
    assert_eq!(info.count_total, 0, "{info:?}");
}

/// Prints what one transaction costs; `cargo test --release … speed -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "measures, and means something in a release build alone"]
async fn how_long_a_statement_seen_before_takes() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    let statement = house.select();
    let parameters = [Parameter { value: Some(b"4711"), binary: false, sensitive: false }];
    let asked = Asked { parameters: &parameters, ..asked(&statement, Stage::Execute) };
    for _ in 0..10_000 {
        transaction(&mut session, &asked);
    }
    let began = Instant::now();
    (0..200_000).for_each(|_| transaction(&mut session, &asked));
    println!("judge, intent, outcome, with the write: {:?}", began.elapsed() / 200_000);
    let began = Instant::now();
    for _ in 0..1_000_000 {
        assert!(session.judged(&asked).is_ok());
    }
    println!("the remembered verdict alone: {:?}", began.elapsed() / 1_000_000);
}
