//! What is kept of a document, and whether its fragments are sound.

use std::collections::HashMap;

/// A document: operations and fragments. Each fragment that is used is there, and none holds itself.
#[derive(Debug)]
pub(super) struct Document {
    operations: Vec<Operation>,
    fragments: HashMap<String, Vec<Selection>>,
}

#[derive(Debug)]
pub(super) struct Operation {
    /// The verb that stands for its kind.
    pub(super) verb: &'static str,
    pub(super) name: Option<String>,
    /// The variables it declares, and their defaults.
    pub(super) variables: HashMap<String, Option<Literal>>,
    pub(super) selections: Vec<Selection>,
}

#[derive(Debug)]
pub(super) enum Selection {
    Field(Field),
    /// A fragment, by its name.
    Spread(String),
    /// A fragment where it is used.
    Inline(Vec<Selection>),
}

#[derive(Debug)]
pub(super) struct Field {
    /// What the answer calls it, where that is not its name.
    pub(super) alias: Option<String>,
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Literal)>,
    pub(super) selections: Vec<Selection>,
}

/// A value as it is written.
#[derive(Debug)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Integer(i64),
    /// A string, or the name of an enum's value.
    Text(String),
    Object(Vec<(String, Literal)>),
    Variable(String),
    /// One that no condition compares: a list, a number with a fraction.
    Other,
}

impl Document {
    /// `None` where names are there twice, or fragments are missing or hold themselves: servers refuse such a document.
    pub(super) fn new(operations: Vec<Operation>, fragments: Vec<(String, Vec<Selection>)>) -> Option<Self> {
        let names: Vec<_> = operations.iter().map(|operation| &operation.name).collect();
        let are_apart =
            names.iter().enumerate().all(|(at, name)| !names.iter().take(at).any(|other| other == name));
        let is_alone = names.len() == 1 || names.iter().all(|name| name.is_some());
        let count = fragments.len();
        let fragments: HashMap<_, _> = fragments.into_iter().collect();
        let document = Self { operations, fragments };
        (are_apart && is_alone && document.fragments.len() == count && document.fragments_are_sound())
            .then_some(document)
    }

    /// The operation of this name; without a name the only one.
    pub(super) fn operation(&self, name: Option<&str>) -> Option<&Operation> {
        match (name, &*self.operations) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(name), all) => all.iter().find(|operation| operation.name.as_deref() == Some(name)),
        }
    }

    pub(super) fn fragment(&self, name: &str) -> Option<&[Selection]> {
        self.fragments.get(name).map(|selections| &**selections)
    }

    /// Whether all that are used are there and none holds itself, however far down.
    fn fragments_are_sound(&self) -> bool {
        let mut used: HashMap<&str, usize> = HashMap::new();
        let mut holds: HashMap<&str, Vec<&str>> = HashMap::new();
        for (name, selections) in &self.fragments {
            let spreads = spreads(selections);
            for &spread in &spreads {
                *used.entry(spread).or_default() += 1;
            }
            holds.insert(name, spreads);
        }
        let outer = self.operations.iter().flat_map(|operation| spreads(&operation.selections));
        if !holds.values().flatten().copied().chain(outer).all(|name| self.fragments.contains_key(name)) {
            return false;
        }
        // Those that no other holds are taken away until none is left: a circle would be.
        let mut free: Vec<&str> = holds.keys().copied().filter(|name| !used.contains_key(name)).collect();
        let mut taken = 0;
        while let Some(name) = free.pop() {
            taken += 1;
            for &inner in holds.get(name).into_iter().flatten() {
                if let Some(left) = used.get_mut(inner) {
                    *left -= 1;
                    if *left == 0 {
                        free.push(inner);
                    }
                }
            }
        }
        taken == holds.len()
    }
}

/// The fragments that these selections name.
fn spreads(selections: &[Selection]) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest: Vec<&Selection> = selections.iter().collect();
    while let Some(selection) = rest.pop() {
        match selection {
            Selection::Spread(name) => names.push(&**name),
            Selection::Field(Field { selections, .. }) | Selection::Inline(selections) => {
                rest.extend(selections)
            }
        }
    }
    names
}
