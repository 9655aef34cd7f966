//! Tunnels: judged when they are opened, carried as opaque bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_gateway::enforce::{Outcome, Permit, Receipt};
use russh::server::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelOpenFailure, client};

use crate::bastion::{Bastion, Open, Place, Readiness};
use crate::channel::has_value_masks;
use crate::command::{self, Command, Direction};
use crate::flow::Reader;
use crate::splice::{Meter, splice};

/// Where a client's tunnel goes.
#[derive(Clone, Debug)]
pub(crate) enum Tunnel {
    Port { host: String, port: u32, origin: String, origin_port: u32 },
    Socket { path: String },
}

impl Tunnel {
    fn command(&self) -> Command {
        match self {
            Self::Port { host, port, .. } => command::tunnel(Direction::Local, host, *port),
            Self::Socket { path } => command::socket(Direction::Local, path),
        }
    }
}

/// A tunnel that the client opens (`-L`, `-D`, `-W`): judged, a hold waits with the channel unanswered, then carried.
pub(crate) async fn outward(
    bastion: Arc<Bastion>,
    (channel, reader): (Channel<Msg>, Reader),
    tunnel: Tunnel,
    reply: ChannelOpenHandle,
    _place: Place,
) {
    let Some(open) = ready(&bastion).await else {
        return reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
    };
    let command = tunnel.command();
    let permit = match permitted(&bastion, &open, &command).await {
        Some(permit) => permit,
        None => return reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await,
    };
    let carrying = begin(&open, &command, permit);
    let opened = match tunnel {
        Tunnel::Port { host, port, origin, origin_port } => {
            open.target.channel_open_direct_tcpip(host, port, origin, origin_port).await
        }
        Tunnel::Socket { path } => open.target.channel_open_direct_streamlocal(path).await,
    };
    match opened {
        Ok(target) => {
            reply.accept().await;
            carrying.carry((channel, &reader), target).await;
        }
        Err(_) => {
            carrying.failed("the target could not open it");
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
        }
    }
}

/// Opaque bytes that were admitted, on their way to be carried.
pub(crate) struct Carrying<'a> {
    open: &'a Open,
    command: &'a Command,
    receipt: Receipt,
    generation: u64,
}

/// The permit, if what it is for can be carried as it must be: nothing can be masked in opaque bytes.
pub(crate) fn carriable(permit: Permit) -> Result<Permit, String> {
    if has_value_masks(&permit) {
        permit.unused("can't be masked");
        return Err("values in it would have to be masked, which a tunnel can't".to_owned());
    }
    Ok(permit)
}

/// Takes the permit of a channel that is about to be opened.
pub(crate) fn begin<'a>(open: &'a Open, command: &'a Command, permit: Permit) -> Carrying<'a> {
    let generation = permit.judged().generation();
    Carrying { open, command, receipt: permit.forward(), generation }
}

impl Carrying<'_> {
    /// It came to nothing.
    pub(crate) fn failed(self, error: &str) {
        self.receipt.outcome(Outcome { error: Some(error), ..Outcome::default() });
    }

    /// Joins the two channels until either ends, the session is stopped, or a policy forbids it.
    pub(crate) async fn carry(self, client: (Channel<Msg>, &Reader), target: Channel<client::Msg>) {
        let Self { open, command, mut receipt, generation } = self;
        let passed = AtomicU64::new(0);
        let meter = Meter { traffic: &open.traffic, to_client: &passed, receipt: &mut receipt };
        let until = async {
            tokio::select! {
                _ = open.stop.wait() => "stopped",
                () = forbidden(open, command, generation) => "the policy has changed",
            }
        };
        let error = splice(client, target, meter, until).await;
        let bytes = passed.load(Ordering::Relaxed);
        receipt.outcome(Outcome { bytes, error, ..Outcome::default() });
    }
}

/// Resolves once a policy is in force that would not let this through without asking.
async fn forbidden(open: &Open, command: &Command, mut generation: u64) {
    let mut policies = open.gateway.policies().changes();
    loop {
        let now = *policies.borrow_and_update();
        if now != generation {
            match open.judge_now(command).await {
                Ok(permit) => match carriable(permit) {
                    Ok(permit) => permit.forward().outcome(Outcome::default()),
                    Err(_) => return,
                },
                Err(_) => return,
            }
            generation = now;
        }
        if policies.changed().await.is_err() {
            return;
        }
    }
}

/// Judged to the end. There is nowhere to say why not: the channel-open failure is all that the client sees.
async fn permitted(bastion: &Bastion, open: &Open, command: &Command) -> Option<Permit> {
    use portcullis_gateway::enforce::Judgement;

    if !may_be_asked(bastion, open, command).await {
        return None;
    }
    let permit = match open.judge(command, &[], None).await {
        Judgement::Admit(permit) => permit,
        Judgement::Refuse(_) => return None,
        Judgement::Hold(mut held) => {
            let _holding = open.traffic.holds();
            held.open().await.ok()?;
            held.wait().await.ok()?.permit
        }
    };
    carriable(permit).ok()
}

/// The answer to a global request, or none where it takes too long: it is waited for in the loop of the whole
/// connection, on which the target's answer may depend.
pub(crate) async fn soon<T>(answer: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(SOON, answer).await.ok()
}

/// How long that is.
const SOON: Duration = Duration::from_secs(3);

/// A port that the target is asked to listen on (`-R`); the port, which the target may choose.
pub(crate) async fn listen(bastion: &Bastion, address: &str, port: u32) -> Option<u32> {
    let open = at_once(bastion).await?;
    let permit = permitted_now(bastion, &open, &command::tunnel(Direction::Remote, address, port)).await?;
    let receipt = permit.forward();
    match open.target.tcpip_forward(address, port).await {
        Ok(chosen) => {
            let listening = if port == 0 { chosen } else { port };
            open.grants.port(address, listening, command::tunnel(Direction::Remote, address, listening));
            receipt.outcome(Outcome::default());
            Some(listening)
        }
        Err(_) => {
            receipt.outcome(Outcome { error: Some("the target refused"), ..Outcome::default() });
            None
        }
    }
}

/// The target stops listening; without effect unless it was granted.
pub(crate) async fn stop_listening(bastion: &Bastion, address: &str, port: u32) -> bool {
    let Some(open) = bastion.open() else { return false };
    open.grants.take_port(address, port) && open.target.cancel_tcpip_forward(address, port).await.is_ok()
}

/// A socket that the target is asked to make (`-R path:…`).
pub(crate) async fn listen_at(bastion: &Bastion, path: &str) -> bool {
    let Some(open) = at_once(bastion).await else { return false };
    let command = command::socket(Direction::Remote, path);
    let Some(permit) = permitted_now(bastion, &open, &command).await else { return false };
    let receipt = permit.forward();
    let listening = open.target.streamlocal_forward(path).await.is_ok();
    if listening {
        open.grants.socket(path, command);
    }
    let error = (!listening).then_some("the target refused");
    receipt.outcome(Outcome { error, ..Outcome::default() });
    listening
}

/// The target removes the socket; without effect unless it was granted.
pub(crate) async fn stop_listening_at(bastion: &Bastion, path: &str) -> bool {
    let Some(open) = bastion.open() else { return false };
    open.grants.take_socket(path) && open.target.cancel_streamlocal_forward(path).await.is_ok()
}

async fn permitted_now(bastion: &Bastion, open: &Open, command: &Command) -> Option<Permit> {
    if !may_be_asked(bastion, open, command).await {
        return None;
    }
    carriable(open.judge_now(command).await.ok()?).ok()
}

/// Whether a tunnel is one that policies are asked about; recorded where it is not.
async fn may_be_asked(bastion: &Bastion, open: &Open, command: &Command) -> bool {
    let reason = if !bastion.permits.port_forwarding {
        "the certificate does not permit tunnels"
    } else if !command::has_port(command) {
        // Programs that keep 16 bits of it would open another.
        "there is no such port"
    } else {
        return true;
    };
    note(open, command, reason).await;
    false
}

/// Records what is refused without a verdict.
async fn note(open: &Open, command: &Command, reason: &str) {
    let _ = open.session.lock().await.refused(command.via, reason, Some(command.text.as_bytes()));
}

/// The session, however long its beginning takes.
async fn ready(bastion: &Bastion) -> Option<Arc<Open>> {
    let mut readiness = bastion.readiness();
    loop {
        let now = readiness.borrow_and_update().clone();
        match now {
            Readiness::Ready(open) => return Some(open),
            Readiness::Refused(_) => return None,
            Readiness::Connecting | Readiness::Held(_) => {}
        }
        readiness.changed().await.ok()?;
    }
}

/// The session, if nobody has to be waited for: global requests are answered in the loop of the whole connection.
async fn at_once(bastion: &Bastion) -> Option<Arc<Open>> {
    let mut readiness = bastion.readiness();
    loop {
        let now = readiness.borrow_and_update().clone();
        match now {
            Readiness::Ready(open) => return Some(open),
            Readiness::Refused(_) | Readiness::Held(_) => return None,
            Readiness::Connecting => {}
        }
        readiness.changed().await.ok()?;
    }
}
