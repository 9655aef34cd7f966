//! Nothing in the corpus panics, and what can't be parsed is refused.
