//! What becomes of each column of a result.

use policy_core::mask::Transform;

use super::description::Field;
use super::types::{Kind, Type, Types};
use super::value::{Cell, Format, Treatment};

/// What becomes of each column of one result. Immutable: made once a description, used for all its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultPlan {
    cells: Box<[Cell]>,
    reach: Reach,
}

/// Which rows a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Those with exactly its columns.
    Exact,
    /// The same, and all of them pass.
    Free,
    /// All rows, which pass.
    Everything,
    /// All rows, of which nothing is shown.
    Nothing,
}

/// What becomes of a column of which nothing is shown.
const HIDDEN: Cell =
    Cell { treatment: Treatment::Mask(Transform::Null), ty: Type::OPAQUE, format: Format::Text, limit: None };

impl ResultPlan {
    /// Lets rows of any number of columns through as they are: where nothing is masked and nothing looked for.
    pub fn everything() -> Self {
        Self { cells: Box::default(), reach: Reach::Everything }
    }

    /// Shows nothing of rows of any number of columns: every value is NULL.
    pub fn nothing() -> Self {
        Self { cells: Box::default(), reach: Reach::Nothing }
    }

    /// A plan of these cells, in the order of the columns. Rows of any other number of columns don't fit it and end
    /// the session; to a plan without cells, that is every row that shows something.
    pub fn new(cells: impl IntoIterator<Item = Cell>) -> Self {
        let cells: Box<[Cell]> = cells.into_iter().collect();
        let free = !cells.is_empty() && cells.iter().all(|cell| cell.treatment == Treatment::Pass);
        Self { cells, reach: if free { Reach::Free } else { Reach::Exact } }
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
        if matches!(self.reach, Reach::Everything | Reach::Nothing) {
            return Some(self);
        }
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
        if matches!(self.reach, Reach::Everything | Reach::Nothing) {
            return self;
        }
        Self::new(self.cells.into_iter().map(|cell| match (cell.treatment, cell.format) {
            (Treatment::Detect, Format::Binary) => {
                Cell { treatment: Treatment::Mask(Transform::Null), ..cell }
            }
            _ => cell,
        }))
    }

    /// Whether every row passes as it is: the relay then never decodes it.
    pub fn passes_all(&self) -> bool {
        matches!(self.reach, Reach::Free | Reach::Everything)
    }

    /// What becomes of a column of a row of so many, or `None` if such a row does not fit.
    pub(super) fn cell(&self, index: usize, columns: usize) -> Option<&Cell> {
        match self.reach {
            Reach::Nothing => Some(&HIDDEN),
            _ if columns == self.cells.len() => self.cells.get(index),
            _ => None,
        }
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
