//! The catalogue's own connection to a target.

use std::io;
use std::sync::Arc;

use crate::catalogue::Dial;
use crate::connect::{self, Target};
use crate::transport::Transport;

/// Opens connections with the target's hidden credential.
pub struct Dialer {
    target: Arc<Target>,
}

impl Dialer {
    /// A dialer for this target.
    pub fn new(target: Arc<Target>) -> Self {
        Self { target }
    }
}

impl Dial for Dialer {
    type Stream = Transport;

    async fn dial(&self) -> io::Result<Transport> {
        let settings = [("application_name", "portcullis catalogue")];
        let ready = connect::open(&self.target, &settings).await.map_err(io::Error::other)?;
        Ok(ready.transport)
    }
}
