//! Listening, and what a connection goes through.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::throttle::Throttle;
use portcullis_gateway::workers::Connections;
use tokio::net::TcpStream;

use crate::exchange;
use crate::settings::Settings;
use crate::visit::Visit;

/// The most header fields of a request.
const FIELDS: usize = 100;
/// The longest head of a request, in bytes.
const HEAD: usize = 64 << 10;
/// The most requests at a time on a connection of HTTP/2.
const STREAMS: u32 = 128;

/// What all connections share.
pub(crate) struct Server {
    pub(crate) gateway: Gateway,
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) throttle: Arc<Throttle>,
}

impl Connections for Server {
    async fn carry(&self, stream: TcpStream, source: SocketAddr) {
        let settings = self.settings.load_full();
        let place = match self.throttle.enter(source.ip(), &settings.bounds) {
            Ok(place) => place,
            Err(full) => {
                tracing::warn!(%source, reason = %full, "a client was turned away");
                self.gateway.refused(full.stage(), None, None, &source.to_string(), &full.to_string());
                return;
            }
        };
        let visit = Arc::new(Visit::new(self.gateway.clone(), Arc::clone(&settings), source, false, place));
        let served = Arc::clone(&visit);
        let service = service_fn(move |request| {
            let visit = Arc::clone(&served);
            async move { Ok::<_, Infallible>(exchange::answer(visit, request).await) }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.head)
            .max_headers(FIELDS)
            .max_buf_size(HEAD);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD as u32);
        let ended = builder.serve_connection(TokioIo::new(stream), service).await;
        let reason = match &ended {
            Ok(()) => "client".to_owned(),
            Err(error) => error.to_string(),
        };
        visit.end(&reason).await;
    }
}
