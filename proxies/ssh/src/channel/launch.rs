//! The target's end of a channel: opened with what was granted, started by consuming a permit.

use portcullis_gateway::enforce::{Permit, Receipt};
use russh::client::Msg;
use russh::{Channel, ChannelMsg};

use super::wishes::Wishes;
use crate::bastion::Open;
use crate::command::Launch;

/// The most messages of a target that come before its answer.
const EARLY: usize = 64;

/// Something that runs on the target.
pub(super) struct Started {
    pub(super) channel: Channel<Msg>,
    pub(super) receipt: Receipt,
    /// What the target said before it answered that it had started.
    pub(super) early: Vec<ChannelMsg>,
}

/// A channel on the target, with variables and terminal as they were granted; nothing runs in it yet.
pub(super) async fn open(open: &Open, wishes: &Wishes) -> Result<Channel<Msg>, String> {
    let failed = |error: russh::Error| format!("the target opens no channel: {error}");
    let channel = open.target.channel_open_session().await.map_err(failed)?;
    for (name, value) in &wishes.variables {
        channel.set_env(false, name, value).await.map_err(failed)?;
    }
    if let Some(pty) = &wishes.pty {
        let size = pty.size;
        channel
            .request_pty(false, &pty.term, size.columns, size.rows, size.width, size.height, &pty.modes)
            .await
            .map_err(failed)?;
    }
    if wishes.agent {
        channel.agent_forward(false).await.map_err(failed)?;
    }
    if let Some(x11) = &wishes.x11 {
        channel
            .request_x11(false, x11.single_connection, &x11.protocol, &x11.cookie, x11.screen)
            .await
            .map_err(failed)?;
    }
    Ok(channel)
}

/// Starts what was admitted. The one place from where a client's command goes to a target.
pub(super) async fn start(
    mut channel: Channel<Msg>,
    launch: Launch,
    permit: Permit,
) -> Result<Started, String> {
    let failed = |error: russh::Error| format!("the target has gone: {error}");
    let receipt = permit.forward();
    match launch {
        Launch::Exec(command) => channel.exec(true, command).await.map_err(failed)?,
        Launch::Shell => channel.request_shell(true).await.map_err(failed)?,
        Launch::Subsystem(name) => channel.request_subsystem(true, name).await.map_err(failed)?,
    }
    let mut early = Vec::new();
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => return Ok(Started { channel, receipt, early }),
            Some(ChannelMsg::Failure) => {
                receipt.outcome(portcullis_gateway::enforce::Outcome {
                    error: Some("the target refused to start it"),
                    ..Default::default()
                });
                return Err("the target refused to start it".to_owned());
            }
            None | Some(ChannelMsg::Close) => return Err("the target closed the channel".to_owned()),
            Some(_) if early.len() >= EARLY => return Err("the target does not answer".to_owned()),
            Some(message) => early.push(message),
        }
    }
}
