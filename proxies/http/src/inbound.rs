//! A request's body as it comes from the client.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{Error, Request, Version};

/// How much of a body that nobody wants is read, in bytes, and for how long.
const UNWANTED: usize = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// A body. What is left of it when it is dropped is read away over HTTP/2, where its stream would be reset otherwise: many a
/// client, curl among them, takes that for a failure, and the answer, which says why nobody wants it, is lost. Over
/// HTTP/1.1 the library sees to it.
pub(crate) struct Inbound {
    body: Option<Incoming>,
    is_read_away: bool,
}

impl Inbound {
    /// The request, with its body as one of these.
    pub(crate) fn of(request: Request<Incoming>) -> Request<Self> {
        let is_read_away = request.version() == Version::HTTP_2;
        request.map(|body| Self { body: Some(body), is_read_away })
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        let left = self.body.take().filter(|body| self.is_read_away && !body.is_end_stream());
        // Without a runtime the connection is at its end, too.
        if let (Some(body), Ok(runtime)) = (left, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(PATIENCE, read_away(body)));
        }
    }
}

async fn read_away(body: Incoming) {
    let mut body = Limited::new(body, UNWANTED);
    while let Some(Ok(_)) = body.frame().await {}
}
