//! How long a session may last in which nothing happens.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Counts the time since the client was last heard, or work for it ended. Without a limit it does nothing.
pub(super) struct Idle {
    limit: Option<Duration>,
    /// Made when it is first needed, and only ever put off from then on.
    timer: Option<Pin<Box<Sleep>>>,
    /// Bytes heard from the client when the timer was set; `None` when it has to be set anew.
    heard: Option<u64>,
}

impl Idle {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { limit, timer: None, heard: None }
    }

    /// Something else than the client's bytes has happened.
    pub(super) fn touch(&mut self) {
        self.heard = None;
    }

    /// Asked before the session goes to sleep; ready when it was idle for the time given. `heard` counts the bytes
    /// heard from the client so far.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, heard: u64, is_busy: bool) -> Poll<Duration> {
        let Some(limit) = self.limit else { return Poll::Pending };
        if is_busy {
            self.touch();
            return Poll::Pending;
        }
        let timer = match &mut self.timer {
            Some(timer) => {
                if self.heard != Some(heard) {
                    timer.as_mut().reset(Instant::now() + limit);
                }
                timer
            }
            unset => unset.insert(Box::pin(tokio::time::sleep(limit))),
        };
        self.heard = Some(heard);
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(limit)
    }
}
