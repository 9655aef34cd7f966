//! What is spoken over HTTP to a target: HTTP's own requests, Kubernetes, MCP. Each has its words for what a request does and
//! for refusing it.

mod http;
mod kubernetes;
pub(crate) mod mcp;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use hyper::header::{HeaderMap, HeaderName};
use hyper::http::request::Parts as Head;
use policy_core::mask::FieldMasks;
use policy_core::{Action, ActionSet, Protocol, Value, Verb};
use policy_normalize::http::{BodyError, Target};
use policy_normalize::{http as normal, kubernetes as cluster};
use portcullis_gateway::config::HttpLeg;
use portcullis_gateway::policies::Active;
use portcullis_gateway::store::Keeper;

use crate::body::Taken;
use crate::refuse::Words;
use crate::request::Asked;

/// What a target speaks.
#[derive(Debug)]
pub(crate) enum Dialect {
    /// HTTP, and GraphQL at these paths.
    Http { graphql: Vec<String> },
    /// The API of a Kubernetes cluster.
    Kubernetes,
    /// The Model Context Protocol, over streamable HTTP.
    Mcp(Arc<mcp::Server>),
}

/// What a connection carries once it has turned into something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// Messages that mean something by themselves.
    Messages,
    /// The streams of a program.
    Program { has_terminal: bool },
    /// Whatever a port in a pod says.
    Port,
}

/// A request, as far as it is judged.
pub(crate) struct Seen<'a> {
    pub(crate) asked: &'a Asked,
    pub(crate) head: &'a Head,
    /// Whether it wishes for another protocol.
    pub(crate) upgrade: bool,
    pub(crate) looked_at: &'a LookedAt,
    pub(crate) place: Place<'a>,
}

/// Who asks, of which target, and what is known of both.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) who: &'a str,
    pub(crate) target: &'a str,
    pub(crate) store: &'a Keeper,
}

/// What a request was understood as.
pub(crate) struct Meaning {
    pub(crate) actions: ActionSet,
    /// How it is refused, where more is known of that than by whom it was sent, and to what.
    pub(crate) words: Option<Words>,
    /// What a message of MCP says.
    pub(crate) said: Option<Box<mcp::Said>>,
    /// Why something that it does is not known, for whoever sent it and is refused.
    pub(crate) unclear: Option<Unclear>,
}

/// Why what a request does, or something that rules look at in it, is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unclear {
    #[error("the method is none of HTTP's own")]
    Method,
    #[error("servers do not agree on the path: it has an encoded or an empty segment, a `;` or a backslash")]
    Path,
    #[error("the field `{0}` is no text")]
    Field(HeaderName),
    #[error("the body is longer than is looked into")]
    Long,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("nothing is known of the body: it is encoded, or in other characters than UTF-8")]
    Coded,
    #[error("nothing is known of the object: it is sent as `{0}`, and not as JSON")]
    Opaque(String),
}

/// Whether something is unknown, or undetermined that is called as an attribute of one of these families is.
fn is_unclear(actions: &ActionSet, families: &[&str]) -> bool {
    let is_of = |name: &str| families.iter().any(|family| name.starts_with(family));
    let is_unclear = |action: &Action| {
        let mut attributes = action.attributes().iter();
        action.verb == Verb::UNKNOWN
            || attributes.any(|attribute| attribute.value == Value::Undetermined && is_of(&attribute.name))
    };
    actions.iter().any(is_unclear)
}

/// What a policy looks at in requests.
#[derive(Debug, Default)]
pub(crate) struct LookedAt {
    pub(crate) generation: u64,
    http: normal::Fields,
    kubernetes: cluster::Fields,
}

impl LookedAt {
    /// The header fields that it looks at.
    pub(crate) fn header_names(&self) -> &[String] {
        self.http.of_family("header")
    }
}

/// What the policy in force looks at, found once a policy.
#[derive(Default)]
pub(crate) struct Looking(ArcSwapOption<LookedAt>);

impl Looking {
    /// What this policy looks at.
    pub(crate) fn at(&self, active: &Active) -> Arc<LookedAt> {
        if let Some(known) = &*self.0.load()
            && known.generation == active.generation
        {
            return Arc::clone(known);
        }
        let found = Arc::new(LookedAt {
            generation: active.generation,
            http: normal::Fields::of(&active.policy),
            kubernetes: cluster::Fields::of(&active.policy),
        });
        self.0.store(Some(Arc::clone(&found)));
        found
    }
}

impl Dialect {
    pub(crate) fn of(protocol: &Protocol, leg: &HttpLeg) -> Self {
        match protocol {
            _ if *protocol == Protocol::KUBERNETES => Self::Kubernetes,
            _ if *protocol == Protocol::MCP => Self::Mcp(Arc::new(mcp::Server::at(&leg.path))),
            _ => Self::Http { graphql: leg.graphql.clone() },
        }
    }

    /// The protocol whose words its actions use.
    pub(crate) const fn protocol(&self) -> Protocol {
        match self {
            Self::Http { .. } => Protocol::HTTP,
            Self::Kubernetes => Protocol::KUBERNETES,
            Self::Mcp(_) => Protocol::MCP,
        }
    }

    /// How a request with these fields is refused whose meaning is not known yet.
    pub(crate) fn words(&self, fields: &HeaderMap) -> Words {
        match self {
            Self::Http { .. } => Words::of(fields),
            Self::Mcp(_) => Words::Problem,
            Self::Kubernetes => Words::Status,
        }
    }

    /// Whether a request can't be understood without its body.
    pub(crate) fn needs_body(&self, seen: &Seen<'_>) -> bool {
        match self {
            Self::Http { graphql } => http::needs_body(seen, graphql),
            Self::Kubernetes => kubernetes::needs_body(seen),
            Self::Mcp(_) => true,
        }
    }

    /// What a connection carries that turns into something else for this request.
    pub(crate) fn carried(&self, target: &Target) -> Carried {
        match self {
            Self::Kubernetes => kubernetes::carried(target),
            Self::Http { .. } | Self::Mcp(_) => Carried::Messages,
        }
    }

    /// Whether a request is to be done in another's name than that of whoever was proven.
    pub(crate) fn acts_for_another(&self, target: &Target, fields: &HeaderMap) -> bool {
        matches!(self, Self::Kubernetes) && kubernetes::acts_for_another(target, fields)
    }

    /// Whether the answer would have something that these masks cover under a name that they do not.
    pub(crate) fn hides(&self, seen: &Seen<'_>, body: &Taken, masks: &FieldMasks) -> bool {
        match self {
            Self::Http { graphql } => http::hides(seen, body, graphql, masks),
            Self::Kubernetes | Self::Mcp(_) => false,
        }
    }

    /// Asks for an answer in a form that can be looked through.
    pub(crate) fn ask_plainly(&self, target: &Target, fields: &mut HeaderMap) {
        if matches!(self, Self::Kubernetes) {
            kubernetes::ask_plainly(target, fields);
        }
    }

    /// Names the form of an answer where it is known and the target says nothing of it.
    pub(crate) fn name_form(&self, target: &Target, fields: &mut HeaderMap) {
        if matches!(self, Self::Kubernetes) {
            kubernetes::name_form(target, fields);
        }
    }

    /// What a request does, told from as much of its body as was read.
    pub(crate) async fn meaning(&self, seen: &Seen<'_>, body: &Taken) -> Meaning {
        match self {
            Self::Http { graphql } => http::meaning(seen, body, graphql),
            Self::Kubernetes => kubernetes::meaning(seen, body),
            Self::Mcp(server) => mcp::meaning(server, seen, body).await,
        }
    }
}
