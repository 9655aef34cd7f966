//! Caps, checked as a text is read, so that no text takes long, much memory or a deep stack.

use std::cell::Cell;

/// How much a text may hold. A text that exceeds any of these is `unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the text as sent.
    pub bytes: usize,
    /// How deep constructs may nest, texts inside texts (`sh -c "sh -c …"`) and calls of functions included.
    pub nesting: usize,
    /// Words and operators read, those of nested texts and of every shell's reading included.
    pub tokens: usize,
    /// Actions found, duplicates included.
    pub actions: usize,
    /// Bytes that expansions may produce in all: braces, variables, repeated texts.
    pub expanded: usize,
    /// Steps of following the text: commands run, parts of words expanded, variables copied or compared.
    pub steps: usize,
}

impl Default for Limits {
    /// 64 KiB, 64 deep, 50,000 tokens, 512 actions, 1 MiB of expansions, 200,000 steps.
    fn default() -> Self {
        Self { bytes: 64 << 10, nesting: 64, tokens: 50_000, actions: 512, expanded: 1 << 20, steps: 200_000 }
    }
}

/// Why a text can't be followed any further. Either way what was not read is `unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not understood: a syntax error, or a construct that shells read differently in ways that are not modelled.
    Syntax,
    /// A syntax error that the shell itself reports: it runs nothing of this line nor of what follows.
    Refused,
    /// A cap was reached.
    Limit,
}

/// What is left of the limits; shared by everything that reads one text.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) limits: Limits,
    tokens: Cell<usize>,
    expanded: Cell<usize>,
    steps: Cell<usize>,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            tokens: Cell::new(limits.tokens),
            expanded: Cell::new(limits.expanded),
            steps: Cell::new(limits.steps),
        }
    }

    pub(super) fn token(&self) -> Result<(), Fault> {
        take(&self.tokens, 1)
    }

    pub(super) fn expanded(&self, bytes: usize) -> Result<(), Fault> {
        take(&self.expanded, bytes)
    }

    pub(super) fn steps(&self, count: usize) -> Result<(), Fault> {
        take(&self.steps, count)
    }

    pub(super) fn depth(&self, depth: usize) -> Result<(), Fault> {
        if depth > self.limits.nesting { Err(Fault::Limit) } else { Ok(()) }
    }
}

fn take(left: &Cell<usize>, count: usize) -> Result<(), Fault> {
    left.set(left.get().checked_sub(count).ok_or(Fault::Limit)?);
    Ok(())
}
