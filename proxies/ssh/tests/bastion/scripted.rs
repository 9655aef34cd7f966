//! Targets that no sshd of the tests can be: with a password, and with a loose tongue.

use std::net::SocketAddr;
use std::sync::Arc;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{self, Auth, ChannelOpenHandle, Handler, Msg, Response, Server as _, Session};
use russh::{Channel, ChannelId};

/// What the gateway must show it.
pub const CREDENTIAL: &str = "a-password-of-the-target-42";

/// A target that takes [`CREDENTIAL`] as a password, or by keyboard-interactive only, and says on each command what it
/// was shown.
pub struct Scripted {
    pub address: SocketAddr,
    pub host_key: String,
    _serving: tokio::task::JoinHandle<()>,
}

#[derive(Clone, Copy)]
pub enum Asks {
    ForPassword,
    ByKeyboard,
    /// Two questions, of which one is about something else.
    TooMuch,
}

impl Scripted {
    pub async fn start(asks: Asks) -> Self {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
        let host_key = key.public_key().to_openssh().unwrap();
        let config = Arc::new(server::Config {
            keys: vec![key],
            auth_rejection_time: std::time::Duration::ZERO,
            ..server::Config::default()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let _ = Target { asks }.run_on_socket(config, &listener).await;
        });
        Self { address, host_key, _serving: serving }
    }
}

#[derive(Clone, Copy)]
struct Target {
    asks: Asks,
}

impl server::Server for Target {
    type Handler = Self;

    fn new_client(&mut self, _: Option<SocketAddr>) -> Self {
        *self
    }
}

impl Handler for Target {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, Self::Error> {
        let right = matches!(self.asks, Asks::ForPassword) && password == CREDENTIAL;
        Ok(if right { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let prompt = |text: &'static str| (text.into(), false);
        let prompts = match self.asks {
            Asks::ForPassword => return Ok(Auth::reject()),
            Asks::ByKeyboard => vec![prompt("Password: ")],
            Asks::TooMuch => vec![prompt("Password: "), prompt("Token of the other system: ")],
        };
        Ok(match response {
            None => Auth::Partial { name: "".into(), instructions: "".into(), prompts: prompts.into() },
            Some(mut answers) => match answers.next() {
                Some(answer) if answer == CREDENTIAL => Auth::Accept,
                _ => Auth::reject(),
            },
        })
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

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(id)?;
        let (head, tail) = CREDENTIAL.split_at(9);
        session.data(id, format!("you showed me {head}"))?;
        session.data(id, format!("{tail}, or in base64 YS1wYXNzd29yZC1vZi10aGUtdGFyZ2V0LTQy\n"))?;
        session.extended_data(id, 1, format!("and here: {CREDENTIAL}\n"))?;
        session.exit_status_request(id, 0)?;
        session.eof(id)?;
        session.close(id)
    }
}
