//! A request's body: read where a rule looks into it or people are asked about it, and sent on as it comes otherwise.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body as _, Frame, SizeHint};

use portcullis_gateway::enforce::{Permit, Tape};
use portcullis_gateway::stream::Input;

use crate::inbound::Inbound;
use crate::mask::{Masker, Sought};
use crate::visit::Open;

/// Whatever went wrong while a body was carried.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;
/// A body, in either direction.
pub(crate) type Body = UnsyncBoxBody<Bytes, Fault>;

/// An error and what it comes from, in one line, and nothing twice: libraries' own words often say no more than that something
/// failed.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = error.source();
    }
    words
}

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
async fn next(body: &mut Inbound, patience: Duration) -> Option<Result<Frame<Bytes>, Broken>> {
    match tokio::time::timeout(patience, body.frame()).await {
        Ok(frame) => Some(frame?.map_err(|_| Broken::Unreadable)),
        Err(_) => Some(Err(Broken::Slow)),
    }
}

/// A body of these bytes.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The most that goes up at once of what was read, in bytes: a session that ends in between ends the rest.
const PIECE: usize = 16 << 10;

/// What of a request's body is here.
pub(crate) enum Taken {
    /// None of it was read.
    Nothing(Inbound),
    /// All of it.
    All(Bytes),
    /// More than is read: what was, and the rest.
    Much(Bytes, Inbound),
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

    /// All of it, where it was read.
    pub(crate) const fn all(&self) -> Option<&Bytes> {
        match self {
            Self::All(bytes) => Some(bytes),
            Self::Nothing(_) | Self::Much(..) => None,
        }
    }

    /// The body as the target gets it, for as long as the session may go on.
    pub(crate) fn send(self, open: &Arc<Open>, patience: Duration) -> Body {
        let (first, rest) = match self {
            // It goes with its head, or not at all.
            Self::All(bytes) if bytes.len() <= PIECE => {
                open.traffic.count_input(bytes.len());
                return whole(bytes);
            }
            Self::Nothing(body) if body.is_end_stream() => return whole(Bytes::new()),
            Self::All(bytes) => (bytes, None),
            Self::Nothing(body) => (Bytes::new(), Some(body)),
            Self::Much(bytes, rest) => (bytes, Some(rest)),
        };
        let left = rest.as_ref().map_or(Some(0), |rest| rest.size_hint().exact());
        let length = left.map(|left| left + first.len() as u64);
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
    /// What was read of it, and is still here.
    first: Bytes,
    rest: Option<Inbound>,
    open: Arc<Open>,
    patience: Duration,
}

impl Up {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, Fault>> {
        if !self.first.is_empty() {
            if let Some(reason) = self.open.stop.reached() {
                return Some(Err(reason.to_string().into()));
            }
            let piece = self.first.split_to(PIECE.min(self.first.len()));
            self.open.traffic.count_input(piece.len());
            return Some(Ok(Frame::data(piece)));
        }
        let rest = self.rest.as_mut()?;
        loop {
            let frame = tokio::select! {
                biased;
                reason = self.open.stop.wait() => return Some(Err(reason.to_string().into())),
                frame = next(rest, self.patience) => frame?,
            };
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => {
                    self.open.traffic.count_input(data.len());
                    return Some(Ok(Frame::data(data)));
                }
                // Nothing has judged what trailers say.
                Ok(Err(_trailers)) => {}
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

/// A body, read as this type, that is recorded as it goes to the target, where what is done by it is.
pub(crate) fn recorded(body: Body, media_type: &str, open: &Open, permit: &Permit, sought: &Sought) -> Body {
    if !permit.judged().records_results() || body.is_end_stream() {
        return body;
    }
    let left = body.size_hint().exact();
    let (input, masker) = (sought.input(permit.command(), false), sought.said(media_type));
    Recorded { body, tape: open.tape.clone(), masker, input, left }.boxed_unsync()
}

struct Recorded {
    body: Body,
    tape: Tape,
    /// What of it a recording may have.
    masker: Masker,
    input: Input,
    /// How much of it is still to come, where that is known: nobody asks for more.
    left: Option<u64>,
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if !self.tape.is_on() {
            return Pin::new(&mut self.body).poll_frame(cx);
        }
        ready!(self.tape.poll_room(cx));
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            self.sent(data.clone());
            self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
        }
        if frame.is_none() || self.left == Some(0) {
            self.finish();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        // What was sent of a body that did not come to its end was sent.
        if self.tape.is_on() {
            self.finish();
        }
    }
}

impl Recorded {
    fn sent(&mut self, data: Bytes) {
        let shown = self.masker.record(data);
        self.input.sent(&self.tape, &shown);
    }

    fn finish(&mut self) {
        let rest = self.masker.record_rest();
        self.input.sent(&self.tape, &rest);
        self.input.finish(&self.tape);
    }
}
