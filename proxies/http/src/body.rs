//! A request's body: read where a rule looks into it or people are asked about it, and sent on as it comes otherwise.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use crate::visit::Open;

/// Whatever went wrong while a body was carried.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;
/// A body, in either direction.
pub(crate) type Body = UnsyncBoxBody<Bytes, Fault>;

/// A client's body that did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("its body can't be read to the end")]
    Unreadable,
    #[error("nothing more of its body has come for too long")]
    Slow,
}

impl Broken {
    /// Whether this is what an error comes from.
    pub(crate) fn in_chain(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut error = Some(error);
        while let Some(now) = error {
            if let Some(broken) = now.downcast_ref::<Self>() {
                return Some(*broken);
            }
            error = now.source();
        }
        None
    }
}

/// The next frame of a client's body, within the time that a client may be silent.
async fn next(body: &mut Incoming, patience: Duration) -> Option<Result<Frame<Bytes>, Broken>> {
    match tokio::time::timeout(patience, body.frame()).await {
        Ok(frame) => Some(frame?.map_err(|_| Broken::Unreadable)),
        Err(_) => Some(Err(Broken::Slow)),
    }
}

/// A body of these bytes.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// What of a request's body is here.
pub(crate) enum Taken {
    /// None of it was read.
    Nothing(Incoming),
    /// All of it.
    All(Bytes),
    /// More than is read: what was, and the rest.
    Much(Bytes, Incoming),
}

impl Taken {
    /// Reads what was not read yet, up to a bound in bytes.
    pub(crate) async fn read(self, most: usize, patience: Duration) -> Result<Self, Broken> {
        let Self::Nothing(mut body) = self else { return Ok(self) };
        let mut bytes = BytesMut::new();
        while let Some(frame) = next(&mut body, patience).await {
            // Trailers say nothing that is judged, and are not sent on.
            let Ok(data) = frame?.into_data() else { continue };
            bytes.extend_from_slice(&data);
            if bytes.len() > most {
                return Ok(Self::Much(bytes.freeze(), body));
            }
        }
        Ok(Self::All(bytes.freeze()))
    }

    /// What of it was read.
    pub(crate) fn read_so_far(&self) -> &[u8] {
        match self {
            Self::Nothing(_) => &[],
            Self::All(bytes) | Self::Much(bytes, _) => bytes,
        }
    }

    /// The body as the target gets it, for as long as the session may go on.
    pub(crate) fn send(self, open: &Arc<Open>, patience: Duration) -> Body {
        let (first, rest) = match self {
            Self::All(bytes) => return whole(bytes),
            Self::Nothing(body) if body.is_end_stream() => return whole(Bytes::new()),
            Self::Nothing(body) => (None, body),
            Self::Much(bytes, rest) => (Some(bytes), rest),
        };
        let read = first.as_ref().map_or(0, |first| first.len() as u64);
        let length = rest.size_hint().exact().map(|left| left + read);
        let up = Up { first, rest, open: Arc::clone(open), patience };
        let stream = futures_util::stream::unfold(up, |mut up| async move { Some((up.next().await?, up)) });
        Measured { body: StreamBody::new(stream).boxed_unsync(), length }.boxed_unsync()
    }
}

/// A body whose length is known before it has come: the target is told, as the gateway was.
struct Measured {
    body: Body,
    length: Option<u64>,
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A body on its way to the target.
struct Up {
    first: Option<Bytes>,
    rest: Incoming,
    open: Arc<Open>,
    patience: Duration,
}

impl Up {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, Fault>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(Frame::data(first)));
        }
        loop {
            let frame = tokio::select! {
                biased;
                reason = self.open.stop.wait() => return Some(Err(reason.to_string().into())),
                frame = next(&mut self.rest, self.patience) => frame?,
            };
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => return Some(Ok(Frame::data(data))),
                // Nothing has judged what trailers say.
                Ok(Err(_trailers)) => {}
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}
