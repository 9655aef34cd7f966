//! Keystrokes and idle sessions, by one client library for all ways.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use portcullis_benches::report::Figure;
use russh::client::{self, Handle};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{Channel, ChannelMsg};

use crate::ways::{Hop, Way, Ways};
use crate::{figures, quantile};

/// So many keys are typed in a round.
const KEYS: usize = 200;

/// Takes every server for the right one: both ends are this benchmark's own.
struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// A connection, with those that it goes through.
struct Connection {
    last: Handle<Trusting>,
    _through: Option<Handle<Trusting>>,
}

async fn connect(way: &Way) -> Result<Connection, Box<dyn Error>> {
    let config = Arc::new(client::Config { nodelay: true, ..client::Config::default() });
    let [first, rest @ ..] = way.hops.as_slice() else { return Err("no way".into()) };
    let mut handle = client::connect(Arc::clone(&config), ("127.0.0.1", first.port), Trusting).await?;
    log_in(&mut handle, first).await?;
    let [next] = rest else { return Ok(Connection { last: handle, _through: None }) };
    let tunnel = handle.channel_open_direct_tcpip("127.0.0.1", next.port.into(), "127.0.0.1", 1).await?;
    let mut last = client::connect_stream(config, tunnel.into_stream(), Trusting).await?;
    log_in(&mut last, next).await?;
    Ok(Connection { last, _through: Some(handle) })
}

async fn log_in(handle: &mut Handle<Trusting>, hop: &Hop) -> Result<(), Box<dyn Error>> {
    let key = PrivateKeyWithHashAlg::new(Arc::new(decode_secret_key(&hop.key, None)?), None);
    let result = handle.authenticate_publickey(&hop.user, key).await?;
    if result.success() { Ok(()) } else { Err("not let in".into()) }
}

/// A shell whose terminal echoes, and has said something.
async fn shell(connection: &Connection) -> Result<Channel<client::Msg>, Box<dyn Error>> {
    let mut channel = connection.last.channel_open_session().await?;
    channel.request_pty(false, "xterm", 80, 24, 0, 0, &[]).await?;
    channel.exec(true, "stty raw echo; echo ready; cat >/dev/null").await?;
    until(&mut channel, b"ready").await?;
    Ok(channel)
}

async fn until(channel: &mut Channel<client::Msg>, wanted: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut heard = Vec::new();
    while !heard.windows(wanted.len()).any(|window| window == wanted) {
        match channel.wait().await.ok_or("the channel closed")? {
            ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => {
                heard.extend_from_slice(&data)
            }
            ChannelMsg::ExitStatus { exit_status } => {
                return Err(format!("exit {exit_status}: {}", String::from_utf8_lossy(&heard)).into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// From a key to its echo, in microseconds: the median and the slowest hundredth.
pub async fn keystrokes(ways: &Ways, rounds: u32) -> Result<Vec<Figure>, Box<dyn Error>> {
    let mut times = vec![Vec::new(); ways.all.len()];
    for _ in 0..rounds {
        for (way, times) in ways.all.iter().zip(&mut times) {
            let connection = connect(way).await?;
            let mut channel = shell(&connection).await?;
            for key in 0..KEYS {
                let key = b'a' + u8::try_from(key % 26)?;
                let began = Instant::now();
                channel.data_bytes(vec![key]).await?;
                until(&mut channel, &[key]).await?;
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    let at = |share: f64| -> Vec<f64> { times.iter().map(|times| quantile(times.clone(), share)).collect() };
    let mut all = figures("ssh/keystroke p50", "µs", ways, &at(0.5));
    all.extend(figures("ssh/keystroke p99", "µs", ways, &at(0.99)));
    Ok(all)
}

/// What the gateway's memory grows by with each session that only waits, in KiB.
pub async fn idle(ways: &Ways, sessions: u32) -> Result<Vec<Figure>, Box<dyn Error>> {
    let way = ways.all.last().ok_or("no gateway")?;
    // What the first sessions bring into memory is not theirs.
    let mut open = Vec::new();
    for _ in 0..10 {
        let connection = connect(way).await?;
        let channel = shell(&connection).await?;
        open.push((connection, channel));
    }
    let before = ways.memory()?;
    for number in 0..sessions {
        let connection = connect(way).await?;
        let channel = shell(&connection).await?;
        open.push((connection, channel));
        if number % 100 == 99 {
            eprintln!("  {} sessions", number + 1);
        }
    }
    let each = (ways.memory()? - before) / f64::from(sessions);
    Ok(vec![Figure::new(format!("ssh/idle session of {sessions}"), way.name, each, "KiB")])
}
