//! HTTP: what a request does, in the words of [`policy_core::vocabulary::http`].
//!
//! - [`target`](Target): the path, which is judged exactly as it is sent on, and the query;
//! - [`body`](Body): the fields of a JSON object or a form; [`content`](BodyType): whether it is one;
//! - [`action`]: all of it as an action;
//! - [`graphql`]: what a request to a GraphQL server selects, field by field.
//!
//! Nothing here does I/O or holds a body longer than it is read: a service may judge in process with it.

mod action;
pub(crate) mod body;
mod content;
mod fields;
pub mod graphql;
mod target;

pub use action::{Parts, action};
pub use body::{Body, BodyError, MAX_DEPTH};
pub use content::{BodyType, BodyTypeError, charsets, media_type};
pub use fields::Fields;
pub use target::{MAX_TARGET, Target, TargetError};
