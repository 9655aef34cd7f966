//! One effect of a command: a verb on a resource, with typed attributes.

use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

use crate::lineage::Lineage;
use crate::name::{Name, Tree};

/// The verb of an action, such as `select` or `exec`. Lower case; its protocol's vocabulary declares it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Verb(Cow<'static, str>);

impl Verb {
    /// An effect that could not be determined. Covered only by a rule that names it.
    pub const UNKNOWN: Self = Self::new(Self::UNKNOWN_NAME);
    /// An empty statement: no effect at all.
    pub const NOOP: Self = Self::new(Self::NOOP_NAME);
    /// Opening a session. Covered by any allow or hold that matches principal and target.
    pub const CONNECT: Self = Self::new(Self::CONNECT_NAME);

    /// Asking for a terminal. Covered by the `exec` or `shell` that it is asked for with.
    pub const PTY: Self = Self::new(Self::PTY_NAME);

    /// A line was typed into a shell. It needs no cover, and only a rule that names it restricts it: what is typed is noticed,
    /// not permitted.
    pub const TYPED: Self = Self::new(Self::TYPED_NAME);

    pub(crate) const TYPED_NAME: &'static str = "typed";
    pub(crate) const PTY_NAME: &'static str = "pty";
    pub(crate) const UNKNOWN_NAME: &'static str = "unknown";
    pub(crate) const NOOP_NAME: &'static str = "noop";
    pub(crate) const CONNECT_NAME: &'static str = "connect";

    /// A verb known at compile time; costs nothing.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The verb's name as policies spell it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Verb {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an action is done to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The verb has no object (`begin`, `shell`).
    None,
    /// A named object.
    Named(Name),
    /// An object and whatever lies below it (`rsync -r`, `find -delete`). A pattern holds where it holds for each of these
    /// names, does not where it holds for none, and is undetermined otherwise.
    Tree(Tree),
    /// The name depends on parameters that are not bound yet; conditions on it are deferred.
    Pending,
    /// The name could not be determined. A pattern on it is neither true nor false.
    Undetermined,
}

impl Resource {
    /// A named resource, or [`Resource::Undetermined`] where the segments make no name.
    pub fn named<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Self {
        Name::new(segments).map_or(Self::Undetermined, Self::Named)
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A truth value (`filtered`).
    Bool(bool),
    /// A whole number (`limit`).
    Integer(i64),
    /// A text (`role`).
    Text(Box<str>),
    /// An ordered list of texts (`argv`, `reads`). An empty list is known to be empty.
    List(Box<[Box<str>]>),
    /// An ordered list of texts of which not all are known (`argv` of `rm -rf $x`). A condition holds where it holds
    /// however the holes are filled, does not where it holds for no filling, and is undetermined otherwise.
    Open(Box<[Slot]>),
    /// It is known that there is none (a field that a request has not got): no comparison holds.
    Absent,
    /// Depends on parameters that are not bound yet; conditions on it are deferred.
    Pending,
    /// Could not be determined.
    Undetermined,
}

/// One place in a [`Value::Open`] list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// This text.
    Text(Box<str>),
    /// Exactly one text, which is not known.
    One,
    /// Any number of texts, none included, which are not known.
    Many,
}

/// A named property of an action. Names and types are declared by the protocol's vocabulary; an
/// attribute that an action lacks is undetermined.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// The name as policies spell it.
    pub name: Cow<'static, str>,
    /// Its value for this action.
    pub value: Value,
}

/// One effect of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Action {
    /// What is done.
    pub verb: Verb,
    /// What it is done to.
    pub resource: Resource,
    attributes: SmallVec<[Attribute; 2]>,
}

impl Action {
    /// An action without attributes.
    pub const fn new(verb: Verb, resource: Resource) -> Self {
        Self { verb, resource, attributes: SmallVec::new_const() }
    }

    /// An effect that could not be determined.
    pub const fn unknown() -> Self {
        Self::new(Verb::UNKNOWN, Resource::Undetermined)
    }

    /// The same action with one attribute more; a name given twice keeps the last value.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: Value) -> Self {
        let name = name.into();
        match self.attributes.iter_mut().find(|attribute| attribute.name == name) {
            Some(attribute) => attribute.value = value,
            None => self.attributes.push(Attribute { name, value }),
        }
        self
    }

    /// The value of an attribute, or `None` where the action lacks it (which is undetermined).
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| &attribute.value)
    }

    /// All attributes, in the order they were given.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }
}

/// The effects of one command: at least one, duplicates removed, in the order they were found.
///
/// Where data flows between them is their [`Lineage`], for protocols that can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActionSet {
    actions: Box<[Action]>,
    lineage: Option<Box<Lineage>>,
}

impl ActionSet {
    /// Collects actions. Nothing at all becomes `unknown`: there is no command without actions.
    pub fn new(actions: impl IntoIterator<Item = Action>) -> Self {
        let mut set: Vec<Action> = Vec::new();
        for action in actions {
            if !set.contains(&action) {
                set.push(action);
            }
        }
        if set.is_empty() {
            set.push(Action::unknown());
        }
        Self { actions: set.into(), lineage: None }
    }

    /// The set of a command whose effects could not be determined.
    pub fn unknown() -> Self {
        Self::new([Action::unknown()])
    }

    /// The set of an empty statement.
    pub fn noop() -> Self {
        Self::new([Action::new(Verb::NOOP, Resource::None)])
    }

    /// The same effects, with where their data flows: masks on columns are judged by it.
    #[must_use]
    pub fn with_lineage(self, lineage: Lineage) -> Self {
        Self { lineage: Some(Box::new(lineage)), ..self }
    }

    /// Where data flows, where that was said.
    pub fn lineage(&self) -> Option<&Lineage> {
        self.lineage.as_deref()
    }

    /// Whether an action of this set and verb needs no cover of its own: it only goes along with another one, or is only
    /// noticed.
    pub(crate) fn needs_no_cover(&self, verb: &str) -> bool {
        verb == Verb::TYPED_NAME
            || verb == Verb::PTY_NAME
                && self.iter().any(|other| matches!(other.verb.as_str(), "exec" | "shell"))
    }

    /// The actions; never empty.
    pub fn iter(&self) -> std::slice::Iter<'_, Action> {
        self.actions.iter()
    }

    /// The actions as a slice; never empty.
    pub fn as_slice(&self) -> &[Action] {
        &self.actions
    }
}

impl<'a> IntoIterator for &'a ActionSet {
    type Item = &'a Action;
    type IntoIter = std::slice::Iter<'a, Action>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
