//! Columns that a policy names, by identity: a rename does not take a mask off.

use std::collections::HashMap;

use policy_core::Name;

use super::snapshot::Snapshot;

/// What a column that a policy names was first seen to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The name in the policy: `schema.relation.column`.
    pub name: Name,
    /// `pg_class.oid`.
    pub table: u32,
    /// `pg_attribute.attnum`.
    pub attnum: i16,
}

/// Where a target's pins outlive the process.
pub trait Pins: Send + Sync {
    /// All that were saved.
    fn load(&self) -> Vec<Pin>;

    /// Keeps these as well. Does not wait: the pins are in force already.
    fn save(&self, new: &[Pin]);
}

/// All pins of a target: the names in policies that stand for a column by its identity.
#[derive(Clone, Debug, Default)]
pub struct PinTable {
    names: HashMap<(u32, i16), Vec<Name>>,
}

impl PinTable {
    /// The pins that a store has kept.
    pub fn new(pins: impl IntoIterator<Item = Pin>) -> Self {
        let mut table = Self::default();
        pins.into_iter().for_each(|pin| table.add(pin));
        table
    }

    /// The names that policies had for this column when they first saw it.
    pub fn names(&self, table: u32, attnum: i16) -> &[Name] {
        self.names.get(&(table, attnum)).map_or(&[], Vec::as_slice)
    }

    /// Resolves names of policies, without wildcards, that were not seen on this target before, and gives the pins
    /// that a store has to keep. A name that stands for another column by now keeps its first pin and gets
    /// a second one: what is masked once stays masked.
    pub fn resolve<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n Name>,
        snapshot: &Snapshot,
    ) -> Vec<Pin> {
        let mut new = Vec::new();
        for name in names {
            let mut segments = name.segments();
            let (Some(schema), Some(relation), Some(column), None) =
                (segments.next(), segments.next(), segments.next(), segments.next())
            else {
                continue;
            };
            let Some(relation) = snapshot.find(schema, relation) else { continue };
            let (Some(table), Some(column)) =
                (relation.identity.oid, relation.columns.iter().find(|known| &*known.name == column))
            else {
                continue;
            };
            let pin = Pin { name: name.clone(), table, attnum: column.attnum };
            if !self.names(table, column.attnum).contains(name) {
                new.push(pin.clone());
                self.add(pin);
            }
        }
        new
    }

    fn add(&mut self, pin: Pin) {
        let names = self.names.entry((pin.table, pin.attnum)).or_default();
        if !names.contains(&pin.name) {
            names.push(pin.name);
        }
    }
}
