//! A server of ours, in the process of its tests.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::mpsc;

use tokio::sync::oneshot;

/// A server that serves until this is dropped.
#[derive(Debug)]
pub struct Serving {
    /// Where clients reach it.
    pub address: SocketAddr,
    _end: oneshot::Sender<()>,
}

impl Serving {
    /// Serves on a thread of its own, as its process does, so that a test may block: `bind` says where, and how.
    ///
    /// # Panics
    /// When `bind` does, or what it returns ends with an error.
    #[must_use]
    pub fn on_a_thread<F, E>(bind: impl AsyncFnOnce() -> (SocketAddr, F) + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>>,
        E: Debug,
    {
        let (tell, told) = mpsc::channel();
        let (end, ended) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let (address, run) = bind().await;
                tell.send(address).expect("somebody who waits for it");
                tokio::select! {
                    served = run => served.expect("a server that serves"),
                    _ = ended => {}
                }
            });
        });
        Self { address: told.recv().expect("a server that serves"), _end: end }
    }
}
