//! What Portcullis's proxies share: configuration, enforcement, sessions, identity, approvals, control.
//!
//! It speaks no wire protocol and parses no command: a proxy turns what its client sent into actions and asks here.
//! A service that only wants a verdict, without sessions, approvals or evidence, uses `policy-core` itself.
//!
//! # Reading order
//!
//! 1. [`config`]: one TOML file, checked. [`start`]: from there to a running instance.
//! 2. [`policies`]: the policy in force. [`limits`]: how much of what it allows. [`reload`]: how all of it is replaced.
//! 3. [`enforce`]: judge, admit, hold, record: what a proxy calls.
//! 4. [`session`]: live sessions and how they are stopped; `audience`: who listens to one. [`store`]: what outlives them and is shared; `watch` looks there
//!    for what other instances and people have changed.
//! 5. [`identity`]: who a client is. [`credential`]: what a target is shown instead. [`tls`]: what clients are;
//!    [`finders`]: what is looked for in what a target says; [`stream`]: what programs say and are told.
//! 6. [`control`]: what people and their tools do about it. [`telemetry`], [`lifecycle`] and [`clock`]: the process itself.
//! 7. [`listen`], [`throttle`] and [`workers`]: how clients are let in and who carries them; [`turn_away`]: how they are not; [`renew`]: how a proxy gets
//!    ready and takes another configuration up; [`process`]: the whole life of a process that runs some proxies.

mod audience;
pub mod clock;
pub mod config;
pub mod control;
pub mod credential;
pub mod enforce;
pub mod finders;
pub mod identity;
pub mod lifecycle;
pub mod limits;
pub mod listen;
pub mod policies;
pub mod process;
pub mod reload;
pub mod renew;
pub mod session;
pub mod start;
pub mod store;
pub mod stream;
pub mod telemetry;
pub mod throttle;
pub mod tls;
pub mod turn_away;
mod watch;
pub mod workers;
