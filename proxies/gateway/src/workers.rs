//! The threads that sessions run on: a connection is accepted, given to the idlest, and never leaves it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::listen::Listeners;

/// Bytes of stack of a worker: grammars are parsed on it.
const STACK: usize = 32 << 20;

/// How long a client may be silent before the system asks whether it is there, how often it asks, and how many questions may
/// go unanswered.
const SILENT: Duration = Duration::from_secs(60);
const ASKS: Duration = Duration::from_secs(15);
const UNANSWERED: u32 = 4;

/// What a proxy does with its connections.
pub trait Connections: Send + Sync + 'static {
    /// Carries one connection to its end. Its socket sends what is written at once (TCP_NODELAY), and fails
    /// some two minutes after its client has gone without a word (SO_KEEPALIVE).
    fn carry(&self, stream: TcpStream, source: SocketAddr) -> impl Future<Output = ()> + Send;
}

/// Accepts connections for ever, and has them carried on `count` threads. Dropping the future stops accepting;
/// connections that are open go on to their own end, and their threads with them.
///
/// # Errors
/// Where a thread can't be started.
pub async fn serve<C: Connections>(
    mut listeners: Listeners,
    connections: Arc<C>,
    count: usize,
) -> io::Result<()> {
    let workers = (0..count.max(1)).map(|_| Worker::start(&connections)).collect::<io::Result<Vec<_>>>()?;
    loop {
        let (stream, source) = match listeners.accept().await {
            Ok(accepted) => accepted,
            // A connection that was gone again, or no descriptor left: those that are open go on.
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let idlest = workers.iter().min_by_key(|worker| worker.sessions.load(Ordering::Relaxed));
        let (Some(worker), Ok(stream)) = (idlest, stream.into_std()) else { continue };
        worker.sessions.fetch_add(1, Ordering::Relaxed);
        let _ = worker.queue.send((stream, source));
    }
}

/// A thread with a runtime of its own.
struct Worker {
    queue: mpsc::UnboundedSender<(std::net::TcpStream, SocketAddr)>,
    sessions: Arc<AtomicUsize>,
}

impl Worker {
    fn start<C: Connections>(connections: &Arc<C>) -> io::Result<Self> {
        let (queue, mut arriving) = mpsc::unbounded_channel();
        let sessions = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (connections, count) = (Arc::clone(connections), Arc::clone(&sessions));
        let run = async move {
            let (open, mut all_left) = mpsc::channel::<Infallible>(1);
            while let Some((stream, source)) = arriving.recv().await {
                let connections = Arc::clone(&connections);
                let leaving = Leaving(Arc::clone(&count));
                let open = open.clone();
                tokio::spawn(async move {
                    let _open = open;
                    let _leaving = leaving;
                    match registered(stream) {
                        Ok(stream) => connections.carry(stream, source).await,
                        Err(error) => tracing::debug!(%source, %error, "a connection failed at once"),
                    }
                });
            }
            // Nobody new will come. Those who are here hold the other end until they leave.
            drop(open);
            let _ = all_left.recv().await;
        };
        std::thread::Builder::new()
            .name("session worker".to_owned())
            .stack_size(STACK)
            .spawn(move || runtime.block_on(run))?;
        Ok(Self { queue, sessions })
    }
}

/// The socket on this thread's runtime.
fn registered(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    let stream = TcpStream::from_std(stream)?;
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(SILENT).with_interval(ASKS).with_retries(UNANSWERED);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
