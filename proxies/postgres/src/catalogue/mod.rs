//! What the gateway knows of a target database's definitions.
//!
//! A [`Snapshot`] is immutable and shared; looking something up in it does no I/O. It is loaded over a connection
//! of its own, as one consistent view of the catalogue, and replaced as a whole.
//!
//! # Reading order
//!
//! 1. [`snapshot`]: what is known, and how `policy-normalize` asks for it.
//! 2. [`mod@load`]: where it comes from; [`client`] speaks just enough of the protocol for that.
//! 3. [`live`]: when it is loaded anew, and what happens when that fails.
//! 4. [`overlay`]: what a session changed and nobody else sees yet.
//! 5. [`pins`] and [`names`]: columns that a policy names, followed through renames.

pub mod client;
pub mod live;
pub mod load;
pub mod names;
pub mod overlay;
pub mod pins;
mod savepoints;
pub mod snapshot;

pub use live::{Dial, Known, Live, PERIOD};
pub use load::{LoadError, load};
pub use names::Directory;
pub use overlay::{Overlaid, Overlay};
pub use pins::{Pin, PinTable, Pins};
pub use snapshot::Snapshot;
