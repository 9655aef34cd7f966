//! The embedded store: one SQLite file in WAL mode, shared by the instances of one machine. Which calls are one transaction.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use super::columns::json;
use super::{
    Approval, ApprovalState, Described, HeldRule, Joined, NewApproval, NewToken, Number, Revocation,
    RevocationSubject, Room, SessionRow, Store, StoreError, TagPin, Token, ToolDescription, ToolPin,
    ToolRepeat, User, Vote, approvals, counters, instances, revocations, tokens, tools, users,
};
use crate::session::SessionId;

/// Brings a store from the version that is its index to the next. Never changed once released, only added to.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("keys.sql"),
    include_str!("bound.sql"),
    include_str!("tokens.sql"),
    include_str!("tools.sql"),
    include_str!("repeats.sql"),
    include_str!("forget.sql"),
];
/// How long a writer waits for another instance's transaction.
const BUSY: Duration = Duration::from_secs(2);

/// A connection to the store file.
pub struct Sqlite {
    connection: Connection,
    path: String,
}

impl Sqlite {
    /// Opens the file, creating or migrating it. Its directory must exist and should be the gateway's alone.
    ///
    /// # Errors
    /// Where the file can't be opened, isn't a store, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        Self::open_inner(path, &name)
            .map_err(|source| StoreError::Sqlite { path: name.clone(), source })?
            .migrated()
    }

    fn open_inner(path: &Path, name: &str) -> Result<Self, rusqlite::Error> {
        // Made here where there is none: SQLite would let everyone read it, and the files beside it take its mode.
        // What keeps it from being made keeps it from being opened, and is told then.
        let _ = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // Every commit reaches the disk: the crash contract promises it.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        // What is deleted is overwritten: what a hold has revealed is in no free page.
        connection.pragma_update(None, "secure_delete", true)?;
        Ok(Self { connection, path: name.to_owned() })
    }

    fn migrated(mut self) -> Result<Self, StoreError> {
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        let path = self.path.clone();
        let found = self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
            for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
                transaction.execute_batch(migration)?;
            }
            if found < known {
                transaction.pragma_update(None, "user_version", known)?;
            }
            transaction.commit()?;
            Ok(found)
        })?;
        if found > known { Err(StoreError::TooNew { path, found, known }) } else { Ok(self) }
    }

    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, StoreError> {
        work(&mut self.connection).map_err(|source| StoreError::Sqlite { path: self.path.clone(), source })
    }

    /// All of `work` or nothing, with the write lock held from the start.
    fn atomically<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, StoreError> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
    }
}

impl Store for Sqlite {
    fn heartbeat(&mut self, instance: u64, now: i64) -> Result<usize, StoreError> {
        self.atomically(|db| instances::heartbeat(db, instance, now))
    }

    fn farewell(&mut self, instance: u64) -> Result<(), StoreError> {
        self.atomically(|db| instances::farewell(db, instance))
    }

    fn open_session(&mut self, session: &SessionRow) -> Result<(), StoreError> {
        self.with(|db| instances::open_session(db, session))
    }

    fn close_session(&mut self, id: SessionId) -> Result<(), StoreError> {
        self.with(|db| instances::close_session(db, id))
    }

    fn sessions(&mut self) -> Result<Vec<SessionRow>, StoreError> {
        self.with(|db| instances::sessions(db))
    }

    fn request(&mut self, new: &NewApproval) -> Result<Number, StoreError> {
        let (actions, holds) = (json(&new.actions)?, json(&new.holds)?);
        self.with(|db| approvals::insert(db, new, &actions, &holds))
    }

    fn join(&mut self, new: &NewApproval, room: Room) -> Result<Joined, StoreError> {
        let (actions, holds) = (json(&new.actions)?, json(&new.holds)?);
        self.atomically(|db| approvals::join(db, new, &actions, &holds, room))
    }

    fn leave(&mut self, number: Number, instance: u64) -> Result<(), StoreError> {
        self.atomically(|db| approvals::leave(db, number, instance))
    }

    fn ended_alone(&mut self, now: i64) -> Result<Vec<Approval>, StoreError> {
        self.atomically(|db| approvals::ended_alone(db, now))
    }

    fn approval(&mut self, number: Number) -> Result<Option<Approval>, StoreError> {
        self.with(|db| approvals::of_number(db, number))
    }

    fn approvals(&mut self, pending: bool) -> Result<Vec<Approval>, StoreError> {
        self.with(|db| approvals::all(db, pending))
    }

    fn vote(&mut self, number: Number, vote: &Vote) -> Result<bool, StoreError> {
        let holds = json(&vote.holds)?;
        self.with(|db| approvals::vote(db, number, vote, &holds))
    }

    fn amend(
        &mut self,
        number: Number,
        before: &[HeldRule],
        holds: &[HeldRule],
        deadline: i64,
    ) -> Result<bool, StoreError> {
        let (before, holds) = (json(before)?, json(holds)?);
        self.with(|db| approvals::amend(db, number, &before, &holds, deadline))
    }

    fn consume(&mut self, number: Number, votes: usize, now: i64) -> Result<bool, StoreError> {
        self.with(|db| approvals::consume(db, number, votes, now))
    }

    fn settle(
        &mut self,
        number: Number,
        state: ApprovalState,
        by: &str,
        reason: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        self.with(|db| approvals::settle(db, number, state, by, reason, now))
    }

    fn revoke(&mut self, revocation: &Revocation) -> Result<u64, StoreError> {
        self.atomically(|db| {
            if let RevocationSubject::User(name) = &revocation.subject {
                approvals::withdraw(db, name, &revocation.by, "revoked", revocation.at)?;
            }
            revocations::note(db, revocation)
        })
    }

    fn revocations(&mut self, after: u64) -> Result<Vec<(u64, Revocation)>, StoreError> {
        self.with(|db| revocations::after(db, after))
    }

    fn version(&mut self) -> Result<u64, StoreError> {
        self.with(|db| {
            db.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        })
    }

    fn reserve(&mut self, counter: &str, window: i64, want: u64, bound: u64) -> Result<u64, StoreError> {
        self.atomically(|db| counters::reserve(db, counter, window, want, bound))
    }

    fn give_back(&mut self, counter: &str, window: i64, units: u64) -> Result<(), StoreError> {
        self.with(|db| counters::give_back(db, counter, window, units))
    }

    fn user(&mut self, name: &str) -> Result<Option<User>, StoreError> {
        self.with(|db| users::of_name(db, name))
    }

    fn users(&mut self) -> Result<Vec<User>, StoreError> {
        self.with(|db| users::all(db))
    }

    fn put_user(&mut self, user: &User) -> Result<(), StoreError> {
        let (groups, keys) = (json(&user.groups)?, json(&user.keys)?);
        self.atomically(|db| users::put(db, user, &groups, &keys))
    }

    fn remove_user(&mut self, name: &str) -> Result<bool, StoreError> {
        self.atomically(|db| users::remove(db, name))
    }

    fn add_token(&mut self, token: &NewToken) -> Result<Number, StoreError> {
        self.atomically(|db| tokens::add(db, token))
    }

    fn token(&mut self, number: Number) -> Result<Option<Token>, StoreError> {
        self.with(|db| tokens::of_number(db, number))
    }

    fn token_of(&mut self, hash: &[u8; 32]) -> Result<Option<Token>, StoreError> {
        self.with(|db| tokens::of_hash(db, hash))
    }

    fn tokens(&mut self, user: Option<&str>) -> Result<Vec<Token>, StoreError> {
        self.with(|db| tokens::all(db, user))
    }

    fn revoke_token(&mut self, number: Number, by: &str, reason: &str, now: i64) -> Result<bool, StoreError> {
        let subject = RevocationSubject::Token(number);
        let revocation = Revocation { subject, by: by.to_owned(), reason: reason.to_owned(), at: now };
        self.atomically(|db| {
            let ended = tokens::end(db, number, now)?;
            if ended {
                revocations::note(db, &revocation)?;
            }
            Ok(ended)
        })
    }

    fn token_used(&mut self, number: Number, now: i64) -> Result<(), StoreError> {
        self.with(|db| tokens::used(db, number, now))
    }

    fn tag_pins(&mut self, target: &str) -> Result<Vec<TagPin>, StoreError> {
        self.with(|db| {
            let mut statement =
                db.prepare_cached("SELECT pattern, relation, attribute FROM tag_pins WHERE target = ?")?;
            let rows = statement.query_map([target], |row| {
                Ok(TagPin { pattern: row.get(0)?, table: row.get(1)?, attribute: row.get(2)? })
            })?;
            rows.collect()
        })
    }

    fn pin_tags(&mut self, target: &str, pins: &[TagPin]) -> Result<(), StoreError> {
        self.atomically(|db| {
            let mut statement = db.prepare_cached("INSERT OR REPLACE INTO tag_pins VALUES (?, ?, ?, ?)")?;
            for pin in pins {
                statement.execute(params![target, pin.pattern, pin.table, pin.attribute])?;
            }
            Ok(())
        })
    }

    fn describe_tools(
        &mut self,
        target: &str,
        tools: &[ToolDescription],
    ) -> Result<Vec<Described>, StoreError> {
        self.atomically(|db| tools::describe(db, target, tools))
    }

    fn tool_changes(&mut self, target: &str, tool: &str) -> Result<Option<Vec<[u8; 32]>>, StoreError> {
        self.with(|db| tools::changes(db, target, tool))
    }

    fn tool_repeats(&mut self, target: &str, tool: &str) -> Result<Vec<ToolRepeat>, StoreError> {
        self.with(|db| tools::repeats(db, target, tool))
    }

    fn approve_tools(&mut self, target: &str, pins: &[ToolPin]) -> Result<(), StoreError> {
        self.atomically(|db| tools::approve(db, target, pins))
    }
}
