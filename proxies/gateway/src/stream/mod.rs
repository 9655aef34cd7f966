//! What a program says and is told, in protocols that carry its standard streams: masked across the borders of packets,
//! recorded as it was shown.

mod input;
mod output;
mod silence;

pub use input::Input;
pub use output::Output;
pub use silence::{SETTLED, Silence};
