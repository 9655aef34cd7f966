//! What is done for a request to an MCP server, beside what is done for any.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::http::request::Parts as Head;
use portcullis_gateway::enforce::Released;

use super::{One, Turned};
use crate::dialect::Dialect;
use crate::dialect::mcp::{Answering, Said, Sessions};

impl One<'_> {
    /// A session with an MCP server is its principal's alone, and so is a place in a stream: in the request they are called as the
    /// server calls them.
    pub(super) async fn own_session(&self, head: &mut Head) -> Result<(), Turned> {
        let Dialect::Mcp(_) = &self.way.dialect else { return Ok(()) };
        let (who, target) = (&*self.open.whose, &*self.way.config.subject.name);
        let sessions = Sessions { gateway: &self.visit.gateway, who, target };
        if sessions.open(&mut head.headers).is_ok() {
            return Ok(());
        }
        let reason = "the session, or the place in a stream, that the request names is not this principal's";
        let recorded = self.open.session.lock().await.refused("session", reason, None);
        recorded.map_err(|refusal| Box::new(self.words.refused(&refusal)))?;
        // What clients begin anew for.
        Err(self.turn(StatusCode::NOT_FOUND, "no such session", "begin a session of your own"))
    }

    pub(super) fn answering(&self, said: Box<Said>) -> Option<Answering> {
        let Dialect::Mcp(server) = &self.way.dialect else { return None };
        Some(Answering {
            server: Arc::clone(server),
            open: Arc::clone(&self.open),
            gateway: self.visit.gateway.clone(),
            looking: Arc::clone(&self.visit.looking),
            target: self.way.config.subject.name.clone(),
            said,
        })
    }

    /// Whoever approved a call has approved how its tool is described.
    pub(super) async fn approved(&self, released: &Released, said: Option<&Said>) {
        let Some(changed) = said.map(|said| said.changed.clone()).filter(|changed| !changed.is_empty())
        else {
            return;
        };
        if released.approved_by.is_empty() {
            return;
        }
        let target = self.way.config.subject.name.to_string();
        let noted = self.visit.gateway.store().ask(move |store| store.approve_tools(&target, &changed));
        if let Err(error) = noted.await {
            tracing::warn!(%error, "it could not be noted that a tool's description was approved: it is asked again");
        }
    }
}
