//! Listening, and what a connection goes through.

use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::throttle::Throttle;
use portcullis_gateway::turn_away::turn_away;
use portcullis_gateway::workers::Connections;
use russh::Disconnect;
use russh::server::run_stream;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::bastion::Bastion;
use crate::client::{Client, Failure};
use crate::settings::Settings;

/// How long a client that was told to leave may take.
const LEAVE: Duration = Duration::from_millis(300);

/// What all connections share.
pub(crate) struct Server {
    pub(crate) gateway: Gateway,
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) throttle: Arc<Throttle>,
}

impl Connections for Server {
    async fn carry(&self, stream: TcpStream, source: SocketAddr) {
        let settings = self.settings.load_full();
        let place = match self.gateway.place(&self.throttle, source, &settings.bounds) {
            Ok(place) => place,
            // A line before the version (RFC 4253, section 4.2), which clients show.
            Err(full) => return turn_away(stream, |_| Some(format!("{full}\r\n").into_bytes())).await,
        };
        let Ok((stream, sever)) = severable(stream) else { return };
        let (arrived, arrival) = oneshot::channel();
        let client = Client::new(self.gateway.clone(), &settings, source, place, arrived);
        let reason = self.session(stream, client, arrival, &settings).await;
        // Whatever the library still has to write, nothing leaves from here on.
        let _ = sever.shutdown(Shutdown::Both);
        tracing::debug!(%source, reason, "an SSH connection ended");
    }
}

/// The stream, and another hold of its socket to cut it by.
fn severable(stream: TcpStream) -> std::io::Result<(TcpStream, std::net::TcpStream)> {
    let stream = stream.into_std()?;
    let sever = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, sever))
}

impl Server {
    /// Carries a connection to its end; why it ended.
    async fn session(
        &self,
        stream: TcpStream,
        client: Client,
        arrival: oneshot::Receiver<Arc<Bastion>>,
        settings: &Settings,
    ) -> String {
        let deadline = tokio::time::Instant::now() + settings.login;
        let starting = run_stream(Arc::clone(&settings.server), stream, client);
        let mut running = match tokio::time::timeout_at(deadline, starting).await {
            Ok(Ok(running)) => running,
            Ok(Err(failure)) => return failure.to_string(),
            Err(_) => return "it did not log in in time".to_owned(),
        };
        let handle = running.handle();
        let bastion = tokio::select! {
            ended = &mut running => return how(ended),
            arrived = tokio::time::timeout_at(deadline, arrival) => match arrived {
                Ok(Ok(bastion)) => bastion,
                Ok(Err(_)) => return "it left before it had logged in".to_owned(),
                Err(_) => return "it did not log in in time".to_owned(),
            },
        };
        tracing::info!(user = &*bastion.account, target = &*bastion.target, "logged in by SSH");
        let end = tokio::select! {
            ended = &mut running => {
                // A client leaves when its target has, and is told by its channels.
                let lost = bastion.open().is_some_and(|open| open.target.is_closed());
                let reason = if lost { "target lost".to_owned() } else { how(ended) };
                bastion.goodbyes().await;
                bastion.end(&reason).await;
                reason
            }
            (words, reason) = bastion.stopped(settings.idle) => {
                bastion.goodbyes().await;
                bastion.end(reason).await;
                let farewell = async {
                    let _ = handle.disconnect(Disconnect::ByApplication, words.clone(), String::new()).await;
                    let _ = (&mut running).await;
                };
                let _ = tokio::time::timeout(LEAVE, farewell).await;
                words
            }
        };
        tracing::info!(
            user = &*bastion.account,
            target = &*bastion.target,
            reason = end,
            "an SSH session ended"
        );
        end
    }
}

fn how(ended: Result<(), Failure>) -> String {
    match ended {
        Ok(()) => "client".to_owned(),
        Err(failure) => failure.to_string(),
    }
}
