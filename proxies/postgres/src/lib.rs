//! A PostgreSQL proxy that judges, holds, masks and records every command.

pub mod mask;
