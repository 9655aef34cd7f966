//! What becomes of each column of a result.

use policy_core::mask::Transform;

use super::description::Field;
use super::types::{Kind, Type, Types};
use super::value::{Cell, Format, Treatment};

/// What becomes of each column of one result. Immutable: made once a description, used for all its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultPlan {
    cells: Box<[Cell]>,
    passes_all: bool,
}

impl ResultPlan {
    /// A plan of these cells, in the order of the columns.
    pub fn new(cells: impl IntoIterator<Item = Cell>) -> Self {
        let cells: Box<[Cell]> = cells.into_iter().collect();
        let passes_all = cells.iter().all(|cell| cell.treatment == Treatment::Pass);
        Self { cells, passes_all }
    }

    /// Compiles the plan of a result: `masks` holds each column's transform, if it has one; all other columns
    /// are looked through if `detects`, unless their type has no room for anything that is looked for.
    pub fn compile(
        fields: &[Field],
        masks: &[Option<Transform>],
        detects: bool,
        types: &(impl Types + ?Sized),
    ) -> Self {
        Self::new(fields.iter().enumerate().map(|(index, field)| {
            let ty = types.of(field.ty);
            // A column that nobody decided about shows nothing.
            let mask = masks.get(index).copied().unwrap_or(Some(Transform::Null));
            Cell { treatment: treatment(mask, detects, ty), ty, format: field.format, limit: field.limit() }
        }))
    }

    /// The same plan for a portal whose binding asks for other formats: none for all text, one for all, or one
    /// a column. `None` where there are neither.
    pub fn with_formats(mut self, formats: &[Format]) -> Option<Self> {
        let columns = self.cells.len();
        for (index, cell) in self.cells.iter_mut().enumerate() {
            cell.format = match formats {
                [] => Format::Text,
                [all] => *all,
                each if each.len() == columns => *each.get(index)?,
                _ => return None,
            };
        }
        Some(self)
    }

    /// The same plan where no column's type is known: in the binary format nobody can look through a value then.
    pub(super) fn without_types(self) -> Self {
        Self::new(self.cells.into_iter().map(|cell| match (cell.treatment, cell.format) {
            (Treatment::Detect, Format::Binary) => {
                Cell { treatment: Treatment::Mask(Transform::Null), ..cell }
            }
            _ => cell,
        }))
    }

    /// Whether every row passes as it is: the relay then never decodes it.
    pub fn passes_all(&self) -> bool {
        self.passes_all
    }

    /// What becomes of each column, in order.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

/// What becomes of a column of this type.
pub(super) fn treatment(mask: Option<Transform>, detects: bool, ty: Type) -> Treatment {
    match mask {
        Some(transform) => Treatment::Mask(transform),
        None if detects && ty.kind != Kind::Plain => Treatment::Detect,
        None => Treatment::Pass,
    }
}
