//! The snapshot in force: loaded when it is needed, renewed when it may be out of date.
//!
//! It is renewed on demand ([`Live::refresh`]: after definitions were changed through the gateway, or when a result or a
//! statement names something unknown) and when a cheap fingerprint of the catalogue says that somebody else
//! changed something ([`Live::look`], every [`PERIOD`]). Between two looks a change made past the gateway is
//! not seen; what a result comes from is known all the same, because the target names tables by OID.
//!
//! If the target can't be asked for [`MAX_AGE`], nothing is in force any more: every name is undetermined,
//! and what needs one is refused.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use policy_core::Name;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::client::{Client, QueryError};
use super::load::{LoadError, load};
use super::names::Directory;
use super::overlay::Overlay;
use super::pins::{PinTable, Pins};
use super::snapshot::Snapshot;

/// How often the catalogue is asked whether it has changed.
pub const PERIOD: Duration = Duration::from_secs(2);

/// How long a snapshot stays in force without the target confirming it.
pub const MAX_AGE: Duration = Duration::from_secs(15);

/// How soon an unknown name may lead to another load.
pub const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// Opens connections to a target, ready for a query, with the target's hidden credential.
pub trait Dial: Send + Sync {
    /// What carries a connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send;

    /// Opens one.
    fn dial(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// A snapshot in force, and the pins that go with it.
#[derive(Clone, Debug)]
pub struct Known {
    /// What is known of the target.
    pub snapshot: Arc<Snapshot>,
    /// What policies have named there.
    pub pins: Arc<PinTable>,
}

impl Known {
    /// Looks columns up by identity, as a session with this overlay sees them.
    pub fn directory<'a>(&'a self, overlay: &'a Overlay) -> Directory<'a> {
        Directory { catalogue: overlay.over(&self.snapshot), pins: &self.pins }
    }
}

/// The catalogue of one target, shared by all its sessions.
pub struct Live<D: Dial> {
    dial: D,
    pins: Box<dyn Pins>,
    state: RwLock<State>,
    /// The connection, and the order of loads: only one runs at a time.
    link: Mutex<Link<D::Stream>>,
    /// Counts requests: a load answers all that were made before it began.
    requested: AtomicU64,
}

struct State {
    known: Option<Known>,
    confirmed: Option<Instant>,
    /// Names without wildcards in the policies in force.
    named: Vec<Name>,
}

struct Link<S> {
    client: Option<Client<S>>,
    generation: u64,
    answered: u64,
    fingerprint: Option<String>,
    loaded: Option<Instant>,
    /// When the latest load began: what it found is no older.
    began: Option<Instant>,
}

impl<D: Dial> Live<D> {
    /// A catalogue that has not been loaded yet.
    pub fn new(dial: D, pins: Box<dyn Pins>) -> Self {
        Self {
            dial,
            pins,
            state: RwLock::new(State { known: None, confirmed: None, named: Vec::new() }),
            link: Mutex::new(Link {
                client: None,
                generation: 0,
                answered: 0,
                fingerprint: None,
                loaded: None,
                began: None,
            }),
            requested: AtomicU64::new(0),
        }
    }

    /// What is in force; `None` if nothing was loaded, or the target has not confirmed it for [`MAX_AGE`].
    pub fn current(&self) -> Option<Known> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let confirmed = state.confirmed.filter(|at| at.elapsed() < MAX_AGE);
        confirmed.and_then(|_| state.known.clone())
    }

    /// The columns that policies name without wildcards: they are pinned as soon as they are seen.
    pub fn name_columns(&self, names: Vec<Name>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.named = names;
        if let Some(known) = state.known.take() {
            let pins = self.pin(&state.named, &known.pins, &known.snapshot);
            state.known = Some(Known { pins: Arc::new(pins), ..known });
        }
    }

    /// Loads a snapshot that is no older than this call. Everybody who waits shares one load.
    ///
    /// # Errors
    /// Where the target can't be asked. What was in force stays so until it is too old.
    pub async fn refresh(&self) -> Result<Known, LoadError> {
        let ticket = self.requested.fetch_add(1, Ordering::AcqRel) + 1;
        let mut link = self.link.lock().await;
        if link.answered >= ticket
            && let Some(known) = self.current()
        {
            return Ok(known);
        }
        self.load(&mut link).await
    }

    /// The same for an unknown name, which anybody can make up: at most one load each [`MIN_INTERVAL`]. Whoever asks
    /// sooner waits for the next one.
    ///
    /// # Errors
    /// Where the target can't be asked.
    pub async fn refresh_sparingly(&self) -> Result<Known, LoadError> {
        let asked = Instant::now();
        loop {
            let mut link = self.link.lock().await;
            let Some(due) = link.loaded.map(|at| at + MIN_INTERVAL) else {
                return self.load(&mut link).await;
            };
            // Somebody else's load began after this was asked for.
            if link.began.is_some_and(|began| began >= asked)
                && let Some(known) = self.current()
            {
                return Ok(known);
            }
            if due <= Instant::now() {
                return self.load(&mut link).await;
            }
            drop(link);
            tokio::time::sleep_until(due).await;
        }
    }

    /// Looks once whether the catalogue has changed, and loads it if so.
    ///
    /// # Errors
    /// Where the target can't be asked.
    pub async fn look(&self) -> Result<(), LoadError> {
        let mut link = self.link.lock().await;
        let began = Instant::now();
        let mut client = self.client(&mut link).await?;
        let fingerprint = fingerprint(&mut client).await?;
        link.client = Some(client);
        if link.fingerprint.as_ref() == Some(&fingerprint) {
            self.state.write().unwrap_or_else(PoisonError::into_inner).confirmed = Some(began);
            return Ok(());
        }
        self.load(&mut link).await.map(|_| ())
    }

    async fn load(&self, link: &mut Link<D::Stream>) -> Result<Known, LoadError> {
        let covers = self.requested.load(Ordering::Acquire);
        let began = Instant::now();
        // The connection is out of `link` meanwhile: a load that is dropped half-way takes it with it.
        let mut client = self.client(link).await?;
        // Taken first: what changes during the load is seen at the next look.
        let fingerprint = fingerprint(&mut client).await?;
        let snapshot = Arc::new(load(&mut client, link.generation + 1).await?);
        let pins_before = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            state.known.as_ref().map(|known| Arc::clone(&known.pins))
        };
        let pins_before = pins_before.unwrap_or_else(|| Arc::new(PinTable::new(self.pins.load())));
        link.client = Some(client);
        link.generation += 1;
        link.answered = covers;
        link.fingerprint = Some(fingerprint);
        link.loaded = Some(Instant::now());
        link.began = Some(began);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let pins = Arc::new(self.pin(&state.named, &pins_before, &snapshot));
        let known = Known { snapshot, pins };
        state.known = Some(known.clone());
        state.confirmed = Some(began);
        Ok(known)
    }

    fn pin(&self, named: &[Name], before: &PinTable, snapshot: &Snapshot) -> PinTable {
        let mut pins = before.clone();
        let new = pins.resolve(named, snapshot);
        if !new.is_empty() {
            self.pins.save(&new);
        }
        pins
    }

    async fn client(&self, link: &mut Link<D::Stream>) -> Result<Client<D::Stream>, LoadError> {
        match link.client.take() {
            Some(client) => Ok(client),
            None => Ok(Client::new(self.dial.dial().await.map_err(QueryError::Io)?)),
        }
    }
}

impl<D: Dial> std::fmt::Debug for Live<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let generation = self.current().map(|known| known.snapshot.generation);
        write!(f, "Live {{ generation: {generation:?} }}")
    }
}

/// Changes with every row of the catalogue that a snapshot is made of: a change writes a new version of the row.
async fn fingerprint<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
) -> Result<String, QueryError> {
    const ROWS: &str = "SELECT pg_catalog.count(*), \
         pg_catalog.sum(pg_catalog.hashtextextended(identity || ':' || xmin::text, 0)) FROM (\
         SELECT 'c' || oid::text AS identity, xmin FROM pg_catalog.pg_class \
         UNION ALL SELECT 'a' || attrelid::text || '.' || attnum::text, xmin FROM pg_catalog.pg_attribute \
         UNION ALL SELECT 'i' || inhrelid::text || '.' || inhparent::text, xmin FROM pg_catalog.pg_inherits \
         UNION ALL SELECT 'r' || oid::text, xmin FROM pg_catalog.pg_rewrite \
         UNION ALL SELECT 't' || oid::text, xmin FROM pg_catalog.pg_trigger \
         UNION ALL SELECT 'p' || oid::text, xmin FROM pg_catalog.pg_proc \
         UNION ALL SELECT 'y' || oid::text, xmin FROM pg_catalog.pg_type \
         UNION ALL SELECT 'n' || oid::text, xmin FROM pg_catalog.pg_namespace \
         UNION ALL SELECT 's' || setdatabase::text || '.' || setrole::text, xmin \
         FROM pg_catalog.pg_db_role_setting) AS rows";
    let mut fingerprint = String::new();
    client
        .query(ROWS, |row| {
            fingerprint = format!("{} {}", row.some()?, row.text()?.unwrap_or_default());
            Some(())
        })
        .await?;
    Ok(fingerprint)
}
