//! Two channels of opaque bytes, joined: what a tunnel carries is judged when it is opened.

use std::sync::atomic::{AtomicU64, Ordering};

use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};

use crate::bastion::Traffic;
use crate::flow::Reader;

/// Where the bytes of a tunnel are counted: what is told of it stands even if it is cut off.
pub(crate) struct Meter<'a> {
    /// The connection's.
    pub(crate) traffic: &'a Traffic,
    /// What went to the client through this one.
    pub(crate) to_client: &'a AtomicU64,
}

/// Carries bytes both ways until both sides have ended, one has closed, or `until` resolves, and closes both. What `until`
/// said, if that was the end.
pub(crate) async fn splice<C, T, U>(
    client: (Channel<C>, &Reader),
    target: (Channel<T>, &Reader),
    meter: &Meter<'_>,
    until: impl Future<Output = U>,
) -> Option<U>
where
    C: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
    T: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
{
    let (mut from_client, to_client) = client.0.split();
    let (mut from_target, to_target) = target.0.split();
    let ended = {
        let up = carry((&mut from_client, client.1), &to_target, |bytes| meter.traffic.count_input(bytes));
        let down = carry((&mut from_target, target.1), &to_client, |bytes| {
            meter.to_client.fetch_add(bytes as u64, Ordering::Relaxed);
            meter.traffic.count_output(bytes);
        });
        // A side that has sent its last byte may still receive; one that has closed may not.
        let both = async {
            tokio::pin!(up, down);
            tokio::select! {
                end = &mut up => if end == End::Eof { down.await; },
                end = &mut down => if end == End::Eof { up.await; },
            }
        };
        tokio::select! {
            () = both => None,
            () = client.1.closed() => None,
            () = target.1.closed() => None,
            ended = until => Some(ended),
        }
    };
    let _ = to_client.close().await;
    let _ = to_target.close().await;
    ended
}

#[derive(PartialEq, Eq)]
enum End {
    Eof,
    Closed,
}

async fn carry<T>(
    (from, reader): (&mut ChannelReadHalf, &Reader),
    to: &ChannelWriteHalf<T>,
    count: impl Fn(usize),
) -> End
where
    T: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
{
    loop {
        match from.wait().await {
            Some(ChannelMsg::Data { data }) => {
                let bytes = data.len();
                count(bytes);
                if to.data_bytes(data).await.is_err() {
                    return End::Closed;
                }
                reader.took(bytes);
            }
            Some(ChannelMsg::Eof) => {
                let _ = to.eof().await;
                return End::Eof;
            }
            None | Some(ChannelMsg::Close) => return End::Closed,
            Some(_) => {}
        }
    }
}
