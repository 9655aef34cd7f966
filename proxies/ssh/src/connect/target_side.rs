//! What a target may begin by itself: channels that a grant has announced, and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use russh::client::{ChannelOpenHandle, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelOpenFailure, server};

use super::host_key::{Pins, Stranger};
use crate::bastion::Open;
use crate::command::Command;
use crate::flow::Flow;
use crate::forward;
use crate::login::seconds;
use crate::tasks::Tasks;

/// What was granted in a session, of which the target then opens channels. Each of these is judged anew, as what was granted.
#[derive(Default)]
pub(crate) struct Grants {
    granted: Mutex<Granted>,
    /// The session, once there is one.
    session: OnceLock<Weak<Open>>,
}

#[derive(Default)]
struct Granted {
    agent: Option<Command>,
    x11: Option<Command>,
    /// By the address and port that the target listens on for the client.
    ports: HashMap<(String, u32), Command>,
    sockets: HashMap<String, Command>,
}

impl Grants {
    fn lock(&self) -> MutexGuard<'_, Granted> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are the grants of this session.
    pub(crate) fn belong_to(&self, open: &Arc<Open>) {
        // They belong to one only.
        let _ = self.session.set(Arc::downgrade(open));
    }

    pub(crate) fn agent(&self, command: Command) {
        self.lock().agent = Some(command);
    }

    pub(crate) fn x11(&self, command: Command) {
        self.lock().x11 = Some(command);
    }

    pub(crate) fn port(&self, address: &str, port: u32, command: Command) {
        self.lock().ports.insert((address.to_owned(), port), command);
    }

    /// Whether it was granted.
    pub(crate) fn take_port(&self, address: &str, port: u32) -> bool {
        self.lock().ports.remove(&(address.to_owned(), port)).is_some()
    }

    pub(crate) fn socket(&self, path: &str, command: Command) {
        self.lock().sockets.insert(path.to_owned(), command);
    }

    /// Whether it was granted.
    pub(crate) fn take_socket(&self, path: &str) -> bool {
        self.lock().sockets.remove(path).is_some()
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
    /// `None` for a look at the target without a client.
    granting: Option<Granting>,
}

/// What channels that the target opens go by.
#[derive(Clone)]
pub(crate) struct Granting {
    pub(crate) grants: Arc<Grants>,
    pub(crate) client: server::Handle,
    pub(crate) client_flow: Arc<Flow>,
    pub(crate) tasks: Arc<Tasks>,
}

/// A channel that the target begins, and why it may.
struct Announced {
    open: Arc<Open>,
    granting: Granting,
    command: Command,
}

impl TargetSide {
    pub(crate) fn new(pins: Pins, granting: Option<Granting>) -> Self {
        Self { pins, found: Found::default(), granting }
    }

    /// What a channel goes by, if it was granted and there is room for it.
    fn announced(&self, was: impl FnOnce(&Granted) -> Option<Command>) -> Option<Announced> {
        let granting = self.granting.as_ref().filter(|granting| granting.tasks.has_room())?;
        let open = granting.grants.session.get()?.upgrade()?;
        let command = was(&granting.grants.lock())?;
        Some(Announced { open, granting: granting.clone(), command })
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
        let (address, port) = (connected_address.to_owned(), connected_port);
        let announced = self.announced(|granted| granted.ports.get(&(address.clone(), port)).cloned());
        let Some(announced) = announced else { return refuse(reply).await };
        let client = announced.granting.client.clone();
        let origin = originator_address.to_owned();
        let opened =
            async move { client.channel_open_forwarded_tcpip(address, port, origin, originator_port).await };
        announced.join(channel, reply, opened);
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        socket_path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let announced = self.announced(|granted| granted.sockets.get(socket_path).cloned());
        let Some(announced) = announced else { return refuse(reply).await };
        let (client, path) = (announced.granting.client.clone(), socket_path.to_owned());
        let opened = async move { client.channel_open_forwarded_streamlocal(path).await };
        announced.join(channel, reply, opened);
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let announced = self.announced(|granted| granted.agent.clone());
        let Some(announced) = announced else { return refuse(reply).await };
        let client = announced.granting.client.clone();
        let opened = async move { client.channel_open_agent().await };
        announced.join(channel, reply, opened);
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
        let announced = self.announced(|granted| granted.x11.clone());
        let Some(announced) = announced else { return refuse(reply).await };
        let (client, origin) = (announced.granting.client.clone(), originator_address.to_owned());
        let opened = async move { client.channel_open_x11(origin, originator_port).await };
        announced.join(channel, reply, opened);
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

impl Announced {
    /// Judges the target's channel, and joins it to the one that `opened` is to the client.
    fn join(
        self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        opened: impl Future<Output = Result<Channel<server::Msg>, russh::Error>> + Send + 'static,
    ) {
        let Self { open, granting, command } = self;
        let Granting { client_flow, tasks, .. } = granting;
        tasks.spawn(async move {
            let Ok(permit) = open.judge_now(&command).await.and_then(forward::carriable) else {
                return reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            };
            let carrying = forward::begin(&open, &command, permit);
            let Ok(to_client) = opened.await else {
                carrying.failed("the client could not open it");
                return reply.reject(ChannelOpenFailure::ConnectFailed).await;
            };
            let reader = client_flow.open(to_client.id());
            reply.accept().await;
            carrying.carry((to_client, &reader), channel).await;
        });
    }
}

async fn refuse(reply: ChannelOpenHandle) -> Result<(), russh::Error> {
    reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
    Ok(())
}
