//! The reviewed table of what ships with PostgreSQL: `data/postgresql.txt`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

const TEXT: &str = include_str!("../../data/postgresql.txt");

/// How a function of `pg_catalog` is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Harmless, the same answer throughout a statement.
    Constant,
    /// Harmless, another answer each time.
    Volatile,
    /// A call; its result says nothing about stored data beyond its arguments.
    Effect,
    /// A call that may return anything.
    Judged,
}

impl Class {
    pub(crate) const fn is_harmless(self) -> bool {
        matches!(self, Self::Constant | Self::Volatile)
    }
}

struct Shipped {
    functions: HashMap<&'static str, Class>,
    information_schema: HashSet<&'static str>,
    row: HashSet<&'static str>,
    types: HashSet<&'static str>,
    values: HashSet<&'static str>,
    relations: HashSet<&'static str>,
    #[cfg_attr(
        not(feature = "sqlparser"),
        allow(dead_code, reason = "the other grammar knows its keywords")
    )]
    keywords: HashSet<&'static str>,
}

static SHIPPED: LazyLock<Shipped> = LazyLock::new(|| {
    let mut shipped = Shipped {
        functions: HashMap::new(),
        information_schema: HashSet::new(),
        row: HashSet::new(),
        types: HashSet::new(),
        values: HashSet::new(),
        relations: HashSet::new(),
        keywords: HashSet::new(),
    };
    let mut section = "";
    for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            continue;
        }
        for name in line.split_ascii_whitespace() {
            let class = match section {
                "pure" | "aggregate" | "stable" => Class::Constant,
                "volatile" => Class::Volatile,
                "effect" => Class::Effect,
                "information_schema" => {
                    shipped.information_schema.insert(name);
                    continue;
                }
                "row" => {
                    shipped.row.insert(name);
                    continue;
                }
                "type" => {
                    shipped.types.insert(name);
                    continue;
                }
                "values" => {
                    shipped.values.insert(name);
                    continue;
                }
                "relation" => {
                    shipped.relations.insert(name);
                    continue;
                }
                "keyword" => {
                    shipped.keywords.insert(name);
                    continue;
                }
                // A section that this function does not know is judged, not trusted.
                _ => Class::Judged,
            };
            shipped.functions.insert(name, class);
        }
    }
    shipped
});

/// How this function of `pg_catalog` is judged; `None` where no such function ships.
pub(crate) fn function(name: &str) -> Option<Class> {
    SHIPPED.functions.get(name).copied()
}

/// Whether this is a helper of `information_schema`, all of which are immutable.
pub(crate) fn is_information_schema_function(name: &str) -> bool {
    SHIPPED.information_schema.contains(name)
}

/// Whether this function of `pg_catalog` accepts a whole row as its one argument.
pub(crate) fn takes_row(name: &str) -> bool {
    SHIPPED.row.contains(name)
}

/// Whether this is a type of `pg_catalog`.
pub(crate) fn is_type(name: &str) -> bool {
    SHIPPED.types.contains(name)
}

/// Whether this is a relation of `pg_catalog`.
pub(crate) fn is_relation(name: &str) -> bool {
    SHIPPED.relations.contains(name)
}

/// Whether this word, in lower case, is more than a name wherever it stands.
#[cfg(feature = "sqlparser")]
pub(crate) fn is_keyword(word: &str) -> bool {
    SHIPPED.keywords.contains(word)
}

/// Whether this column of a relation of `pg_catalog` holds values of other relations. Without a column: whether any does.
pub(crate) fn holds_values(relation: &str, column: Option<&str>) -> bool {
    if !SHIPPED.relations.contains(relation) {
        return false;
    }
    SHIPPED
        .values
        .iter()
        .filter_map(|entry| entry.split_once('.'))
        .any(|(table, held)| table == relation && column.is_none_or(|column| column == held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_reads_files_or_runs_queries_is_never_harmless() {
        for name in [
            "nextval",
            "setval",
            "set_config",
            "pg_sleep",
            "pg_terminate_backend",
            "pg_read_file",
            "lo_import",
            "lo_export",
            "lo_get",
            "query_to_xml",
            "table_to_xml",
            "schema_to_xml",
            "database_to_xml",
            "cursor_to_xml",
            "ts_stat",
            "ts_rewrite",
            "pg_notify",
            "pg_advisory_lock",
            "domain_in",
            "record_in",
            "pg_stat_get_activity",
            "pg_logical_slot_peek_changes",
            "pg_ls_dir",
            "pg_reload_conf",
            "pg_input_is_valid",
        ] {
            let class = function(name).unwrap_or_else(|| panic!("`{name}` is not in the table"));
            assert!(!class.is_harmless(), "{name}");
        }
    }

    #[test]
    fn what_every_client_uses_is_harmless() {
        for name in [
            "now",
            "random",
            "count",
            "lower",
            "row_to_json",
            "version",
            "current_setting",
            "pg_table_is_visible",
        ] {
            assert!(function(name).is_some_and(Class::is_harmless), "{name}");
        }
        assert!(is_information_schema_function("_pg_expandarray"));
        assert!(is_type("int4") && is_relation("pg_class") && takes_row("row_to_json"));
        assert!(holds_values("pg_stats", Some("most_common_vals")) && !holds_values("pg_class", None));
    }
}
