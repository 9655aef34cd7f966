//! One thing that was looked at.

use serde::Serialize;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Grade {
    /// As it should be.
    Good,
    /// It works, and is weaker than it could be.
    Warning,
    /// It will not work, or is unsafe.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) grade: Grade,
    /// What it is about, such as `target shop`.
    pub(super) about: String,
    /// How it stands.
    pub(super) what: String,
    /// Why it matters.
    pub(super) why: Option<String>,
    /// How to mend it.
    pub(super) mend: Option<String>,
}

impl Finding {
    pub(super) fn good(about: impl Into<String>, what: impl Into<String>) -> Self {
        Self { grade: Grade::Good, about: about.into(), what: what.into(), why: None, mend: None }
    }

    pub(super) fn warning(about: impl Into<String>, what: impl Into<String>) -> Self {
        Self { grade: Grade::Warning, ..Self::good(about, what) }
    }

    pub(super) fn bad(about: impl Into<String>, what: impl Into<String>) -> Self {
        Self { grade: Grade::Bad, ..Self::good(about, what) }
    }

    pub(super) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    pub(super) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }
}
