//! Reaching the catalogue with the target's hidden credential, by the same code as sessions do.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::live::Dial;
use crate::connect::{self, Target};

/// What a connection to a target is carried by.
pub trait Line: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Line for S {}

impl Dial for Arc<Target> {
    type Stream = Box<dyn Line>;

    async fn dial(&self) -> io::Result<Box<dyn Line>> {
        let ready = connect::open(self, &[("application_name", "portcullis catalogue")]).await;
        Ok(Box::new(ready.map_err(io::Error::other)?.transport))
    }
}
