//! The target's leg: connections that are shared by all clients, each request with the hidden credential.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use portcullis_gateway::config::TargetConfig;
use portcullis_gateway::enforce::{Permit, Receipt};
use portcullis_gateway::finders::Finders;

use crate::exchange::Body;

/// One target: who it is, how it is reached, and what it is shown.
pub(crate) struct Way {
    pub(crate) config: Arc<TargetConfig>,
    /// The names that clients ask for it by, in lower case.
    pub(crate) hosts: Vec<String>,
    pub(crate) credential: Option<HeaderValue>,
    pub(crate) finders: Finders,
    client: Client<HttpConnector, Body>,
}

impl Way {
    pub(crate) fn new(
        config: Arc<TargetConfig>,
        hosts: Vec<String>,
        credential: Option<HeaderValue>,
        finders: Finders,
    ) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { config, hosts, credential, finders, client }
    }

    /// Where a path of it is.
    pub(crate) fn uri(&self, sent: &str) -> String {
        let host = &self.config.host;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        format!("http://{host}:{}{sent}", self.config.port)
    }

    /// Sends what was admitted: the only way to the target.
    pub(crate) async fn send(
        &self,
        permit: Permit,
        request: Request<Body>,
    ) -> (Receipt, Result<Response<Incoming>, Error>) {
        let receipt = permit.forward();
        (receipt, self.client.request(request).await)
    }
}
