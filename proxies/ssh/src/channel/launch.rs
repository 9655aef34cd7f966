//! The target's end of a channel: opened, given what was granted, started. Each of it consumes its permit.

use portcullis_gateway::enforce::{Outcome, Permit, Receipt};
use russh::client::Msg;
use russh::{Channel, ChannelMsg};

use super::wishes::Wishes;
use crate::bastion::Open;
use crate::command::{self, Launch};

/// The most messages of a target that come before its answer.
const EARLY: usize = 64;

/// What was granted of a client's wishes, with the permit of each.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) wishes: Wishes,
    pub(super) permits: Vec<Permit>,
}

impl Granted {
    /// What it was granted for does not run.
    pub(super) fn unused(self) {
        for permit in self.permits {
            permit.unused("what it was for did not run");
        }
    }
}

/// What was admitted.
pub(super) struct Admitted {
    pub(super) launch: Launch,
    pub(super) permit: Permit,
}

/// Something that runs on the target.
pub(super) struct Started {
    pub(super) receipt: Receipt,
    /// What the target said before it answered that it had started.
    pub(super) early: Vec<ChannelMsg>,
}

/// Opens a channel on the target, which is left in `slot` whatever comes of it, and starts what was admitted. The one place
/// from where a client's command goes to a target.
pub(super) async fn launch(
    slot: &mut Option<Channel<Msg>>,
    open: &Open,
    granted: Granted,
    admitted: Admitted,
) -> Result<Started, String> {
    let failed = |error: russh::Error| format!("the target opens no channel: {error}");
    let channel = slot.insert(open.target.channel_open_session().await.map_err(failed)?);
    prepare(channel, open, granted).await.map_err(failed)?;
    start(channel, admitted).await
}

/// Variables, terminal, agent and X11, as they were granted.
async fn prepare(channel: &Channel<Msg>, open: &Open, granted: Granted) -> Result<(), russh::Error> {
    let Granted { wishes, permits } = granted;
    let receipts: Vec<Receipt> = permits.into_iter().map(Permit::forward).collect();
    for (name, value) in &wishes.variables {
        channel.set_env(false, name, value).await?;
    }
    if let Some(pty) = &wishes.pty {
        let size = pty.size;
        channel
            .request_pty(false, &pty.term, size.columns, size.rows, size.width, size.height, &pty.modes)
            .await?;
    }
    if wishes.agent {
        open.grants.agent(command::agent());
        channel.agent_forward(false).await?;
    }
    if let Some(x11) = &wishes.x11 {
        open.grants.x11(command::x11());
        channel.request_x11(false, x11.single_connection, &x11.protocol, &x11.cookie, x11.screen).await?;
    }
    receipts.into_iter().for_each(|receipt| receipt.outcome(Outcome::default()));
    Ok(())
}

async fn start(channel: &mut Channel<Msg>, admitted: Admitted) -> Result<Started, String> {
    let receipt = admitted.permit.forward();
    let asked = match admitted.launch {
        Launch::Exec(command) => channel.exec(true, command).await,
        Launch::Shell => channel.request_shell(true).await,
        Launch::Subsystem(name) => channel.request_subsystem(true, name).await,
    };
    asked.map_err(|error| format!("the target has gone: {error}"))?;
    let mut early = Vec::new();
    let error = loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => return Ok(Started { receipt, early }),
            Some(ChannelMsg::Failure) => break "the target refused to start it",
            None | Some(ChannelMsg::Close) => break "the target closed the channel",
            Some(_) if early.len() >= EARLY => break "the target does not answer",
            Some(message) => early.push(message),
        }
    };
    receipt.outcome(Outcome { error: Some(error), ..Outcome::default() });
    Err(error.to_owned())
}
