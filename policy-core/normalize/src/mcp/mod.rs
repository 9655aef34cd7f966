//! The Model Context Protocol: what a message does, in the words of [`policy_core::vocabulary::mcp`].
//!
//! - [`Messages`]: a JSON-RPC message or a batch, each element with its actions;
//! - [`error`]: the answer to what was refused;
//! - [`bound`]: what of a message an approval is for;
//! - [`Said`]: what a server says;
//! - [`tools`], [`List`], [`listed`]: the lists that a server answers with: what to pin of them, and the same without what may not be used;
//! - [`Repeat`]: what of a call its request says in its head once more.
//!
//! All of it works on the JSON text of one message. Where that came in an event of a stream, the event is taken apart
//! before, and put together again after. Nothing here does I/O or remembers anything: what a message alone does not tell (whether
//! a tool was approved, what a server had asked) the caller says in a [`Context`].

mod bound;
mod error;
mod list;
mod members;
mod message;
mod method;
mod name;
mod repeat;
mod said;

pub use bound::{arguments, bound};
pub use error::{DENIED, Denial, HELD, INTERNAL, error};
pub use list::{List, ListError, Tool, tools};
pub use message::{Element, MAX_BATCH, Messages};
pub use method::{Asked, Context, Side, listed};
pub use repeat::Repeat;
pub use said::Said;
