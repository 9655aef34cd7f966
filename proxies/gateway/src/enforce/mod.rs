//! The only caller of a policy's judgement in the data path, and the only mint of [`Permit`]s.
//!
//! ```text
//! Gateway::open_session → Session ── judge(Asked) ──→ Admit(Permit) ── forward() ──→ Receipt ── outcome()
//!                                                 ├─→ Refuse(Refusal)
//!                                                 └─→ Hold(Held) ── open() ─ wait() ──→ Admit | Refuse
//!                       └ resume(Judged) ──→ Continuation    goes on with what was admitted
//! ```
//!
//! A permit exists only after the intent was written to the audit log, can't be copied, and is consumed by
//! whoever forwards the command. What fails on the way is a refusal; evidence that can't be written also ends the session.
//!
//! # Reading order
//!
//! 1. `gateway`: what all sessions share, and how one is opened; `session`: one of them, and the judging of its commands.
//! 2. `asked`: what a proxy asks; `judged`: a decision made ready to be used many times; `refusal`: a denial in words.
//! 3. `permit`: proof that a command may be forwarded, and the duty to say what became of it.
//! 4. `hold`: a command that waits for approval; `vigil`: one that runs only while somebody watches.
//! 5. `live`: what a session, its permits and its held commands share. Its evidence goes over the `desk`, where the records
//!    of all sessions meet, and its recording over the `tape`.

mod asked;
mod desk;
mod gateway;
mod hold;
mod judged;
mod live;
mod permit;
mod refusal;
mod session;
mod tape;
#[cfg(test)]
pub(crate) mod tests;
mod vigil;

pub use asked::{Asked, Parameter, Stage, Statement, StatementParts};
pub use gateway::{Gateway, Opening, Parts};
pub use hold::{Held, HoldNotice, Released};
pub use judged::Judged;
pub use permit::{Continuation, Outcome, Permit, Receipt};
pub use refusal::{Refusal, RefusalKind};
pub use session::{Closing, Judgement, Session};
pub use tape::Tape;
