//! Where relative paths begin on a target: asked once a session, by the gateway itself, when a command needs it.

use std::time::Duration;

use portcullis_evidence::record::Made;
use russh::client::Msg;
use russh::{Channel, ChannelMsg};

use crate::bastion::Open;
use crate::sftp::wire::request;
use crate::sftp::{Gate, Reply, SUBSYSTEM};

/// How long the target may take to say.
const PATIENCE: Duration = Duration::from_secs(5);

impl Open {
    /// The home directory, or nothing where the target does not say: relative paths stay undetermined then.
    pub(crate) async fn home(&self) -> Option<&str> {
        self.home.get_or_init(|| self.ask_home()).await.as_deref()
    }

    /// Begins a file transfer as a client would, which has the gate ask.
    async fn ask_home(&self) -> Option<String> {
        self.session.lock().await.made(Made::Home, None).ok()?;
        let opening = self.target.channel_open_session();
        let mut channel = tokio::time::timeout(PATIENCE, opening).await.ok()?.ok()?;
        let home = tokio::time::timeout(PATIENCE, answer(&mut channel)).await.ok().flatten();
        // Whatever it said, or did not.
        let _ = channel.close().await;
        home
    }
}

async fn answer(channel: &mut Channel<Msg>) -> Option<String> {
    channel.request_subsystem(true, SUBSYSTEM).await.ok()?;
    let mut gate = Gate::new();
    gate.client_sent(&request::write_init()).ok()?;
    while let Some(crate::sftp::Step::Pass(greeting)) = gate.step().ok()? {
        channel.data_bytes(greeting).await.ok()?;
    }
    loop {
        match channel.wait().await? {
            ChannelMsg::Data { data } => gate.target_sent(&data).ok()?,
            ChannelMsg::Failure | ChannelMsg::Close => return None,
            _ => {}
        }
        while let Some(reply) = gate.reply().ok()? {
            if let Reply::Target(question) = reply {
                channel.data_bytes(question).await.ok()?;
            }
        }
        if let Some(home) = gate.home() {
            return Some(home.to_owned());
        }
    }
}
