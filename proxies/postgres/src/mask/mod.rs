//! Masks every message of the target that can carry data, in its own format and type.
//!
//! Pure: bytes in, bytes out. A column that is masked becomes text, NULL or a shorter text, but never
//! something that its declared type can't be; a message that can't be masked ends the session.
//!
//! # Reading order
//!
//! 1. [`plan`]: what becomes of each column of a result; [`description`]: what the target says about them.
//! 2. [`resolve`]: which masks apply to a statement's result.
//! 3. [`row`]: DataRow frames rewritten by a plan; [`shape`]: a plan remembered.
//! 4. [`copy`]: the same for COPY's streams.
//! 5. [`message`]: errors, notices, notifications, settings, names of columns.
//! 6. [`value`], with `array` and `json`: one value, its type kept ([`types`]).
//! 7. [`finder`]: values recognised by their content, whichever column they are in.

mod array;
pub mod copy;
pub mod description;
pub mod finder;
mod json;
pub mod message;
pub mod plan;
pub mod resolve;
pub mod row;
pub mod shape;
pub mod types;
pub mod value;

#[cfg(test)]
mod tests;

pub use copy::{CopyMasker, CopyRefused};
pub use description::{Field, parse_row_description};
pub use finder::{Finder, Found, ValueMasks};
pub use message::{Exposure, HIDDEN};
pub use plan::ResultPlan;
pub use resolve::{Demands, Resolver};
pub use row::{MAX_MASKED_ROW, MaskError, Masker, Rewritten};
pub use shape::Shapes;
pub use types::{BuiltinTypes, Type, Types};
pub use value::{Cell, Format, Treatment};
