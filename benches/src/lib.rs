//! What every benchmark shares: timing, and the report that they write together.

pub mod gateway;
pub mod report;
pub mod timing;
