//! Opens guarded sessions.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_gateway::config::TargetConfig;
use portcullis_gateway::enforce::{self, Gateway};

use super::judge::SessionJudge;
use super::session::Shared;
use super::target::Guarded;
use super::veil::SessionVeil;
use super::words::refusal;
use crate::command::names::Names;
use crate::command::settings::{Settings, Values};
use crate::refuse::{Refusal, SqlState};
use crate::server::{Opening, Policing};

/// Every session is judged by the gateway's policy.
pub struct Judging {
    gateway: Gateway,
    targets: HashMap<String, (Arc<TargetConfig>, Arc<Guarded>)>,
}

impl Judging {
    /// Judges sessions on these targets, by the name that clients ask for.
    pub fn new(gateway: Gateway, targets: HashMap<String, (Arc<TargetConfig>, Arc<Guarded>)>) -> Self {
        Self { gateway, targets }
    }
}

impl Policing for Judging {
    type Judge = SessionJudge;
    type Veil = SessionVeil;

    async fn open(&self, opening: Opening<'_>) -> Result<(SessionJudge, SessionVeil), Refusal> {
        let Some((config, guarded)) = self.targets.get(&opening.target.name) else {
            return Err(Refusal::new(SqlState::NO_DATABASE, "the target is not guarded"));
        };
        let setting = |name: &str| {
            opening.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
        };
        let request = enforce::Opening {
            principal: opening.principal.clone(),
            target: config,
            source: Some(opening.source),
            client: setting("application_name").unwrap_or_default(),
            proven_by: "scram-sha-256",
            tls: opening.is_encrypted,
        };
        // A client that is not connected yet can't be told that it waits; it sees a connection that takes its time.
        let session =
            self.gateway.open_session(request, &mut |_| {}).await.map_err(|denial| refusal(&denial))?;
        let known = guarded.known().await?;
        let search_path = match setting("search_path") {
            // The target reads the list by its own rules; until the client sets it by a statement it is not known.
            Some(_) => None,
            None => Some(known.snapshot.search_path.clone().into()),
        };
        let values = Values { search_path, role: Some((*known.snapshot.role).into()) };
        let names = Names::new(Settings::new(values));
        let tape = session.tape();
        let shared = Shared::new(names, Arc::clone(guarded));
        Ok((SessionJudge::new(session, Arc::clone(&shared)), SessionVeil::new(shared, tape)))
    }
}
