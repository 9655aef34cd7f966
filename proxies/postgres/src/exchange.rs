//! Whole messages, one at a time and never a byte more: how both legs talk until the session is open.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::transport::Transport;
use crate::wire::Malformed;
use crate::wire::frame::{self, HEADER};

/// A conversation that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Malformed(#[from] Malformed),
}

/// Reads one message with at most `cap` bytes of body.
pub(crate) async fn read(from: &mut Transport, cap: usize) -> Result<(u8, Vec<u8>), Broken> {
    let mut header = [0; HEADER];
    from.read_exact(&mut header).await?;
    let header = frame::header(&header)?.ok_or(Malformed::Short)?;
    frame::within(header, cap)?;
    let mut body = vec![0; header.body];
    from.read_exact(&mut body).await?;
    Ok((header.tag, body))
}

/// Sends bytes, all the way.
pub(crate) async fn send(to: &mut Transport, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}
