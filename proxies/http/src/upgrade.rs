//! A connection that turns into something else: a WebSocket, permitted at its opening and looked through as it goes on.

use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use policy_core::rule::LimitUnit;
use portcullis_evidence::recording::{Event, Stream, Utf8Stream};
use portcullis_gateway::enforce::{Outcome, Receipt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::body::{Body, whole};
use crate::fields;
use crate::mask::Sought;
use crate::request::{Unfit, unfit};
use crate::visit::Open;
use crate::websocket::{Messages, Part, Reader, Sender};

/// Fields that two parties agree on a WebSocket by (RFC 6455, section 4).
const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");
const EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");

/// What is kept of a direction that is idle, in bytes, and the most that is read at once.
const IDLE: usize = 512;
const BUSY: usize = 16 << 10;

/// A client's wish for a WebSocket.
pub(crate) struct Upgrading(OnUpgrade);

/// What a request wishes its connection to turn into.
///
/// # Errors
/// Where that is nothing that is offered, or not asked for as it should be.
pub(crate) fn wanted(request: &mut Request<Incoming>) -> Result<Option<Upgrading>, Unfit> {
    let fields = request.headers();
    let mut wishes = fields.get_all(UPGRADE).iter();
    let Some(wish) = wishes.next() else { return Ok(None) };
    let is_websocket = wish.as_bytes().eq_ignore_ascii_case(b"websocket") && wishes.next().is_none();
    if !is_websocket || request.version() != Version::HTTP_11 {
        return Err(unfit(StatusCode::NOT_IMPLEMENTED, "only WebSockets are spoken here beside HTTP"));
    }
    let one = |name: &HeaderName| fields.get_all(name).iter().count() == 1;
    let is_13 = fields.get(VERSION).is_some_and(|version| version == "13");
    if request.method() != Method::GET || !one(&KEY) || !one(&VERSION) || !is_13 {
        return Err(unfit(StatusCode::BAD_REQUEST, "a WebSocket is asked for as RFC 6455 says, version 13"));
    }
    let names_it = fields.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    if !names_it.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case("upgrade")) {
        return Err(unfit(StatusCode::BAD_REQUEST, "`connection` does not name `upgrade`"));
    }
    Ok(Some(Upgrading(hyper::upgrade::on(request))))
}

impl Upgrading {
    /// Asks the target for the same, without extensions: what they do to messages could not be looked through.
    pub(crate) fn ask(&self, fields: &mut HeaderMap) {
        fields.remove(EXTENSIONS);
        fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }

    /// The answer that the client gets, and what both connections are from there on.
    ///
    /// # Errors
    /// Where the target agrees to something else.
    pub(crate) fn tunnel(
        self,
        mut response: Response<Incoming>,
        open: Arc<Open>,
        receipt: Receipt,
        sought: Sought,
    ) -> Result<(Response<Body>, Tunnel), &'static str> {
        let target = hyper::upgrade::on(&mut response);
        let (mut head, _) = response.into_parts();
        let fits =
            head.headers.get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
                && !head.headers.contains_key(EXTENSIONS);
        let why = if !fits {
            Some("it agrees to something that was not asked for")
        } else if fields::strip_connection(&mut head.headers).is_err()
            || sought.fields(&mut head.headers).is_err()
        {
            Some("its fields can't be shown")
        } else {
            None
        };
        if let Some(why) = why {
            receipt.outcome(Outcome { error: Some(why), ..Outcome::default() });
            return Err(why);
        }
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let tunnel = Tunnel { client: self.0, target, open, receipt, sought };
        Ok((Response::from_parts(head, whole(Vec::new())), tunnel))
    }
}

/// Two connections that are one WebSocket.
pub(crate) struct Tunnel {
    client: OnUpgrade,
    target: OnUpgrade,
    open: Arc<Open>,
    receipt: Receipt,
    sought: Sought,
}

type Ended = (&'static str, Option<String>);

impl Tunnel {
    /// Carries it to its end.
    pub(crate) async fn carry(self) {
        let Self { client, target, open, receipt, sought } = self;
        let (client, target) = match tokio::try_join!(client, target) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "a WebSocket did not come about");
                receipt.outcome(Outcome { error: Some("it did not come about"), ..Outcome::default() });
                return;
            }
        };
        let (from_client, to_client) = tokio::io::split(TokioIo::new(client));
        let (from_target, to_target) = tokio::io::split(TokioIo::new(target));
        let records = receipt.judged().records_results();
        let command = receipt.command();
        let up = Up { from: from_client, to: to_target, open: &open, command, records };
        let mut down = Down {
            from: from_target,
            to: to_client,
            open: &open,
            receipt,
            messages: Messages::new(sought),
            recorded: records.then(Utf8Stream::default),
            bytes: 0,
        };
        let (why, error) = tokio::select! {
            biased;
            reason = open.stop.wait() => ("stopped", Some(reason.to_string())),
            ended = down.carry() => ended,
            ended = up.carry() => ended,
        };
        if let Some(error) = &error {
            tracing::debug!(why, error, "a WebSocket ended");
        }
        let (bytes, masked) = (down.bytes, down.messages.masked);
        let told = error.is_some().then_some(why);
        down.receipt.outcome(Outcome { rows: None, bytes, masked, error: told });
    }
}

/// What the client says, which goes on as it is once it is frames.
struct Up<'o> {
    from: ReadHalf<TokioIo<Upgraded>>,
    to: WriteHalf<TokioIo<Upgraded>>,
    open: &'o Open,
    command: u64,
    records: bool,
}

impl Up<'_> {
    async fn carry(mut self) -> Ended {
        let mut reader = Reader::new(Sender::Client);
        let mut recorded = Utf8Stream::default();
        let mut buffer = vec![0; IDLE];
        loop {
            let read = match read(&mut self.from, &mut buffer).await {
                Ok(0) => return ("the client left", None),
                Ok(read) => read,
                Err(error) => return ("the client broke off", Some(error.to_string())),
            };
            let Some(bytes) = buffer.get(..read) else { continue };
            let mut plain = bytes.to_vec();
            let mut text = String::new();
            let seen = reader.read(&mut plain, |part| {
                if let (Part::Piece { data, .. }, true) = (part, self.records) {
                    recorded.push(data, &mut text);
                }
                Ok::<_, crate::websocket::Bad>(())
            });
            if let Err(bad) = seen {
                return ("the client sent no frames", Some(bad.to_string()));
            }
            if !text.is_empty() && self.open.tape.is_on() {
                std::future::poll_fn(|cx| self.open.tape.poll_room(cx)).await;
                self.open.tape.push(&Event::Input { command: self.command, text: text.into() });
            }
            if let Err(error) = self.to.write_all(bytes).await {
                return ("the target broke off", Some(error.to_string()));
            }
        }
    }
}

/// What the target says.
struct Down<'o> {
    from: ReadHalf<TokioIo<Upgraded>>,
    to: WriteHalf<TokioIo<Upgraded>>,
    open: &'o Open,
    receipt: Receipt,
    messages: Messages,
    recorded: Option<Utf8Stream>,
    bytes: u64,
}

impl Down<'_> {
    async fn carry(&mut self) -> Ended {
        let mut buffer = vec![0; IDLE];
        loop {
            let read = match read(&mut self.from, &mut buffer).await {
                Ok(0) => return ("the target left", None),
                Ok(read) => read,
                Err(error) => return ("the target broke off", Some(error.to_string())),
            };
            let Some(bytes) = buffer.get_mut(..read) else { continue };
            let (mut out, mut text) = (Vec::new(), Vec::new());
            let pushed = self.messages.push(bytes, &mut out, &mut text);
            if let Err(error) = self.receipt.count(LimitUnit::Bytes, out.len() as u64).await {
                return ("a limit was reached", Some(error.message.to_string()));
            }
            self.record(&text).await;
            self.bytes += out.len() as u64;
            if let Err(error) = self.to.write_all(&out).await {
                return ("the client broke off", Some(error.to_string()));
            }
            if let Err(stuck) = pushed {
                return ("it can't be shown", Some(stuck.to_string()));
            }
        }
    }

    async fn record(&mut self, shown: &[u8]) {
        let Some(recorded) = &mut self.recorded else { return };
        if shown.is_empty() || !self.open.tape.is_on() {
            return;
        }
        std::future::poll_fn(|cx| self.open.tape.poll_room(cx)).await;
        let mut text = String::with_capacity(shown.len());
        recorded.push(shown, &mut text);
        if !text.is_empty() {
            let (command, stream) = (self.receipt.command(), Stream::default());
            self.open.tape.push(&Event::Output { command, stream, text: text.into() });
        }
    }
}

/// Reads what there is. The buffer is small while little comes, and grows for what is busy.
async fn read(from: &mut ReadHalf<TokioIo<Upgraded>>, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let read = from.read(buffer).await?;
    let size = if read == buffer.len() { BUSY } else { buffer.len() };
    if size > buffer.len() {
        buffer.resize(size, 0);
    }
    Ok(read)
}
