//! What a client's message does, given all that the session has said before.
//!
//! # Reading order
//!
//! 1. [`meaning`]: a text, understood in one state of the world; remembered by text and world.
//! 2. [`names`]: prepared statements, portals and cursors: which name stands for what, as far as the target confirmed it.
//! 3. [`settings`]: the search path and the role, through transactions and savepoints.
//! 4. [`room`]: how much memory those names may take.
//! 5. [`shown`]: what of a text evidence and reviewers see.

pub mod meaning;
pub mod names;
pub mod room;
pub mod settings;
pub mod shown;
