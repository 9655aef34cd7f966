//! A target's answer on its way to the client: looked through, counted, recorded, ended when somebody is out.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use hyper::{Method, Response, StatusCode};
use policy_core::rule::LimitUnit;
use portcullis_evidence::recording::{Event, Stream, Utf8Stream};
use portcullis_gateway::enforce::{Outcome, Receipt};
use portcullis_gateway::stream::SETTLED;

use crate::activity::Busy;
use crate::body::{Body, Fault, whole};
use crate::decode::{Broken, NOT_SHOWN, Source};
use crate::dialect::mcp::Answering;
use crate::fields;
use crate::mask::{Masker, Sought, Unseen};
use crate::request::media_type;
use crate::visit::Open;

/// Fields of an answer that describe its bytes.
const OF_BYTES: [&str; 7] =
    ["content-length", "etag", "content-md5", "digest", "content-digest", "repr-digest", "accept-ranges"];

/// A client that did not wait for the end of an answer.
const LEFT: &str = "the client left";
const STOPPED: &str = "stopped";

/// What an answer is to, and what becomes of it.
pub(crate) struct Due {
    pub(crate) open: Arc<Open>,
    pub(crate) receipt: Receipt,
    pub(crate) sought: Sought,
    pub(crate) method: Method,
    /// What was taken off the path that was asked for.
    pub(crate) prefix: String,
    /// What an MCP server's answer is looked through for.
    pub(crate) mcp: Option<Arc<Answering>>,
    /// The request is under way until its answer has left.
    pub(crate) busy: Busy,
}

/// Why an answer can't be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Odd {
    #[error("it speaks of another protocol")]
    Protocol,
    #[error(transparent)]
    Fields(#[from] fields::Odd),
    #[error(transparent)]
    Unseen(#[from] Unseen),
}

impl Due {
    /// The answer as the client gets it.
    ///
    /// # Errors
    /// Where it can't be shown; what became of the request is told then.
    pub(crate) fn answer(self, response: Response<Incoming>) -> Result<Response<Body>, Odd> {
        let (mut head, body) = response.into_parts();
        // A reason in the target's own words would be written out as it is: nothing has looked at it.
        head.extensions.clear();
        let has_no_body = self.method == Method::HEAD
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || http_body::Body::is_end_stream(&body);
        match self.looked_through(head.status, &mut head.headers, body, has_no_body) {
            Ok(_) if has_no_body => {
                // Nobody asks for the pieces of a body that there is not.
                self.receipt.outcome(Outcome::default());
                Ok(Response::from_parts(head, whole("")))
            }
            Ok((source, masker)) => {
                let body = Down::new(self, source, masker).body();
                Ok(Response::from_parts(head, body))
            }
            Err(odd) => {
                let words = odd.to_string();
                self.receipt.outcome(Outcome { error: Some(&words), ..Outcome::default() });
                Err(odd)
            }
        }
    }

    fn looked_through(
        &self,
        status: StatusCode,
        headers: &mut HeaderMap,
        body: Incoming,
        has_no_body: bool,
    ) -> Result<(Source, Masker), Odd> {
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Odd::Protocol);
        }
        if !fields::only_chunked(headers) {
            return Err(Unseen::Encoding.into());
        }
        fields::strip_connection(headers)?;
        fields::below(headers, LOCATION, &self.prefix);
        if let Some(mcp) = &self.mcp {
            mcp.seal(headers);
        } else if self.sought.is_nothing() {
            return Ok((Source::Plain(body), Masker::Nothing));
        }
        self.sought.fields(headers)?;
        // What they say of bytes that were not looked through, they say of a body that isn't sent, too.
        without_digests(headers);
        if has_no_body {
            return Ok((Source::Plain(body), Masker::Nothing));
        }
        let masker = self.sought.body(headers)?;
        let source = Source::decoded(body, headers)?;
        let source = match &self.mcp {
            Some(mcp) if status.is_success() => {
                source.filtered(mcp.filter(&media_type(headers.get(CONTENT_TYPE)))?)
            }
            _ => source,
        };
        Ok((source, masker))
    }
}

/// Takes away what describes bytes that the client does not get.
fn without_digests(fields: &mut HeaderMap) {
    OF_BYTES.iter().for_each(|name| drop(fields.remove(*name)));
}

/// An answer's body on its way. Dropped before its end, it tells how far it came.
struct Down {
    source: Source,
    masker: Masker,
    open: Arc<Open>,
    sought: Sought,
    receipt: Option<Receipt>,
    _busy: Busy,
    _answer: Arc<()>,
    /// Where results are recorded, how far their text has come.
    recorded: Option<Utf8Stream>,
    bytes: u64,
    masked: u64,
    /// Whether nothing has come since what was held back was looked at.
    is_settled: bool,
    /// How many bytes there will be, where that is known: once they are there, nobody asks for more.
    length: Option<u64>,
}

type Next = Option<Result<Frame<Bytes>, Fault>>;

impl Down {
    fn new(due: Due, source: Source, masker: Masker) -> Self {
        let records = due.receipt.judged().records_results();
        let length = match (&source, &masker) {
            (Source::Plain(body), Masker::Nothing) => http_body::Body::size_hint(body).exact(),
            _ => None,
        };
        Self {
            source,
            masker,
            _answer: Arc::clone(&due.open.answers),
            open: due.open,
            sought: due.sought,
            receipt: Some(due.receipt),
            _busy: due.busy,
            recorded: records.then(Utf8Stream::default),
            bytes: 0,
            masked: 0,
            is_settled: false,
            length,
        }
    }

    fn body(self) -> Body {
        let stream = futures_util::stream::unfold(Some(self), |down| async move {
            let (frame, down) = down?.next().await;
            Some((frame?, down))
        });
        StreamBody::new(stream).boxed_unsync()
    }

    /// The next piece of it, and itself while more may come.
    async fn next(mut self) -> (Next, Option<Self>) {
        let open = Arc::clone(&self.open);
        loop {
            // Whoever waits for the rest of a message sends nothing that would bring more of it.
            let may_settle = self.source.may_be_left() && self.masker.holds();
            let came = tokio::select! {
                biased;
                reason = open.stop.wait() => return self.broken(STOPPED, reason.to_string().into()),
                frame = self.source.next() => Some(frame),
                () = async { tokio::time::sleep(SETTLED).await }, if may_settle && !self.is_settled => None,
            };
            self.is_settled = came.is_none();
            let (looked, is_last) = match came {
                None => (self.masker.settle(), false),
                Some(None) => (self.masker.finish(), true),
                Some(Some(Err((word, why)))) => return self.broken(word, why),
                Some(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => (self.masker.push(data), false),
                    Err(frame) => match frame.into_trailers() {
                        Ok(trailers) => return self.trailers(trailers).await,
                        Err(_) => continue,
                    },
                },
            };
            let shown = match looked {
                Ok((shown, masked)) => {
                    self.masked += masked as u64;
                    shown
                }
                Err(unseen) => return self.broken(NOT_SHOWN, unseen.into()),
            };
            // A store or a recorder may keep it waiting for longer than somebody may see it.
            if let Err((word, why)) = self.count(&shown).await {
                return self.broken(word, why);
            }
            if is_last {
                self.told(None);
                let shown = Some(shown).filter(|shown| !shown.is_empty());
                return (shown.map(|shown| Ok(Frame::data(shown))), None);
            }
            if !shown.is_empty() {
                return (Some(Ok(Frame::data(shown))), Some(self));
            }
        }
    }

    /// Trailers are fields like others, and the last there is: what was held back of the body goes before them.
    async fn trailers(mut self, mut trailers: HeaderMap) -> (Next, Option<Self>) {
        let rest = match self.masker.finish() {
            Ok((rest, masked)) => {
                self.masked += masked as u64;
                rest
            }
            Err(unseen) => return self.broken(NOT_SHOWN, unseen.into()),
        };
        if let Err(odd) = fields::strip_connection(&mut trailers) {
            return self.broken(NOT_SHOWN, odd.into());
        }
        if !self.sought.is_nothing() {
            without_digests(&mut trailers);
        }
        if let Err(unseen) = self.sought.fields(&mut trailers) {
            return self.broken(NOT_SHOWN, unseen.into());
        }
        if let Err((word, why)) = self.count(&rest).await {
            return self.broken(word, why);
        }
        if rest.is_empty() {
            self.told(None);
            return (Some(Ok(Frame::trailers(trailers))), None);
        }
        self.masker = Masker::Nothing;
        self.source = Source::Trailers(Some(trailers));
        (Some(Ok(Frame::data(rest))), Some(self))
    }

    /// Counts and records what is about to be shown, for as long as the session may go on.
    async fn count(&mut self, shown: &Bytes) -> Result<(), Broken> {
        let open = Arc::clone(&self.open);
        tokio::select! {
            biased;
            reason = open.stop.wait() => Err((STOPPED, reason.to_string().into())),
            counted = self.count_to_the_end(shown) => counted,
        }
    }

    /// Takes what is about to be shown off the limits, and records it.
    async fn count_to_the_end(&mut self, shown: &Bytes) -> Result<(), Broken> {
        if shown.is_empty() {
            return Ok(());
        }
        if let Some(receipt) = &mut self.receipt {
            receipt
                .count(LimitUnit::Bytes, shown.len() as u64)
                .await
                .map_err(|refusal| ("a limit was reached", refusal.message.to_string().into()))?;
            if let Some(recorded) = &mut self.recorded
                && self.open.tape.is_on()
            {
                std::future::poll_fn(|cx| self.open.tape.poll_room(cx)).await;
                let mut text = String::with_capacity(shown.len());
                recorded.push(shown, &mut text);
                if !text.is_empty() {
                    let (command, stream) = (receipt.command(), Stream::default());
                    self.open.tape.push(&Event::Output { command, stream, text: text.into() });
                }
            }
        }
        self.bytes += shown.len() as u64;
        self.open.traffic.count_output(shown.len());
        Ok(())
    }

    fn told(&mut self, error: Option<&str>) {
        if let Some(receipt) = self.receipt.take() {
            receipt.outcome(Outcome { rows: None, bytes: self.bytes, masked: self.masked, error });
        }
    }

    fn broken(mut self, word: &str, why: Fault) -> (Next, Option<Self>) {
        self.told(Some(word));
        (Some(Err(why)), None)
    }
}

impl Drop for Down {
    fn drop(&mut self) {
        let is_whole = self.length == Some(self.bytes);
        let ended = if self.open.stop.reached().is_some() { STOPPED } else { LEFT };
        self.told((!is_whole).then_some(ended));
    }
}
