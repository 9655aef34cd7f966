//! Two channels of opaque bytes, joined: what a tunnel carries is judged when it is opened.

use std::sync::atomic::{AtomicU64, Ordering};

use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client, server};

use crate::ahead::{Ahead, Kept, Sent};
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
pub(crate) async fn splice<U>(
    (client, reader): (Channel<server::Msg>, &Reader),
    target: Channel<client::Msg>,
    meter: &Meter<'_>,
    until: impl Future<Output = U>,
) -> Option<U> {
    let (mut from_client, to_client) = client.split();
    let (mut from_target, to_target) = target.split();
    let ended = {
        let up = carry(&mut from_client, &to_target, Some(reader), |bytes| meter.traffic.count_input(bytes));
        let down = carry(&mut from_target, &to_client, None, |bytes| {
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

/// One direction, its messages in their order: a close stands behind the bytes that came before it.
async fn carry<T>(
    from: &mut ChannelReadHalf,
    to: &ChannelWriteHalf<T>,
    reader: Option<&Reader>,
    count: impl Fn(usize),
) -> End
where
    T: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
{
    // Only the client's leg trickles, and has to be read on.
    let mut from = Ahead::new(from, Kept::default());
    loop {
        match from.next().await {
            Sent::Data(data) => {
                let bytes = data.len();
                count(bytes);
                let sending = to.data_bytes(data);
                let sent = if reader.is_some() { from.during(sending).await } else { sending.await };
                if sent.is_err() {
                    return End::Closed;
                }
                if let Some(reader) = reader {
                    reader.took(bytes);
                }
            }
            Sent::Eof => {
                let _ = to.eof().await;
                return End::Eof;
            }
            Sent::Closed => return End::Closed,
            Sent::Resize(_) | Sent::Signal(_) => {}
        }
    }
}
