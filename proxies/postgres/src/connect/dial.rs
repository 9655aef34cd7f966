//! Reaching a target, by TLS where it is asked for.

use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::{Address, Target, Tls, Unready};
use crate::endpoint;
use crate::transport::Transport;
use crate::wire::startup;

pub(super) struct Dialled {
    pub(super) transport: Transport,
    /// What SCRAM is bound to; empty where the certificate's hash is undefined.
    pub(super) binding: Binding,
}

/// How the connection below the authentication is protected.
pub(super) enum Binding {
    /// Not at all: a plain connection over the network.
    Plain,
    /// It does not leave the machine.
    Local,
    /// By TLS, with the certificate's hash where it has one.
    Tls(Option<Vec<u8>>),
}

pub(super) async fn dial(target: &Target) -> Result<Dialled, Unready> {
    let stream = match &target.address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(Unready::Unreachable)?;
            return Ok(Dialled { transport: Transport::Unix(stream), binding: Binding::Local });
        }
        Address::Tcp { host, port } => {
            TcpStream::connect((host.as_str(), *port)).await.map_err(Unready::Unreachable)?
        }
    };
    stream.set_nodelay(true).map_err(Unready::Unreachable)?;
    match &target.tls {
        Tls::Off => Ok(Dialled { transport: Transport::Tcp(stream), binding: Binding::Plain }),
        Tls::VerifyFull { config, name } => encrypt(stream, config.clone(), name.clone()).await,
    }
}

async fn encrypt(
    mut stream: TcpStream,
    config: Arc<rustls::ClientConfig>,
    name: ServerName<'static>,
) -> Result<Dialled, Unready> {
    stream.write_all(&startup::tls_request()).await.map_err(Unready::Io)?;
    // One byte and no more: whatever follows it in plain text can only reach the TLS handshake, and break it.
    match stream.read_u8().await.map_err(Unready::Io)? {
        b'S' => {}
        b'N' => return Err(Unready::NoTls),
        // An error message would come from a server without TLS, or from somebody between: its text is not read.
        _ => return Err(Unready::Protocol("it answered the request for TLS with neither `S` nor `N`")),
    }
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(Unready::Handshake)?;
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let binding = Binding::Tls(certificate.and_then(|certificate| endpoint::hash(certificate)));
    Ok(Dialled { transport: Transport::TargetLeg(Box::new(stream)), binding })
}
