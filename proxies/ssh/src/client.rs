//! The client's leg: logging in, and where its channels and requests go.
//!
//! The SSH library awaits every one of these methods in the loop that carries the whole connection, so none of them
//! waits for anything that a person does. Requests of a channel are answered at once ("it arrived") and judged by the
//! channel's own task, which reads them in order; the library keeps one flag a channel for whether an answer is wanted,
//! so a later answer could go to the wrong request.

use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::throttle::Place;
use russh::keys::Certificate;
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty};
use tokio::sync::oneshot;

use crate::bastion::{Arrival, Bastion};
use crate::channel;
use crate::flow::{Flow, Overrun};
use crate::forward::{self, Tunnel};
use crate::keys::is_broken;
use crate::login::{self, Asked, Proven, Refused};
use crate::settings::Settings;

/// Why the connection ends.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) russh::Error);

impl From<russh::Error> for Failure {
    fn from(error: russh::Error) -> Self {
        Self(error)
    }
}

type Answer<T> = Result<T, Failure>;

/// One client.
pub(crate) struct Client {
    gateway: Gateway,
    settings: Arc<Settings>,
    source: SocketAddr,
    place: Place,
    proven: Option<Proven>,
    /// Who the client said it was, at the latest failed try.
    claimed: Option<(String, String)>,
    arrived: Option<oneshot::Sender<Arc<Bastion>>>,
    bastion: Option<Arc<Bastion>>,
    flow: Arc<Flow>,
}

impl Client {
    async fn arrived(&self, id: ChannelId, data: &[u8]) -> Answer<()> {
        self.flow.arrived(id, data.len()).await.map_err(|Overrun| {
            tracing::warn!(source = %self.source, "a client sends more than its window allows, and is hung up on");
            Failure(russh::Error::Inconsistent)
        })
    }

    pub(crate) fn new(
        gateway: Gateway,
        settings: &Arc<Settings>,
        source: SocketAddr,
        place: Place,
        arrived: oneshot::Sender<Arc<Bastion>>,
    ) -> Self {
        let settings = Arc::clone(settings);
        let arrived = Some(arrived);
        Self {
            gateway,
            settings,
            source,
            place,
            proven: None,
            claimed: None,
            arrived,
            bastion: None,
            flow: Arc::default(),
        }
    }

    fn outcome(&mut self, user: &str, outcome: Result<Proven, Refused>) -> Auth {
        match outcome {
            Ok(proven) => {
                self.proven = Some(proven);
                Auth::Accept
            }
            Err(refused) => {
                if let Refused::Identity(error) = &refused {
                    tracing::error!(%error, "an account could not be looked up: nobody is let in");
                }
                self.place.failed();
                self.claimed = Some((user.to_owned(), refused.to_string()));
                Auth::reject()
            }
        }
    }

    /// A tunnel that the client opens: judged and carried by a task of its own.
    fn tunnel(&self, channel: Channel<Msg>, tunnel: Tunnel, reply: ChannelOpenHandle) {
        let Some(bastion) = &self.bastion else { return };
        let Some(place) = bastion.enter() else { return };
        let reader = self.flow.open(channel.id());
        bastion.tasks.spawn(forward::outward(Arc::clone(bastion), (channel, reader), tunnel, reply, place));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Said once a connection, not for each key that an agent offers.
        if let (None, Some((user, reason))) = (&self.proven, &self.claimed) {
            let asked = Asked::read(user);
            let source = self.source.to_string();
            self.gateway.refused("authentication", Some(asked.account), asked.target, &source, reason);
        }
    }
}

impl Handler for Client {
    type Error = Failure;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Answer<Auth> {
        if is_broken(offer.algorithm) {
            return Ok(Auth::reject());
        }
        // The library does not say here whether the key came in a certificate: with an authority configured each offer may
        // be proven, and what it was is seen then.
        if !self.settings.user_authorities.is_empty() {
            return Ok(Auth::Accept);
        }
        let account = Asked::read(user).account;
        Ok(match login::knows(&**self.gateway.identity(), account, offer.public_key).await {
            Ok(true) => Auth::Accept,
            Ok(false) | Err(_) => {
                self.claimed = Some((user.to_owned(), "it has no key of this account".to_owned()));
                Auth::reject()
            }
        })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Answer<Auth> {
        let outcome = if is_broken(key.algorithm) {
            Err(Refused::Unproven)
        } else {
            login::prove_by_key(&**self.gateway.identity(), user, key.public_key).await
        };
        Ok(self.outcome(user, outcome))
    }

    async fn auth_openssh_certificate(&mut self, user: &str, certificate: &Certificate) -> Answer<Auth> {
        let identity = Arc::clone(self.gateway.identity());
        let authorities = &self.settings.user_authorities;
        let outcome =
            login::prove_by_certificate(&*identity, user, certificate, authorities, self.source.ip()).await;
        Ok(self.outcome(user, outcome))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Answer<Auth> {
        let Some(mut answers) = response else {
            let prompt = format!("Password of {} at Portcullis: ", Asked::read(user).account);
            return Ok(Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: vec![(prompt.into(), false)].into(),
            });
        };
        let password = answers.next().and_then(|answer| String::from_utf8(answer.to_vec()).ok());
        let outcome = match password {
            Some(password) => login::prove_by_password(&**self.gateway.identity(), user, &password).await,
            None => Err(Refused::Unproven),
        };
        Ok(self.outcome(user, outcome))
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Answer<()> {
        let Some(proven) = self.proven.clone() else { return Err(Failure(russh::Error::Inconsistent)) };
        let way = proven.target.as_ref().and_then(|target| self.settings.ways.get(target)).cloned();
        let bastion = Bastion::begin(Arrival {
            gateway: self.gateway.clone(),
            proven,
            way,
            client: session.handle(),
            flow: Arc::clone(&self.flow),
            source: self.source,
            program: String::from_utf8_lossy(session.remote_sshid()).into_owned(),
        });
        self.bastion = Some(Arc::clone(&bastion));
        if let Some(arrived) = self.arrived.take() {
            let _ = arrived.send(bastion);
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Answer<()> {
        let place = self.bastion.as_ref().and_then(Bastion::enter);
        let (Some(bastion), Some(place)) = (&self.bastion, place) else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        let reader = self.flow.open(channel.id());
        reply.accept().await;
        bastion.tasks.spawn(channel::carry(Arc::clone(bastion), channel, reader, place));
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        origin: &str,
        origin_port: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Answer<()> {
        let tunnel = Tunnel::Port { host: host.to_owned(), port, origin: origin.to_owned(), origin_port };
        self.tunnel(channel, tunnel, reply);
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Answer<()> {
        self.tunnel(channel, Tunnel::Socket { path: path.to_owned() }, reply);
        Ok(())
    }

    async fn tcpip_forward(&mut self, address: &str, port: &mut u32, _: &mut Session) -> Answer<bool> {
        let Some(bastion) = &self.bastion else { return Ok(false) };
        Ok(match forward::soon(forward::listen(bastion, address, *port)).await.flatten() {
            Some(listening) => {
                *port = listening;
                true
            }
            None => false,
        })
    }

    async fn cancel_tcpip_forward(&mut self, address: &str, port: u32, _: &mut Session) -> Answer<bool> {
        let Some(bastion) = &self.bastion else { return Ok(false) };
        Ok(forward::soon(forward::stop_listening(bastion, address, port)).await.unwrap_or(false))
    }

    async fn streamlocal_forward(&mut self, path: &str, _: &mut Session) -> Answer<bool> {
        let Some(bastion) = &self.bastion else { return Ok(false) };
        Ok(forward::soon(forward::listen_at(bastion, path)).await.unwrap_or(false))
    }

    async fn cancel_streamlocal_forward(&mut self, path: &str, _: &mut Session) -> Answer<bool> {
        let Some(bastion) = &self.bastion else { return Ok(false) };
        Ok(forward::soon(forward::stop_listening_at(bastion, path)).await.unwrap_or(false))
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _: &mut Session) -> Answer<()> {
        self.arrived(id, data).await
    }

    async fn extended_data(&mut self, id: ChannelId, _: u32, data: &[u8], _: &mut Session) -> Answer<()> {
        self.arrived(id, data).await
    }

    fn adjust_window(&mut self, _: ChannelId, _: u32) -> u32 {
        self.flow.window()
    }

    // The answers "it arrived"; see above.

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Answer<()> {
        Ok(session.channel_success(channel)?)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut Session,
    ) -> Answer<()> {
        Ok(session.channel_success(channel)?)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: &str,
        session: &mut Session,
    ) -> Answer<()> {
        Ok(session.channel_success(channel)?)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Answer<()> {
        Ok(session.channel_success(channel)?)
    }

    async fn exec_request(&mut self, channel: ChannelId, _: &[u8], session: &mut Session) -> Answer<()> {
        Ok(session.channel_success(channel)?)
    }

    async fn subsystem_request(&mut self, channel: ChannelId, _: &str, session: &mut Session) -> Answer<()> {
        Ok(session.channel_success(channel)?)
    }

    async fn agent_request(&mut self, _: ChannelId, _: &mut Session) -> Answer<bool> {
        Ok(self.bastion.is_some())
    }
}
