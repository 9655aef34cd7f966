//! The sockets that clients connect to.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

/// Connections that wait to be accepted, at most; the system may take fewer.
const BACKLOG: i32 = 1024;

/// An address that can't be had.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}: {source}")]
pub struct Unavailable {
    /// Which.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// Sockets that listen, one an address.
pub struct Listeners {
    all: Vec<TcpListener>,
    /// Where the next look begins, so that a busy address does not starve the others.
    next: usize,
}

impl Listeners {
    /// Takes every address, or none. Port 0 takes a free one; an IPv6 address takes IPv6 alone.
    ///
    /// # Errors
    /// Where one of them can't be had.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, Unavailable> {
        let one = |&address| listen(address).map_err(|source| Unavailable { address, source });
        Ok(Self { all: addresses.iter().map(one).collect::<Result<_, _>>()?, next: 0 })
    }

    /// Where they listen, in the order given.
    ///
    /// # Errors
    /// Those of `getsockname`.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.all.iter().map(TcpListener::local_addr).collect()
    }

    /// The next connection on any of them.
    ///
    /// # Errors
    /// Those of `accept`: the connection is gone again, or the process has no descriptor left.
    pub async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let (before, from) = self.all.split_at(self.next.min(self.all.len()));
        for (at, listener) in from.iter().chain(before).enumerate() {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                self.next = (self.next + at + 1) % self.all.len().max(1);
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

/// An IPv6 address means IPv6 alone: what comes by IPv4 has an IPv4 address in policies and evidence too.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
