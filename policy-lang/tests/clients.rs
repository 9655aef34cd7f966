//! What clients ask by themselves passes under `postgres/basics` alone; what holds secrets does not.
//!
//! The statements are in `tests/clients`, by client, most of them captured from real ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test states what it expects by failing")]

use std::fs;
use std::path::Path;

use policy_core::{ActionSet, Policy, Principal, Protocol, Request, Target};
use policy_lang::{Environment, Source, load};
use policy_normalize::sql::{self, Catalogue, Function, Grammar as _, Lookup, Postgres, Relation, TypeKind};

/// A database that has the schema `public` and nothing in it.
struct Empty;

impl Catalogue for Empty {
    fn schema(&self, name: &str) -> Lookup<()> {
        if matches!(name, "public" | "pg_catalog" | "information_schema") {
            Lookup::Found(())
        } else {
            Lookup::Absent
        }
    }

    fn relation(&self, schema: &str, _: &str) -> Lookup<&Relation> {
        absent_outside_the_catalogue(schema)
    }

    fn relation_by_oid(&self, _: u32) -> Option<&Relation> {
        None
    }

    fn functions(&self, schema: &str, _: &str) -> Lookup<&[Function]> {
        absent_outside_the_catalogue(schema)
    }

    fn type_kind(&self, schema: &str, _: &str) -> Lookup<TypeKind> {
        absent_outside_the_catalogue(schema)
    }
}

fn absent_outside_the_catalogue<T>(schema: &str) -> Lookup<T> {
    if matches!(schema, "pg_catalog" | "information_schema") { Lookup::Unknown } else { Lookup::Absent }
}

/// Why a text is refused under `postgres/basics` alone, or `None` if it passes.
fn refusal(policy: &Policy, text: &str) -> Option<String> {
    let mut environment = sql::Environment::new(["$user", "public"], &Empty);
    environment.role = Some("ana".into());
    let statements = match Postgres::default().parse(text, &environment) {
        Ok(statements) => statements,
        Err(rejected) => return Some(rejected.to_string()),
    };
    let principal = Principal::human("ana", Vec::<Box<str>>::new());
    let target = Target { name: "shop".into(), protocol: Protocol::POSTGRES, labels: Default::default() };
    statements.into_iter().find_map(|statement| {
        let actions = ActionSet::new(statement.actions);
        let request = Request {
            principal: &principal,
            target: &target,
            actions: &actions,
            source: None,
            now: None,
            grants: &[],
        };
        let allowed = policy.evaluate(&request).is_allow();
        (!allowed).then(|| format!("{}; {:?}", policy.explain(&request), statement.notes))
    })
}

fn basics() -> Policy {
    let environment = Environment::default();
    let loaded = load(&[Source::new("a.policy", "use \"postgres/basics\"")], &environment);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    Policy::compile([&loaded.rules], &environment.vocabularies).unwrap()
}

/// `\\dRs+` and `\\deu+` show how the target connects elsewhere, passwords included.
fn shows_secrets(statement: &str) -> bool {
    statement.contains("subconninfo AS") || statement.contains("umoptions")
}

/// The statements of a file: each ends with a semicolon at the end of a line.
fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.split(";\n")
        .filter(|statement| statement.lines().any(|line| !line.trim().is_empty() && !line.starts_with("--")))
}

#[test]
fn what_clients_ask_by_themselves_is_allowed() {
    let policy = basics();
    let mut refused = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for statement in statements(&fs::read_to_string(&path).unwrap()) {
            count += 1;
            let reason = refusal(&policy, statement);
            if shows_secrets(statement) {
                assert!(reason.is_some(), "{statement}");
            } else if let Some(reason) = reason {
                refused.push(format!("{name}: {reason}\n{}\n", statement.trim()));
            }
        }
    }
    assert!(count > 300, "only {count} statements");
    assert!(refused.is_empty(), "{} of {count} refused:\n{}", refused.len(), refused.join("\n"));
}

#[test]
fn what_holds_secrets_or_rows_is_refused() {
    let policy = basics();
    for text in [
        "select * from public.orders",
        "select rolpassword from pg_authid",
        "table pg_catalog.pg_shadow",
        "select most_common_vals from pg_stats where tablename = 'cards'",
        "select data from pg_largeobject",
        "select query from pg_stat_activity",
        "select umoptions from pg_user_mapping",
        "select subconninfo from pg_subscription",
        "select * from pg_subscription",
        "select 1 from pg_subscription where subconninfo like '%x%'",
        "select to_jsonb(s) from pg_subscription s",
        "select umoptions from pg_user_mappings",
        "table information_schema.user_mapping_options",
        "select pg_read_file('/etc/passwd')",
        "select pg_terminate_backend(1)",
        "select set_config('role', 'postgres', false)",
        "set role postgres",
        "set session authorization postgres",
        "set standard_conforming_strings = off",
        "set client_encoding = 'SJIS'",
        "set names 'LATIN1'",
        "set session_replication_role = replica",
        "set local row_security = off",
        "set work_mem = '10GB'",
        "explain analyze delete from orders",
        "prepare p as delete from orders",
        "declare c cursor for select * from orders",
        "do $$ begin end $$",
        "create temp table t (a int)",
        "load 'x'",
        "select dblink('host=elsewhere', 'select 1')",
        "update pg_catalog.pg_class set relname = 'x'",
        "select query_to_xml('select * from orders', true, true, '')",
    ] {
        assert!(refusal(&policy, text).is_some(), "{text}");
    }
}
