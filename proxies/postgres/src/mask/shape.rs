//! What becomes of a result's columns, remembered for the next time that the same result comes.
//!
//! A statement that runs again is described again, in the same bytes. Under the same masks and definitions the answer is
//! the same, and comparing costs less than finding out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use policy_core::decision::Rules;

use super::description::Field;
use super::plan::ResultPlan;
use super::value::Format;
use crate::catalogue::{Known, PinTable, Snapshot};

/// Everything that decides what becomes of a statement's columns, besides the statement. Holds only where the session's own
/// transaction has changed no definitions.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The policy, by its generation.
    pub generation: u64,
    /// Those of its rules that mask.
    pub masks: &'a Rules,
    /// What is known of the target.
    pub known: &'a Known,
    /// What was said about the columns.
    pub columns: Columns<'a>,
}

/// What was said about a result's columns.
#[derive(Clone, Copy, Debug)]
pub enum Columns<'a> {
    /// A RowDescription of this very result: what follows its header.
    Described(&'a [u8]),
    /// One of the prepared statement, and the formats that the portal asks for.
    Prepared(&'a Arc<[Field]>, &'a [Format]),
}

/// A statement's latest result. One a statement is enough: most run under the same circumstances again.
#[derive(Debug, Default)]
pub struct Shapes(Mutex<Option<Shape>>);

#[derive(Debug)]
struct Shape {
    generation: u64,
    masks: Rules,
    /// Told apart by where they are; what is remembered keeps no definitions alive that nobody else uses.
    snapshot: Weak<Snapshot>,
    pins: Weak<PinTable>,
    columns: Kept,
    plan: Arc<ResultPlan>,
}

#[derive(Debug)]
enum Kept {
    Described(Box<[u8]>),
    Prepared(Arc<[Field]>, Box<[Format]>),
}

/// A longer description is not kept, in bytes.
const LONGEST: usize = 16 << 10;

impl Shapes {
    /// What became of the columns the last time, if that was under the same circumstances.
    pub fn recall(&self, now: &Circumstances<'_>) -> Option<Arc<ResultPlan>> {
        self.latest().as_ref().filter(|shape| shape.fits(now)).map(|shape| Arc::clone(&shape.plan))
    }

    /// Remembers it.
    pub fn keep(&self, now: &Circumstances<'_>, plan: &Arc<ResultPlan>) {
        let columns = match now.columns {
            Columns::Described(body) if body.len() > LONGEST => return,
            Columns::Described(body) => Kept::Described(body.into()),
            Columns::Prepared(fields, formats) => Kept::Prepared(Arc::clone(fields), formats.into()),
        };
        *self.latest() = Some(Shape {
            generation: now.generation,
            masks: now.masks.clone(),
            snapshot: Arc::downgrade(&now.known.snapshot),
            pins: Arc::downgrade(&now.known.pins),
            columns,
            plan: Arc::clone(plan),
        });
    }

    fn latest(&self) -> MutexGuard<'_, Option<Shape>> {
        // It is set as a whole, so a panic elsewhere leaves it usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shape {
    fn fits(&self, now: &Circumstances<'_>) -> bool {
        let is_described_alike = match (&self.columns, now.columns) {
            (Kept::Described(body), Columns::Described(now)) => **body == *now,
            (Kept::Prepared(fields, formats), Columns::Prepared(now, asked)) => {
                Arc::ptr_eq(fields, now) && **formats == *asked
            }
            _ => false,
        };
        is_described_alike
            && self.generation == now.generation
            && self.masks == *now.masks
            && std::ptr::eq(self.snapshot.as_ptr(), Arc::as_ptr(&now.known.snapshot))
            && std::ptr::eq(self.pins.as_ptr(), Arc::as_ptr(&now.known.pins))
    }
}

#[cfg(test)]
mod tests {
    use policy_core::decision::RuleIndex;

    use super::*;

    fn known() -> Known {
        Known { snapshot: Arc::default(), pins: Arc::default() }
    }

    #[test]
    fn what_is_remembered_keeps_no_definitions_alive() {
        let (here, masks) = (known(), Rules::new());
        let snapshot = Arc::downgrade(&here.snapshot);
        let shapes = Shapes::default();
        let now =
            Circumstances { generation: 1, masks: &masks, known: &here, columns: Columns::Described(b"T") };
        shapes.keep(&now, &Arc::new(ResultPlan::nothing()));
        drop(here);
        assert!(snapshot.upgrade().is_none());
    }

    #[test]
    fn any_other_circumstance_is_looked_at_anew() {
        let here = known();
        let redefined = Known { snapshot: Arc::default(), ..here.clone() };
        let pinned = Known { pins: Arc::default(), ..here.clone() };
        let (one, other): (Rules, Rules) = ([RuleIndex(1)].into_iter().collect(), Rules::new());
        let fields: Arc<[Field]> = [Field::undescribed()].into();
        let copy: Arc<[Field]> = [Field::undescribed()].into();
        let plan = Arc::new(ResultPlan::nothing());
        let formats = [Format::Binary];
        let described =
            Circumstances { generation: 1, masks: &one, known: &here, columns: Columns::Described(b"T") };
        let prepared = Circumstances { columns: Columns::Prepared(&fields, &formats), ..described };

        for (kept, others) in [
            (described, [Columns::Described(b"U"), Columns::Prepared(&fields, &formats)]),
            (prepared, [Columns::Prepared(&copy, &formats), Columns::Prepared(&fields, &[])]),
        ] {
            let shapes = Shapes::default();
            assert!(shapes.recall(&kept).is_none());
            shapes.keep(&kept, &plan);
            assert!(shapes.recall(&kept).is_some());
            for different in [
                Circumstances { generation: 2, ..kept },
                Circumstances { masks: &other, ..kept },
                Circumstances { known: &redefined, ..kept },
                Circumstances { known: &pinned, ..kept },
                Circumstances { columns: others[0], ..kept },
                Circumstances { columns: others[1], ..kept },
            ] {
                assert!(shapes.recall(&different).is_none(), "{different:?}");
            }
        }
    }
}
