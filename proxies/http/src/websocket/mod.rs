//! WebSockets (RFC 6455) between a client and a target: what goes to the client is looked through message by message.
//!
//! - `frame`: a frame's header; `reader`: frames and messages as they come;
//! - `messages`: what a target says, each message a text of its own;
//! - `channels`: what a program in a pod says, in Kubernetes' channels over a WebSocket.
//!
//! No extension is agreed on, so what is in a frame is what it says.

mod channels;
mod frame;
mod messages;
mod reader;

pub(crate) use channels::{FromProgram, ToProgram};
pub use frame::{Bad, Header, Opcode, Sender};
pub(crate) use messages::{Messages, Said, control};
pub use reader::{Part, Reader};
