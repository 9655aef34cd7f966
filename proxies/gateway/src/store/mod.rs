//! What outlives a session and what several gateways share: approvals, votes, revocations, counters, users and their tokens,
//! tag pins, tool pins.
//!
//! [`Store`] is the contract, [`Sqlite`] the embedded one, [`Keeper`] runs one on a thread of its own. What is done with the
//! embedded one's tables is in a file for each idea: approvals, users, tokens and so on.

mod approvals;
mod columns;
mod counters;
mod instances;
mod keeper;
mod records;
mod revocations;
mod sqlite;
#[cfg(test)]
mod tests;
mod tokens;
mod tools;
mod users;

pub use keeper::Keeper;
pub use records::{
    Approval, ApprovalState, BoundTo, Described, HeldRule, Joined, NewApproval, NewToken, Number, Revocation,
    RevocationSubject, Room, SessionRow, TagPin, Token, ToolDescription, ToolPin, ToolRepeat, User, Vote,
};
pub use sqlite::Sqlite;

use crate::session::SessionId;

/// State that survives the process and is shared by the instances that open the same store.
///
/// # Crash contract
/// A call that returned `Ok` is durable: it survives the process and the power. A call that returned an error or
/// never returned has happened wholly or not at all. [`Store::consume`], [`Store::vote`] and [`Store::reserve`] are
/// atomic across instances: of two that race for one grant or for the last unit of a bound, one gets it.
/// A grant that was consumed by an instance that then died is lost; it is never given again.
///
/// Calls block. Times are milliseconds since the Unix epoch, UTC.
pub trait Store: Send {
    /// Notes that an instance lives, and forgets what dead ones left behind: their sessions are removed and what
    /// they held for them is withdrawn. Says how many held commands were. What is bound to principals waits on.
    fn heartbeat(&mut self, instance: u64, now: i64) -> Result<usize, StoreError>;
    /// Forgets an instance that ends in order, as [`Store::heartbeat`] does with dead ones.
    fn farewell(&mut self, instance: u64) -> Result<(), StoreError>;

    /// Notes a session.
    fn open_session(&mut self, session: &SessionRow) -> Result<(), StoreError>;
    /// Forgets a session.
    fn close_session(&mut self, id: SessionId) -> Result<(), StoreError>;
    /// The sessions of all live instances, oldest first.
    fn sessions(&mut self) -> Result<Vec<SessionRow>, StoreError>;

    /// Opens an approval that is bound to its session; numbers are never used again.
    fn request(&mut self, approval: &NewApproval) -> Result<Number, StoreError>;
    /// Opens an approval that is bound to its principal, or finds the one of the same binding that waits: of two that race,
    /// one opens it. Either way one more client waits for it, at the instance that asks.
    fn join(&mut self, approval: &NewApproval, room: Room) -> Result<Joined, StoreError>;
    /// A client of this instance waits no longer for an approval that is bound to its principal. The approval does.
    fn leave(&mut self, number: Number, instance: u64) -> Result<(), StoreError>;
    /// Ends those bound to principals whose time is over while no client waits. Then returns, once, all that ended without
    /// one that could have told evidence: these, and those that went with their principal.
    fn ended_alone(&mut self, now: i64) -> Result<Vec<Approval>, StoreError>;
    /// One approval with its votes.
    fn approval(&mut self, number: Number) -> Result<Option<Approval>, StoreError>;
    /// Approvals, newest first; only those still waiting if `pending`. At most 1,000.
    fn approvals(&mut self, pending: bool) -> Result<Vec<Approval>, StoreError>;
    /// Adds a vote to a waiting approval. `false` if it no longer waits or this voter has voted for the same holds.
    fn vote(&mut self, number: Number, vote: &Vote) -> Result<bool, StoreError>;
    /// Replaces what a waiting approval asks for, provided that it is `before`. Votes keep what they were cast for. `false` if it
    /// no longer waits, or asks for something else.
    fn amend(
        &mut self,
        number: Number,
        before: &[HeldRule],
        holds: &[HeldRule],
        deadline: i64,
    ) -> Result<bool, StoreError>;
    /// Takes the grant: from waiting to consumed, provided that its votes are the `votes` that were counted.
    /// `false` if it no longer waits or the votes have changed.
    fn consume(&mut self, number: Number, votes: usize, now: i64) -> Result<bool, StoreError>;
    /// Ends a waiting approval without a grant. `false` if it no longer waits.
    fn settle(
        &mut self,
        number: Number,
        state: ApprovalState,
        by: &str,
        reason: &str,
        now: i64,
    ) -> Result<bool, StoreError>;

    /// Notes a revocation; its sequence number. What waits for approval bound to a revoked user is withdrawn with it.
    fn revoke(&mut self, revocation: &Revocation) -> Result<u64, StoreError>;
    /// Revocations after a sequence number, with theirs, in order.
    fn revocations(&mut self, after: u64) -> Result<Vec<(u64, Revocation)>, StoreError>;
    /// Changes whenever another connection has changed the store.
    fn version(&mut self) -> Result<u64, StoreError>;

    /// Takes up to `want` units of `counter` in the window that starts at `window`, never more than `bound` in all;
    /// how many were left to take. Windows before this one are forgotten.
    fn reserve(&mut self, counter: &str, window: i64, want: u64, bound: u64) -> Result<u64, StoreError>;
    /// Returns units that were taken and not used.
    fn give_back(&mut self, counter: &str, window: i64, units: u64) -> Result<(), StoreError>;

    /// One local user.
    fn user(&mut self, name: &str) -> Result<Option<User>, StoreError>;
    /// All local users by name.
    fn users(&mut self) -> Result<Vec<User>, StoreError>;
    /// Adds a user, or replaces the one of this name. Disabled, what waits for approval bound to them is withdrawn.
    fn put_user(&mut self, user: &User) -> Result<(), StoreError>;
    /// Removes a user, and with it every token that proves it, or an agent that acts for it; withdraws what waits for approval
    /// bound to them. `false` if there was none.
    fn remove_user(&mut self, name: &str) -> Result<bool, StoreError>;

    /// Notes a token; numbers are never used again.
    fn add_token(&mut self, token: &NewToken) -> Result<Number, StoreError>;
    /// The token of a number, whether or not it is good any more.
    fn token(&mut self, number: Number) -> Result<Option<Token>, StoreError>;
    /// The token with this hash, whether or not it is good any more.
    fn token_of(&mut self, hash: &[u8; 32]) -> Result<Option<Token>, StoreError>;
    /// The tokens of one user, or all, newest first. At most 1,000; those that ended a year ago may be forgotten.
    fn tokens(&mut self, user: Option<&str>) -> Result<Vec<Token>, StoreError>;
    /// Ends a token, and orders that every session it opened ends: both or neither. `false` if there is none of this
    /// number, or it was revoked before.
    fn revoke_token(&mut self, number: Number, by: &str, reason: &str, now: i64) -> Result<bool, StoreError>;
    /// Notes that a token was used. Nobody waits for this.
    fn token_used(&mut self, number: Number, now: i64) -> Result<(), StoreError>;

    /// The identities that tagged columns of a target resolved to.
    fn tag_pins(&mut self, target: &str) -> Result<Vec<TagPin>, StoreError>;
    /// Notes identities, replacing those of the same target, pattern and column.
    fn pin_tags(&mut self, target: &str, pins: &[TagPin]) -> Result<(), StoreError>;

    /// Notes how tools of a target are described, before anybody is shown it; what is known of each then, in order. The first
    /// description of a tool is taken for approved. At most 10,000 tools a target and 8 descriptions a tool wait for approval.
    fn describe_tools(
        &mut self,
        target: &str,
        tools: &[ToolDescription],
    ) -> Result<Vec<Described>, StoreError>;
    /// The descriptions of a tool that nobody has approved; `None` where it was never described.
    fn tool_changes(&mut self, target: &str, tool: &str) -> Result<Option<Vec<[u8; 32]>>, StoreError>;
    /// What of a tool's arguments a call repeats in its head, as any description of it said that was noted.
    fn tool_repeats(&mut self, target: &str, tool: &str) -> Result<Vec<ToolRepeat>, StoreError>;
    /// Notes that descriptions were approved.
    fn approve_tools(&mut self, target: &str, tools: &[ToolPin]) -> Result<(), StoreError>;
}

/// The store failed. Whatever depended on the answer is refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite reported an error.
    #[error("the store `{path}` failed: {source}")]
    Sqlite {
        /// The file.
        path: String,
        /// SQLite's words.
        source: rusqlite::Error,
    },
    /// The file was written by a newer version.
    #[error(
        "the store `{path}` has schema {found}, this version knows {known}: use the newer portcullis that wrote it"
    )]
    TooNew {
        /// The file.
        path: String,
        /// Its version.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// A row holds what this version never writes.
    #[error("the store holds a value that makes no sense: {0}")]
    Corrupt(String),
    /// The store's thread has ended.
    #[error("the store has stopped")]
    Stopped,
}
