//! Opens guarded sessions.

use std::sync::Arc;

use portcullis_gateway::enforce::{self, Gateway};
use portcullis_gateway::session::StopReason;

use super::doors::{Door, Doors};
use super::judge::SessionJudge;
use super::session::Shared;
use super::veil::SessionVeil;
use super::words::refusal;
use crate::command::names::Names;
use crate::command::room::{self, Room};
use crate::command::settings::{Settings, Values};
use crate::refuse::{Refusal, SqlState};
use crate::server::{Opening, Policing};

/// Every session is judged by the gateway's policy.
pub struct Judging {
    gateway: Gateway,
    doors: Arc<Doors>,
}

impl Judging {
    /// Judges sessions on these targets.
    pub fn new(gateway: Gateway, doors: Arc<Doors>) -> Self {
        Self { gateway, doors }
    }
}

impl Policing for Judging {
    type Judge = SessionJudge;
    type Veil = SessionVeil;

    async fn open(&self, opening: Opening<'_>) -> Result<(SessionJudge, SessionVeil), Refusal> {
        let name = &opening.target.name;
        let Some(Door { config, guarded, .. }) = self.doors.leading_to(opening.target) else {
            let text = format!("the target `{name}` has just been changed");
            return Err(Refusal::new(SqlState::UNAVAILABLE, text).hint("connect again"));
        };
        let setting = |name: &str| {
            opening.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
        };
        let request = enforce::Opening {
            principal: opening.principal.clone(),
            target: &config,
            source: Some(opening.source),
            client: setting("application_name").unwrap_or_default(),
            proven_by: "scram-sha-256".into(),
            tls: opening.is_encrypted,
        };
        // A client that is not connected yet can't be told that it waits; it sees a connection that takes its time.
        let session =
            self.gateway.open_session(request, &mut |_| {}).await.map_err(|denial| refusal(&denial))?;
        // From here on the session would be ended; what was removed before that is found here.
        if !self.doors.has(name) {
            let removed = StopReason::TargetRemoved(name.as_str().into());
            return Err(Refusal::new(SqlState::SHUTDOWN, removed.to_string()));
        }
        let known = guarded.known().await?;
        let search_path = match setting("search_path") {
            // The target reads the list by its own rules; until the client sets it by a statement it is not known.
            Some(_) => None,
            None => Some(known.snapshot.search_path.clone().into()),
        };
        let values = Values { search_path, role: Some((*known.snapshot.role).into()), justification: None };
        let names = Names::new(Settings::new(values));
        let tape = session.tape();
        let longest = self.gateway.config().limits.statement_bytes;
        let room = Room::new(room::NAMED.saturating_add(room::estimate(longest)));
        let shared = Shared::new(names, room, guarded);
        Ok((SessionJudge::new(session, Arc::clone(&shared)), SessionVeil::new(shared, tape)))
    }
}
