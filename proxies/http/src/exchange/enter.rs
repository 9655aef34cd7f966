//! What a client sent, made into what is judged of it: the same fields are bound to an approval, and sent on.

use hyper::Request;
use hyper::StatusCode;
use hyper::http::request::Parts as Head;

use super::{One, Turned};
use crate::fields;
use crate::inbound::Inbound;
use crate::request::{Unfit, unfit};
use crate::upgrade::{self, Upgrading};
use crate::visit::Visit;

/// The longest name of a host that evidence quotes, in bytes (RFC 1035, section 2.3.4).
const LONGEST_NAME: usize = 255;

/// A request without what was between the client and the gateway alone.
pub(super) struct Entered {
    pub(super) head: Head,
    pub(super) body: Inbound,
    pub(super) upgrading: Option<Upgrading>,
}

impl One<'_> {
    /// Lets a request in, or leaves evidence of why not.
    pub(super) async fn entered(&mut self, request: Request<Inbound>) -> Result<Entered, Turned> {
        match self.enter(request) {
            Ok(entered) => Ok(entered),
            Err(Unfit { status, why }) => Err(self.refused(status, "the request is not sent on", why).await),
        }
    }

    fn enter(&mut self, mut request: Request<Inbound>) -> Result<Entered, Unfit> {
        self.asked.below(self.prefix)?;
        let dialect = &self.way.dialect;
        // What it says of its own connection is read before that is taken away.
        let carried = dialect.carried(&self.asked.target);
        let upgrading = upgrade::wanted(&mut request, carried)?;
        if dialect.acts_for_another(&self.asked.target, request.headers()) {
            let why = "it asks to act as somebody else, and only whoever is proven acts here";
            return Err(unfit(StatusCode::FORBIDDEN, why));
        }
        let (mut head, body) = request.into_parts();
        let bad = |why| unfit(StatusCode::BAD_REQUEST, why);
        let entry = fields::Entry {
            authority: &self.authority,
            credential: self.way.credential.as_ref(),
            looked_at: self.looked_at.header_names(),
        };
        entry.rewrite(&mut head.headers).map_err(bad)?;
        self.asked.read_type(&head.headers)?;
        if let Some(upgrading) = &upgrading {
            upgrading.ask(&mut head.headers, carried).map_err(bad)?;
        }
        Ok(Entered { head, body, upgrading })
    }

    /// Turns a request away that no policy was asked about.
    pub(super) async fn refused(&self, status: StatusCode, title: &str, why: &str) -> Turned {
        // Its own statement: the guard of the session must not outlive it.
        let recorded = self.open.session.lock().await.refused("request", why, None);
        match recorded {
            Ok(()) => self.turn(status, title, why),
            Err(refusal) => Box::new(self.words.refused(&refusal)),
        }
    }
}

impl Visit {
    /// Leaves evidence of a request by somebody known that leads to no session.
    pub(super) fn turned_away(&self, stage: &str, who: &str, wanted: Option<&str>, why: &str) {
        let wanted = wanted.filter(|wanted| wanted.len() <= LONGEST_NAME);
        self.gateway.refused(stage, Some(who), wanted, &self.arrival.source.to_string(), why);
    }
}
