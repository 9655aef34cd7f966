//! SPDY/3.1 as Kubernetes' clients and servers speak it, where they do not speak WebSocket: streams that are opened by the client,
//! data on them, and hardly anything else.
//!
//! - `frame`: what a frame begins with; `reader`: frames as they come; `block`: the fields in them, which are compressed;
//! - `program`: a program's streams; `forward`: a tunnel to a port.
//!
//! What goes to the client is written anew where it is data; other frames go on as they came, once they are understood. There is
//! no flow control between these programs (k8s.io/apimachinery, `util/httpstream/spdy`), so lengths may change.
//! Source: <https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/>

mod block;
mod forward;
mod frame;
mod program;
mod reader;

pub use block::{Block, Blocks};
pub(crate) use forward::Forward;
pub use frame::{Bad, Head, Kind};
pub(crate) use program::{FromProgram, Roles, ToProgram};
pub use reader::{Control, Part, Reader};
