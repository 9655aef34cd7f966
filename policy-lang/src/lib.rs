//! The policy language: text to policy-core's rules, with diagnostics that teach.
//!
//! It opens no file and decides nothing: the caller brings the texts, and policy-core judges. The language
//! itself is told in `docs/LANGUAGE.md`.
//!
//! # Reading order
//!
//! [`load`] is the door. Behind it: `parse` (one file, going on after an error): `scan` (tokens, caps) → `syntax` (the only
//! module that knows the parser) → [`ast`]; then `check` (names) → `lower` (types; rules come out) → `analyze` (warnings).
//! Beside it: [`diagnostic`], [`format`](mod@format), [`suite`], [`shipped`], and `words`, the closed lists.
//!
//! # Input safety
//!
//! Policies may come from anywhere. Size ([`MAX_FILE_BYTES`], [`MAX_TOTAL_BYTES`]), tokens ([`MAX_TOKENS`])
//! and nesting ([`MAX_NESTING`]) are bounded before anything recursive runs; sets inside sets are counted as
//! they open; regular expressions are compiled under a size limit. No input panics.

mod analyze;
pub mod ast;
mod check;
pub mod diagnostic;
pub mod format;
mod load;
mod lower;
mod parse;
mod scan;
pub mod shipped;
mod span;
pub mod suite;
mod syntax;
mod words;

pub use check::Environment;
pub use diagnostic::{Diagnostic, Diagnostics, Report, Severity, Style};
pub use format::format;
pub use load::{Loaded, MAX_TOTAL_BYTES, load};
pub use scan::{MAX_FILE_BYTES, MAX_NESTING, MAX_TOKENS};
pub use span::{Source, Span, Spanned};
