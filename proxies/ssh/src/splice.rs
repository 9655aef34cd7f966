//! Two channels of opaque bytes, joined: what a tunnel carries is judged when it is opened.

use std::sync::atomic::{AtomicU64, Ordering};

use policy_core::rule::LimitUnit;
use portcullis_gateway::enforce::Receipt;
use russh::{Channel, ChannelReadHalf, ChannelWriteHalf, client, server};
use tokio::sync::Semaphore;

use crate::ahead::{Ahead, Kept, Sent};
use crate::bastion::Traffic;
use crate::flow::Reader;

/// Where the bytes of a tunnel are counted: what is told of it stands even if it is cut off.
pub(crate) struct Meter<'a> {
    /// The connection's.
    pub(crate) traffic: &'a Traffic,
    /// What went to the client through this one.
    pub(crate) to_client: &'a AtomicU64,
    /// Takes that off the limits of the rules that admitted it.
    pub(crate) receipt: &'a mut Receipt,
}

/// Carries bytes both ways until both sides have ended, one has closed, a limit is reached, or `until` resolves, and closes
/// both. What ended it before its time, in words.
pub(crate) async fn splice(
    (client, reader): (Channel<server::Msg>, &Reader),
    target: Channel<client::Msg>,
    meter: Meter<'_>,
    until: impl Future<Output = &'static str>,
) -> Option<&'static str> {
    let (mut from_client, to_client) = client.split();
    let (mut from_target, to_target) = target.split();
    let Meter { traffic, to_client: passed, receipt } = meter;
    let ended = {
        let ends = Semaphore::new(0);
        let up = up(&mut from_client, reader, &to_target, traffic, &ends);
        let down = down(&mut from_target, &to_client, traffic, passed, receipt, &ends);
        // A side that has sent its last byte may still receive; one that has closed may not.
        tokio::select! {
            () = up => None,
            end = down => (end == End::Limit).then_some("a limit was reached"),
            _ = ends.acquire_many(2) => None,
            ended = until => Some(ended),
        }
    };
    let _ = to_client.close().await;
    let _ = to_target.close().await;
    ended
}

/// How the target's direction ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    /// More than the policy lets through.
    Limit,
}

/// From the client, whose messages are read on while the target takes none, until it closes. A close stands behind the bytes
/// before it. An end is added to `ends`, and the close is waited for behind it.
async fn up(
    from: &mut ChannelReadHalf,
    reader: &Reader,
    to: &ChannelWriteHalf<client::Msg>,
    traffic: &Traffic,
    ends: &Semaphore,
) {
    let mut from = Ahead::new(from, Kept::default());
    let mut has_ended = false;
    loop {
        match from.next().await {
            Sent::Data(data) => {
                let bytes = data.len();
                // After its end nobody sends anything more that counts.
                if !has_ended {
                    traffic.count_input(bytes);
                    if !matches!(from.during(to.data_bytes(data)).await, Some(Ok(()))) {
                        return;
                    }
                }
                reader.took(bytes);
            }
            Sent::Eof if has_ended => {}
            Sent::Eof => {
                let _ = from.during(to.eof()).await;
                has_ended = true;
                ends.add_permits(1);
            }
            Sent::Closed => return,
            Sent::Resize(_) | Sent::Signal(_) => {}
        }
    }
}

/// From the target, one message after the other, in the same way.
async fn down(
    from: &mut ChannelReadHalf,
    to: &ChannelWriteHalf<server::Msg>,
    traffic: &Traffic,
    passed: &AtomicU64,
    receipt: &mut Receipt,
    ends: &Semaphore,
) -> End {
    let mut has_ended = false;
    loop {
        match Sent::of(from.wait().await) {
            Some(Sent::Data(data)) if !has_ended => {
                let bytes = data.len();
                if receipt.count(LimitUnit::Bytes, bytes as u64).await.is_err() {
                    return End::Limit;
                }
                passed.fetch_add(bytes as u64, Ordering::Relaxed);
                traffic.count_output(bytes);
                if to.data_bytes(data).await.is_err() {
                    return End::Closed;
                }
            }
            Some(Sent::Eof) if !has_ended => {
                let _ = to.eof().await;
                has_ended = true;
                ends.add_permits(1);
            }
            Some(Sent::Closed) => return End::Closed,
            Some(_) | None => {}
        }
    }
}
