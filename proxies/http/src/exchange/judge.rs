//! What a request does, and the leave to do it: judged, read as far as that takes, held where people are asked.

use std::sync::Arc;
use std::time::Duration;

use hyper::http::request::Parts as Head;
use hyper::{Method, StatusCode};
use policy_core::Verb;
use portcullis_gateway::enforce::{
    Asked as Question, Judgement, Parameter, Permit, RefusalKind, Stage, Statement, StatementParts,
};

use super::{One, Turned, of_broken};
use crate::body::{Body, Taken};
use crate::dialect::mcp::Said;
use crate::dialect::{Dialect, Meaning, Place, Seen, Unclear};
use crate::identical;
use crate::known::Key;
use crate::mask::Sought;
use crate::refuse::Words;

/// What a request was understood as, ready to be judged.
struct Understood {
    statement: Arc<Statement>,
    words: Words,
    /// What it says in MCP.
    said: Option<Box<Said>>,
    /// Why something that it does is not known.
    unclear: Option<Unclear>,
}

/// What may be sent.
pub(super) struct Admitted {
    pub(super) permit: Permit,
    /// What is looked for in the answer.
    pub(super) sought: Sought,
    pub(super) body: Body,
    /// What it says in MCP.
    pub(super) said: Option<Box<Said>>,
    /// How it is told what went wrong from then on.
    pub(super) words: Words,
}

impl One<'_> {
    /// Judges the request to the end.
    pub(super) async fn admitted(&self, head: &Head, body: Taken, upgrade: bool) -> Result<Admitted, Turned> {
        let dialect = &self.way.dialect;
        let settings = self.visit.settings();
        let (most, patience) = (settings.body_bytes, settings.patience.next);
        let place = Place {
            who: &self.open.whose,
            target: &self.way.config.subject.name,
            store: self.visit.gateway.store(),
        };
        let seen = Seen { asked: &self.asked, head, upgrade, looked_at: &self.looked_at, place };
        let has_body = self.asked.size != Some(0);
        // Of these methods only a body of a known length is sent on as it comes.
        let is_odd = self.asked.size.is_none() && matches!(head.method, Method::GET | Method::HEAD);
        let mut body = if has_body && (is_odd || dialect.needs_body(&seen)) {
            self.read(body, most, patience).await?
        } else {
            body
        };
        if is_odd && matches!(body, Taken::Much(..)) {
            let detail = "a body of this method and of unknown length is bounded";
            let title = "the request can't be sent on";
            return Err(self.refused(StatusCode::PAYLOAD_TOO_LARGE, title, detail).await);
        }
        loop {
            let Understood { statement, words, said, unclear } = self.understood(&seen, &body).await?;
            let refuse = |refusal| Box::new(words.refused(&refusal));
            // Of what is not understood it is not known which masks would apply.
            let sensitive = statement.actions().iter().any(|action| action.verb == Verb::UNKNOWN)
                && self.visit.gateway.policies().current().policy.masks_fields();
            let arguments: Vec<Parameter<'_>> = said
                .iter()
                .flat_map(|said| &said.arguments)
                .map(|value| Parameter { value: Some(value), binary: false, sensitive })
                .collect();
            let question = Question {
                parameters: &arguments,
                // Of a message of MCP, its arguments say it.
                body: body.all().filter(|_| said.is_none()),
                ..Question::new(&statement, Stage::Execute, "request")
            };
            let unread = has_body && matches!(body, Taken::Nothing(_));
            // Its own block: the guard of the session must not outlive the judging.
            let judgement = {
                let mut session = self.open.session.lock().await;
                // What is approved is known to the last byte.
                if unread && session.would_hold(&question) {
                    None
                } else {
                    Some(session.judge(&question).await)
                }
            };
            let Some(judgement) = judgement else {
                body = self.read(body, most, patience).await?;
                continue;
            };
            let mut held = match judgement {
                Judgement::Admit(permit) => {
                    let (permit, sought) = self.in_sight(permit, &seen, &body)?;
                    return Ok(Admitted {
                        permit,
                        sought,
                        body: body.send(&self.open, patience),
                        said,
                        words,
                    });
                }
                Judgement::Refuse(mut refusal) => {
                    let is_judged =
                        matches!(refusal.kind, RefusalKind::NotPermitted | RefusalKind::Forbidden);
                    if let Some(unclear) = unclear.filter(|_| is_judged) {
                        refusal.message = format!("{}: {unclear}", refusal.message).into();
                    }
                    return Err(refuse(refusal));
                }
                Judgement::Hold(held) => held,
            };
            if unread {
                // Another policy came into force in between.
                drop(held);
                body = self.read(body, most, patience).await?;
                continue;
            }
            if matches!(body, Taken::Much(..)) {
                let detail = "a body of this length can't be held for approval";
                drop(held);
                let title = "the request can't be held";
                return Err(self.refused(StatusCode::PAYLOAD_TOO_LARGE, title, detail).await);
            }
            held.bind(identical::fields(&head.headers));
            held.open().await.map_err(refuse)?;
            let released = held.wait().await.map_err(refuse)?;
            self.approved(&released, said.as_deref()).await;
            let permit = self.still_there(released.permit)?;
            let (permit, sought) = self.in_sight(permit, &seen, &body)?;
            return Ok(Admitted { permit, sought, body: body.send(&self.open, patience), said, words });
        }
    }

    /// Gives a permit back where the target was reached otherwise when people were asked about it.
    fn still_there(&self, permit: Permit) -> Result<Permit, Turned> {
        if self.visit.settings().has(&self.way) {
            return Ok(permit);
        }
        let why = "the target has changed while this was held: ask again";
        permit.unused(why);
        Err(self.turn(StatusCode::FORBIDDEN, "the request is not sent on", why))
    }

    /// What is looked for in the answer. Gives the permit back where that can't be told, and where the answer would have what is
    /// to be masked under a name that masks do not know.
    fn in_sight(&self, permit: Permit, seen: &Seen<'_>, body: &Taken) -> Result<(Permit, Sought), Turned> {
        let key = self.visit.gateway.mask_key();
        let sought = match Sought::of(permit.judged(), &self.way.finders, key) {
            Ok(sought) => sought,
            Err(error) => {
                permit.unused("what is looked for in the answer can't be compiled");
                return Err(self.turn(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the gateway can't do its part",
                    &error.to_string(),
                ));
            }
        };
        if sought.field_masks().is_none_or(|masks| !self.way.dialect.hides(seen, body, masks)) {
            return Ok((permit, sought));
        }
        let why = "a field that is masked would come back under another name: ask for it by its own";
        permit.unused(why);
        Err(self.turn(StatusCode::FORBIDDEN, "the answer could not be masked", why))
    }

    /// What the request does, and how it is refused: from what is known, where nothing of a body was read.
    async fn understood(&self, seen: &Seen<'_>, body: &Taken) -> Result<Understood, Turned> {
        let dialect = &self.way.dialect;
        let generation = seen.looked_at.generation;
        let key = match body {
            // What MCP means by a request changes with what its server has said.
            Taken::Nothing(_) if !matches!(dialect, Dialect::Mcp(_)) => Key::of(seen, &self.authority),
            Taken::Nothing(_) | Taken::All(_) | Taken::Much(..) => None,
        };
        if let Some(statement) = key.as_ref().and_then(|key| self.open.known.recall(generation, key)) {
            return Ok(Understood { statement, words: self.words.clone(), said: None, unclear: None });
        }
        let Meaning { actions, words, said, unclear } = dialect.meaning(seen, body).await;
        let words = words.unwrap_or_else(|| self.words.clone());
        let mut text = format!("{} {}{}", seen.head.method, self.authority, self.asked.target.sent);
        if let Some(said) = said.as_ref().filter(|said| !said.words.is_empty()) {
            text = format!("{text}: {}", said.words);
        }
        let parts = StatementParts {
            protocol: &dialect.protocol(),
            raw: &text,
            shown: &text,
            actions: &Arc::new(actions),
            // An approval is for this body only.
            definitions: said.as_ref().map_or_else(|| body.read_so_far(), |said| &said.bound),
        };
        let statement =
            self.visit.gateway.statement(parts).map_err(|refusal| Box::new(words.refused(&refusal)))?;
        // What is not known is told anew, with why.
        if let Some(key) = key.filter(|_| unclear.is_none()) {
            self.open.known.keep(generation, key, &statement);
        }
        Ok(Understood { statement, words, said, unclear })
    }

    /// Reads a body; where it breaks off, nothing was judged yet, and evidence says so.
    async fn read(&self, body: Taken, most: usize, patience: Duration) -> Result<Taken, Turned> {
        match body.read(most, patience).await {
            Ok(body) => Ok(body),
            Err(broken) => {
                Err(self.refused(of_broken(broken), "the request is not whole", &broken.to_string()).await)
            }
        }
    }
}
