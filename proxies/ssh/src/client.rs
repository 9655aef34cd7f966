//! The client's leg: logging in, and where its channels and requests go.
//!
//! The SSH library awaits every one of these methods in the loop that carries the whole connection, so none of them
//! waits for anything that a person does. Requests of a channel are answered at once ("it arrived") and judged by the
//! channel's own task, which reads them in order; the library keeps one flag a channel for whether an answer is wanted,
//! so a later answer could go to the wrong request.

use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::identity::IdentityError;
use portcullis_gateway::throttle::{Full, Place};
use russh::keys::Certificate;
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty, Sig};
use tokio::sync::oneshot;

use crate::bastion::{Arrival, Bastion};
use crate::channel;
use crate::flow::{Flow, Overrun};
use crate::forward::{self, Tunnel};
use crate::keys::is_broken;
use crate::login::{self, Asked, Proven, Refused};
use crate::settings::Settings;

/// Why the connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Protocol(#[from] russh::Error),
    #[error("it sent more than it may")]
    Overrun,
}

type Answer<T> = Result<T, Failure>;

/// One client.
pub(crate) struct Client {
    gateway: Gateway,
    settings: Arc<Settings>,
    source: SocketAddr,
    place: Arc<Place>,
    proven: Option<Proven>,
    /// Who the client said it was, at the latest failed try.
    claimed: Option<(String, String)>,
    arrived: Option<oneshot::Sender<Arc<Bastion>>>,
    bastion: Option<Arc<Bastion>>,
    flow: Arc<Flow>,
}

impl Client {
    async fn arrived(&self, id: ChannelId, data: &[u8]) -> Answer<()> {
        self.flow.arrived(id, data.len()).await.map_err(|overrun| self.overrun(overrun))
    }

    /// Notes a request that brought so many bytes. It stands in the channel's queue already: whoever reads that decides.
    fn asked(&self, id: ChannelId, bytes: usize) -> Answer<()> {
        self.flow.asked(id, bytes).map_err(|overrun| self.overrun(overrun))
    }

    fn overrun(&self, Overrun: Overrun) -> Failure {
        tracing::warn!(source = %self.source, "a client sends more than it may, and is hung up on");
        Failure::Overrun
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
            place: Arc::new(place),
            proven: None,
            claimed: None,
            arrived,
            bastion: None,
            flow: Arc::default(),
        }
    }

    /// Looks at a proof; an address that has guessed too often is answered as any wrong guess.
    async fn attempt(&mut self, user: &str, proof: impl Future<Output = Result<Proven, Refused>>) -> Auth {
        let place = Arc::clone(&self.place);
        let Some(attempt) = place.attempt().await else {
            self.claimed = Some((user.to_owned(), Full::Failures.to_string()));
            return Auth::reject();
        };
        match proof.await {
            Ok(proven) => {
                self.proven = Some(proven);
                Auth::Accept
            }
            Err(Refused::Identity(error)) => self.unknown(user, &error),
            Err(refused) => {
                attempt.failed();
                self.claimed = Some((user.to_owned(), refused.to_string()));
                Auth::reject()
            }
        }
    }

    /// Nobody is let in who can't be looked up, which is no fault of theirs.
    fn unknown(&mut self, user: &str, error: &IdentityError) -> Auth {
        tracing::error!(%error, "an account could not be looked up: nobody is let in");
        self.claimed = Some((user.to_owned(), error.to_string()));
        Auth::reject()
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
            Ok(false) => {
                self.claimed = Some((user.to_owned(), "it has no key of this account".to_owned()));
                Auth::reject()
            }
            Err(error) => self.unknown(user, &error),
        })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Answer<Auth> {
        let identity = Arc::clone(self.gateway.identity());
        let proof = async {
            if is_broken(key.algorithm) {
                return Err(Refused::Unproven);
            }
            login::prove_by_key(&*identity, user, key.public_key).await
        };
        Ok(self.attempt(user, proof).await)
    }

    async fn auth_openssh_certificate(&mut self, user: &str, certificate: &Certificate) -> Answer<Auth> {
        let (identity, settings) = (Arc::clone(self.gateway.identity()), Arc::clone(&self.settings));
        let authorities = &settings.user_authorities;
        let proof = login::prove_by_certificate(&*identity, user, certificate, authorities, self.source.ip());
        Ok(self.attempt(user, proof).await)
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
        let identity = Arc::clone(self.gateway.identity());
        let proof = async {
            let password = password.ok_or(Refused::Unproven)?;
            login::prove_by_password(&*identity, user, &password).await
        };
        Ok(self.attempt(user, proof).await)
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Answer<()> {
        let Some(proven) = self.proven.clone() else { return Err(russh::Error::Inconsistent.into()) };
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

    /// No client has a kind of data besides the usual one (RFC 4254, section 5.2, names one for what servers send).
    async fn extended_data(&mut self, _: ChannelId, _: u32, _: &[u8], _: &mut Session) -> Answer<()> {
        Err(self.overrun(Overrun))
    }

    fn adjust_window(&mut self, _: ChannelId, _: u32) -> u32 {
        self.flow.window()
    }

    // The answers "it arrived"; see above.

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Answer<()> {
        self.asked(channel, term.len() + size_of_val(modes))?;
        Ok(session.channel_success(channel)?)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _: bool,
        protocol: &str,
        cookie: &str,
        _: u32,
        session: &mut Session,
    ) -> Answer<()> {
        self.asked(channel, protocol.len() + cookie.len())?;
        Ok(session.channel_success(channel)?)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Answer<()> {
        self.asked(channel, name.len() + value.len())?;
        Ok(session.channel_success(channel)?)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Answer<()> {
        Ok(session.channel_success(channel)?)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Answer<()> {
        self.asked(channel, command.len())?;
        Ok(session.channel_success(channel)?)
    }

    async fn signal(&mut self, channel: ChannelId, signal: Sig, _: &mut Session) -> Answer<()> {
        let Sig::Custom(name) = signal else { return Ok(()) };
        self.asked(channel, name.len())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Answer<()> {
        self.asked(channel, name.len())?;
        Ok(session.channel_success(channel)?)
    }

    async fn agent_request(&mut self, _: ChannelId, _: &mut Session) -> Answer<bool> {
        Ok(self.bastion.is_some())
    }
}
