//! Two connections that have become one: carried until either end leaves, or somebody is out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

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
use crate::spdy;
use crate::streams::{Exited, Program};
use crate::visit::Open;
use crate::websocket::Bad;

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
    #[error(transparent)]
    Frame(#[from] spdy::Bad),
    #[error("nothing is said on stream {0} in this direction")]
    Stream(u32),
    #[error("more streams are open than may be")]
    Many,
    #[error("a terminal's size can't be read")]
    Size,
    #[error("a message is longer than its channel may have")]
    Long,
    #[error("a channel is closed in a way that was not agreed on")]
    Close,
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

/// What a target says in a tunnel, and what of it is shown.
pub(crate) trait FromTarget: Send {
    /// What becomes of these bytes.
    fn push(&mut self, bytes: &mut [u8], shown: &mut Shown) -> Result<(), Stuck>;

    /// Whether something is held back.
    fn holds(&self) -> bool {
        false
    }

    /// What is shown once nothing has come for a while.
    fn hush(&mut self, _: &mut Silence, _: &mut Shown) {}

    /// What is shown once nothing comes any more.
    fn finish(&mut self, _: &mut Shown) {}

    /// What tells the client why no more comes, where there is a way to.
    fn broken_off(&mut self, _why: &str, _: &mut Shown) {}

    /// Values that were masked so far.
    fn masked(&self) -> u64;

    /// How the program behind it ended, where it said so.
    fn exited(&self) -> Option<Exited> {
        None
    }
}

/// What a client says in a tunnel, which goes on as it is.
pub(crate) trait FromClient: Send {
    /// Reads what is about to be sent on.
    fn push(&mut self, bytes: &mut [u8]) -> Result<(), Stuck>;

    /// Nothing more of it comes.
    fn finish(&mut self) {}
}

/// A client that is not listened to.
pub(crate) struct Anything;

impl FromClient for Anything {
    fn push(&mut self, _: &mut [u8]) -> Result<(), Stuck> {
        Ok(())
    }
}

/// What is spoken in a tunnel.
pub(crate) struct Content {
    pub(crate) down: Box<dyn FromTarget>,
    pub(crate) up: Box<dyn FromClient>,
    /// Whether what is shown is recorded.
    pub(crate) is_recorded: bool,
    /// The program behind it, where there is one.
    pub(crate) program: Option<Program>,
}

/// Two connections that are one.
pub(crate) struct Tunnel {
    pub(crate) client: OnUpgrade,
    pub(crate) target: OnUpgrade,
    pub(crate) open: Arc<Open>,
    pub(crate) receipt: Receipt,
    pub(crate) content: Content,
}

/// How a tunnel is ended by the gateway: then the client is told.
const STOPPED: &str = "the session was ended";
const LIMITED: &str = "a limit was reached";
const UNSHOWN: &str = "it can't be shown";
const PARTING: [&str; 3] = [STOPPED, LIMITED, UNSHOWN];
/// How long a client may take to be told.
const FAREWELL: Duration = Duration::from_millis(200);

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
        let Content { down, up, is_recorded, program } = content;
        let mut up = Up { from: from_client, to: to_target, open: &open, said: up };
        let mut down = Down {
            from: from_target,
            to: to_client,
            open: &open,
            receipt,
            content: down,
            is_recorded,
            texts: Default::default(),
            bytes: 0,
            is_between: true,
        };
        let (why, error) = tokio::select! {
            biased;
            reason = open.stop.wait() => (STOPPED, Some(reason.to_string())),
            ended = down.carry() => ended,
            ended = up.carry() => ended,
        };
        up.said.finish();
        if let Some(error) = &error {
            tracing::debug!(why, error, "a tunnel ended");
            if PARTING.contains(&why) {
                down.part(&format!("{why}: {error}")).await;
            }
        }
        if let Some(program) = program {
            program.end(down.content.exited());
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
    said: Box<dyn FromClient>,
}

impl Up<'_> {
    async fn carry(&mut self) -> Ended {
        let mut buffer = vec![0; IDLE];
        loop {
            let read = match read(&mut self.from, &mut buffer).await {
                Ok(0) => return ("the client left", None),
                Ok(read) => read,
                Err(error) => return ("the client broke off", Some(error.to_string())),
            };
            let Some(bytes) = buffer.get(..read) else { continue };
            std::future::poll_fn(|cx| self.open.tape.poll_room(cx)).await;
            if let Err(stuck) = self.said.push(&mut bytes.to_vec()) {
                return ("the client sent an invalid frame", Some(stuck.to_string()));
            }
            self.open.traffic.count_input(read);
            if let Err(error) = self.to.write_all(bytes).await {
                return ("the target broke off", Some(error.to_string()));
            }
            if let Err(error) = self.to.flush().await {
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
    content: Box<dyn FromTarget>,
    is_recorded: bool,
    /// How far the text of each stream was recorded.
    texts: [Utf8Stream; 2],
    bytes: u64,
    /// Whether all that was begun to be sent was sent: something of its own may follow.
    is_between: bool,
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
                    Ok(0) => {
                        self.content.finish(&mut shown);
                        let told = self.tell(shown).await;
                        return told.err().unwrap_or(("the target left", None));
                    }
                    Ok(read) => {
                        (heard, silence) = (Instant::now(), Silence::default());
                        let bytes = buffer.get_mut(..read).unwrap_or_default();
                        self.content.push(bytes, &mut shown)
                    }
                    Err(error) => {
                        // What it has said before was said.
                        self.content.finish(&mut shown);
                        let told = self.tell(shown).await;
                        return told.err().unwrap_or(("the target broke off", Some(error.to_string())));
                    }
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
                return (UNSHOWN, Some(stuck.to_string()));
            }
        }
    }

    /// Counts, records and forwards, in this order.
    async fn tell(&mut self, shown: Shown) -> Result<(), Ended> {
        if let Err(refusal) = self.receipt.count(LimitUnit::Bytes, shown.out.len() as u64).await {
            return Err((LIMITED, Some(refusal.message.to_string())));
        }
        self.record(&shown.said).await;
        self.bytes += shown.out.len() as u64;
        self.open.traffic.count_output(shown.out.len());
        self.send(&shown.out).await.map_err(|error| ("the client broke off", Some(error.to_string())))
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.is_between = false;
        self.to.write_all(bytes).await?;
        self.to.flush().await?;
        self.is_between = true;
        Ok(())
    }

    /// Tells the client why it ends, where it waits for nothing else.
    async fn part(&mut self, why: &str) {
        let mut shown = Shown::default();
        self.content.broken_off(why, &mut shown);
        if self.is_between && !shown.out.is_empty() {
            let _ = tokio::time::timeout(FAREWELL, self.send(&shown.out)).await;
        }
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
