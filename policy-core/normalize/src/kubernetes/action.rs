//! A request as actions.

use policy_core::vocabulary::{http, kubernetes};
use policy_core::{Action, ActionSet, Policy, Value, Verb};

use super::object::{Object, views};
use super::place::{Objects, Place};
use super::query::{Narrowed, Query, Switch};
use super::run::{self, Effect};
use super::tables;
use crate::http::Target;

/// What a request is made of, as far as it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The method, as it was sent.
    pub method: &'a str,
    /// The target.
    pub target: &'a Target,
    /// The body's media type, in lower case and without parameters; empty where there is none.
    pub media_type: &'a str,
    /// The body; `None` where it was not read: what it sets is undetermined then.
    pub body: Option<&'a Object>,
}

/// Which fields of objects a policy looks at: only these are attributes of an action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    object: Vec<String>,
}

impl Fields {
    /// What this policy looks at.
    pub fn of(policy: &Policy) -> Self {
        Self { object: policy.looks_at("object").map(str::to_owned).collect() }
    }

    /// Whether the body of a request has to be read. It has to be for
    ///
    /// - the fields that rules name;
    /// - the name of what is created;
    /// - the options of a deletion, which say whether it is a dry run;
    /// - what a patch of a Secret copies.
    ///
    /// Streams have no body, and what goes to a pod or service by its proxy is no object.
    pub fn need_body(&self, method: &str, target: &Target) -> bool {
        let place = target.segments.as_deref().and_then(Place::of);
        let Some(Place::Resource(place)) = place else { return false };
        match method {
            "DELETE" | "POST" => !place.is_stream() && !place.is_proxy(),
            "PATCH" if place.resource == "secrets" => true,
            "PATCH" | "PUT" => !place.is_proxy() && !self.object.is_empty(),
            _ => false,
        }
    }
}

/// What a request does. What the API server has no place for, and what it may see otherwise than its clients, is `unknown`.
pub fn action(parts: &Parts<'_>, fields: &Fields) -> ActionSet {
    read(parts, fields).map_or_else(ActionSet::unknown, ActionSet::new)
}

fn read(parts: &Parts<'_>, fields: &Fields) -> Option<Vec<Action>> {
    let segments = parts.target.segments.as_deref()?;
    let query = Query(parts.target.query.as_deref()?);
    match Place::of(segments)? {
        Place::Path => Some(vec![path(parts.method, segments)?]),
        Place::Resource(place) => Asked::of(parts, place, query)?.actions(fields),
    }
}

fn path(method: &str, segments: &[String]) -> Option<Action> {
    const METHODS: &[&str] = &["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];
    let method = METHODS.contains(&method).then(|| method.to_ascii_lowercase())?;
    let action = Action::new(Verb::new("nonresource"), http::path(segments));
    Some(action.with("method", Value::Text(method.into())))
}

/// A request for objects.
struct Asked<'a> {
    parts: &'a Parts<'a>,
    place: Objects<'a>,
    query: Query<'a>,
    /// One of them, and what else it comes to.
    verbs: Vec<&'static str>,
    /// The name that a selector narrows to.
    narrowed: Narrowed,
}

impl<'a> Asked<'a> {
    fn of(parts: &'a Parts<'a>, place: Objects<'a>, query: Query<'a>) -> Option<Self> {
        // Nothing of Kubernetes' own has a path behind a subresource.
        if !place.rest.is_empty() && place.is_builtin() && !place.is_proxy() {
            return None;
        }
        let mut narrowed = if place.name.is_none() { query.narrowed("metadata.name") } else { Narrowed::No };
        let verb = match (parts.method, place.name) {
            ("GET" | "POST", _) if place.is_stream() => "create",
            _ if place.is_stream() => return None,
            ("GET", _) if place.watches => "watch",
            _ if place.watches => return None,
            ("GET" | "HEAD", Some(_)) => "get",
            ("GET" | "HEAD", None) => match query.switch("watch") {
                Switch::Off => "list",
                Switch::On => "watch",
                Switch::Unclear => return None,
            },
            ("POST", _) => "create",
            ("PUT", Some(_)) => "update",
            ("PATCH", Some(_)) => "patch",
            ("DELETE", Some(_)) => "delete",
            ("DELETE", None) => "deletecollection",
            _ => return None,
        };
        let mut verbs = vec![verb];
        match verb {
            "create" => narrowed = Narrowed::No,
            "list" | "watch" if place.name.is_some() || narrowed != Narrowed::No => verbs.push("get"),
            "deletecollection" if narrowed != Narrowed::No => verbs.push("delete"),
            "update" if tables::MADE_BY_UPDATE.contains(&(place.group, place.resource)) => {
                verbs.push("create");
            }
            "patch" if parts.media_type.starts_with("application/apply-patch") => verbs.push("create"),
            _ => {}
        }
        // Of a subresource there is nothing to make.
        if verb != "create" && !place.subresource.is_empty() {
            verbs.retain(|verb| *verb != "create");
        }
        Some(Self { parts, place, query, verbs, narrowed })
    }

    fn actions(&self, fields: &Fields) -> Option<Vec<Action>> {
        if self.place.is_of_pod(&["exec"]) {
            return self.run(fields);
        }
        let mut actions = vec![];
        for view in views(fields.object.iter().map(|name| (name.clone(), self.field(name))).collect()) {
            for verb in &self.verbs {
                let mut action = self.action(verb);
                for (name, value) in &view {
                    action = action.with(format!("object.{name}"), value.clone());
                }
                actions.push(action);
            }
        }
        let is_of_kubelet = self.place.is_proxy() && self.place.resource == "nodes";
        if is_of_kubelet && !tables::is_harmless_of_kubelet(&self.place.rest) {
            actions.push(Action::unknown());
        }
        if self.copies_secrets() {
            actions.push(Action::unknown());
        }
        Some(actions)
    }

    /// Whether it may copy what a Secret holds to where no mask looks for it.
    fn copies_secrets(&self) -> bool {
        let is_json_patch =
            self.parts.method == "PATCH" && self.parts.media_type == "application/json-patch+json";
        is_json_patch && self.place.resource == "secrets" && self.parts.body.is_none_or(Object::copies)
    }

    /// A command in a container, and all that it runs.
    fn run(&self, fields: &Fields) -> Option<Vec<Action>> {
        let words: Vec<&str> = self.query.all("command").collect();
        if words.is_empty() {
            return None;
        }
        let effects = run::effects(&words).into_iter().map(|effect| match effect {
            Effect::Program { argv, shell } => {
                let action = self.action("create").with("argv", argv).with("shell", Value::Bool(shell));
                fields
                    .object
                    .iter()
                    .fold(action, |action, name| action.with(format!("object.{name}"), Value::Absent))
            }
            Effect::Other(action) if action.verb == Verb::UNKNOWN => action,
            Effect::Other(action) => action
                .with("namespace", self.namespace())
                .with("name", self.name())
                .with("container", self.container()),
        });
        Some(effects.collect())
    }

    /// The action of one verb, with all attributes but the object's.
    fn action(&self, verb: &'static str) -> Action {
        let Objects { group, version, resource, subresource, .. } = self.place;
        let text = |text: &str| Value::Text(text.into());
        let attach = self.place.is_of_pod(&["attach"]);
        let switch = |key: &str| {
            let switch = self.query.switch(key);
            if attach || self.place.is_of_pod(&["exec"]) { switch.value() } else { Value::Bool(false) }
        };
        // Whether what is attached to is a shell is not said; without input it makes no difference.
        let is_fed = attach && switch("stdin") != Value::Bool(false);
        Action::new(Verb::new(verb), kubernetes::resource(resource, subresource))
            .with("namespace", self.namespace())
            .with("name", self.name())
            .with("group", text(group))
            .with("version", text(version))
            .with("builtin", Value::Bool(self.place.is_builtin()))
            .with("dry_run", self.dry_run(verb))
            .with("field_manager", self.query.text("fieldManager"))
            .with("field_selector", self.query.text("fieldSelector"))
            .with("label_selector", self.query.text("labelSelector"))
            .with("path", self.path())
            .with("port", self.port())
            .with("container", self.container())
            .with("stdin", switch("stdin"))
            .with("tty", switch("tty"))
            .with("argv", if attach { Value::Undetermined } else { Value::Absent })
            .with("shell", if is_fed { Value::Undetermined } else { Value::Bool(false) })
    }

    fn namespace(&self) -> Value {
        if let Some(namespace) = self.place.namespace {
            return Value::Text(namespace.into());
        }
        if self.place.is_namespaces() {
            return self.name();
        }
        // With a name, or to make something, no path leads to a namespace but through it.
        let many = self.place.name.is_none() && self.parts.method != "POST";
        if !many || self.place.is_of_cluster() {
            return Value::Absent;
        }
        match self.query.narrowed("metadata.namespace") {
            Narrowed::To(namespace) => Value::Text(namespace.into()),
            Narrowed::No | Narrowed::Unclear => Value::Undetermined,
        }
    }

    fn name(&self) -> Value {
        match (self.place.name, &self.narrowed) {
            (Some(name), _) if self.place.is_proxy() => {
                proxied(name).map_or(Value::Undetermined, |(name, _)| Value::Text(name.into()))
            }
            (Some(name), _) => Value::Text(name.into()),
            (None, Narrowed::To(name)) => Value::Text(name.as_str().into()),
            (None, _) if self.parts.method == "POST" => match self.parts.body {
                // A name that the server makes up, or none.
                Some(body) => match body.value("metadata.name") {
                    Value::Text(name) if !name.is_empty() => Value::Text(name),
                    _ => Value::Undetermined,
                },
                None => Value::Undetermined,
            },
            (None, _) => Value::Undetermined,
        }
    }

    fn path(&self) -> Value {
        if !self.place.is_proxy() && self.place.rest.is_empty() {
            return Value::Absent;
        }
        Value::Text(format!("/{}", self.place.rest.join("/")).into())
    }

    /// The port as a number: a port that goes by a name, and the one that is taken where none is said, are undetermined.
    fn port(&self) -> Value {
        if !self.place.is_proxy() {
            return Value::Absent;
        }
        let port = self.place.name.and_then(proxied).and_then(|(_, port)| port);
        let is_number = |port: &&str| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0') && !port.is_empty()
        };
        port.filter(is_number).map_or(Value::Undetermined, |port| Value::Text(port.into()))
    }

    /// Where none is said, the pod's own annotation or order says which.
    fn container(&self) -> Value {
        if !self.place.is_of_pod(&["attach", "exec", "log"]) {
            return Value::Absent;
        }
        match self.query.text("container") {
            Value::Absent => Value::Undetermined,
            Value::Text(container) if container.is_empty() => Value::Undetermined,
            container => container,
        }
    }

    fn dry_run(&self, verb: &str) -> Value {
        let runs_anyway = self.place.is_stream()
            || self.place.is_proxy()
            || (self.place.resource == "serviceaccounts" && self.place.subresource == "token");
        if runs_anyway || matches!(verb, "get" | "list" | "watch") {
            return Value::Bool(false);
        }
        let says = match (self.parts.method, self.parts.body) {
            ("DELETE", None) => Value::Undetermined,
            // Options in the body take the place of the query's.
            ("DELETE", Some(body)) if !body.is_none() => match body.value("dryRun") {
                Value::Absent => Value::Bool(false),
                Value::Text(all) if &*all == "All" => Value::Bool(true),
                _ => Value::Undetermined,
            },
            _ => self.query.dry_run(),
        };
        match says {
            // Another server may not heed it.
            Value::Bool(true) if !self.place.is_builtin() => Value::Undetermined,
            says => says,
        }
    }

    fn field(&self, name: &str) -> Vec<Value> {
        if matches!(self.parts.method, "GET" | "HEAD") || self.place.is_stream() {
            return vec![Value::Absent];
        }
        match self.parts.body {
            Some(body) if !self.place.is_proxy() => body.values(name),
            _ => vec![Value::Undetermined],
        }
    }
}

/// A name with its port, of `name`, `name:port` and `scheme:name:port` (`SplitSchemeNamePort`).
fn proxied(name: &str) -> Option<(&str, Option<&str>)> {
    let parts: Vec<&str> = name.split(':').collect();
    match parts.as_slice() {
        [name] if !name.is_empty() => Some((name, None)),
        [name, port] if !name.is_empty() => Some((name, Some(port))),
        ["http" | "https" | "", name, port] if !name.is_empty() => Some((name, Some(port))),
        _ => None,
    }
}
