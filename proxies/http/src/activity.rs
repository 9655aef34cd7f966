//! Whether a connection is used: how many of its requests are under way, and since when there is none.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The requests of one connection.
pub(crate) struct Activity {
    state: Mutex<State>,
    cut: Notify,
}

struct State {
    under_way: usize,
    is_let_in: bool,
    since: Instant,
}

/// How long a connection may be without a whole head of a request: until somebody is proven, and from then on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) first: Duration,
    pub(crate) next: Duration,
}

/// A request that is under way, for as long as this lives.
pub(crate) struct Busy(Arc<Activity>);

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        let state = State { under_way: 0, is_let_in: false, since: Instant::now() };
        Arc::new(Self { state: Mutex::new(state), cut: Notify::new() })
    }

    /// A request is under way.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        let mut state = self.state();
        state.under_way += 1;
        Busy(Arc::clone(self))
    }

    /// Somebody has proven who they are.
    pub(crate) fn let_in(&self) {
        self.state().is_let_in = true;
    }

    /// Waits until nothing has been asked for longer than that.
    pub(crate) async fn idle(&self, patience: Patience) {
        loop {
            let until = {
                let state = self.state();
                let wait = if state.is_let_in { patience.next } else { patience.first };
                if state.under_way > 0 { Instant::now() + wait } else { state.since + wait }
            };
            tokio::time::sleep_until(until).await;
            let state = self.state();
            let wait = if state.is_let_in { patience.next } else { patience.first };
            if state.under_way == 0 && state.since.elapsed() >= wait {
                return;
            }
        }
    }

    /// Ends the connection, whatever is under way.
    pub(crate) fn cut(&self) {
        self.cut.notify_one();
    }

    /// Waits until the connection is to end.
    pub(crate) async fn is_cut(&self) {
        self.cut.notified().await;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Numbers alone: a panic elsewhere leaves them usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way = state.under_way.saturating_sub(1);
        state.since = Instant::now();
    }
}
