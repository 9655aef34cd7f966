//! What a target may begin by itself: channels that a grant has announced, and nothing else.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::client::{ChannelOpenHandle, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelId, ChannelOpenFailure, server};

use super::host_key::{Pins, Stranger};
use crate::flow::Flow;
use crate::login::seconds;
use crate::splice::splice;

/// What was granted in a session, of which the target then opens channels.
#[derive(Debug, Default)]
pub(crate) struct Grants(Mutex<Granted>);

#[derive(Debug, Default)]
struct Granted {
    agent: bool,
    x11: bool,
    /// Addresses and ports that the target listens on for the client.
    ports: HashSet<(String, u32)>,
    sockets: HashSet<String>,
}

impl Grants {
    fn lock(&self) -> MutexGuard<'_, Granted> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn agent(&self) {
        self.lock().agent = true;
    }

    pub(crate) fn x11(&self) {
        self.lock().x11 = true;
    }

    pub(crate) fn port(&self, address: &str, port: u32) {
        self.lock().ports.insert((address.to_owned(), port));
    }

    /// Whether it was granted.
    pub(crate) fn take_port(&self, address: &str, port: u32) -> bool {
        self.lock().ports.remove(&(address.to_owned(), port))
    }

    pub(crate) fn socket(&self, path: &str) {
        self.lock().sockets.insert(path.to_owned());
    }

    /// Whether it was granted.
    pub(crate) fn take_socket(&self, path: &str) -> bool {
        self.lock().sockets.remove(path)
    }
}

/// Why the target was turned down, for whoever waits for the connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found(Arc<Mutex<Option<Stranger>>>);

impl Found {
    pub(crate) fn take(&self) -> Option<Stranger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The target's side of a connection.
pub(crate) struct TargetSide {
    pins: Pins,
    found: Found,
    grants: Arc<Grants>,
    flow: Arc<Flow>,
    /// `None` for a look at the target without a client.
    client: Option<(server::Handle, Arc<Flow>)>,
}

impl TargetSide {
    pub(crate) fn new(pins: Pins, grants: Arc<Grants>, client: Option<(server::Handle, Arc<Flow>)>) -> Self {
        Self { pins, found: Found::default(), grants, flow: Arc::default(), client }
    }

    /// Tells of channels that the target closes.
    pub(crate) fn flow(&self) -> Arc<Flow> {
        Arc::clone(&self.flow)
    }

    pub(crate) fn stranger(&self) -> Found {
        self.found.clone()
    }
}

impl Handler for TargetSide {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        match self.pins.check(shown, seconds()) {
            Ok(()) => Ok(true),
            Err(stranger) => {
                *self.found.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stranger);
                Ok(false)
            }
        }
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<Msg>,
        connected_address: &str,
        connected_port: u32,
        originator_address: &str,
        originator_port: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if !self.grants.lock().ports.contains(&(connected_address.to_owned(), connected_port)) {
            return refuse(reply).await;
        }
        let Some((client, theirs)) = self.client.clone() else { return refuse(reply).await };
        let flows = (theirs, Arc::clone(&self.flow));
        let (address, origin) = (connected_address.to_owned(), originator_address.to_owned());
        tokio::spawn(async move {
            let opened =
                client.channel_open_forwarded_tcpip(address, connected_port, origin, originator_port).await;
            join(opened, channel, reply, flows).await;
        });
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        socket_path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if !self.grants.lock().sockets.contains(socket_path) {
            return refuse(reply).await;
        }
        let Some((client, theirs)) = self.client.clone() else { return refuse(reply).await };
        let flows = (theirs, Arc::clone(&self.flow));
        let path = socket_path.to_owned();
        tokio::spawn(async move {
            let opened = client.channel_open_forwarded_streamlocal(path).await;
            join(opened, channel, reply, flows).await;
        });
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if !self.grants.lock().agent {
            return refuse(reply).await;
        }
        let Some((client, theirs)) = self.client.clone() else { return refuse(reply).await };
        let flows = (theirs, Arc::clone(&self.flow));
        tokio::spawn(async move {
            let opened = client.channel_open_agent().await;
            join(opened, channel, reply, flows).await;
        });
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        channel: Channel<Msg>,
        originator_address: &str,
        originator_port: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if !self.grants.lock().x11 {
            return refuse(reply).await;
        }
        let Some((client, theirs)) = self.client.clone() else { return refuse(reply).await };
        let flows = (theirs, Arc::clone(&self.flow));
        let origin = originator_address.to_owned();
        tokio::spawn(async move {
            let opened = client.channel_open_x11(origin, originator_port).await;
            join(opened, channel, reply, flows).await;
        });
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.flow.closed(id);
        Ok(())
    }

    // The library accepts these three unless told otherwise; no server has a reason to open them.

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }
}

async fn refuse(reply: ChannelOpenHandle) -> Result<(), russh::Error> {
    reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
    Ok(())
}

/// Joins the target's channel to the one that was opened to the client.
async fn join(
    opened: Result<Channel<server::Msg>, russh::Error>,
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
    flows: (Arc<Flow>, Arc<Flow>),
) {
    match opened {
        Ok(to_client) => {
            reply.accept().await;
            let (client, target) = (flows.0.open(to_client.id()), flows.1.open(channel.id()));
            splice((to_client, &client), (channel, &target)).await;
        }
        Err(_) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
    }
}
