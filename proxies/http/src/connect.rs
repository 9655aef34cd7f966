//! The target's leg: connections that all clients of a worker share, each request with the hidden credential.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use portcullis_gateway::config::{HttpLeg, TargetConfig, TargetTls};
use portcullis_gateway::enforce::{Permit, Receipt};
use portcullis_gateway::finders::Finders;
use portcullis_gateway::tls::ClientTls;
use thread_local::ThreadLocal;
use tower_service::Service;

use crate::body::Body;
use crate::dialect::Dialect;

/// How long a connection to a target is kept for another request, and how many of them.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS: usize = 256;
/// How long a connection may be silent before the system asks whether the other end is there, how often it asks, and how many
/// questions may go unanswered.
const SILENT: Duration = Duration::from_secs(60);
const ASKS: Duration = Duration::from_secs(15);
const UNANSWERED: u32 = 4;
/// How long a target may take to accept a connection.
pub(crate) const DIAL: Duration = Duration::from_secs(10);

/// One target: who it is, how it is reached, and what it is shown.
pub(crate) struct Way {
    pub(crate) config: Arc<TargetConfig>,
    pub(crate) leg: HttpLeg,
    pub(crate) dialect: Dialect,
    pub(crate) credential: Option<Credential>,
    pub(crate) finders: Finders,
    /// Of no effect where the leg is in the clear.
    tls: ClientTls,
    /// The digest of the certificate that it is shown, with its key.
    identity: Option<[u8; 32]>,
    /// By worker: a request never changes its thread.
    clients: ThreadLocal<Clients>,
}

/// The hidden credential, and the field it goes into.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) field: HeaderName,
    pub(crate) value: HeaderValue,
}

/// Connections of one worker.
struct Clients {
    requests: Client<HttpsConnector<Dial>, Body>,
    /// Those that turn into something else, which HTTP/2 has no way to.
    upgrades: Client<HttpsConnector<Dial>, Body>,
}

/// Which connections a request goes by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    ToAnAnswer,
    ToAnotherProtocol,
}

impl Way {
    pub(crate) fn new(
        config: Arc<TargetConfig>,
        leg: HttpLeg,
        credential: Option<Credential>,
        finders: Finders,
        tls: ClientTls,
        identity: Option<[u8; 32]>,
    ) -> Self {
        let dialect = Dialect::of(&config.subject.protocol, &leg);
        Self { config, leg, dialect, credential, finders, tls, identity, clients: ThreadLocal::new() }
    }

    /// Whether it is reached just as the other is, and shown the same.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        self.config == other.config
            && self.credential == other.credential
            && self.identity == other.identity
            && self.tls.roots == other.tls.roots
    }

    fn is_encrypted(&self) -> bool {
        self.leg.tls != TargetTls::Disable
    }

    /// Its own name and port, as a request's authority.
    pub(crate) fn authority(&self) -> String {
        let (host, port) = (&self.config.host, self.config.port);
        let is_usual = port == if self.is_encrypted() { 443 } else { 80 };
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        if is_usual { host } else { format!("{host}:{port}") }
    }

    /// Where a path is, for whoever asks for this authority. Where that leads is not its business.
    pub(crate) fn uri(&self, authority: &str, sent: &str) -> String {
        let scheme = if self.is_encrypted() { "https" } else { "http" };
        format!("{scheme}://{authority}{sent}")
    }

    /// Sends what was admitted: the only way to the target.
    pub(crate) async fn send(
        &self,
        permit: Permit,
        request: Request<Body>,
        leads: Leads,
    ) -> (Receipt, Result<Response<Incoming>, Error>) {
        let clients = self.clients.get_or(|| self.clients());
        let receipt = permit.forward();
        let client = match leads {
            Leads::ToAnAnswer => &clients.requests,
            Leads::ToAnotherProtocol => &clients.upgrades,
        };
        (receipt, client.request(request).await)
    }

    fn clients(&self) -> Clients {
        let build = |http2_only| {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(IDLE_CONNECTIONS)
                .http2_only(http2_only)
                .clone()
        };
        Clients {
            requests: build(self.leg.http2 && !self.is_encrypted()).build(self.connector(Leads::ToAnAnswer)),
            upgrades: build(false).build(self.connector(Leads::ToAnotherProtocol)),
        }
    }

    pub(crate) fn connector(&self, leads: Leads) -> HttpsConnector<Dial> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.set_connect_timeout(Some(DIAL));
        http.set_keepalive(Some(SILENT));
        http.set_keepalive_interval(Some(ASKS));
        http.set_keepalive_retries(Some(UNANSWERED));
        http.enforce_http(false);
        let dial = Dial { http, address: self.address() };
        let builder = HttpsConnectorBuilder::new()
            .with_tls_config((*self.tls.config).clone())
            .https_or_http()
            .with_server_name_resolver(FixedServerNameResolver::new(self.tls.name.clone()));
        match leads {
            Leads::ToAnAnswer => builder.enable_http1().enable_http2().wrap_connector(dial),
            Leads::ToAnotherProtocol => builder.enable_http1().wrap_connector(dial),
        }
    }

    fn address(&self) -> Uri {
        let (host, port) = (&self.config.host, self.config.port);
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        format!("http://{host}:{port}").parse().unwrap_or_default()
    }
}

/// Connects to the target's own address, whatever a request calls it.
#[derive(Clone)]
pub(crate) struct Dial {
    http: HttpConnector,
    address: Uri,
}

impl Service<Uri> for Dial {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = <HttpConnector as Service<Uri>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Uri>::poll_ready(&mut self.http, cx)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        self.http.call(self.address.clone())
    }
}
