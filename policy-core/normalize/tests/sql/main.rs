//! The normaliser against tables of statements.

mod corpus;
mod hidden;
mod lineage;
mod monsters;
mod shop;
