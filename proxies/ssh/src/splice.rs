//! Two channels of opaque bytes, joined: what a tunnel carries is judged when it is opened.

use std::sync::atomic::{AtomicU64, Ordering};

use policy_core::rule::LimitUnit;
use portcullis_gateway::enforce::Receipt;
use russh::{Channel, ChannelReadHalf, ChannelWriteHalf, client, server};

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
        let up = up(&mut from_client, reader, &to_target, traffic);
        let down = down(&mut from_target, &to_client, traffic, passed, receipt);
        // A side that has sent its last byte may still receive; one that has closed may not.
        let both = async {
            tokio::pin!(up, down);
            tokio::select! {
                end = &mut up => if end == End::Eof { down.await } else { end },
                end = &mut down => if end == End::Eof { up.await } else { end },
            }
        };
        tokio::select! {
            end = both => (end == End::Limit).then_some("a limit was reached"),
            ended = until => Some(ended),
        }
    };
    let _ = to_client.close().await;
    let _ = to_target.close().await;
    ended
}

/// How one direction ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Eof,
    Closed,
    /// More than the policy lets through.
    Limit,
}

/// From the client, whose messages are read on while the target takes none. A close stands behind the bytes before it.
async fn up(
    from: &mut ChannelReadHalf,
    reader: &Reader,
    to: &ChannelWriteHalf<client::Msg>,
    traffic: &Traffic,
) -> End {
    let mut from = Ahead::new(from, Kept::default());
    loop {
        match from.next().await {
            Sent::Data(data) => {
                let bytes = data.len();
                traffic.count_input(bytes);
                if from.during(to.data_bytes(data)).await.is_err() {
                    return End::Closed;
                }
                reader.took(bytes);
            }
            Sent::Eof => {
                let _ = from.during(to.eof()).await;
                return End::Eof;
            }
            Sent::Closed => return End::Closed,
            Sent::Resize(_) | Sent::Signal(_) => {}
        }
    }
}

/// From the target, one message after the other.
async fn down(
    from: &mut ChannelReadHalf,
    to: &ChannelWriteHalf<server::Msg>,
    traffic: &Traffic,
    passed: &AtomicU64,
    receipt: &mut Receipt,
) -> End {
    loop {
        match Sent::of(from.wait().await) {
            Some(Sent::Data(data)) => {
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
            Some(Sent::Eof) => {
                let _ = to.eof().await;
                return End::Eof;
            }
            Some(Sent::Closed) => return End::Closed,
            Some(Sent::Resize(_) | Sent::Signal(_)) | None => {}
        }
    }
}
