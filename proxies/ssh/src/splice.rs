//! Two channels of opaque bytes, joined: what a tunnel carries is judged when it is opened.

use crate::flow::Reader;

use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};

/// Carries bytes both ways until both sides have ended or one has closed; says how many went to `left` and to `right`.
pub(crate) async fn splice<L, R>(left: (Channel<L>, &Reader), right: (Channel<R>, &Reader)) -> (u64, u64)
where
    L: From<(russh::ChannelId, ChannelMsg)> + Send + Sync + 'static,
    R: From<(russh::ChannelId, ChannelMsg)> + Send + Sync + 'static,
{
    let (mut from_left, to_left) = left.0.split();
    let (mut from_right, to_right) = right.0.split();
    let (mut leftward, mut rightward) = (0, 0);
    {
        let right_bound = carry((&mut from_left, left.1), &to_right, &mut rightward);
        let left_bound = carry((&mut from_right, right.1), &to_left, &mut leftward);
        tokio::pin!(right_bound, left_bound);
        // A side that has sent its last byte may still receive; one that has closed may not.
        tokio::select! {
            () = left.1.closed() => {}
            () = right.1.closed() => {}
            end = &mut right_bound => if end == End::Eof { left_bound.await; },
            end = &mut left_bound => if end == End::Eof { right_bound.await; },
        }
    }
    let _ = to_left.close().await;
    let _ = to_right.close().await;
    (leftward, rightward)
}

#[derive(PartialEq, Eq)]
enum End {
    Eof,
    Closed,
}

async fn carry<T>(
    (from, reader): (&mut ChannelReadHalf, &Reader),
    to: &ChannelWriteHalf<T>,
    count: &mut u64,
) -> End
where
    T: From<(russh::ChannelId, ChannelMsg)> + Send + Sync + 'static,
{
    loop {
        match from.wait().await {
            Some(ChannelMsg::Data { data }) => {
                let bytes = data.len();
                *count += bytes as u64;
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
