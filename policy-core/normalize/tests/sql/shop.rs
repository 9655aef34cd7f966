//! A small shop's catalogue, and the text form of statements that the tables are written in.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use policy_core::{Action, Name, Resource, Value};
use policy_normalize::sql::{
    Catalogue, Column, Environment, FlowTarget, Function, Grammar, Lookup, Postgres, Relation, RelationKind,
    Statement, Trigger, TypeKind, Volatility,
};

/// Schemas `public` and `app`.
///
/// - `public.users (id, email, ssn, name, org)`
/// - `public.orders (id, user_id, total, note)`, a partitioned table; `public.orders_old` is its partition
/// - `public.cards (id, user_id, pan)`
/// - `public.log (id, what, who)`: a trigger calls `public.on_log`
/// - `public.ruled (id)`: rules rewrite it
/// - `public.contacts (user_id, mail, who)`: a view of users
/// - `public.people (id, address)`: a view of that view
/// - `public.totals (user_id, sum)`: a materialised view of orders
/// - `app.items (id, title)`
/// - functions `public.leak` (volatile), `public.tidy` (immutable), `public.lower` (shadows the catalogue's)
/// - types `public.mood` (enum), `public.code` (domain)
pub(crate) struct Shop {
    relations: HashMap<(&'static str, &'static str), Relation>,
    functions: HashMap<(&'static str, &'static str), Vec<Function>>,
}

const CONTACTS: &str = "SELECT users.id AS user_id, users.email AS mail, \
     pg_catalog.lower(users.name) || ' '::text AS who FROM public.users WHERE (users.org > 0)";
const PEOPLE: &str = "SELECT c.user_id AS id, c.mail AS address FROM public.contacts c";
const TOTALS: &str =
    "SELECT orders.user_id, sum(orders.total) AS sum FROM public.orders GROUP BY orders.user_id";

impl Shop {
    pub(crate) fn new() -> Self {
        let mut shop = Self { relations: HashMap::new(), functions: HashMap::new() };
        let table = || RelationKind::Table;
        shop.put(1, "public", "users", table(), &["id", "email", "ssn", "name", "org"]);
        shop.put(2, "public", "orders", table(), &["id", "user_id", "total", "note"]).family = vec![3];
        shop.put(3, "public", "orders_old", table(), &["id", "user_id", "total", "note"]).family = vec![2];
        shop.put(4, "public", "cards", table(), &["id", "user_id", "pan"]);
        shop.put(5, "public", "log", table(), &["id", "what", "who"]).triggers = vec![Trigger {
            function: Name::new(["public", "on_log"]).unwrap(),
            insert: true,
            update: false,
            delete: false,
            truncate: false,
        }];
        shop.put(6, "public", "ruled", table(), &["id"]).rewritten = true;
        shop.put(7, "public", "contacts", RelationKind::View(CONTACTS.into()), &["user_id", "mail", "who"]);
        shop.put(8, "public", "people", RelationKind::View(PEOPLE.into()), &["id", "address"]);
        shop.put(9, "public", "totals", RelationKind::Materialized(TOTALS.into()), &["user_id", "sum"]);
        shop.put(10, "app", "items", table(), &["id", "title"]);
        shop.put(
            11,
            "public",
            "users_id_seq",
            RelationKind::Sequence,
            &["last_value", "log_cnt", "is_called"],
        );
        shop.put(12, "pg_catalog", "pg_class", table(), &["oid", "relname", "relkind"]);
        shop.put(13, "pg_catalog", "pg_stats", table(), &["tablename", "attname", "most_common_vals"]);
        let mut function = |oid, name, volatility| {
            shop.functions.insert(("public", name), vec![Function { oid, volatility, builtin: false }]);
        };
        function(100, "leak", Volatility::Volatile);
        function(101, "tidy", Volatility::Immutable);
        function(102, "upper", Volatility::Immutable);
        shop
    }

    fn put(
        &mut self,
        oid: u32,
        schema: &'static str,
        name: &'static str,
        kind: RelationKind,
        columns: &[&str],
    ) -> &mut Relation {
        let columns = columns
            .iter()
            .zip(1..)
            .map(|(name, attnum)| Column { name: Arc::from(*name), attnum, type_oid: 25 })
            .collect();
        let relation = Relation::new(oid, schema, name, kind, columns).unwrap();
        self.relations.entry((schema, name)).or_insert(relation)
    }
}

impl Catalogue for Shop {
    fn schema(&self, name: &str) -> Lookup<()> {
        if matches!(name, "public" | "app" | "pg_catalog") { Lookup::Found(()) } else { Lookup::Absent }
    }

    fn relation(&self, schema: &str, name: &str) -> Lookup<&Relation> {
        let found = self.relations.iter().find(|((s, n), _)| *s == schema && *n == name);
        found.map_or(Lookup::Absent, |(_, relation)| Lookup::Found(relation))
    }

    fn relation_by_oid(&self, oid: u32) -> Option<&Relation> {
        self.relations.values().find(|relation| relation.identity.oid == Some(oid))
    }

    fn functions(&self, schema: &str, name: &str) -> Lookup<&[Function]> {
        let found = self.functions.iter().find(|((s, n), _)| *s == schema && *n == name);
        found.map_or(Lookup::Absent, |(_, functions)| Lookup::Found(functions))
    }

    fn type_kind(&self, schema: &str, name: &str) -> Lookup<TypeKind> {
        match (schema, name) {
            ("public", "mood") => Lookup::Found(TypeKind::Enum),
            ("public", "code") => Lookup::Found(TypeKind::Domain),
            _ => Lookup::Absent,
        }
    }
}

/// Normalises a text in the shop, with `search_path = "$user", public` as the role `ana`.
pub(crate) fn parse(text: &str) -> Result<Vec<Statement>, policy_normalize::sql::Rejected> {
    let shop = Shop::new();
    let mut environment = Environment::new(["$user", "public"], &shop);
    environment.role = Some("ana".into());
    Postgres::new().parse(text, &environment)
}

/// The statements of a text, in the tables' form: actions, outputs, predicates and flows, one a line.
pub(crate) fn show(text: &str) -> String {
    match parse(text) {
        Ok(statements) => statements.iter().map(show_statement).collect(),
        Err(rejected) => format!("  rejected: {rejected}\n"),
    }
}

fn show_statement(statement: &Statement) -> String {
    let mut out = String::new();
    for action in &statement.actions {
        writeln!(out, "  do   {}", show_action(action)).unwrap();
    }
    for output in &statement.outputs.0 {
        let name = output.name.as_deref().unwrap_or("?");
        let doubt = if output.certain { "" } else { " (candidates)" };
        let run = if output.spread { "…" } else { "" };
        writeln!(out, "  out  {name}{run} ← {}{doubt}", output.sources).unwrap();
    }
    if !statement.predicates.is_empty() {
        writeln!(out, "  by   {}", statement.predicates).unwrap();
    }
    for flow in &statement.flows {
        let target = match &flow.target {
            FlowTarget::Column(column) => column.to_string(),
            FlowTarget::Object { object, name } => format!("{object} {}", show_resource(name)),
            FlowTarget::Outside => "outside".to_owned(),
        };
        writeln!(out, "  into {target} ← {}", flow.sources).unwrap();
    }
    out
}

pub(crate) fn show_action(action: &Action) -> String {
    let mut out = action.verb.to_string();
    match &action.resource {
        Resource::None => {}
        resource => write!(out, " {}", show_resource(resource)).unwrap(),
    }
    for attribute in action.attributes() {
        // What is empty says nothing, and `reads` and `predicates` repeat the lines below.
        let value = match &attribute.value {
            Value::List(list) if list.is_empty() => continue,
            Value::Bool(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Text(value) => value.to_string(),
            // Columns are written in full; the relation is said already.
            Value::List(list) => {
                let last = |text: &str| text.rsplit(Name::SEPARATOR).next().unwrap_or_default().to_owned();
                list.iter().map(|text| last(text)).collect::<Vec<_>>().join(" ")
            }
            Value::Open(slots) => format!("{slots:?}"),
            Value::Pending => "pending".to_owned(),
            Value::Absent => "absent".to_owned(),
            Value::Undetermined => "?".to_owned(),
        };
        write!(out, "; {} {value}", attribute.name).unwrap();
    }
    out
}

fn show_resource(resource: &Resource) -> String {
    match resource {
        Resource::None => String::new(),
        Resource::Named(name) => name.display('.').to_string(),
        Resource::Pending => "$n".to_owned(),
        Resource::Tree(tree) => tree.display('.').to_string(),
        Resource::Undetermined => "?".to_owned(),
    }
}

/// Compares a table of statements (`tests/data/<file>`) with what they give. A statement starts with `> ` and goes on with `| `; what
/// follows is its expected form. `UPDATE_TABLES=1` rewrites the table: then read the difference.
pub(crate) fn check(file: &str) -> usize {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    let table = std::fs::read_to_string(&path).unwrap();
    let mut rewritten = String::new();
    let mut count = 0;
    let mut lines = table.lines().peekable();
    while let Some(line) = lines.next() {
        rewritten.push_str(line);
        rewritten.push('\n');
        let Some(first) = line.strip_prefix("> ") else { continue };
        let mut statement = first.to_owned();
        while let Some(more) = lines.peek().and_then(|line| line.strip_prefix("| ")) {
            statement.push('\n');
            statement.push_str(more);
            rewritten.push_str("| ");
            rewritten.push_str(more);
            rewritten.push('\n');
            lines.next();
        }
        while lines.peek().is_some_and(|line| line.starts_with("  ")) {
            lines.next();
        }
        rewritten.push_str(&show(&statement));
        count += 1;
    }
    if std::env::var_os("UPDATE_TABLES").is_some() {
        std::fs::write(&path, &rewritten).unwrap();
    }
    for (number, (want, got)) in table.lines().zip(rewritten.lines()).enumerate() {
        assert_eq!(want, got, "{}:{}", path.display(), number + 1);
    }
    assert_eq!(table.lines().count(), rewritten.lines().count(), "{}", path.display());
    count
}
