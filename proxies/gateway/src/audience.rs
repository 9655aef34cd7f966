//! Who listens to a live session: its recording, and the people who watch it.
//!
//! Watchers get what a recording would: masked, and as it happens. A watcher that does not keep up loses the watch; the
//! session never waits for one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use portcullis_evidence::recording::Event;
use portcullis_evidence::{Part, Serialized};
use tokio::sync::{mpsc, watch};

/// The most that may wait for one watcher, in bytes; a single event may be longer.
const QUEUED: usize = 1 << 20;

const RECORDING: u8 = 1;
const WATCHERS: u8 = 2;

/// The listeners of one session.
pub(crate) struct Audience {
    /// Who there is, as bits: one load says that nobody listens.
    ears: AtomicU8,
    opened: Instant,
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
    /// What whoever is watched is to be told.
    notices: watch::Sender<Box<str>>,
}

#[derive(Default)]
struct Inner {
    watchers: Vec<Watcher>,
    begun: u64,
    /// Why the session is over, once it is known; and that it is.
    reason: Option<Box<str>>,
    closed: bool,
}

struct Watcher {
    number: u64,
    /// The account, where the watcher proved to have one.
    account: Option<Box<str>>,
    queue: mpsc::UnboundedSender<Bytes>,
    backlog: Arc<Backlog>,
}

/// What one watcher and its session both know.
#[derive(Default)]
struct Backlog {
    bytes: AtomicUsize,
    events: AtomicUsize,
    /// Why nothing more comes.
    over: OnceLock<Box<str>>,
}

impl Default for Audience {
    fn default() -> Self {
        let (ears, inner) = Default::default();
        Self {
            ears,
            opened: Instant::now(),
            inner,
            changes: watch::Sender::new(0),
            notices: watch::Sender::default(),
        }
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audience").field("watchers", &self.inner().watchers.len()).finish_non_exhaustive()
    }
}

impl Audience {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every change is of one list or field, so a panic elsewhere leaves it usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody listens. One atomic load.
    pub(crate) fn is_on(&self) -> bool {
        self.ears.load(Ordering::Acquire) != 0
    }

    /// A recording has begun.
    pub(crate) fn is_recorded(&self) {
        self.ears.fetch_or(RECORDING, Ordering::AcqRel);
    }

    /// Tells the watchers of an event.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        if self.ears.load(Ordering::Acquire) & WATCHERS == 0 {
            return;
        }
        let told = line(&Told::Event { at: self.opened.elapsed().as_secs_f64(), event: event.clone() });
        let mut inner = self.inner();
        let before = inner.watchers.len();
        inner.watchers.retain(|watcher| match &told {
            Some(line) => watcher.takes(line),
            None => watcher.is_over("what happens can't be put into words"),
        });
        if inner.watchers.len() < before {
            self.has_changed(inner);
        }
    }

    /// Somebody watches from here on, for as long as the [`Attendance`] lives. `None` where the session is over.
    pub(crate) fn attend(self: &Arc<Self>, account: Option<&str>) -> Option<Attendance> {
        let mut inner = self.inner();
        if inner.closed {
            return None;
        }
        inner.begun += 1;
        let number = inner.begun;
        let (queue, lines) = mpsc::unbounded_channel();
        let backlog = Arc::<Backlog>::default();
        let account = account.map(Into::into);
        inner.watchers.push(Watcher { number, account, queue, backlog: Arc::clone(&backlog) });
        self.has_changed(inner);
        let first = VecDeque::new();
        Some(Attendance {
            audience: Arc::clone(self),
            number,
            lines,
            backlog,
            first,
            ended: false,
            began: Instant::now(),
        })
    }

    /// The accounts of those who watch now, each once.
    pub(crate) fn accounts(&self) -> Vec<Box<str>> {
        let mut accounts: Vec<_> =
            self.inner().watchers.iter().filter_map(|watcher| watcher.account.clone()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts
    }

    /// Counts up whenever somebody comes or leaves.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Has the one who is watched told something.
    pub(crate) fn say(&self, words: &str) {
        self.notices.send_replace(words.into());
    }

    /// What they are to be told.
    pub(crate) fn notices(&self) -> watch::Receiver<Box<str>> {
        self.notices.subscribe()
    }

    /// Ends a watch. Whether there was one of this number.
    pub(crate) fn dismiss(&self, number: u64, why: &str) -> bool {
        let mut inner = self.inner();
        let before = inner.watchers.len();
        inner.watchers.retain(|watcher| watcher.number != number || watcher.is_over(why));
        let found = inner.watchers.len() < before;
        if found {
            self.has_changed(inner);
        }
        found
    }

    /// Whether this watch goes on.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.inner().watchers.iter().any(|watcher| watcher.number == number)
    }

    /// Notes why the session ended; the rest of what happens is told still.
    pub(crate) fn ends(&self, reason: &str) {
        self.inner().reason.get_or_insert_with(|| reason.into());
    }

    /// Nothing more happens.
    pub(crate) fn close(&self) {
        let mut inner = self.inner();
        inner.closed = true;
        let why = format!("the session is over: {}", inner.reason.as_deref().unwrap_or("abandoned"));
        inner.watchers.retain(|watcher| watcher.is_over(&why));
        self.has_changed(inner);
    }

    fn has_changed(&self, inner: MutexGuard<'_, Inner>) {
        if inner.watchers.is_empty() {
            self.ears.fetch_and(!WATCHERS, Ordering::AcqRel);
        } else {
            self.ears.fetch_or(WATCHERS, Ordering::AcqRel);
        }
        drop(inner);
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Watcher {
    /// Whether there was room for it.
    fn takes(&self, line: &Bytes) -> bool {
        let waiting = self.backlog.bytes.fetch_add(line.len(), Ordering::AcqRel);
        if waiting > 0 && waiting + line.len() > QUEUED {
            return self.is_over("the watcher does not keep up");
        }
        self.backlog.events.fetch_add(1, Ordering::Relaxed);
        self.queue.send(line.clone()).is_ok()
    }

    /// Says why nothing more comes. Always false: it stays no longer.
    fn is_over(&self, why: &str) -> bool {
        let _ = self.backlog.over.set(why.into());
        false
    }
}

/// One watch. Dropped, it ends.
pub(crate) struct Attendance {
    audience: Arc<Audience>,
    number: u64,
    lines: mpsc::UnboundedReceiver<Bytes>,
    backlog: Arc<Backlog>,
    /// What comes before everything else.
    first: VecDeque<Bytes>,
    ended: bool,
    began: Instant,
}

impl Attendance {
    /// Names it among those of its session.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Puts a line before all others.
    pub(crate) fn begin_with(&mut self, told: &Told<'_>) {
        self.first.extend(line(told));
    }

    /// The next line, then why there are no more, then nothing.
    pub(crate) fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(line) = self.first.pop_front() {
            return Poll::Ready(Some(line));
        }
        match self.lines.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(line)) => {
                self.backlog.bytes.fetch_sub(line.len(), Ordering::AcqRel);
                Poll::Ready(Some(line))
            }
            Poll::Ready(None) if self.ended => Poll::Ready(None),
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(line(&Told::Over { reason: self.why().into() }))
            }
        }
    }

    /// Why it ended, or ends now.
    pub(crate) fn why(&self) -> &str {
        self.backlog.over.get().map_or("left", |why| why)
    }

    /// Events told so far.
    pub(crate) fn events(&self) -> u64 {
        self.backlog.events.load(Ordering::Relaxed) as u64
    }

    /// How long it has lasted.
    pub(crate) fn lasted(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.audience.dismiss(self.number, "left");
    }
}

/// What a watcher is told, one line of JSON each.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told<'a> {
    /// Whose session it is. The first line.
    Session {
        /// Its name, 16 hexadecimal digits.
        id: String,
        /// Who opened it.
        principal: String,
        /// What it reaches.
        target: String,
        /// The target's protocol.
        protocol: String,
        /// The address that the client connects from, where known.
        source: Option<String>,
        /// What the client calls itself; anyone can claim anything here.
        client: String,
        /// When it opened, in seconds since the Unix epoch.
        opened: i64,
        /// The accounts that watch it, this one included.
        watchers: Vec<String>,
    },
    /// Something happened.
    Event {
        /// Seconds since the session opened.
        at: f64,
        /// What, as a recording has it.
        event: Event<'a>,
    },
    /// Nothing more comes. The last line.
    Over {
        /// Why.
        reason: String,
    },
}

/// A line that acts on no terminal; `None` where it can't be written.
fn line(told: &Told<'_>) -> Option<Bytes> {
    let mut line = serde_json::to_vec(&Part::Serialized(&Serialized::new(told).ok()?)).ok()?;
    line.push(b'\n');
    Some(line.into())
}

#[cfg(test)]
mod tests {
    use portcullis_evidence::recording::Stream;

    use super::*;

    fn output(text: &str) -> Event<'_> {
        Event::Output { command: 1, stream: Stream::Stdout, text: text.into() }
    }

    async fn next(attendance: &mut Attendance) -> Option<String> {
        let line = std::future::poll_fn(|cx| attendance.poll_line(cx)).await;
        line.map(|line| String::from_utf8_lossy(&line).into_owned())
    }

    #[tokio::test]
    async fn nobody_is_told_until_somebody_watches_and_all_of_them_then() {
        let audience = Arc::<Audience>::default();
        assert!(!audience.is_on());
        audience.tell(&output("before"));
        let mut ben = audience.attend(Some("ben")).expect("open");
        let mut operator = audience.attend(None).expect("open");
        assert!(audience.is_on());
        assert_eq!(audience.accounts(), ["ben".into()]);
        audience.tell(&output("now\u{9b}31m"));
        for watcher in [&mut ben, &mut operator] {
            let line = next(watcher).await.expect("told");
            assert!(line.contains("now\\u009b31m") && line.ends_with('\n'), "{line}");
        }
        drop(ben);
        assert!(audience.is_on(), "one is left");
        drop(operator);
        assert!(!audience.is_on());
    }

    #[tokio::test]
    async fn a_watcher_that_does_not_keep_up_loses_the_watch_and_nobody_else_does() {
        let audience = Arc::<Audience>::default();
        let mut slow = audience.attend(Some("ben")).expect("open");
        let mut quick = audience.attend(Some("cat")).expect("open");
        let long = "x".repeat(QUEUED / 4);
        for _ in 0..8 {
            audience.tell(&output(&long));
            assert!(next(&mut quick).await.expect("told").contains("xxx"));
        }
        assert_eq!(audience.accounts(), ["cat".into()]);
        let mut last = String::new();
        while let Some(line) = next(&mut slow).await {
            last = line;
        }
        assert!(last.contains("does not keep up"), "{last}");
    }

    #[tokio::test]
    async fn the_end_is_told_and_nobody_comes_after_it() {
        let audience = Arc::<Audience>::default();
        let mut ben = audience.attend(Some("ben")).expect("open");
        audience.ends("client");
        audience.tell(&output("last words"));
        audience.close();
        assert!(next(&mut ben).await.expect("told").contains("last words"));
        assert!(next(&mut ben).await.expect("told").contains("the session is over: client"));
        assert_eq!(next(&mut ben).await, None);
        assert!(audience.attend(Some("cat")).is_none());
    }
}
