//! Shells that may stand behind a login: what they read differently.

/// A family of shells. A text is read as each of them does, and does all that any reading says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Dialect {
    /// bash, and ksh93.
    Bash,
    /// dash, busybox's ash: POSIX without extensions.
    Dash,
    /// mksh and OpenBSD's ksh.
    Ksh,
    /// zsh with its defaults.
    Zsh,
}

impl Dialect {
    pub(super) const ALL: [Self; 4] = [Self::Bash, Self::Dash, Self::Ksh, Self::Zsh];

    /// `$'…'`, braces, `[[`, `((`, `<(`, `<<<`, `&>`, arrays.
    pub(super) const fn has_extensions(self) -> bool {
        !matches!(self, Self::Dash)
    }

    /// `{1..9}`.
    pub(super) const fn has_sequences(self) -> bool {
        matches!(self, Self::Bash | Self::Zsh)
    }

    /// `{,x}` has an empty word.
    pub(super) const fn keeps_empty_words(self) -> bool {
        matches!(self, Self::Ksh | Self::Zsh)
    }

    /// Unquoted expansions are split into words and matched against files.
    pub(super) const fn splits(self) -> bool {
        !matches!(self, Self::Zsh)
    }
}
