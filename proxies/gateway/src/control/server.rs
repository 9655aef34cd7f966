//! Listens on the control socket, on a thread and runtime of its own.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};

use super::handle::{State, handle};
use super::watch::Content;
use crate::enforce::Gateway;

/// Connections at a time.
const CONNECTIONS: usize = 64;
/// The most that one connection may take, from first byte to last; a watch may take longer.
const TIME: Duration = Duration::from_secs(30);

/// The running server; it stops, and its socket is removed, when this is dropped.
#[derive(Debug)]
pub struct ControlServer {
    path: PathBuf,
    _stop: oneshot::Sender<()>,
}

impl ControlServer {
    /// Listens on the socket of the gateway's configuration.
    ///
    /// # Errors
    /// Where another gateway listens there, or the socket can't be made.
    pub fn start(gateway: &Gateway) -> Result<Self, ServeError> {
        Self::start_with(gateway, rustix::process::geteuid().as_raw(), true)
    }

    /// Peers of `own_uid`, and those of root if `root`, are operators.
    pub(super) fn start_with(gateway: &Gateway, own_uid: u32, root: bool) -> Result<Self, ServeError> {
        let path = gateway.config().control.clone();
        let failed = |error| ServeError::Socket(path.clone(), error);
        let listener = bind(&path)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let state = Arc::new(State::new(gateway.clone(), own_uid, root));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        thread::Builder::new()
            .name("control".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, state) => {}
                        _ = stopped => {}
                    }
                });
            })
            .map_err(failed)?;
        Ok(Self { path, _stop: stop })
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // It may be gone already; nobody connects to it any more either way.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn bind(path: &Path) -> Result<StdListener, ServeError> {
    let failed = |error| ServeError::Socket(path.to_owned(), error);
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        crate::start::private_directory(directory).map_err(|error| failed(io::Error::other(error)))?;
    }
    if path.exists() {
        if StdStream::connect(path).is_ok() {
            return Err(ServeError::Taken(path.to_owned()));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = StdListener::bind(path).map_err(failed)?;
    // Until this is done the directory keeps others out.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

async fn accept(listener: StdListener, state: Arc<State>) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the control socket can't be served"),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let lasts = Arc::new(AtomicBool::new(false));
                    tokio::select! {
                        () = serve(stream, state, Arc::clone(&lasts)) => {}
                        () = times_out(&lasts) => {}
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a control connection can't be accepted");
                // Out of descriptors, as a rule: give those that end a moment.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Past its time a connection is dropped, finished or not, unless somebody watches a session by it.
async fn times_out(lasts: &AtomicBool) {
    tokio::time::sleep(TIME).await;
    if lasts.load(Ordering::Acquire) {
        std::future::pending::<()>().await;
    }
}

async fn serve(stream: UnixStream, state: Arc<State>, lasts: Arc<AtomicBool>) {
    let uid = match stream.peer_cred() {
        Ok(peer) => peer.uid(),
        Err(error) => {
            return tracing::warn!(%error, "the kernel does not say who connects to the control socket");
        }
    };
    let service = service_fn(|request| {
        let (state, lasts) = (Arc::clone(&state), Arc::clone(&lasts));
        async move {
            let answer = handle(&state, uid, request).await;
            if matches!(answer.body(), Content::Watch(_)) {
                lasts.store(true, Ordering::Release);
            }
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(5))
        .max_buf_size(128 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a control connection ended early");
    }
}

/// Why the control socket is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another gateway listens there.
    #[error("another gateway listens on `{}`: stop it, or give this one a `control.socket` of its own", _0.display())]
    Taken(PathBuf),
    /// The socket can't be made.
    #[error("the control socket `{}` can't be made: {_1}", _0.display())]
    Socket(PathBuf, #[source] io::Error),
}
