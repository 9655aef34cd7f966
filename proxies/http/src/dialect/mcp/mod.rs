//! The Model Context Protocol over streamable HTTP: a POST carries a message, or a batch of them; a GET opens the stream of what
//! the server says by itself; a DELETE ends the session. Nothing else is known, and no other path than the server's one.
//!
//! - `heads`: fields of a request that say what its body says, and must agree with it; `sessions`: whose a session is;
//! - `pins`: how tools are described, and whether somebody approved it; `questions`: what a server asked, for what answers it;
//! - `filter`: answers without what their principal may not use; `events`: the events of a stream.

mod events;
mod filter;
mod heads;
mod pins;
mod questions;
mod sessions;

use hyper::Method;
use policy_core::{Action, ActionSet, Resource, Verb};
use policy_normalize::mcp::{Context, List, Messages, Side, arguments, bound};
use portcullis_gateway::store::ToolPin;

use self::pins::Pins;
use self::questions::Questions;
use super::{Meaning, Seen};
use crate::body::Taken;
use crate::refuse::Words;

pub(crate) use self::filter::{Answering, Filter};
pub(crate) use self::sessions::{SEALED, Sessions};

/// A server, as far as it is remembered.
#[derive(Debug)]
pub(crate) struct Server {
    /// The one path at which it is asked.
    path: String,
    questions: Questions,
}

/// What a request says, as far as its approval and its answer depend on it.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// The session that it belongs to, as the server calls it.
    session: String,
    /// The ids of requests, and whether they came in a batch.
    ids: Vec<String>,
    batch: bool,
    /// The ids of requests for lists.
    lists: Vec<(String, List)>,
    /// The methods and what they are about, in words.
    pub(crate) words: String,
    /// What an approval is for: the message as [`bound`] has it, and the descriptions that would be approved with it.
    pub(crate) bound: Vec<u8>,
    /// The arguments of calls, for whoever is asked.
    pub(crate) arguments: Vec<Vec<u8>>,
    /// Descriptions of what is called that nobody has approved.
    pub(crate) changed: Vec<ToolPin>,
}

impl Server {
    pub(crate) fn at(path: &str) -> Self {
        Self { path: path.to_owned(), questions: Questions::default() }
    }
}

pub(super) async fn meaning(server: &Server, seen: &Seen<'_>, body: &Taken) -> Meaning {
    let said = Said { session: sessions::named(&seen.head.headers), ..Said::default() };
    let bare = |verb: Option<&'static str>, said: Said| Meaning {
        actions: verb.map_or_else(ActionSet::unknown, |verb| {
            ActionSet::new([Action::new(Verb::new(verb), Resource::None)])
        }),
        words: None,
        said: Some(Box::new(said)),
        unclear: None,
    };
    let is_there = seen.asked.target.sent == server.path && !seen.upgrade;
    let is_empty = match body {
        // What was not read announced that it is empty.
        Taken::Nothing(_) => true,
        Taken::All(bytes) => bytes.is_empty(),
        Taken::Much(..) => false,
    };
    let is_bare = is_empty && !heads::say_something(&seen.head.headers);
    match (&seen.head.method, body) {
        (&Method::POST, Taken::All(bytes)) if is_there && seen.asked.read_as() == "application/json" => {
            posted(server, seen, bytes, said).await
        }
        (&Method::GET, _) if is_there && is_bare => bare(Some("listen"), said),
        (&Method::DELETE, _) if is_there && is_bare => bare(Some("end"), said),
        _ => bare(None, said),
    }
}

async fn posted(server: &Server, seen: &Seen<'_>, bytes: &[u8], mut said: Said) -> Meaning {
    let read = |pinned: &dyn Fn(&str) -> Option<bool>| {
        let asked = |asked: policy_normalize::mcp::Asked<'_>| {
            server.questions.method(seen.place.who, &said.session, asked)
        };
        let fields = &seen.looked_at.http;
        Messages::parse(bytes, &Context { side: Side::Client, fields, pinned, asked: &asked })
    };
    let pins = Pins::of(seen.place, |called| {
        read(&|name| {
            called.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(name.to_owned());
            None
        });
    })
    .await;
    let messages = read(&|name| pins.pinned(name));
    let agrees = heads::agree(seen.place, &seen.head.headers, bytes, messages.batch).await;
    let actions = if agrees { messages.actions() } else { ActionSet::unknown() };
    said.words = words(&messages, &pins);
    for element in &messages.elements {
        let list = element.method.as_deref().and_then(List::of);
        said.lists.extend(element.id.clone().zip(list));
    }
    said.changed = pins.changed();
    said.bound = bound(bytes).unwrap_or_else(|| bytes.to_vec());
    said.changed.iter().for_each(|pin| said.bound.extend(pin.digest));
    said.arguments = arguments(bytes);
    said.ids = messages.elements.iter().filter_map(|element| element.id.clone()).collect();
    said.batch = messages.batch;
    let words = Some(Words::JsonRpc { ids: said.ids.clone(), batch: said.batch });
    Meaning { actions, words, said: Some(Box::new(said)), unclear: None }
}

/// The most methods that are named.
const SHOWN: usize = 16;

fn words(messages: &Messages, pins: &Pins) -> String {
    let methods: Vec<&str> =
        messages.elements.iter().filter_map(|element| element.method.as_deref()).take(SHOWN).collect();
    let changed = pins.in_words();
    format!("{}{changed}", methods.join(", "))
}
