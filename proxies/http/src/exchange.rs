//! One request: judged, held, sent on with its permit, answered.

mod enter;
mod judge;
mod mcp;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::http::request::Parts as Head;
use hyper::{Request, Response, StatusCode};
use portcullis_gateway::enforce::{Outcome, Permit, Receipt};

use self::enter::Entered;
use self::judge::Admitted;
use crate::activity::Busy;
use crate::answer::Due;
use crate::body::{self, Body, Broken, Taken};
use crate::connect::{Leads, Way};
use crate::dialect::{Carried, Dialect, LookedAt};
use crate::fields;
use crate::inbound::Inbound;
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
        Refused::Often(full) => Box::new(crowded(&words, *full).map(body::whole)),
        Refused::Absent | Refused::Unproven { .. } => Box::new(unproven(&words, &refused.to_string())),
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
        // Once: by what is taken off a request, by that it is judged.
        looked_at: visit.looked_at(),
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
    /// What the policy looks at that was in force when the request came.
    looked_at: Arc<LookedAt>,
    /// How it is refused, unless more is known of it.
    words: Words,
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
        let Admitted { permit, sought, body, said, words } =
            self.admitted(&head, body, upgrading.is_some()).await?;
        let failed = |status, title, detail: &str| Box::new(words.failed(status, title, detail));
        let body = body::recorded(body, self.asked.read_as(), &self.open, &permit, &sought);
        let carried = self.way.dialect.carried(&self.asked.target);
        if upgrading.is_some() && carried == Carried::Port && sought.is_by_rule() {
            permit.unused("can't be masked");
            let detail = "values in it would have to be masked, which a tunnel can't";
            return Err(failed(StatusCode::FORBIDDEN, "the tunnel is not opened", detail));
        }
        let request = match self.forwarded(head, body, &sought) {
            Ok(request) => request,
            Err(why) => {
                permit.unused(why);
                return Err(failed(StatusCode::BAD_REQUEST, "the request can't be sent on", why));
            }
        };
        let leads = if upgrading.is_some() { Leads::ToAnotherProtocol } else { Leads::ToAnAnswer };
        let (receipt, mut response) = self.sent(permit, request, leads, &words).await?;
        if let Some(upgrading) = upgrading {
            let unshown = |why| failed(StatusCode::BAD_GATEWAY, "the target's answer can't be shown", why);
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
            failed(StatusCode::BAD_GATEWAY, "the target's answer can't be shown", &odd.to_string())
        })
    }

    fn turn(&self, status: StatusCode, title: &str, detail: &str) -> Turned {
        Box::new(self.words.problem(status, title, detail))
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
        words: &Words,
    ) -> Result<(Receipt, Response<Incoming>), Turned> {
        let failed = |status, title, detail: &str| Box::new(words.failed(status, title, detail));
        let (receipt, sent) = tokio::select! {
            biased;
            reason = self.open.stop.wait() => {
                return Err(failed(StatusCode::FORBIDDEN, "the session was ended", &reason.to_string()));
            }
            sent = self.way.send(permit, request, leads) => sent,
        };
        match sent {
            Ok(response) => Ok((receipt, response)),
            Err(error) => {
                // What the client did not send whole is no fault of the target's.
                if let Some(broken) = Broken::in_chain(&error) {
                    let why = broken.to_string();
                    receipt.outcome(Outcome { error: Some(&why), ..Outcome::default() });
                    return Err(failed(of_broken(broken), "the request is not whole", &why));
                }
                let target = &*self.way.config.subject.name;
                tracing::warn!(target, error = body::causes(&error), "a target could not be asked");
                receipt.outcome(Outcome { error: Some("the target did not answer"), ..Outcome::default() });
                let detail = format!("try again, or ask the operator of `{target}`");
                Err(failed(StatusCode::BAD_GATEWAY, "the target did not answer", &detail))
            }
        }
    }
}
