//! An MCP server behind the proxy: what agents ask, what they are told, and what they are shown.

mod house;
mod lists;
mod pins;
mod requests;
mod sdk;
mod streams;
