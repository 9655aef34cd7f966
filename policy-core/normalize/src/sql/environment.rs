//! What a statement's meaning depends on besides its text.

use super::catalogue::{Catalogue, NoCatalogue};

/// The session's state, as far as it decides what a statement means.
///
/// `standard_conforming_strings` is taken to be `on` and the text to be UTF-8: a caller pins both.
#[derive(Clone)]
pub struct Environment<'a> {
    /// The setting `search_path` as a list, `$user` unexpanded. `None` where it is not known: then unqualified
    /// relations are undetermined.
    pub search_path: Option<Vec<Box<str>>>,
    /// Whether `search_path` was changed in the open transaction, whose end would change it back.
    pub search_path_changed: bool,
    /// The current role, which `$user` stands for. `None` where it is not known.
    pub role: Option<Box<str>>,
    /// The database's definitions.
    pub catalogue: &'a dyn Catalogue,
    /// The values of `$1`, `$2`, …
    pub parameters: Parameters<'a>,
}

impl<'a> Environment<'a> {
    /// A session with this search path and catalogue, an unknown role and pending parameters.
    pub fn new<S: Into<Box<str>>>(
        search_path: impl IntoIterator<Item = S>,
        catalogue: &'a dyn Catalogue,
    ) -> Self {
        Self {
            search_path: Some(search_path.into_iter().map(Into::into).collect()),
            search_path_changed: false,
            role: None,
            catalogue,
            parameters: Parameters::Pending,
        }
    }

    /// Nothing is known: only qualified names are determined.
    pub fn unknown() -> Environment<'static> {
        Environment {
            search_path: None,
            search_path_changed: false,
            role: None,
            catalogue: &NoCatalogue,
            parameters: Parameters::Pending,
        }
    }
}

/// The values of a statement's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters<'a> {
    /// Not bound yet: what depends on them is [`policy_core::Value::Pending`].
    Pending,
    /// Bound, in text form; `None` is NULL, and a value whose text form is not known is [`Bound::Opaque`].
    Bound(&'a [Bound<'a>]),
}

/// One bound value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound<'a> {
    /// NULL.
    Null,
    /// A value in text form.
    Text(&'a str),
    /// A value whose text form is not known, such as a binary one of an unfamiliar type.
    Opaque,
}
