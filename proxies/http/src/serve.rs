//! From a gateway to a listening proxy.

use std::sync::Arc;

use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::process::{Serving, Starting};
use portcullis_gateway::renew::Ready;

use crate::server::Server;
use crate::settings::{ServeError, Settings};

/// Gets the proxy ready, for [`portcullis_gateway::process::run`].
pub fn start(gateway: &Gateway) -> Starting<'_> {
    Box::pin(async move { Ok(serve(gateway)?) })
}

/// Takes the addresses, and gets everything ready that requests need. Within a tokio runtime only.
///
/// # Errors
/// See [`ServeError`]. Nothing has been served then.
pub fn serve(gateway: &Gateway) -> Result<Serving, ServeError> {
    let config = gateway.config();
    if config.listen.http.is_empty() {
        return Err(ServeError::NoAddress);
    }
    let ready = Ready::<Settings>::of(gateway)?;
    let server = Server {
        gateway: gateway.clone(),
        settings: ready.settings(),
        throttle: Arc::default(),
        looking: Arc::default(),
    };
    Ok(ready.serve("HTTP", &config.listen.http, config.workers.get(), Arc::new(server))?)
}
