//! Two connections that have become one: carried until either end leaves, or somebody is out.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use policy_core::rule::LimitUnit;
use portcullis_evidence::recording::{Event, Stream, Utf8Stream};
use portcullis_gateway::enforce::{Outcome, Receipt};
use portcullis_gateway::stream::Silence;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::Instant;

use crate::mask::Unseen;
use crate::streams::Program;
use crate::visit::Open;
use crate::websocket::{Bad, FromProgram, Messages, Part, Reader, Sender, ToProgram};

/// What is kept of a direction that is idle, in bytes, and the most that is read at once.
const IDLE: usize = 512;
const BUSY: usize = 16 << 10;

/// Why a tunnel can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stuck {
    #[error(transparent)]
    Bad(#[from] Bad),
    #[error(transparent)]
    Unseen(#[from] Unseen),
    #[error("a message is a text where channels are spoken")]
    Text,
    #[error("there is no channel {0}")]
    Channel(u8),
    #[error("a message is longer than its channel may have")]
    Long,
}

/// What goes to the client, and what it says.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) out: Vec<u8>,
    said: Vec<(Stream, Bytes)>,
}

impl Shown {
    /// Notes what is said in what goes out.
    pub(crate) fn say(&mut self, stream: Stream, text: Bytes) {
        if !text.is_empty() {
            self.said.push((stream, text));
        }
    }
}

/// What is spoken in a tunnel.
pub(crate) enum Content {
    /// Messages of a WebSocket.
    Messages(Box<Messages>),
    /// A program's streams.
    Program(Box<FromProgram>, Program),
}

impl Content {
    fn push(&mut self, bytes: &mut [u8], shown: &mut Shown) -> Result<(), Stuck> {
        match self {
            Self::Messages(messages) => messages.push(bytes, shown),
            Self::Program(from, _) => from.push(bytes, shown),
        }
    }

    fn holds(&self) -> bool {
        match self {
            Self::Messages(_) => false,
            Self::Program(from, _) => from.holds(),
        }
    }

    fn hush(&mut self, silence: &mut Silence, shown: &mut Shown) {
        if let Self::Program(from, _) = self {
            from.hush(silence, shown);
        }
    }

    fn masked(&self) -> u64 {
        match self {
            Self::Messages(messages) => messages.masked(),
            Self::Program(from, _) => from.masked(),
        }
    }
}

/// What the client says in it.
enum Input {
    Messages { reader: Reader, recorded: Option<Utf8Stream> },
    Program(ToProgram),
}

/// Two connections that are one.
pub(crate) struct Tunnel {
    pub(crate) client: OnUpgrade,
    pub(crate) target: OnUpgrade,
    pub(crate) open: Arc<Open>,
    pub(crate) receipt: Receipt,
    pub(crate) content: Content,
}

type Ended = (&'static str, Option<String>);

impl Tunnel {
    /// Carries it to its end.
    pub(crate) async fn carry(self) {
        let Self { client, target, open, receipt, content } = self;
        let (client, target) = match tokio::try_join!(client, target) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "a tunnel did not come about");
                receipt.outcome(Outcome { error: Some("it did not come about"), ..Outcome::default() });
                return;
            }
        };
        let (from_client, to_client) = tokio::io::split(TokioIo::new(client));
        let (from_target, to_target) = tokio::io::split(TokioIo::new(target));
        let records = receipt.judged().records_results();
        let (input, is_recorded, program) = match &content {
            Content::Messages(_) => {
                let recorded = records.then(Utf8Stream::default);
                (Input::Messages { reader: Reader::new(Sender::Client), recorded }, records, None)
            }
            Content::Program(_, program) => (
                Input::Program(ToProgram::new(program.clone())),
                program.is_recorded(),
                Some(program.clone()),
            ),
        };
        let command = receipt.command();
        let up = Up { from: from_client, to: to_target, open: &open, command, input };
        let texts = Default::default();
        let mut down = Down {
            from: from_target,
            to: to_client,
            open: &open,
            receipt,
            content,
            is_recorded,
            texts,
            bytes: 0,
        };
        let (why, error) = tokio::select! {
            biased;
            reason = open.stop.wait() => ("stopped", Some(reason.to_string())),
            ended = down.carry() => ended,
            ended = up.carry() => ended,
        };
        if let Some(error) = &error {
            tracing::debug!(why, error, "a tunnel ended");
        }
        if let Some(program) = program {
            program.end(match &down.content {
                Content::Program(from, _) => from.exited(),
                Content::Messages(_) => None,
            });
        }
        let (bytes, masked) = (down.bytes, down.content.masked());
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
    input: Input,
}

impl Up<'_> {
    async fn carry(mut self) -> Ended {
        let mut buffer = vec![0; IDLE];
        loop {
            let read = match read(&mut self.from, &mut buffer).await {
                Ok(0) => return ("the client left", None),
                Ok(read) => read,
                Err(error) => return ("the client broke off", Some(error.to_string())),
            };
            let Some(bytes) = buffer.get(..read) else { continue };
            std::future::poll_fn(|cx| self.open.tape.poll_room(cx)).await;
            if let Err(stuck) = self.look(bytes) {
                return ("the client sent what is none", Some(stuck.to_string()));
            }
            if let Err(error) = self.to.write_all(bytes).await {
                return ("the target broke off", Some(error.to_string()));
            }
            if let Err(error) = self.to.flush().await {
                return ("the target broke off", Some(error.to_string()));
            }
        }
    }

    fn look(&mut self, bytes: &[u8]) -> Result<(), Stuck> {
        let mut plain = bytes.to_vec();
        match &mut self.input {
            Input::Program(program) => program.push(&mut plain),
            Input::Messages { reader, recorded } => {
                let mut text = String::new();
                reader.read(&mut plain, |part| {
                    if let (Part::Piece { data, .. }, Some(recorded)) = (part, &mut *recorded) {
                        recorded.push(data, &mut text);
                    }
                    Ok::<_, Stuck>(())
                })?;
                if !text.is_empty() && self.open.tape.is_on() {
                    self.open.tape.push(&Event::Input { command: self.command, text: text.into() });
                }
                Ok(())
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
    content: Content,
    is_recorded: bool,
    /// How far the text of each stream was recorded.
    texts: [Utf8Stream; 2],
    bytes: u64,
}

impl Down<'_> {
    async fn carry(&mut self) -> Ended {
        let mut buffer = vec![0; IDLE];
        let mut heard = Instant::now();
        let mut silence = Silence::default();
        loop {
            let until = silence.after().filter(|_| self.content.holds()).map(|after| heard + after);
            let hushed = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            let mut shown = Shown::default();
            let pushed = tokio::select! {
                read = read(&mut self.from, &mut buffer) => match read {
                    Ok(0) => return ("the target left", None),
                    Ok(read) => {
                        (heard, silence) = (Instant::now(), Silence::default());
                        let bytes = buffer.get_mut(..read).unwrap_or_default();
                        self.content.push(bytes, &mut shown)
                    }
                    Err(error) => return ("the target broke off", Some(error.to_string())),
                },
                () = hushed => {
                    self.content.hush(&mut silence, &mut shown);
                    Ok(())
                }
            };
            if let Err(ended) = self.tell(shown).await {
                return ended;
            }
            if let Err(stuck) = pushed {
                return ("it can't be shown", Some(stuck.to_string()));
            }
        }
    }

    /// Counts, records and forwards, in this order.
    async fn tell(&mut self, shown: Shown) -> Result<(), Ended> {
        if let Err(refusal) = self.receipt.count(LimitUnit::Bytes, shown.out.len() as u64).await {
            return Err(("a limit was reached", Some(refusal.message.to_string())));
        }
        self.record(&shown.said).await;
        self.bytes += shown.out.len() as u64;
        let sent = async {
            self.to.write_all(&shown.out).await?;
            self.to.flush().await
        };
        sent.await.map_err(|error: io::Error| ("the client broke off", Some(error.to_string())))
    }

    async fn record(&mut self, said: &[(Stream, Bytes)]) {
        let tape = &self.open.tape;
        if !self.is_recorded || said.is_empty() || !tape.is_on() {
            return;
        }
        std::future::poll_fn(|cx| tape.poll_room(cx)).await;
        let [out, err] = &mut self.texts;
        for (stream, bytes) in said {
            let mut text = String::with_capacity(bytes.len());
            let recorded = if *stream == Stream::Stderr { &mut *err } else { &mut *out };
            recorded.push(bytes, &mut text);
            if !text.is_empty() {
                let (command, stream) = (self.receipt.command(), *stream);
                tape.push(&Event::Output { command, stream, text: text.into() });
            }
        }
    }
}

/// Reads what there is. The buffer is small while little comes, and grows for what is busy.
async fn read(from: &mut ReadHalf<TokioIo<Upgraded>>, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let read = from.read(buffer).await?;
    if read == buffer.len() && read < BUSY {
        buffer.resize(BUSY, 0);
    }
    Ok(read)
}
