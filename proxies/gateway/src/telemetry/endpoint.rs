//! `/health` and `/metrics` over plain HTTP, on loopback.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

use super::metrics::render;
use crate::enforce::Gateway;

/// Connections at a time, and the most that one may take.
const CONNECTIONS: usize = 16;
const TIME: Duration = Duration::from_secs(10);

/// The running listener; it stops when this is dropped.
#[derive(Debug)]
pub struct HealthServer {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl HealthServer {
    /// Listens on an address, on a thread and runtime of its own.
    ///
    /// # Errors
    /// Where the address is taken.
    pub fn start(gateway: &Gateway, address: SocketAddr) -> Result<Self, io::Error> {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let gateway = gateway.clone();
        thread::Builder::new().name("health".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, gateway) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, _stop: stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: StdListener, gateway: Gateway) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the health endpoint can't be served"),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, as a rule: give those that end a moment.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let gateway = gateway.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = answer(&gateway, &request);
                async { Ok::<_, std::convert::Infallible>(answer) }
            });
            let mut builder = http1::Builder::new();
            let served = builder
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(5))
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(stream), service);
            // Past its time a connection is dropped, finished or not; nothing depends on how it ended.
            let _ = tokio::time::timeout(TIME, served).await;
            drop(place);
        });
    }
}

fn answer(gateway: &Gateway, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return respond(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET it\n".to_owned());
    }
    match request.uri().path() {
        "/health" => match faults(gateway) {
            faults if faults.is_empty() => respond(StatusCode::OK, "text/plain", "ok\n".to_owned()),
            faults => respond(StatusCode::SERVICE_UNAVAILABLE, "text/plain", faults),
        },
        "/metrics" => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            respond(StatusCode::OK, kind, render(gateway))
        }
        _ => respond(StatusCode::NOT_FOUND, "text/plain", "there are /health and /metrics\n".to_owned()),
    }
}

/// What keeps the gateway from forwarding anything, a line each.
fn faults(gateway: &Gateway) -> String {
    let shared = &gateway.shared;
    let mut faults = String::new();
    if shared.log.poison().is_some() {
        // The reason names files: it is in the log, for those who may read that.
        faults.push_str("the audit log can't be written\n");
    }
    if !shared.registry.is_confirmed(Instant::now()) {
        faults.push_str("the store can't be asked for revocations\n");
    }
    faults
}

fn respond(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::enforce::tests::House;

    async fn get(server: &HealthServer, line: &'static str) -> String {
        let address = server.address();
        let exchange = move || {
            let mut stream = std::net::TcpStream::connect(address).expect("connected");
            stream
                .write_all(format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
                .expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("answered");
            answer
        };
        tokio::task::spawn_blocking(exchange).await.expect("answered")
    }

    #[tokio::test]
    async fn health_says_what_keeps_commands_from_being_forwarded() {
        let house = House::new(r#"allow "all" { by group "eng"  on postgres }"#);
        let server = HealthServer::start(&house.gateway, ([127, 0, 0, 1], 0).into()).expect("listening");
        assert!(get(&server, "GET /health").await.starts_with("HTTP/1.1 200"));
        let _session = house.open("ana").await;
        let metrics = get(&server, "GET /metrics").await;
        for line in
            ["portcullis_sessions 1\n", "portcullis_sessions_opened_total 1\n", "portcullis_evidence_ok 1\n"]
        {
            assert!(metrics.contains(line), "{line} is missing from {metrics}");
        }
        assert!(get(&server, "GET /").await.starts_with("HTTP/1.1 404"));
        assert!(get(&server, "POST /health").await.starts_with("HTTP/1.1 405"));
    }
}
