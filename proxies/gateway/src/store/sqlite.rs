//! The embedded store: one SQLite file in WAL mode, shared by the instances of one machine.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use policy_core::{Digest, PrincipalKind};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params, params};

use super::{
    Approval, ApprovalState, BoundTo, Described, HeldRule, Joined, NewApproval, NewToken, Number, Revocation,
    RevocationSubject, Room, SessionRow, Store, StoreError, TagPin, Token, ToolDescription, ToolPin,
    ToolRepeat, User, Vote, tokens, tools,
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
];
/// How long a writer waits for another instance's transaction.
const BUSY: Duration = Duration::from_secs(2);
/// An instance that has not been heard of for this long is dead.
const DEAD_AFTER_MS: i64 = 10_000;

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
        self.atomically(|db| {
            db.prepare_cached("INSERT OR REPLACE INTO instances VALUES (?, ?)")?
                .execute(params![sql(instance), now])?;
            db.prepare_cached("DELETE FROM instances WHERE heartbeat < ?")?.execute([now - DEAD_AFTER_MS])?;
            for left in ["sessions", "waits"] {
                let gone = format!("DELETE FROM {left} WHERE instance NOT IN (SELECT id FROM instances)");
                db.prepare_cached(&gone)?.execute([])?;
            }
            db.prepare_cached(
                "UPDATE approvals SET state = 'withdrawn', decided_by = 'gateway', ended = ?,
                   reason = 'the gateway that held it has stopped'
                 WHERE state = 'pending' AND bound_to = 'session' AND instance NOT IN (SELECT id FROM instances)",
            )?
            .execute([now])
        })
    }

    fn farewell(&mut self, instance: u64) -> Result<(), StoreError> {
        self.atomically(|db| {
            db.execute("DELETE FROM instances WHERE id = ?", [sql(instance)])?;
            db.execute("DELETE FROM sessions WHERE instance = ?", [sql(instance)])?;
            db.execute("DELETE FROM waits WHERE instance = ?", [sql(instance)])?;
            db.execute(
                "UPDATE approvals SET state = 'withdrawn', decided_by = 'gateway',
                   reason = 'the gateway that held it has stopped'
                 WHERE state = 'pending' AND bound_to = 'session' AND instance = ?",
                [sql(instance)],
            )?;
            Ok(())
        })
    }

    fn open_session(&mut self, session: &SessionRow) -> Result<(), StoreError> {
        self.with(|db| {
            db.prepare_cached("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(params![
                sql(session.id.0),
                sql(session.instance),
                session.principal,
                session.target,
                session.source,
                session.client,
                session.opened
            ])?;
            Ok(())
        })
    }

    fn close_session(&mut self, id: SessionId) -> Result<(), StoreError> {
        self.with(|db| db.prepare_cached("DELETE FROM sessions WHERE id = ?")?.execute([sql(id.0)]).map(drop))
    }

    fn sessions(&mut self) -> Result<Vec<SessionRow>, StoreError> {
        self.with(|db| {
            let mut statement = db.prepare_cached(
                "SELECT id, instance, principal, target, source, client, opened FROM sessions ORDER BY opened, id",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(SessionRow {
                    id: SessionId(unsigned(row, 0)?),
                    instance: unsigned(row, 1)?,
                    principal: row.get(2)?,
                    target: row.get(3)?,
                    source: row.get(4)?,
                    client: row.get(5)?,
                    opened: row.get(6)?,
                })
            })?;
            rows.collect()
        })
    }

    fn request(&mut self, new: &NewApproval) -> Result<Number, StoreError> {
        let (actions, holds) = (json(&new.actions)?, json(&new.holds)?);
        self.with(|db| insert(db, new, &actions, &holds))
    }

    fn join(&mut self, new: &NewApproval, room: Room) -> Result<Joined, StoreError> {
        let (actions, holds) = (json(&new.actions)?, json(&new.holds)?);
        self.atomically(|db| {
            let latest =
                format!("{APPROVAL} WHERE bound_to = 'principal' AND binding = ? ORDER BY number DESC LIMIT 1");
            let found = db.prepare_cached(&latest)?.query_row([new.binding.0], approval).optional()?;
            let found = found.map(|approval| with_votes(db, approval)).transpose()?;
            let lasts = found.filter(|found| found.asked.deadline > new.created);
            if let Some(found) = &lasts
                && found.was_refused_for(&new.holds)
            {
                return Ok(Joined::Refused(found.clone()));
            }
            let waiting = lasts.filter(|found| found.state == ApprovalState::Pending);
            let (all, own, clients): (i64, i64, i64) = db
                .prepare_cached(
                    "SELECT count(*), count(*) FILTER (WHERE principal = ?1), coalesce(sum(clients)
                       FILTER (WHERE principal = ?1), 0)
                     FROM (SELECT principal, (SELECT sum(clients) FROM waits WHERE approval = number) AS clients
                       FROM approvals WHERE state = 'pending' AND bound_to = 'principal' AND deadline > ?2)",
                )?
                .query_row(params![new.principal, new.created], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?;
            let no_more = |count: i64, most: usize| usize::try_from(count).is_ok_and(|count| count >= most);
            if no_more(clients, room.of_principal) || waiting.is_none() && no_more(own, room.of_principal) {
                return Ok(Joined::FullOfPrincipal);
            }
            if waiting.is_none() && no_more(all, room.all) {
                return Ok(Joined::Full);
            }
            let joined = match waiting {
                Some(approval) => Joined::Waiting(approval),
                None => Joined::Opened(insert(db, new, &actions, &holds)?),
            };
            let number = match &joined {
                Joined::Waiting(approval) => approval.number,
                Joined::Opened(number) => *number,
                Joined::Refused(_) | Joined::Full | Joined::FullOfPrincipal => return Ok(joined),
            };
            db.prepare_cached(
                "INSERT INTO waits VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET clients = clients + 1",
            )?
            .execute([sql(number), sql(new.instance)])?;
            Ok(joined)
        })
    }

    fn leave(&mut self, number: Number, instance: u64) -> Result<(), StoreError> {
        let which = [sql(number), sql(instance)];
        self.atomically(|db| {
            db.execute("UPDATE waits SET clients = clients - 1 WHERE approval = ? AND instance = ?", which)?;
            db.execute("DELETE FROM waits WHERE clients <= 0 AND approval = ? AND instance = ?", which)?;
            Ok(())
        })
    }

    fn ended_alone(&mut self, now: i64) -> Result<Vec<Approval>, StoreError> {
        self.atomically(|db| {
            db.prepare_cached(
                "DELETE FROM waits WHERE (SELECT state FROM approvals WHERE number = approval) <> 'pending'",
            )?
            .execute([])?;
            db.prepare_cached(
                "UPDATE approvals SET state = 'expired', decided_by = 'gateway', ended = ?1, untold = 1,
                   reason = 'nobody answered in time, or came back'
                 WHERE state = 'pending' AND bound_to = 'principal' AND deadline <= ?1
                   AND number NOT IN (SELECT approval FROM waits)",
            )?
            .execute([now])?;
            let mut statement = db.prepare_cached(&format!("{APPROVAL} WHERE untold = 1 ORDER BY number"))?;
            let ended: Vec<_> = statement.query_map([], approval)?.collect::<Result<_, _>>()?;
            drop(statement);
            db.prepare_cached("UPDATE approvals SET untold = 0 WHERE untold = 1")?.execute([])?;
            Ok(ended)
        })
    }

    fn approval(&mut self, number: Number) -> Result<Option<Approval>, StoreError> {
        self.with(|db| {
            let sql_text = format!("{APPROVAL} WHERE number = ?");
            let found = db.prepare_cached(&sql_text)?.query_row([sql(number)], approval).optional()?;
            found.map(|approval| with_votes(db, approval)).transpose()
        })
    }

    fn approvals(&mut self, pending: bool) -> Result<Vec<Approval>, StoreError> {
        let which = if pending { "WHERE state = 'pending'" } else { "" };
        self.with(|db| {
            let mut statement =
                db.prepare_cached(&format!("{APPROVAL} {which} ORDER BY number DESC LIMIT 1000"))?;
            let found: Vec<_> = statement.query_map([], approval)?.collect::<Result<_, _>>()?;
            drop(statement);
            found.into_iter().map(|approval| with_votes(db, approval)).collect()
        })
    }

    fn vote(&mut self, number: Number, vote: &Vote) -> Result<bool, StoreError> {
        let holds = json(&vote.holds)?;
        self.with(|db| {
            let added = db
                .prepare_cached(
                    "INSERT OR IGNORE INTO votes (approval, voter, approve, at, reason, binding, holds)
                     SELECT number, ?2, ?7, ?3, ?4, ?5, ?6 FROM approvals
                     WHERE number = ?1 AND state = 'pending' AND binding = ?5",
                )?
                .execute(params![
                    sql(number),
                    vote.voter,
                    vote.at,
                    vote.reason,
                    vote.binding.0,
                    holds,
                    vote.approve
                ])?;
            Ok(added == 1)
        })
    }

    fn amend(
        &mut self,
        number: Number,
        before: &[HeldRule],
        holds: &[HeldRule],
        deadline: i64,
    ) -> Result<bool, StoreError> {
        let (before, holds) = (json(before)?, json(holds)?);
        self.with(|db| {
            let changed = db.execute(
                "UPDATE approvals SET holds = ?, deadline = ? WHERE number = ? AND state = 'pending' AND holds = ?",
                params![holds, deadline, sql(number), before],
            )?;
            Ok(changed == 1)
        })
    }

    fn consume(&mut self, number: Number, votes: usize, now: i64) -> Result<bool, StoreError> {
        let votes = i64::try_from(votes).unwrap_or(i64::MAX);
        self.with(|db| {
            let changed = db.execute(
                "UPDATE approvals SET state = 'consumed', decided_by = 'reviewers', ended = ?3
                 WHERE number = ?1 AND state = 'pending' AND deadline > ?3
                   AND (SELECT count(*) FROM votes WHERE approval = ?1) = ?2",
                params![sql(number), votes, now],
            )?;
            Ok(changed == 1)
        })
    }

    fn settle(
        &mut self,
        number: Number,
        state: ApprovalState,
        by: &str,
        reason: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        self.with(|db| {
            let changed = db.execute(
                "UPDATE approvals SET state = ?, decided_by = ?, reason = ?, ended = ?
                 WHERE number = ? AND state = 'pending'",
                params![state.as_str(), by, reason, now, sql(number)],
            )?;
            Ok(changed == 1)
        })
    }

    fn revoke(&mut self, revocation: &Revocation) -> Result<u64, StoreError> {
        self.atomically(|db| {
            if let RevocationSubject::User(name) = &revocation.subject {
                withdraw(db, name, &revocation.by, "revoked", revocation.at)?;
            }
            note(db, revocation)
        })
    }

    fn revocations(&mut self, after: u64) -> Result<Vec<(u64, Revocation)>, StoreError> {
        self.with(|db| {
            let mut statement = db.prepare_cached(
                "SELECT sequence, session, principal, token, by, reason, at FROM revocations WHERE sequence > ? ORDER BY sequence",
            )?;
            let rows = statement.query_map([sql(after)], |row| {
                let (session, token): (Option<i64>, Option<i64>) = (row.get(1)?, row.get(3)?);
                let subject = match (session, token) {
                    (Some(id), _) => RevocationSubject::Session(SessionId(id.cast_unsigned())),
                    (None, Some(number)) => RevocationSubject::Token(number.cast_unsigned()),
                    (None, None) => RevocationSubject::User(row.get(2)?),
                };
                let revocation = Revocation { subject, by: row.get(4)?, reason: row.get(5)?, at: row.get(6)? };
                Ok((unsigned(row, 0)?, revocation))
            })?;
            rows.collect()
        })
    }

    fn version(&mut self) -> Result<u64, StoreError> {
        self.with(|db| {
            db.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        })
    }

    fn reserve(&mut self, counter: &str, window: i64, want: u64, bound: u64) -> Result<u64, StoreError> {
        self.atomically(|db| {
            let found: Option<(i64, i64)> = db
                .prepare_cached("SELECT window, used FROM counters WHERE counter = ?")?
                .query_row([counter], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let used = match found {
                // A clock that runs behind another instance's must not reopen a window that has passed.
                Some((newer, _)) if newer > window => return Ok(0),
                Some((same, used)) if same == window => used.max(0).cast_unsigned(),
                _ => 0,
            };
            let taken = want.min(bound.saturating_sub(used));
            if taken > 0 {
                let used = i64::try_from(used.saturating_add(taken)).unwrap_or(i64::MAX);
                db.prepare_cached("INSERT OR REPLACE INTO counters VALUES (?, ?, ?)")?
                    .execute(params![counter, window, used])?;
            }
            Ok(taken)
        })
    }

    fn give_back(&mut self, counter: &str, window: i64, units: u64) -> Result<(), StoreError> {
        let units = i64::try_from(units).unwrap_or(i64::MAX);
        self.with(|db| {
            db.execute(
                "UPDATE counters SET used = max(0, used - ?) WHERE counter = ? AND window = ?",
                params![units, counter, window],
            )
            .map(drop)
        })
    }

    fn user(&mut self, name: &str) -> Result<Option<User>, StoreError> {
        self.with(|db| {
            db.prepare_cached(&format!("{USER} WHERE name = ?"))?.query_row([name], user).optional()
        })
    }

    fn users(&mut self) -> Result<Vec<User>, StoreError> {
        self.with(|db| db.prepare_cached(&format!("{USER} ORDER BY name"))?.query_map([], user)?.collect())
    }

    fn put_user(&mut self, user: &User) -> Result<(), StoreError> {
        let (groups, keys) = (json(&user.groups)?, json(&user.keys)?);
        self.atomically(|db| {
            if user.disabled {
                withdraw(db, &user.name, "gateway", "the account was disabled", None)?;
            }
            db.execute(
                "INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    user.name,
                    user.verifier,
                    user.kind.as_str(),
                    groups,
                    user.person,
                    user.owner,
                    user.disabled,
                    keys
                ],
            )
            .map(drop)
        })
    }

    fn remove_user(&mut self, name: &str) -> Result<bool, StoreError> {
        self.atomically(|db| {
            withdraw(db, name, "gateway", "the account was removed", None)?;
            tokens::forget_user(db, name)?;
            Ok(db.execute("DELETE FROM users WHERE name = ?", [name])? == 1)
        })
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
                note(db, &revocation)?;
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

/// Adds to the log of revocations.
fn note(db: &Connection, revocation: &Revocation) -> Result<u64, rusqlite::Error> {
    let (session, principal, token) = match &revocation.subject {
        RevocationSubject::Session(id) => (Some(sql(id.0)), None, None),
        RevocationSubject::User(name) => (None, Some(name), None),
        RevocationSubject::Token(number) => (None, None, Some(sql(*number))),
    };
    db.execute(
        "INSERT INTO revocations (session, principal, token, by, reason, at) VALUES (?, ?, ?, ?, ?, ?)",
        params![session, principal, token, revocation.by, revocation.reason, revocation.at],
    )?;
    Ok(db.last_insert_rowid().cast_unsigned())
}

const USER: &str = "SELECT name, verifier, kind, groups, person, owner, disabled, keys FROM users";
const APPROVAL: &str =
    "SELECT number, instance, session, principal, kind, person, owner, target, binding, shown,
    revealed, actions, holds, justification, in_transaction, created, deadline, state, decided_by, reason, bound_to,
    CASE WHEN state <> 'pending' THEN 0 WHEN bound_to = 'session' THEN 1
      ELSE (SELECT coalesce(sum(clients), 0) FROM waits WHERE approval = number) END
  FROM approvals";

fn insert(db: &Connection, new: &NewApproval, actions: &str, holds: &str) -> Result<Number, rusqlite::Error> {
    db.prepare_cached(
        "INSERT INTO approvals (instance, session, bound_to, principal, kind, person, owner, target, binding, shown,
           revealed, actions, holds, justification, in_transaction, created, deadline)
         VALUES (:instance, :session, :bound_to, :principal, :kind, :person, :owner, :target, :binding, :shown,
           :revealed, :actions, :holds, :justification, :in_transaction, :created, :deadline)",
    )?
    .execute(named_params! {
        ":instance": sql(new.instance),
        ":session": sql(new.session.0),
        ":bound_to": new.bound_to.as_str(),
        ":principal": new.principal,
        ":kind": new.kind.as_str(),
        ":person": new.person,
        ":owner": new.owner,
        ":target": new.target,
        ":binding": new.binding.0,
        ":shown": new.shown,
        ":revealed": new.revealed,
        ":actions": actions,
        ":holds": holds,
        ":justification": new.justification,
        ":in_transaction": new.in_transaction,
        ":created": new.created,
        ":deadline": new.deadline,
    })?;
    Ok(db.last_insert_rowid().cast_unsigned())
}

/// Ends what waits for approval bound to a principal that is no more.
fn withdraw(
    db: &Connection,
    principal: &str,
    by: &str,
    reason: &str,
    at: impl Into<Option<i64>>,
) -> Result<(), rusqlite::Error> {
    db.execute(
        "UPDATE approvals SET state = 'withdrawn', decided_by = ?, reason = ?, ended = ?, untold = 1
         WHERE state = 'pending' AND bound_to = 'principal' AND principal = ?",
        params![by, reason, at.into(), principal],
    )
    .map(drop)
}

fn user(row: &Row<'_>) -> Result<User, rusqlite::Error> {
    Ok(User {
        name: row.get(0)?,
        verifier: row.get(1)?,
        kind: kind(row, 2)?,
        groups: from_json(row, 3)?,
        person: row.get(4)?,
        owner: row.get(5)?,
        disabled: row.get(6)?,
        keys: from_json(row, 7)?,
    })
}

fn approval(row: &Row<'_>) -> Result<Approval, rusqlite::Error> {
    let (state, bound_to): (String, String) = (row.get(17)?, row.get(20)?);
    Ok(Approval {
        number: unsigned(row, 0)?,
        asked: NewApproval {
            instance: unsigned(row, 1)?,
            session: SessionId(unsigned(row, 2)?),
            bound_to: BoundTo::parse(&bound_to)
                .ok_or_else(|| senseless(20, format!("what is bound to `{bound_to}`")))?,
            principal: row.get(3)?,
            kind: kind(row, 4)?,
            person: row.get(5)?,
            owner: row.get(6)?,
            target: row.get(7)?,
            binding: Digest(row.get(8)?),
            shown: row.get(9)?,
            revealed: row.get(10)?,
            actions: from_json(row, 11)?,
            holds: from_json(row, 12)?,
            justification: row.get(13)?,
            in_transaction: row.get(14)?,
            created: row.get(15)?,
            deadline: row.get(16)?,
        },
        state: ApprovalState::parse(&state).ok_or_else(|| senseless(17, format!("the state `{state}`")))?,
        decided_by: row.get(18)?,
        reason: row.get(19)?,
        votes: Vec::new(),
        waiting: unsigned(row, 21)?,
    })
}

fn with_votes(db: &Connection, mut approval: Approval) -> Result<Approval, rusqlite::Error> {
    let mut statement = db.prepare_cached(
        "SELECT voter, approve, at, reason, binding, holds FROM votes WHERE approval = ? ORDER BY at, voter",
    )?;
    let votes = statement.query_map([sql(approval.number)], |row| {
        Ok(Vote {
            voter: row.get(0)?,
            approve: row.get(1)?,
            at: row.get(2)?,
            reason: row.get(3)?,
            binding: Digest(row.get(4)?),
            holds: from_json(row, 5)?,
        })
    })?;
    approval.votes = votes.collect::<Result<_, _>>()?;
    Ok(approval)
}

/// SQLite has signed integers only; the bits are kept.
pub(super) const fn sql(value: u64) -> i64 {
    value.cast_signed()
}

pub(super) fn unsigned(row: &Row<'_>, index: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(index).map(i64::cast_unsigned)
}

fn kind(row: &Row<'_>, index: usize) -> Result<PrincipalKind, rusqlite::Error> {
    let text: String = row.get(index)?;
    [PrincipalKind::Human, PrincipalKind::Service, PrincipalKind::Agent]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| senseless(index, format!("the kind `{text}`")))
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> Result<T, rusqlite::Error> {
    let text: String = row.get(index)?;
    serde_json::from_str(&text).map_err(|error| senseless(index, error.to_string()))
}

fn senseless(index: usize, message: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, StoreError::Corrupt(message).into())
}
