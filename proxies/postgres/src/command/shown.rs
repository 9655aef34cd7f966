//! A text as evidence and people may see it.
