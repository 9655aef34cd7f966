//! Listening, and what a connection goes through: TLS where the client speaks it, then HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::throttle::Throttle;
use portcullis_gateway::turn_away::turn_away;
use portcullis_gateway::workers::Connections;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::dialect::Looking;
use crate::exchange;
use crate::refuse::{Words, at_the_door, crowded};
use crate::settings::Settings;
use crate::visit::{Arrival, Visit};

/// The most header fields of a request.
const FIELDS: usize = 100;
/// The longest head of a request, in bytes.
const HEAD: usize = 64 << 10;
/// The most requests at a time on a connection of HTTP/2.
const STREAMS: u32 = 128;
/// The first byte of a TLS handshake (RFC 8446, section 5.1), which no HTTP message begins with.
const HANDSHAKE: u8 = 0x16;

/// What a client is told that speaks in the clear where it may not.
const ENCRYPTED_ONLY: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\
    content-length: 40\r\n\r\nThis address speaks TLS: use https://...";

/// What all connections share.
pub(crate) struct Server {
    pub(crate) gateway: Gateway,
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) looking: Arc<Looking>,
}

impl Connections for Server {
    async fn carry(&self, stream: TcpStream, source: SocketAddr) {
        let settings = self.settings.load_full();
        let place = match self.gateway.place(&self.throttle, source, &settings.bounds) {
            Ok(place) => place,
            // Not by TLS: a handshake costs more than turning somebody away may.
            Err(full) => {
                let is_clear = |first| first != HANDSHAKE;
                let told = || at_the_door(&crowded(&Words::Problem, full));
                return turn_away(stream, |first| is_clear(first?).then(told)).await;
            }
        };
        let Ok(came_to) = stream.local_addr() else { return };
        let arrival = Arrival { source, came_to, is_encrypted: false, certificate: None, place };
        let is_local = source.ip().is_loopback() && came_to.ip().is_loopback();
        match tokio::time::timeout(settings.patience.first, first_byte(&stream)).await {
            Ok(Ok(HANDSHAKE)) => {
                let accepting = TlsAcceptor::from(Arc::clone(&settings.tls)).accept(stream);
                match tokio::time::timeout(settings.patience.first, accepting).await {
                    Ok(Ok(stream)) => {
                        let shown = stream.get_ref().1.peer_certificates();
                        let certificate =
                            shown.and_then(|chain| chain.first()).cloned().map(CertificateDer::into_owned);
                        self.serve(stream, settings, Arrival { is_encrypted: true, certificate, ..arrival })
                            .await;
                    }
                    Ok(Err(error)) => tracing::debug!(%source, %error, "a handshake failed"),
                    Err(_) => tracing::debug!(%source, "a handshake took too long"),
                }
            }
            Ok(Ok(_)) if settings.clear || is_local => self.serve(stream, settings, arrival).await,
            Ok(Ok(_)) => {
                self.gateway.refused("tls", None, None, &source.to_string(), "TLS is required");
                turn_away(stream, |_| Some(ENCRYPTED_ONLY.to_vec())).await;
            }
            Ok(Err(_)) | Err(_) => tracing::debug!(%source, "a client said nothing"),
        }
    }
}

impl Server {
    async fn serve<S>(&self, stream: S, settings: Arc<Settings>, arrival: Arrival)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let visit = Arc::new(Visit::new(
            self.gateway.clone(),
            Arc::clone(&self.settings),
            Arc::clone(&self.looking),
            arrival,
        ));
        let served = Arc::clone(&visit);
        let service = service_fn(move |request| {
            let visit = Arc::clone(&served);
            async move { Ok::<_, Infallible>(exchange::answer(visit, request).await) }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            // Whoever was let in may be silent for longer: see `Activity`.
            .header_read_timeout(None)
            .max_headers(FIELDS)
            .max_buf_size(HEAD);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD as u32);
        let reason = tokio::select! {
            ended = builder.serve_connection_with_upgrades(TokioIo::new(stream), service) => match ended {
                Ok(()) => "client".to_owned(),
                Err(error) => error.to_string(),
            },
            () = visit.activity.idle(settings.patience) => "idle".to_owned(),
            () = visit.activity.is_cut() => "an answer did not end with its session".to_owned(),
        };
        if let Some(tunnel) = visit.take_tunnel() {
            tunnel.carry().await;
        }
        visit.end(&reason).await;
    }
}

/// What a connection begins with; it is left there to be read.
async fn first_byte(stream: &TcpStream) -> io::Result<u8> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0]),
    }
}
