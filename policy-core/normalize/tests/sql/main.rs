//! The normaliser against tables of statements.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect by failing"
)]

mod binding;
mod corpus;
mod hidden;
mod lineage;
mod monsters;
mod shop;
