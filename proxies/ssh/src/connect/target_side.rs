//! What a target may begin by itself: channels that a grant has announced, and nothing else.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_gateway::enforce::Gateway;
use russh::client::{ChannelOpenHandle, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelOpenFailure, server};

use super::host_key::{Pins, Stranger};
use crate::bastion::Traffic;
use crate::flow::Flow;
use crate::login::seconds;
use crate::splice::{Meter, splice};
use crate::tasks::Tasks;

/// What was granted in a session, of which the target then opens channels; each under a generation of the policy.
#[derive(Debug, Default)]
pub(crate) struct Grants(Mutex<Granted>);

#[derive(Debug, Default)]
struct Granted {
    agent: Option<u64>,
    x11: Option<u64>,
    /// Addresses and ports that the target listens on for the client.
    ports: HashMap<(String, u32), u64>,
    sockets: HashMap<String, u64>,
}

impl Grants {
    fn lock(&self) -> MutexGuard<'_, Granted> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn agent(&self, generation: u64) {
        self.lock().agent = Some(generation);
    }

    pub(crate) fn x11(&self, generation: u64) {
        self.lock().x11 = Some(generation);
    }

    pub(crate) fn port(&self, address: &str, port: u32, generation: u64) {
        self.lock().ports.insert((address.to_owned(), port), generation);
    }

    /// Whether it was granted.
    pub(crate) fn take_port(&self, address: &str, port: u32) -> bool {
        self.lock().ports.remove(&(address.to_owned(), port)).is_some()
    }

    pub(crate) fn socket(&self, path: &str, generation: u64) {
        self.lock().sockets.insert(path.to_owned(), generation);
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
    pub(crate) gateway: Gateway,
    pub(crate) client: server::Handle,
    pub(crate) client_flow: Arc<Flow>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) tasks: Arc<Tasks>,
}

impl TargetSide {
    pub(crate) fn new(pins: Pins, granting: Option<Granting>) -> Self {
        Self { pins, found: Found::default(), granting }
    }

    /// What a channel goes by, if it was granted under the policy in force and there is room for it.
    fn granted(&self, was: impl FnOnce(&Granted) -> Option<u64>) -> Option<Granting> {
        let granting = self.granting.as_ref()?;
        let generation = was(&granting.grants.lock())?;
        let stands = generation == granting.gateway.policies().generation();
        (stands && granting.tasks.has_room()).then(|| granting.clone())
    }

    /// Joins the target's channel to the one that `opened` is to the client.
    fn join(
        &self,
        granting: Granting,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        opened: impl Future<Output = Result<Channel<server::Msg>, russh::Error>> + Send + 'static,
    ) {
        let tasks = Arc::clone(&granting.tasks);
        tasks.spawn(async move {
            let Ok(to_client) = opened.await else {
                return reply.reject(ChannelOpenFailure::ConnectFailed).await;
            };
            let reader = granting.client_flow.open(to_client.id());
            let mut policies = granting.gateway.policies().changes();
            policies.mark_unchanged();
            reply.accept().await;
            let passed = AtomicU64::new(0);
            let meter = Meter { traffic: &granting.traffic, to_client: &passed };
            // What was granted under another policy has to be asked for again.
            splice((to_client, &reader), channel, &meter, policies.changed()).await;
        });
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
        let granted = self
            .granted(|granted| granted.ports.get(&(connected_address.to_owned(), connected_port)).copied());
        let Some(granting) = granted else { return refuse(reply).await };
        let (client, address) = (granting.client.clone(), connected_address.to_owned());
        let origin = originator_address.to_owned();
        let opened = async move {
            client.channel_open_forwarded_tcpip(address, connected_port, origin, originator_port).await
        };
        self.join(granting, channel, reply, opened);
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        socket_path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let granted = self.granted(|granted| granted.sockets.get(socket_path).copied());
        let Some(granting) = granted else { return refuse(reply).await };
        let (client, path) = (granting.client.clone(), socket_path.to_owned());
        let opened = async move { client.channel_open_forwarded_streamlocal(path).await };
        self.join(granting, channel, reply, opened);
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let granted = self.granted(|granted| granted.agent);
        let Some(granting) = granted else { return refuse(reply).await };
        let client = granting.client.clone();
        let opened = async move { client.channel_open_agent().await };
        self.join(granting, channel, reply, opened);
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
        let granted = self.granted(|granted| granted.x11);
        let Some(granting) = granted else { return refuse(reply).await };
        let (client, origin) = (granting.client.clone(), originator_address.to_owned());
        let opened = async move { client.channel_open_x11(origin, originator_port).await };
        self.join(granting, channel, reply, opened);
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
