//! A target that does as a test says, even what no sshd would: it opens channels unasked, and answers late or never.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{self, Auth, ChannelOpenHandle, Handle, Handler, Msg, Session};
use russh::{Channel, ChannelId};
use tokio::sync::mpsc;

use crate::house::{House, Plan};

/// How long the gateway may take to ask or to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The address at which the target has a connection as soon as it listens.
pub const AWAITED: &str = "127.0.0.2";

/// The target.
pub struct Bold {
    address: SocketAddr,
    host_key: String,
    arriving: mpsc::UnboundedReceiver<Leg>,
    _serving: tokio::task::JoinHandle<()>,
}

/// One connection of the gateway's.
pub struct Leg {
    pub handle: Handle,
    asked: mpsc::UnboundedReceiver<Asked>,
}

/// What the gateway asks for and the test answers. Ports, sockets, the agent and X11 are granted by themselves.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Exec(ChannelId),
    /// To listen no more, at a port or a path.
    Cancel(String),
}

/// What a target may open.
#[derive(Clone, Copy, Debug)]
pub enum Opens<'a> {
    Session,
    Direct,
    DirectSocket,
    Port(&'a str, u32),
    Path(&'a str),
    Agent,
    X11,
}

impl Bold {
    pub async fn start() -> Self {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[8; 32]));
        let host_key = key.public_key().to_openssh().unwrap();
        let config = Arc::new(server::Config { keys: vec![key], ..server::Config::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (arrive, arriving) = mpsc::unbounded_channel();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (ask, asked) = mpsc::unbounded_channel();
                let target = Target { ask, arrive: arrive.clone(), asked: Some(asked) };
                tokio::spawn(server::run_stream(Arc::clone(&config), stream, target));
            }
        });
        Self { address, host_key, arriving, _serving: serving }
    }

    /// A house in front of it.
    pub async fn house(&self, policy: &str) -> House {
        House::with(Plan {
            policy: Some(policy.to_owned()),
            password: Some("a-password-of-the-target-42".to_owned()),
            pinned: Some(self.host_key.clone()),
            target_port: Some(self.address.port()),
            ..Plan::default()
        })
        .await
    }

    /// The next connection that the gateway has logged in with.
    pub async fn leg(&mut self) -> Leg {
        let leg = tokio::time::timeout(PATIENCE, self.arriving.recv()).await;
        leg.expect("a connection in time").expect("a connection")
    }
}

impl Leg {
    /// The next thing that is asked for.
    pub async fn asked(&mut self) -> Asked {
        let asked = tokio::time::timeout(PATIENCE, self.asked.recv()).await;
        asked.expect("a request in time").expect("a request")
    }

    /// Opens a channel: whether the gateway takes it.
    pub async fn opens(&self, what: Opens<'_>) -> Option<Channel<Msg>> {
        let handle = &self.handle;
        let (here, elsewhere) = ("127.0.0.1", "192.0.2.1");
        let opening = async {
            match what {
                Opens::Session => handle.channel_open_session().await,
                Opens::Direct => handle.channel_open_direct_tcpip(here, 22, elsewhere, 1).await,
                Opens::DirectSocket => handle.channel_open_direct_streamlocal("/run/x").await,
                Opens::Port(at, port) => handle.channel_open_forwarded_tcpip(at, port, elsewhere, 1).await,
                Opens::Path(path) => handle.channel_open_forwarded_streamlocal(path).await,
                Opens::Agent => handle.channel_open_agent().await,
                Opens::X11 => handle.channel_open_x11(elsewhere, 1).await,
            }
        };
        match tokio::time::timeout(PATIENCE, opening).await {
            Ok(Ok(channel)) => Some(channel),
            Ok(Err(russh::Error::ChannelOpenFailure(_))) => None,
            Ok(Err(error)) => panic!("{what:?}: {error}"),
            Err(_) => panic!("{what:?} is neither taken nor refused"),
        }
    }
}

struct Target {
    ask: mpsc::UnboundedSender<Asked>,
    arrive: mpsc::UnboundedSender<Leg>,
    asked: Option<mpsc::UnboundedReceiver<Asked>>,
}

impl Handler for Target {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), Self::Error> {
        if let Some(asked) = self.asked.take() {
            let _ = self.arrive.send(Leg { handle: session.handle(), asked });
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, _: &[u8], _: &mut Session) -> Result<(), Self::Error> {
        let _ = self.ask.send(Asked::Exec(id));
        Ok(())
    }

    async fn agent_request(&mut self, _: ChannelId, _: &mut Session) -> Result<bool, Self::Error> {
        Ok(true)
    }

    /// Somebody has waited for the port, and is there at once.
    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: &mut u32,
        session: &mut Session,
    ) -> Result<bool, Self::Error> {
        if address == AWAITED {
            let (handle, port) = (session.handle(), *port);
            tokio::spawn(async move {
                let _ = handle.channel_open_forwarded_tcpip(AWAITED, port, "192.0.2.1", 1).await;
            });
        }
        Ok(true)
    }

    async fn cancel_tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        _: &mut Session,
    ) -> Result<bool, Self::Error> {
        let _ = self.ask.send(Asked::Cancel(format!("{address}:{port}")));
        Ok(true)
    }

    async fn streamlocal_forward(&mut self, _: &str, _: &mut Session) -> Result<bool, Self::Error> {
        Ok(true)
    }

    async fn cancel_streamlocal_forward(&mut self, path: &str, _: &mut Session) -> Result<bool, Self::Error> {
        let _ = self.ask.send(Asked::Cancel(path.to_owned()));
        Ok(true)
    }
}
