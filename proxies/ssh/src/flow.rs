//! How much a peer may send ahead of whoever reads it.
//!
//! The SSH library gives a channel's window back as soon as bytes arrive, and stops the loop of the whole connection when a
//! channel's queue is full; the loop is also what hears that the other side reads again, so two sides that wait for
//! each other would wait for ever. So on the client's leg the queue is made too long to be filled by a window, and the windows
//! of a connection are all but closed ([`TRICKLE`]) while one of its channels has too much waiting. A channel whose input
//! is not read thus slows the input of its own connection down, never stops its loop, and touches no other connection.
//! The library asks for the size of windows only when bytes arrive, which is why they are never closed altogether: whoever
//! carries a channel's bytes reads on while they can't be taken (see [`crate::ahead`]). It counts windows, but takes what comes
//! beyond them: a client that does not mind its windows is hung up on here.
//!
//! On the target's leg the library does not ask. There a channel whose client does not read stops the loop of its own
//! connection to the target, and with it the output of that connection's other channels, until the client reads again,
//! which the client's leg goes on to hear.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::ChannelId;

/// A channel's window, in bytes.
pub(crate) const WINDOW: u32 = 2 << 20;
/// The most that may wait of what came in more than a trickle: what a channel is clogged by, the window that it had then, and
/// the one that it gets before the library asks for the next.
const MOST: i64 = CLOGGED + 2 * WINDOW as i64 + (64 << 10);
/// The most that the requests of one channel bring: variables, commands, terminals.
const MOST_REQUESTED: usize = 8 << 20;
/// The window that a client's channel begins with: it gets more as soon as it sends something.
pub(crate) const FIRST_WINDOW: u32 = 128 << 10;
/// What the windows of all of a connection's channels come to, as long as none was opened further when there were fewer.
const ALL_WINDOWS: i64 = 8 * WINDOW as i64;
/// From how much waiting on in all its channels a connection is clogged.
const ALL_CLOGGED: i64 = 2 * WINDOW as i64;
/// The most that may wait in all channels of a connection, in more than a trickle. Windows that were opened while there were ever
/// more channels come to a multiple of [`ALL_WINDOWS`] that grows as the logarithm of their number.
const ALL_MOST: i64 = 6 * ALL_WINDOWS;
/// The window of a channel on the target's leg, in bytes: what a program prints for a client that does not read waits here, for
/// each of a connection's channels. The library never asks for it anew, so it is small; a target that is farther away than most
/// (50 ms) still sends 10 MB a second through it.
pub(crate) const TARGET_WINDOW: u32 = 512 << 10;
/// The most messages of a client's that wait in a channel's queue: far more than a window of full packets is.
pub(crate) const CLIENT_QUEUE: usize = 4096;
/// The same of a target's: a window of full packets. All of a connection's channels may have so much waiting.
pub(crate) const TARGET_QUEUE: usize = 8;
/// What is left of windows while something is clogged, in bytes: the least that the library opens again.
const TRICKLE: u32 = 2;
/// How long such a message is dwelt on, so that the rest of a window lasts for hours.
const DWELL: Duration = Duration::from_millis(5);
/// From how much on a channel is clogged, and below how much it no longer is, in bytes.
const CLOGGED: i64 = WINDOW as i64 / 2;
const CLEAR: i64 = WINDOW as i64 / 8;

/// What waits in the channels of one client's connection.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    channels: Mutex<HashMap<ChannelId, Arc<Waiting>>>,
    clogged: AtomicUsize,
    /// In all of them together.
    all: Count,
}

/// What waits in one channel. A reader may take bytes before they are counted, so counts may be below nothing for a moment.
#[derive(Debug, Default)]
struct Waiting {
    count: Count,
    /// What requests have brought, over the channel's life: they need no window.
    requests: AtomicUsize,
    is_clogged: AtomicBool,
}

/// Bytes that wait.
#[derive(Debug, Default)]
struct Count {
    bytes: AtomicI64,
    /// Of these, what came by a pair of bytes while windows were all but closed: no more than comes in so little.
    trickled: AtomicI64,
}

impl Count {
    /// How many there are now, and how many of them did more than trickle.
    fn add(&self, bytes: i64, trickles: bool) -> (i64, i64) {
        let trickled = self.trickled.fetch_add(if trickles { bytes } else { 0 }, Ordering::AcqRel);
        let now = self.bytes.fetch_add(bytes, Ordering::AcqRel).saturating_add(bytes);
        (now, now.saturating_sub(trickled))
    }

    /// How many are left, and how many of those taken had trickled.
    fn take(&self, bytes: i64) -> (i64, i64) {
        let less = |count: i64| Some(i64::max(count.saturating_sub(bytes), 0));
        let before = self.trickled.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        let left = self.bytes.fetch_sub(bytes, Ordering::AcqRel).saturating_sub(bytes);
        (left, before.unwrap_or_default().min(bytes))
    }

    /// Counts so many fewer.
    fn forget(&self, bytes: i64, trickled: i64) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.trickled.fetch_sub(trickled, Ordering::AcqRel);
    }
}

impl Flow {
    fn channels(&self) -> MutexGuard<'_, HashMap<ChannelId, Arc<Waiting>>> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to count a channel, for as long as what is returned lives.
    pub(crate) fn open(self: &Arc<Self>, id: ChannelId) -> Reader {
        let waiting = Arc::<Waiting>::default();
        self.channels().insert(id, Arc::clone(&waiting));
        Reader { flow: Arc::clone(self), id, waiting }
    }

    /// Notes that bytes have arrived; called in the loop of the connection, which it holds up for a moment where the peer
    /// only trickles.
    ///
    /// # Errors
    /// A peer that does not mind its window. The library counts windows, but takes what comes beyond them.
    pub(crate) async fn arrived(&self, id: ChannelId, bytes: usize) -> Result<(), Overrun> {
        let trickles = bytes <= TRICKLE as usize && self.is_clogged();
        if let Some(waiting) = self.channels().get(&id) {
            let more = i64::try_from(bytes).unwrap_or(i64::MAX);
            let (now, at_once) = waiting.count.add(more, trickles);
            let (_, all_at_once) = self.all.add(more, trickles);
            if at_once > MOST || all_at_once > ALL_MOST {
                return Err(Overrun);
            }
            if now >= CLOGGED && !waiting.is_clogged.swap(true, Ordering::AcqRel) {
                self.clogged.fetch_add(1, Ordering::AcqRel);
            }
        }
        if trickles {
            tokio::time::sleep(DWELL).await;
        }
        Ok(())
    }

    /// Notes that a request has arrived, of which the peer chose so many bytes.
    ///
    /// # Errors
    /// A peer whose requests bring more than any client's.
    pub(crate) fn asked(&self, id: ChannelId, bytes: usize) -> Result<(), Overrun> {
        let channels = self.channels();
        let Some(waiting) = channels.get(&id) else { return Ok(()) };
        let before = waiting.requests.fetch_add(bytes, Ordering::AcqRel);
        if before.saturating_add(bytes) > MOST_REQUESTED { Err(Overrun) } else { Ok(()) }
    }

    /// How far windows are opened now, in bytes.
    pub(crate) fn window(&self) -> u32 {
        if self.is_clogged() {
            return TRICKLE;
        }
        let channels = i64::try_from(self.channels().len()).unwrap_or(i64::MAX);
        u32::try_from(ALL_WINDOWS / channels.max(1)).unwrap_or(WINDOW).min(WINDOW)
    }

    fn is_clogged(&self) -> bool {
        self.clogged.load(Ordering::Acquire) > 0 || self.all.bytes.load(Ordering::Acquire) >= ALL_CLOGGED
    }
}

/// More came than a window allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overrun;

/// Whoever reads a channel, and says how much of it was taken.
#[derive(Debug)]
pub(crate) struct Reader {
    flow: Arc<Flow>,
    id: ChannelId,
    waiting: Arc<Waiting>,
}

impl Reader {
    /// Notes that so much of what arrived needs no room here any more.
    pub(crate) fn took(&self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let (left, trickled) = self.waiting.count.take(bytes);
        self.flow.all.forget(bytes, trickled);
        if left < CLEAR {
            self.clear();
        }
    }

    fn clear(&self) {
        if self.waiting.is_clogged.swap(false, Ordering::AcqRel) {
            self.flow.clogged.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.flow.channels().remove(&self.id);
        let Count { bytes, trickled } = &self.waiting.count;
        let (bytes, trickled) = (bytes.swap(0, Ordering::AcqRel), trickled.swap(0, Ordering::AcqRel));
        self.flow.all.forget(bytes, trickled);
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> ChannelId {
        use russh::keys::ssh_encoding::Decode as _;
        ChannelId::decode(&mut number.to_be_bytes().as_slice()).unwrap()
    }

    #[tokio::test]
    async fn windows_close_while_something_waits_and_open_again() {
        let flow = Arc::<Flow>::default();
        let (one, other) = (flow.open(id(1)), flow.open(id(2)));
        assert_eq!(flow.window(), WINDOW);
        flow.arrived(id(1), CLOGGED as usize - 1).await.unwrap();
        flow.arrived(id(2), CLOGGED as usize - 1).await.unwrap();
        assert_eq!(flow.window(), WINDOW, "neither has too much");
        flow.arrived(id(1), 1).await.unwrap();
        assert_eq!(flow.window(), TRICKLE);
        flow.arrived(id(2), 1).await.unwrap();
        one.took((CLOGGED - CLEAR) as usize);
        assert_eq!(flow.window(), TRICKLE, "it is not clear yet");
        one.took(1);
        drop(other);
        assert_eq!(flow.window(), WINDOW, "one is clear, the other gone");
        flow.arrived(id(7), WINDOW as usize).await.unwrap();
        assert_eq!(flow.window(), WINDOW, "nobody reads that");
    }

    #[tokio::test]
    async fn many_channels_share_what_one_may_send_ahead() {
        let flow = Arc::<Flow>::default();
        let readers: Vec<Reader> = (0..256).map(|number| flow.open(id(number))).collect();
        assert_eq!(i64::from(flow.window()), ALL_WINDOWS / 256);
        for number in 0..64 {
            flow.arrived(id(number), ALL_CLOGGED as usize / 64).await.unwrap();
        }
        assert_eq!(flow.window(), TRICKLE, "none has too much, all together do");
        readers[7].took(ALL_CLOGGED as usize / 64);
        assert_ne!(flow.window(), TRICKLE);
        drop(readers);
        assert_eq!((flow.window(), flow.all.bytes.load(Ordering::Acquire)), (WINDOW, 0));
        let _readers: Vec<Reader> = (0..256).map(|number| flow.open(id(number))).collect();
        let mut each = (0..256).cycle().map(id);
        let mut came = 0;
        while flow.arrived(each.next().unwrap(), 32 << 10).await.is_ok() {
            came += 32 << 10;
        }
        assert_eq!(came, ALL_MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_minds_its_window_is_never_accused_and_another_is() {
        let flow = Arc::<Flow>::default();
        let _reader = flow.open(id(1));
        // As much as there may be before it is clogged, then all of the window that it had, then what trickles.
        flow.arrived(id(1), CLOGGED as usize - 1).await.unwrap();
        flow.arrived(id(1), 2 * WINDOW as usize).await.unwrap();
        let began = tokio::time::Instant::now();
        for _ in 0..20_000 {
            flow.arrived(id(1), TRICKLE as usize).await.unwrap();
        }
        assert!(began.elapsed() >= 20_000 * DWELL, "a trickle is slow");
        flow.arrived(id(1), 32 << 10).await.unwrap();
        assert_eq!(flow.arrived(id(1), 64 << 10).await, Err(Overrun));
    }
}
