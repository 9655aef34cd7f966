//! Shells that may stand behind a login: what they read differently.

/// A family of shells. A text is read as each of them does, and does all that any reading says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Dialect {
    /// bash, and what ksh shares with it.
    Bash,
    /// dash, busybox's ash: POSIX without extensions.
    Dash,
    /// zsh with its defaults.
    Zsh,
}

impl Dialect {
    pub(super) const ALL: [Self; 3] = [Self::Bash, Self::Dash, Self::Zsh];

    /// `$'…'`, braces, `[[`, `((`, `<(`, `<<<`, `&>`, arrays.
    pub(super) const fn has_extensions(self) -> bool {
        !matches!(self, Self::Dash)
    }

    /// Unquoted expansions are split into words and matched against files.
    pub(super) const fn splits(self) -> bool {
        !matches!(self, Self::Zsh)
    }
}
