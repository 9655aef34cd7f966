//! Every name that a column is known under: what masks are looked up by.

use policy_core::Name;
use policy_core::lineage::Sources;
use policy_normalize::sql::{ColumnRef, ColumnSet, RelationRef};

use super::overlay::Overlaid;
use super::pins::PinTable;

/// What a session sees of the catalogue and the pins of its target: looks columns up by identity.
#[derive(Clone, Copy, Debug)]
pub struct Directory<'a> {
    /// What is known of the target.
    pub catalogue: Overlaid<'a>,
    /// What policies have named there.
    pub pins: &'a PinTable,
}

/// Columns of the server's own catalogue that hold data of users' tables.
const CATALOGUE_DATA: &[(&str, &[&str])] = &[
    ("pg_statistic", &["stavalues1", "stavalues2", "stavalues3", "stavalues4", "stavalues5"]),
    ("pg_stats", &["most_common_vals", "histogram_bounds", "most_common_elems", "range_bounds_histogram"]),
    ("pg_statistic_ext_data", &["stxdmcv", "stxdexpr"]),
    ("pg_stats_ext", &["most_common_vals"]),
    ("pg_stats_ext_exprs", &["most_common_vals", "histogram_bounds", "most_common_elems"]),
    ("pg_largeobject", &["data"]),
    ("pg_stat_activity", &["query"]),
    ("pg_stat_statements", &["query"]),
    ("pg_prepared_statements", &["statement"]),
    ("pg_cursors", &["statement"]),
];

impl<'a> Directory<'a> {
    /// Every name of a column: as the statement's reference has it, today's, those of the same column in parents,
    /// children and partitions, those that policies have pinned, and the same of all columns that it is
    /// computed from.
    pub fn names(&self, relation: &RelationRef, column: &str, attnum: Option<i16>) -> Vec<Name> {
        let mut names = Vec::new();
        add(&mut names, &relation.name, column);
        let Some(known) = relation.oid.and_then(|oid| self.catalogue.identified(oid)) else { return names };
        let current = known.columns.iter().find(|candidate| match attnum {
            Some(attnum) => candidate.attnum == attnum,
            None => &*candidate.name == column,
        });
        let Some(current) = current else { return names };
        self.add_identity(&mut names, known.identity.oid, current.attnum);
        let generated = known.identity.oid.and_then(|oid| self.catalogue.snapshot().details(oid));
        for from in generated.into_iter().flat_map(|details| &details.generated) {
            if from.column == current.attnum {
                self.add_identity(&mut names, known.identity.oid, from.from);
            }
        }
        names
    }

    /// Whether a column is computed from others of its table.
    pub fn is_generated(&self, oid: u32, attnum: i16) -> bool {
        let details = self.catalogue.snapshot().details(oid);
        details.is_some_and(|details| details.generated.iter().any(|generated| generated.column == attnum))
    }

    /// Whether a column of the server's own catalogue holds data of users' tables.
    pub fn is_data_of_others(relation: &RelationRef, column: &str) -> bool {
        let mut segments = relation.name.segments();
        let (schema, name) = (segments.next(), segments.next());
        // `pg_stat_statements` is an extension's view, in whichever schema that was put.
        let listed = CATALOGUE_DATA.iter().find(|(listed, _)| Some(*listed) == name);
        listed.is_some_and(|(listed, columns)| {
            columns.contains(&column) && (schema == Some("pg_catalog") || *listed == "pg_stat_statements")
        })
    }

    /// These columns for the judge.
    pub fn sources(&self, columns: &ColumnSet) -> Sources {
        let mut sources = Sources::default();
        for column in columns {
            match column {
                ColumnRef::Unknown => sources.unknown = true,
                ColumnRef::Column { relation, name, attnum } => {
                    for name in self.names(relation, name, *attnum) {
                        if !sources.columns.contains(&name) {
                            sources.columns.push(name);
                        }
                    }
                }
                ColumnRef::Whole(relation) => {
                    match relation.oid.and_then(|oid| self.catalogue.identified(oid)) {
                        Some(known) => {
                            for column in &known.columns {
                                for name in self.names(relation, &column.name, Some(column.attnum)) {
                                    if !sources.columns.contains(&name) {
                                        sources.columns.push(name);
                                    }
                                }
                            }
                        }
                        None => sources.relations.push(relation.name.clone()),
                    }
                }
            }
        }
        sources
    }

    /// Today's name of a column and its pins, in its own relation and in all of its family.
    fn add_identity(&self, names: &mut Vec<Name>, oid: Option<u32>, attnum: i16) {
        let Some(relation) = oid.and_then(|oid| self.catalogue.identified(oid)) else { return };
        let Some(column) = relation.columns.iter().find(|column| column.attnum == attnum) else { return };
        let mut add_one = |oid: u32| {
            let Some(member) = self.catalogue.identified(oid) else { return };
            // An inherited column has the same name everywhere: a rename reaches the whole family.
            let Some(found) = member.columns.iter().find(|candidate| candidate.name == column.name) else {
                return;
            };
            add(names, &member.identity.name, &found.name);
            for pinned in self.pins.names(oid, found.attnum) {
                if !names.contains(pinned) {
                    names.push(pinned.clone());
                }
            }
        };
        oid.into_iter().chain(relation.family.iter().copied()).for_each(&mut add_one);
    }
}

fn add(names: &mut Vec<Name>, relation: &Name, column: &str) {
    if let Some(name) = Name::new(relation.segments().chain([column]))
        && !names.contains(&name)
    {
        names.push(name);
    }
}
