//! One principal's session with one target, on one connection.

use std::sync::Arc;
use std::time::Duration;

use policy_core::Principal;
use portcullis_gateway::enforce::{Session, Tape};
use portcullis_gateway::identity::Identified;
use portcullis_gateway::session::Stop;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use crate::activity::Activity;
use crate::connect::Way;
use crate::known::Known;
use crate::traffic::Traffic;

/// How long an answer may go on once its session was stopped. It ends by itself when its client takes more of it.
const GRACE: Duration = Duration::from_millis(500);

/// One principal's session with one target.
pub(crate) struct Open {
    who: Arc<Identified>,
    /// The principal, and whom an agent acts for.
    pub(crate) whose: Box<str>,
    /// What it leads to: a target that has been changed is another.
    way: Arc<Way>,
    /// Judges; one request at a time.
    pub(crate) session: Mutex<Session>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) tape: Tape,
    pub(crate) known: Known,
    pub(crate) traffic: Traffic,
    /// Held by each answer on its way, too.
    pub(crate) answers: Arc<()>,
    watch: AbortHandle,
}

impl Open {
    /// Starts to watch a session that was opened: where it is stopped, its answers end with it.
    pub(super) fn new(
        session: Session,
        who: &Arc<Identified>,
        way: &Arc<Way>,
        activity: &Arc<Activity>,
    ) -> Self {
        let (stop, answers) = (Arc::clone(session.stop()), Arc::default());
        let ending = cut(Arc::clone(&stop), Arc::clone(&answers), Arc::clone(activity));
        Self {
            watch: tokio::spawn(ending).abort_handle(),
            who: Arc::clone(who),
            whose: whose(&who.principal),
            way: Arc::clone(way),
            tape: session.tape(),
            known: Known::default(),
            traffic: Traffic::default(),
            session: Mutex::new(session),
            stop,
            answers,
        }
    }

    /// Whether it may go on for this principal, by this way.
    pub(super) fn still_serves(&self, who: &Arc<Identified>, way: &Arc<Way>) -> bool {
        self.stop.reached().is_none() && self.who == *who && Arc::ptr_eq(&self.way, way)
    }

    /// Notes that the connection is over.
    pub(super) async fn end(&self, reason: &str) {
        self.session.lock().await.ended(self.traffic.closing(reason));
    }
}

/// Names whose a session is; agents of one name that act for different people are two.
fn whose(Principal { id, owner, .. }: &Principal) -> Box<str> {
    // No name has this in it.
    owner.as_deref().map_or_else(|| id.clone(), |owner| format!("{id}\0{owner}").into())
}

/// Ends the connection where an answer does not end with its session: whoever reads nothing is asked for nothing more, and hears of no end.
async fn cut(stop: Arc<Stop>, answers: Arc<()>, activity: Arc<Activity>) {
    stop.wait().await;
    tokio::time::sleep(GRACE).await;
    // The session and this hold it, and nobody else.
    if Arc::strong_count(&answers) > 2 {
        activity.cut();
    }
}

impl Drop for Open {
    /// Its connection goes on without it. It ends with the last of its requests: until then it can be stopped.
    fn drop(&mut self) {
        self.watch.abort();
        let stopped = self.stop.reached().map(ToString::to_string);
        let reason = stopped.as_deref().unwrap_or("another took its place");
        self.session.get_mut().ended(self.traffic.closing(reason));
    }
}
