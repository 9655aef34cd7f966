//! A service that runs SQL which somebody else wrote (a support tool, an agent): it judges each statement before
//! running it, and masks what comes back. No gateway takes part; this is all there is to it.
//!
//! ```text
//! cargo run -p portcullis-examples --bin embedding -- "host=127.0.0.1 user=app dbname=shop" "select …"
//! ```
//!
//! It keeps no evidence, holds nothing for approval, and knows no catalogue: so the policy allows tables only (a
//! view would hide where its columns come from), and `select *` is refused. The gateway does all of that.

use std::{error::Error, io::Write};

use policy_core::mask::{Applied, Detectors, MaskKey, Scratch, Transform};
use policy_core::{ActionSet, Policy, Principal, Protocol, Request, Target};
use policy_normalize::sql::{Environment, Grammar, NoCatalogue, Output, Postgres};
use tokio_postgres::{NoTls, SimpleQueryMessage};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [_, database, statement] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: embedding DATABASE STATEMENT".into());
    };
    // Once, at the start: text to rules, rules to an immutable policy. A mistake names its line and a way out.
    let source = policy_lang::Source::new("service.policy", include_str!("service.policy"));
    let environment = policy_lang::Environment::default();
    let rules = policy_lang::load(&[source], &environment)?.rules;
    let policy = Policy::compile([&rules], &environment.vocabularies).map_err(|all| format!("{all:?}"))?;
    let key = MaskKey::new(b"only for `hash`: 16 random bytes or more")?;

    // For each statement: who asks, of what, and what the statement does by PostgreSQL's own grammar.
    let who = Principal::human("ana", ["support"]);
    let shop = Target { name: "shop".into(), protocol: Protocol::POSTGRES, labels: Default::default() };
    let parsed = Postgres::new().parse(statement, &Environment::new(["public"], &NoCatalogue))?;
    let [parsed] = &parsed[..] else { return Err("one statement at a time".into()) };
    let actions = ActionSet::new(parsed.actions.iter().cloned()).with_lineage(parsed.lineage());
    let request =
        Request { principal: &who, target: &shop, actions: &actions, source: None, now: None, grants: &[] };
    let decision = policy.evaluate(&request);
    if !decision.is_allow() || parsed.outputs.0.iter().any(|output| output.spread) {
        return Err(format!("refused: {}", policy.explain(&request)).into());
    }
    // What becomes of each column, by the columns that flow into it, whatever the statement calls it.
    let mask_of = |output: &Output| {
        let sources = output.sources.iter().filter_map(|column| column.column_name());
        Transform::join_all(sources.filter_map(|name| policy.column_mask(&decision.obligations, &name)))
    };
    let masks: Vec<Option<Transform>> = parsed.outputs.0.iter().map(mask_of).collect();
    let detectors = Detectors::new(&policy.value_masks(&decision.obligations))?;

    // The session has the search path that the statement was judged under, and the text goes as it was judged.
    let mut config: tokio_postgres::Config = database.parse()?;
    let (client, connection) = config.options("-c search_path=public").connect(NoTls).await?;
    tokio::spawn(connection);
    for message in client.simple_query(statement).await? {
        let SimpleQueryMessage::Row(row) = message else { continue };
        let mut line = Vec::new();
        for (index, mask) in masks.iter().enumerate() {
            line.extend_from_slice(if index == 0 { b"" } else { b" | " });
            match (row.try_get(index)?.map(str::as_bytes), mask) {
                (None, _) => line.extend_from_slice(b"NULL"),
                (Some(value), Some(mask)) => {
                    if mask.apply(value, &key, &mut line) == Applied::Null {
                        line.extend_from_slice(b"NULL");
                    }
                }
                // Nothing found, nothing written.
                (Some(value), None) => {
                    if detectors.mask_into(value, &key, &mut Scratch::default(), &mut line) == 0 {
                        line.extend_from_slice(value);
                    }
                }
            }
        }
        line.push(b'\n');
        std::io::stdout().write_all(&line)?;
    }
    Ok(())
}
