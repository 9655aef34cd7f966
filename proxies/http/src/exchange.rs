//! One request: judged, held, sent on with its permit, answered.

mod enter;
mod mcp;

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::http::request::Parts as Head;
use hyper::{Method, Request, Response, StatusCode};
use portcullis_gateway::enforce::{
    Asked as Question, Judgement, Outcome, Parameter, Permit, Receipt, RefusalKind, Stage, Statement,
    StatementParts,
};

use self::enter::Entered;
use crate::activity::Busy;
use crate::answer::Due;
use crate::body::{self, Body, Broken, Taken};
use crate::connect::{Leads, Way};
use crate::dialect::mcp::Said;
use crate::dialect::{Carried, Dialect, Meaning, Place, Seen};
use crate::fields;
use crate::identical;
use crate::inbound::Inbound;
use crate::known::Key;
use crate::login::{self, Refused};
use crate::mask::Sought;
use crate::refuse::{Words, crowded, unproven};
use crate::request::Asked;
use crate::upgrade::Upgrading;
use crate::visit::{Open, Visit};

/// Answers a request.
pub(crate) async fn answer(visit: Arc<Visit>, request: Request<Incoming>) -> Response<Body> {
    exchange(&visit, Inbound::of(request)).await.unwrap_or_else(|refusal| *refusal)
}

/// An answer of the gateway's own.
pub(crate) type Turned = Box<Response<Body>>;

const fn of_broken(broken: Broken) -> StatusCode {
    match broken {
        Broken::Unreadable => StatusCode::BAD_REQUEST,
        Broken::Slow => StatusCode::REQUEST_TIMEOUT,
    }
}

async fn exchange(visit: &Visit, request: Request<Inbound>) -> Result<Response<Body>, Turned> {
    let busy = visit.activity.begin();
    let words = Words::of(request.headers());
    let turn = |status, title: &str, detail: &str| Box::new(words.problem(status, title, detail));
    let asked = Asked::read(&request, visit.arrival.is_encrypted);
    let who = visit.who(login::shown(request.headers(), visit.arrival.certificate.as_ref())).await;
    let asked = asked.map_err(|unfit| {
        if let Ok(who) = &who {
            visit.turned_away("request", &who.principal.id, None, unfit.why);
        }
        turn(unfit.status, "the request can't be judged", unfit.why)
    })?;
    let who = who.map_err(|refused| match &refused {
        Refused::Identity(error) => {
            tracing::error!(%error, "an account could not be looked up: nobody is let in");
            turn(StatusCode::SERVICE_UNAVAILABLE, "accounts can't be looked up", "try again later")
        }
        Refused::Often(full) => Box::new(crowded(&words, *full)),
        Refused::Absent | Refused::Unproven => Box::new(unproven(&words, &refused.to_string())),
    })?;
    visit.activity.let_in();
    // Who is not let in does not learn which targets there are.
    let settings = visit.settings();
    let route = settings.routes.find(visit.arrival.came_to, asked.host(), &asked.sent).ok_or_else(|| {
        let why = "no target has the host or the path that was asked for";
        visit.turned_away("target", &who.principal.id, Some(asked.host()), why);
        turn(StatusCode::NOT_FOUND, "no such target", why)
    })?;
    let words = route.way.dialect.words(request.headers());
    let refuse = |refusal| Box::new(words.refused(&refusal));
    let open = visit.session(&who, route.way).await.map_err(refuse)?;
    let mut one = One {
        visit,
        open,
        way: Arc::clone(route.way),
        authority: if route.by_host {
            asked.called(visit.arrival.came_to.port())
        } else {
            route.way.authority()
        },
        prefix: route.prefix,
        asked,
        words,
    };
    let Entered { head, body, upgrading } = one.entered(request).await?;
    one.carried(head, Taken::Nothing(body), upgrading, busy).await
}

/// One request, on its way to one target.
struct One<'v> {
    visit: &'v Visit,
    open: Arc<Open>,
    way: Arc<Way>,
    /// Whom the target is called.
    authority: String,
    prefix: &'v str,
    asked: Asked,
    /// How it is refused, unless more is known of it.
    words: Words,
}

/// What a request was understood as, ready to be judged.
struct Understood {
    statement: Arc<Statement>,
    words: Words,
    /// What it says in MCP.
    said: Option<Box<Said>>,
}

impl One<'_> {
    async fn carried(
        &self,
        mut head: Head,
        body: Taken,
        upgrading: Option<Upgrading>,
        busy: Busy,
    ) -> Result<Response<Body>, Turned> {
        let method = head.method.clone();
        self.own_session(&mut head).await?;
        let (permit, body, said) = self.admitted(&head, body, upgrading.is_some()).await?;
        let sought = match self.sought(&permit) {
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
        let body = body::recorded(body, self.asked.read_as(), &self.open, &permit, &sought);
        let carried = self.way.dialect.carried(&self.asked.target);
        if upgrading.is_some() && carried == Carried::Port && sought.is_by_rule() {
            permit.unused("can't be masked");
            let detail = "values in it would have to be masked, which a tunnel can't";
            return Err(self.turn(StatusCode::FORBIDDEN, "the tunnel is not opened", detail));
        }
        let request = match self.forwarded(head, body, &sought) {
            Ok(request) => request,
            Err(why) => {
                permit.unused(why);
                return Err(self.turn(StatusCode::BAD_REQUEST, "the request can't be sent on", why));
            }
        };
        let leads = if upgrading.is_some() { Leads::ToAnotherProtocol } else { Leads::ToAnAnswer };
        let (receipt, mut response) = self.sent(permit, request, leads).await?;
        if let Some(upgrading) = upgrading {
            let unshown = |why| self.turn(StatusCode::BAD_GATEWAY, "the target's answer can't be shown", why);
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                let both = upgrading.tunnel(response, Arc::clone(&self.open), receipt, sought, carried);
                let (response, tunnel) = both.map_err(unshown)?;
                self.visit.turn_into(tunnel);
                return Ok(response);
            }
            // What it shows instead is what a `get` shows, and that was not judged.
            if response.status().is_success() {
                let why = "it goes on with HTTP where another protocol was asked for";
                receipt.outcome(Outcome { error: Some(why), ..Outcome::default() });
                return Err(unshown(why));
            }
        }
        self.way.dialect.name_form(&self.asked.target, response.headers_mut());
        let due = Due {
            open: Arc::clone(&self.open),
            receipt,
            sought,
            method,
            prefix: self.prefix.to_owned(),
            mcp: said.and_then(|said| self.answering(said)).map(Arc::new),
            busy,
        };
        due.answer(response).map_err(|odd| {
            self.turn(StatusCode::BAD_GATEWAY, "the target's answer can't be shown", &odd.to_string())
        })
    }

    /// Judges the request to the end: what comes back may be sent.
    async fn admitted(
        &self,
        head: &Head,
        body: Taken,
        upgrade: bool,
    ) -> Result<(Permit, Body, Option<Box<Said>>), Turned> {
        let dialect = &self.way.dialect;
        let settings = self.visit.settings();
        let (most, patience) = (settings.body_bytes, settings.patience.next);
        let looked_at = self.visit.looked_at();
        let who = self.open.whose();
        let place =
            Place { who: &who, target: &self.way.config.subject.name, store: self.visit.gateway.store() };
        let seen = Seen { asked: &self.asked, head, upgrade, looked_at: &looked_at, place };
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
            let Understood { statement, words, said } = self.understood(&seen, &body).await?;
            let refuse = |refusal| Box::new(words.refused(&refusal));
            let arguments: Vec<Parameter<'_>> = said
                .iter()
                .flat_map(|said| &said.arguments)
                .map(|value| Parameter { value: Some(value), binary: false, sensitive: false })
                .collect();
            let question = Question {
                statement: &statement,
                stage: Stage::Execute,
                via: "request",
                parameters: &arguments,
                in_transaction: false,
                settings: &[],
                justification: None,
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
                    let permit = self.in_sight(permit, &seen, &body)?;
                    return Ok((permit, body.send(&self.open, patience), said));
                }
                Judgement::Refuse(mut refusal) => {
                    let is_judged =
                        matches!(refusal.kind, RefusalKind::NotPermitted | RefusalKind::Forbidden);
                    if let Some(unclear) = dialect.unclear(&seen, &body).filter(|_| is_judged) {
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
            let permit = self.in_sight(permit, &seen, &body)?;
            return Ok((permit, body.send(&self.open, patience), said));
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

    /// Gives a permit back where the answer would have what is to be masked under a name that masks do not know.
    fn in_sight(&self, permit: Permit, seen: &Seen<'_>, body: &Taken) -> Result<Permit, Turned> {
        let (policy, obligations) = (permit.judged().policy(), permit.judged().obligations());
        let masks = policy.field_masks(obligations);
        if masks.is_none_or(|masks| !self.way.dialect.hides(seen, body, &masks)) {
            return Ok(permit);
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
        if let Some((statement, words)) = key.as_ref().and_then(|key| self.open.known.recall(generation, key))
        {
            return Ok(Understood { statement, words, said: None });
        }
        let Meaning { actions, words, said } = dialect.meaning(seen, body).await;
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
        if let Some(key) = key {
            self.open.known.keep(generation, key, &statement, &words);
        }
        Ok(Understood { statement, words, said })
    }

    fn turn(&self, status: StatusCode, title: &str, detail: &str) -> Turned {
        Box::new(self.words.problem(status, title, detail))
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

    /// What is looked for in the answer.
    fn sought(&self, permit: &Permit) -> Result<Sought, policy_core::mask::DetectorsError> {
        Sought::of(permit.judged(), &self.way.finders, self.visit.gateway.mask_key())
    }

    /// The request as the target gets it: written anew from what was judged.
    fn forwarded(&self, head: Head, body: Body, sought: &Sought) -> Result<Request<Body>, &'static str> {
        let mut headers = head.headers;
        let credential = self.way.credential.as_ref();
        let looked_through = !sought.is_nothing() || matches!(self.way.dialect, Dialect::Mcp(_));
        fields::complete(&mut headers, &head.method, credential, looked_through);
        if sought.is_by_rule() {
            self.way.dialect.ask_plainly(&self.asked.target, &mut headers);
        }
        let mut request = Request::builder()
            .method(head.method)
            .uri(self.way.uri(&self.authority, &self.asked.target.sent))
            .body(body)
            .map_err(|_| "its target can't be written anew")?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn sent(
        &self,
        permit: Permit,
        request: Request<Body>,
        leads: Leads,
    ) -> Result<(Receipt, Response<Incoming>), Turned> {
        let (receipt, sent) = tokio::select! {
            biased;
            reason = self.open.stop.wait() => {
                return Err(self.turn(StatusCode::FORBIDDEN, "the session was ended", &reason.to_string()));
            }
            sent = self.way.send(permit, request, leads) => sent,
        };
        match sent {
            Ok(response) => Ok((receipt, response)),
            Err(error) => {
                // What the client did not send whole is no fault of the target's.
                if let Some(broken) = Broken::in_chain(&error) {
                    let words = broken.to_string();
                    receipt.outcome(Outcome { error: Some(&words), ..Outcome::default() });
                    return Err(self.turn(of_broken(broken), "the request is not whole", &words));
                }
                let target = &*self.way.config.subject.name;
                tracing::warn!(target, error = fields::chain(&error), "a target could not be asked");
                receipt.outcome(Outcome { error: Some("the target did not answer"), ..Outcome::default() });
                let detail = format!("try again, or ask the operator of `{target}`");
                Err(self.turn(StatusCode::BAD_GATEWAY, "the target did not answer", &detail))
            }
        }
    }
}
