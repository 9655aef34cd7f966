//! Answers without what their principal may not use, and without what a server asks its client for that no rule permits. All else
//! passes as it is; an answer that can't be looked into is replaced by an error.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use hyper::header::HeaderMap;
use policy_core::ActionSet;
use policy_normalize::mcp::{
    Asked, Context, Denial, INTERNAL, List, ListError, Messages, Said as Message, Side, error, listed, tools,
};
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::store::{Described, StoreError};

use super::events::{MOST_BYTES, Odd, Splitter};
use super::{Said, Server, Sessions, pins};
use crate::body::Fault;
use crate::dialect::Looking;
use crate::mask::Unseen;
use crate::visit::Open;

/// What is done to the answer of one request.
pub(crate) struct Answering {
    pub(crate) server: Arc<Server>,
    pub(crate) open: Arc<Open>,
    pub(crate) gateway: Gateway,
    pub(crate) looking: Arc<Looking>,
    pub(crate) target: Box<str>,
    pub(crate) said: Box<Said>,
}

/// An answer that is looked through.
pub(crate) struct Filter {
    answering: Arc<Answering>,
    form: Form,
}

enum Form {
    /// One JSON text.
    Whole(Vec<u8>),
    /// A stream of events.
    Events(Splitter),
    /// Nothing is expected.
    Nothing,
}

/// Why an answer is not shown.
#[derive(Debug, thiserror::Error)]
enum Unshown {
    #[error(transparent)]
    List(#[from] ListError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Answering {
    /// Seals the name of a session that the server has opened.
    pub(crate) fn seal(&self, fields: &mut HeaderMap) {
        self.sessions().seal(fields);
    }

    fn sessions(&self) -> Sessions<'_> {
        Sessions { gateway: &self.gateway, who: &self.open.whose, target: &self.target }
    }

    /// Looks through an answer of this media type (lower case, without parameters).
    ///
    /// # Errors
    /// Where it is of no type that messages come in.
    pub(crate) fn filter(self: &Arc<Self>, media_type: &str) -> Result<Filter, Unseen> {
        let form = match media_type {
            "application/json" => Form::Whole(Vec::new()),
            "text/event-stream" => Form::Events(Splitter::default()),
            "" => Form::Nothing,
            _ => return Err(Unseen::Kind),
        };
        Ok(Filter { answering: Arc::clone(self), form })
    }

    /// A message or a batch, as it is shown; `None` where nothing of it is.
    async fn shown(&self, text: &[u8]) -> Result<Option<String>, ListError> {
        let mut shown = Vec::new();
        for (text, message) in Message::all(text)? {
            shown.extend(self.one(text, message).await);
        }
        let is_batch = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        Ok(match shown.as_slice() {
            [] => None,
            _ if is_batch => Some(format!("[{}]", shown.join(","))),
            _ => Some(shown.concat()),
        })
    }

    /// In place of an answer that is no message.
    fn unshown(&self, why: &ListError) -> String {
        let said = &self.said;
        let words = format!("the server's answer can't be shown: {why}");
        let each: Vec<String> =
            said.ids.iter().map(|id| error(Some(id), INTERNAL, &words, &Denial::default())).collect();
        if said.batch { format!("[{}]", each.join(",")) } else { each.concat() }
    }

    async fn one(&self, text: &str, message: Message) -> Option<String> {
        match message {
            Message::Tells => Some(text.to_owned()),
            Message::Asks { id, method } => {
                self.may_ask(text, Asked::Id(&id), &method).await.then(|| text.to_owned())
            }
            Message::Answers { id, lists, inputs } => {
                let refused = |why: &str| error(id.as_deref(), INTERNAL, why, &Denial::default());
                for (key, method) in inputs {
                    let question =
                        serde_json::json!({ "jsonrpc": "2.0", "id": 0, "method": &method }).to_string();
                    if !self.may_ask(&question, Asked::Input(&key), &method).await {
                        return Some(refused(
                            "the server asks its client for something that no rule permits",
                        ));
                    }
                }
                match self.filtered(text, id.as_deref(), lists).await {
                    Ok(text) => Some(text),
                    Err(why) => Some(refused(&format!("the server's answer can't be shown: {why}"))),
                }
            }
        }
    }

    /// Whether the server may ask its client for this; noted, for the answer.
    async fn may_ask(&self, text: &str, asked: Asked<'_>, method: &str) -> bool {
        let actions = self.question(text);
        let may = method == "ping" || self.open.session.lock().await.would_admit(&actions);
        if may {
            self.server.questions.note(&self.open.whose, &self.said.session, asked, method);
        } else {
            tracing::info!(target = &*self.target, "a server asked its client for what no rule permits");
        }
        may
    }

    /// What a server's request does.
    fn question(&self, text: &str) -> ActionSet {
        let looked_at = self.looking.at(&self.gateway.policies().current());
        let (side, fields) = (Side::Server, &looked_at.http);
        let context = Context { side, fields, pinned: &|_| None, asked: &|_| None };
        Messages::parse(text.as_bytes(), &context).actions()
    }

    /// An answer without those elements of its lists that its principal may not use.
    async fn filtered(&self, text: &str, id: Option<&str>, mut lists: Vec<List>) -> Result<String, Unshown> {
        // What was asked for is there, and what is there is looked at, whatever was asked for.
        let expected =
            self.said.lists.iter().filter(|(of, _)| Some(of.as_str()) == id).map(|(_, list)| *list);
        lists.extend(expected);
        let mut text = text.as_bytes().to_vec();
        for list in lists {
            let names = RefCell::new(Vec::new());
            list.filtered(&text, |name| {
                names.borrow_mut().push(name.to_owned());
                false
            })?;
            let may = self.may_use(list, names.into_inner(), &text).await?;
            text = list.filtered(&text, |name| may.contains(name))?;
        }
        String::from_utf8(text).map_err(|_| ListError::Shape("text").into())
    }

    async fn may_use(&self, list: List, names: Vec<String>, text: &[u8]) -> Result<HashSet<String>, Unshown> {
        let described = match list {
            List::Tools => pins::describe(self.gateway.store(), &self.target, tools(text)?).await?,
            _ => Default::default(),
        };
        let looked_at = self.looking.at(&self.gateway.policies().current());
        let session = self.open.session.lock().await;
        let may = |name: &String| {
            let pinned = described.get(name).map(|described| *described == Described::Pinned);
            let action = listed(list, name, &looked_at.http, pinned);
            described.get(name) != Some(&Described::NoRoom) && session.would_admit(&ActionSet::new([action]))
        };
        Ok(names.into_iter().filter(may).collect())
    }
}

impl Filter {
    /// What may be shown now.
    pub(crate) async fn push(&mut self, data: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut shown = Vec::new();
        match &mut self.form {
            Form::Nothing if data.is_empty() => {}
            Form::Nothing => return Err(Unseen::Kind.into()),
            Form::Whole(bytes) if bytes.len() + data.len() > MOST_BYTES => return Err(Odd::Long.into()),
            Form::Whole(bytes) => bytes.extend_from_slice(data),
            Form::Events(splitter) => {
                let sessions = self.answering.sessions();
                for event in splitter.push(data)? {
                    let mut event = event.called(|id| sessions.seal_place(id));
                    if let Some(text) = event.data.take_if(|data| !data.is_empty()) {
                        event = match self.answering.shown(text.as_bytes()).await? {
                            Some(text) => event.with(text),
                            None => event.emptied(),
                        };
                    }
                    event.write(&mut shown);
                }
            }
        }
        Ok(shown)
    }

    /// What is left at the end.
    pub(crate) async fn finish(&mut self) -> Result<Vec<u8>, Fault> {
        let Form::Whole(bytes) = &mut self.form else { return Ok(Vec::new()) };
        let bytes = std::mem::take(bytes);
        if bytes.is_empty() {
            return Ok(bytes);
        }
        let shown = match self.answering.shown(&bytes).await {
            Ok(shown) => shown.unwrap_or_default(),
            Err(why) => self.answering.unshown(&why),
        };
        Ok(shown.into_bytes())
    }
}
