//! Names to what they stand for, through the search path and the catalogue.

use std::sync::Arc;

use policy_core::{Name, Resource};

use super::catalogue::{Function, Lookup, Relation, TypeKind, Volatility};
use super::columns::RelationRef;
use super::session::Session;
use super::shipped::{self, Class};

/// What a relation's name stands for.
#[derive(Clone)]
pub(super) enum Target<'a> {
    /// The catalogue knows it.
    Known(&'a Relation),
    /// Its name is determined, its columns are taken as they are spelled.
    Named(Arc<RelationRef>),
    /// Its name is determined, and the catalogue, which should know it, does not: it may be another relation's new
    /// name, so nothing is known about what flows from it.
    Unlisted(Arc<RelationRef>),
    /// It could be anything.
    Undetermined,
}

impl Target<'_> {
    pub(super) fn identity(&self) -> Option<Arc<RelationRef>> {
        match self {
            Self::Known(relation) => Some(Arc::clone(&relation.identity)),
            Self::Named(identity) | Self::Unlisted(identity) => Some(Arc::clone(identity)),
            Self::Undetermined => None,
        }
    }

    pub(super) fn resource(&self) -> Resource {
        self.identity().map_or(Resource::Undetermined, |identity| Resource::Named(identity.name.clone()))
    }

    fn unlisted(schema: &str, name: &str) -> Self {
        match Self::named(schema, name) {
            Self::Named(identity) => Self::Unlisted(identity),
            other => other,
        }
    }

    fn named(schema: &str, name: &str) -> Self {
        match Name::new([schema, name]) {
            Some(name) => Self::Named(Arc::new(RelationRef { name, oid: None })),
            None => Self::Undetermined,
        }
    }
}

/// The function or functions that a call may reach.
pub(super) struct Callee {
    /// Actions `call`: one for each function that is not harmless.
    pub(super) judged: Vec<Resource>,
    /// How the function is classed, if `pg_catalog` has it and it may be meant.
    pub(super) class: Option<Class>,
    /// Whether the same arguments give the same result throughout a statement.
    pub(super) constant: bool,
}

impl<'a> Session<'a> {
    pub(super) fn relation_named(&self, schema: &str, name: &str) -> Target<'a> {
        if self.overlay.stale || name.is_empty() {
            return Target::Undetermined;
        }
        if !schema.is_empty() {
            return match self.lookup(schema, name) {
                Lookup::Found(target) => target,
                Lookup::Unknown => Target::named(schema, name),
                Lookup::Absent | Lookup::Changed => Target::unlisted(schema, name),
            };
        }
        let temporary = match self.lookup("pg_temp", name) {
            Lookup::Found(target) if self.is_certain(&target) => return target,
            Lookup::Found(target) => Some(target),
            Lookup::Changed => return Target::Undetermined,
            Lookup::Absent | Lookup::Unknown => None,
        };
        let Some(schemas) = self.schemas() else {
            return Target::Undetermined;
        };
        let path: Vec<&str> = schemas.collect();
        let implied = (!path.contains(&"pg_catalog")).then_some("pg_catalog");
        let own = path.iter().filter(|schema| **schema != "pg_catalog").count();
        let mut found = temporary;
        for schema in implied.into_iter().chain(path.iter().copied()) {
            let target = match self.lookup(schema, name) {
                Lookup::Found(target) => target,
                Lookup::Absent => continue,
                Lookup::Unknown | Lookup::Changed if schema == "pg_catalog" => {
                    if !shipped::is_relation(name) {
                        continue;
                    }
                    Target::named(schema, name)
                }
                // Without a catalogue a name is determined only if there is one schema that it can be in.
                Lookup::Unknown if own == 1 => Target::named(schema, name),
                Lookup::Unknown | Lookup::Changed => return Target::Undetermined,
            };
            match &found {
                // Behind what an open transaction has made there is something else: should the first be gone, the
                // name stands for the second.
                Some(first) if first.identity() != target.identity() => return Target::Undetermined,
                Some(_) => {}
                None if self.is_certain(&target) => return target,
                None => found = Some(target),
            }
        }
        found.unwrap_or(Target::Undetermined)
    }

    /// Whether this is there for sure: the catalogue has it for good, or this very text has made it. What an open
    /// transaction or the session alone has may have gone.
    fn is_certain(&self, target: &Target<'a>) -> bool {
        match target {
            Target::Known(relation) => {
                relation.identity.oid.is_some()
                    || self.overlay.made.values().flatten().any(|made| std::ptr::eq(*made, *relation))
            }
            Target::Named(_) | Target::Unlisted(_) | Target::Undetermined => true,
        }
    }

    fn lookup(&self, schema: &str, name: &str) -> Lookup<Target<'a>> {
        let key = (Box::from(schema), Box::from(name));
        if let Some(made) = self.overlay.made.get(&key) {
            return Lookup::Found(match made {
                Some(relation) => Target::Known(relation),
                None => Target::unlisted(schema, name),
            });
        }
        if self.overlay.dropped.contains(&key) {
            return Lookup::Absent;
        }
        match self.environment.catalogue.relation(schema, name) {
            Lookup::Found(relation) if relation.identity.oid.is_none() && self.overlay.has_ended => {
                Lookup::Changed
            }
            Lookup::Found(relation) => Lookup::Found(Target::Known(relation)),
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown => Lookup::Unknown,
            Lookup::Changed => Lookup::Changed,
        }
    }

    /// What a table of this name was before this text, or what this text made of it.
    pub(super) fn listed(&self, schema: &str, name: &str) -> Option<&'a Relation> {
        match self.lookup(schema, name) {
            Lookup::Found(Target::Known(relation)) => Some(relation),
            _ => None,
        }
    }

    fn schema(&self, name: &str) -> Lookup<()> {
        if self.overlay.schemas.contains(name) {
            return Lookup::Found(());
        }
        self.environment.catalogue.schema(name)
    }

    /// The schema that an unqualified CREATE puts its object in.
    pub(super) fn creation_schema(&self) -> Option<Box<str>> {
        let path: Vec<&str> = self.schemas()?.collect();
        for schema in &path {
            match self.schema(schema) {
                _ if *schema == "pg_temp" => return Some("pg_temp".into()),
                Lookup::Found(()) => return Some((*schema).into()),
                Lookup::Absent => {}
                Lookup::Unknown if path.len() == 1 => return Some((*schema).into()),
                Lookup::Unknown | Lookup::Changed => return None,
            }
        }
        None
    }

    /// The resource of an object that is made: its schema as written, or the one it is put in.
    pub(super) fn made(&self, names: &[&str]) -> Resource {
        match names {
            [name] => match self.creation_schema() {
                Some(schema) if !self.overlay.stale => Resource::named([&*schema, name]),
                _ => Resource::Undetermined,
            },
            [.., schema, name] => Resource::named([schema, name]),
            [] => Resource::Undetermined,
        }
    }

    /// Where an object is that a text names without a schema, and that the catalogue knows not to exist: in one of
    /// these, if somebody has just made it. `None` where that can't be told.
    pub(super) fn absent(&self, name: &str) -> Option<Vec<Resource>> {
        let schemas = self.schemas().filter(|_| !self.overlay.stale)?;
        let catalogue = self.environment.catalogue;
        let mut candidates = Vec::new();
        for schema in schemas.filter(|schema| *schema != "pg_catalog") {
            match catalogue.schema(schema) {
                Lookup::Found(()) => candidates.push(Resource::named([schema, name])),
                Lookup::Absent => {}
                Lookup::Unknown | Lookup::Changed => return None,
            }
        }
        (!candidates.is_empty()).then_some(candidates)
    }

    /// The resource of an object that exists and is no relation: its schema as written, or the one that has it.
    /// `has` looks an object up in a schema.
    pub(super) fn existing_by(&self, names: &[&str], has: impl Fn(&str, &str) -> Lookup<()>) -> Resource {
        let name = match names {
            [name] => name,
            [.., schema, name] => return Resource::named([schema, name]),
            [] => return Resource::Undetermined,
        };
        let Some(schemas) = self.schemas().filter(|_| !self.overlay.stale) else {
            return Resource::Undetermined;
        };
        let mut candidates = schemas.filter(|schema| self.schema(schema) != Lookup::Absent).peekable();
        while let Some(schema) = candidates.next() {
            match has(schema, name) {
                Lookup::Found(()) => return Resource::named([schema, name]),
                Lookup::Absent => {}
                Lookup::Unknown if candidates.peek().is_none() => return Resource::named([schema, name]),
                Lookup::Unknown | Lookup::Changed => return Resource::Undetermined,
            }
        }
        Resource::Undetermined
    }

    /// As [`Session::existing_by`], for what the catalogue does not list.
    pub(super) fn existing(&self, names: &[&str]) -> Resource {
        self.existing_by(names, |_, _| Lookup::Unknown)
    }

    /// As [`Session::existing_by`], for functions.
    pub(super) fn existing_function(&self, names: &[&str]) -> Resource {
        self.existing_by(names, |schema, name| match self.environment.catalogue.functions(schema, name) {
            Lookup::Found(_) => Lookup::Found(()),
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown => Lookup::Unknown,
            Lookup::Changed => Lookup::Changed,
        })
    }

    /// As [`Session::existing_by`], for types.
    pub(super) fn existing_type(&self, names: &[&str]) -> Resource {
        self.existing_by(names, |schema, name| match self.environment.catalogue.type_kind(schema, name) {
            Lookup::Found(_) => Lookup::Found(()),
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown => Lookup::Unknown,
            Lookup::Changed => Lookup::Changed,
        })
    }

    /// What a call of this name may reach, whatever its arguments.
    pub(super) fn function(&self, names: &[&str]) -> Callee {
        match names {
            [name] => self.unqualified_function(name),
            [.., "pg_catalog", name] => {
                let class = shipped::function(name);
                let harmless = class.is_some_and(Class::is_harmless);
                Callee {
                    judged: if harmless { vec![] } else { vec![Resource::named(["pg_catalog", name])] },
                    class,
                    constant: class == Some(Class::Constant),
                }
            }
            [.., "information_schema", name] if shipped::is_information_schema_function(name) => {
                Callee { judged: vec![], class: Some(Class::Constant), constant: true }
            }
            [.., schema, name] => Callee {
                judged: vec![Resource::named([schema, name])],
                class: None,
                constant: constant(self.environment.catalogue.functions(schema, name)),
            },
            [] => Callee { judged: vec![Resource::Undetermined], class: None, constant: false },
        }
    }

    /// Whether some schema on the path surely has a function of this name that is judged.
    #[cfg(feature = "sqlparser")]
    pub(super) fn has_function(&self, name: &str) -> bool {
        let found =
            |schema: &str| matches!(self.environment.catalogue.functions(schema, name), Lookup::Found(_));
        shipped::function(name).is_some_and(|class| !class.is_harmless())
            || self.schemas().is_some_and(|mut schemas| schemas.any(found))
    }

    /// Whether no schema on the path has a function of this name, for sure.
    pub(super) fn has_no_function(&self, name: &str) -> bool {
        let catalogue = self.environment.catalogue;
        let absent = |schema: &str| match catalogue.functions(schema, name) {
            Lookup::Absent => true,
            // The shipped table, asked below, knows the functions of `pg_catalog`.
            Lookup::Unknown | Lookup::Changed => schema == "pg_catalog",
            Lookup::Found(_) => false,
        };
        !self.overlay.stale
            && shipped::function(name).is_none()
            && absent("pg_catalog")
            && self.schemas().is_some_and(|mut schemas| schemas.all(absent))
    }

    /// The server takes the best match of all schemas on the path, so each that has the name is a candidate.
    fn unqualified_function(&self, name: &str) -> Callee {
        let class = shipped::function(name);
        let undetermined = || Callee { judged: vec![Resource::Undetermined], class, constant: false };
        let Some(schemas) = self.schemas() else {
            return undetermined();
        };
        if self.overlay.stale {
            return undetermined();
        }
        let path: Vec<&str> = schemas.filter(|schema| *schema != "pg_catalog").collect();
        let mut judged = Vec::new();
        let mut is_constant = class.is_none_or(|class| class == Class::Constant);
        let mut untold = 0_usize;
        for schema in &path {
            let found = self.environment.catalogue.functions(schema, name);
            match found {
                Lookup::Found(_) => {
                    judged.push(Resource::named([schema, name]));
                    is_constant &= constant(found);
                }
                Lookup::Absent => {}
                Lookup::Unknown | Lookup::Changed => untold += 1,
            }
        }
        match class {
            Some(class) if !class.is_harmless() => judged.push(Resource::named(["pg_catalog", name])),
            Some(_) => {}
            None if untold > 0 => match path.as_slice() {
                [schema] => {
                    judged.push(Resource::named([schema, name]));
                    is_constant = false;
                }
                _ => return undetermined(),
            },
            None if judged.is_empty() => return undetermined(),
            None => {}
        }
        Callee { judged, class, constant: is_constant }
    }

    /// What casting to this type may run, if anything.
    pub(super) fn cast(&self, names: &[&str]) -> Option<Resource> {
        match names {
            [] => Some(Resource::Undetermined),
            [.., "pg_catalog", name] if shipped::is_type(name) => None,
            [.., schema, name] => self.cast_to(schema, name),
            [name] => {
                let Some(schemas) = self.schemas() else {
                    return (!shipped::is_type(name)).then_some(Resource::Undetermined);
                };
                let path: Vec<&str> = schemas.collect();
                let implied = (!path.contains(&"pg_catalog")).then_some("pg_catalog");
                for schema in implied.into_iter().chain(path.iter().copied()) {
                    if schema == "pg_catalog" {
                        if shipped::is_type(name) {
                            return None;
                        }
                        continue;
                    }
                    match self.environment.catalogue.type_kind(schema, name) {
                        Lookup::Found(_) => return self.cast_to(schema, name),
                        Lookup::Absent => {}
                        Lookup::Unknown if path.len() == 1 => return self.cast_to(schema, name),
                        Lookup::Unknown | Lookup::Changed => return Some(Resource::Undetermined),
                    }
                }
                Some(Resource::Undetermined)
            }
        }
    }

    fn cast_to(&self, schema: &str, name: &str) -> Option<Resource> {
        match self.environment.catalogue.type_kind(schema, name) {
            Lookup::Found(TypeKind::Enum) if !self.overlay.stale => None,
            _ => Some(Resource::named([schema, name])),
        }
    }
}

fn constant(functions: Lookup<&[Function]>) -> bool {
    match functions {
        Lookup::Found(functions) => {
            functions.iter().all(|function| function.volatility != Volatility::Volatile)
        }
        Lookup::Absent | Lookup::Unknown | Lookup::Changed => false,
    }
}

/// Splits a text the way the server's `regclass` input does: folded unless quoted, parts separated by dots.
pub(super) fn split_identifier(text: &str) -> Option<Vec<Box<str>>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let part;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut characters = quoted.char_indices();
            let end = loop {
                match characters.next()? {
                    (_, '"') if characters.as_str().starts_with('"') => {
                        name.push('"');
                        characters.next();
                    }
                    (at, '"') => break at + 1,
                    (_, other) => name.push(other),
                }
            };
            part = name;
            rest = quoted.get(end..)?.trim_start();
        } else {
            let end = rest.find(['.', '"']).unwrap_or(rest.len());
            part = rest.get(..end)?.trim_end().to_ascii_lowercase();
            rest = rest.get(end..)?;
            // A number is an oid.
            if part.starts_with(|first: char| first.is_ascii_digit()) {
                return None;
            }
            if !part.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '$')) {
                return None;
            }
        }
        if part.is_empty() {
            return None;
        }
        parts.push(part.into_boxed_str());
        match rest.strip_prefix('.') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => return Some(parts),
            None => return None,
        }
    }
}
