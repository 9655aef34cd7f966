//! Bytes both ways between a client and what runs for it, until either side ends.
//!
//! Each direction waits for its own reader only: a client that reads slowly does not keep its own input from arriving,
//! and the program that does not read does not keep its output. Nothing is forwarded once the session is stopped.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use policy_core::mask::Detectors;
use policy_core::rule::LimitUnit;
use portcullis_evidence::recording::{Event, Stream};
use portcullis_gateway::enforce::{Judged, Judgement, Outcome, Receipt, Tape};
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::watch;
use tokio::time::Instant;

use super::End;
use super::echo_credit::EchoCredit;
use super::input::Input;
use super::launch::Started;
use super::line::{Kept, Line, STDERR, Size, say};
use super::output::Output;
use super::typed::{self, Notice, Typed};
use super::wishes::Wishes;
use crate::bastion::Open;
use crate::command::Command;
use crate::flow::Reader;
use crate::judge::words;

/// After how much silence what is held back is shown, but for the beginnings of finds.
const SETTLED: Duration = Duration::from_millis(20);
/// After how much silence all of it is.
const RELEASED: Duration = Duration::from_secs(1);

/// Carries what runs to its end, and says how it ended.
pub(super) async fn carry(
    open: &Arc<Open>,
    line: &mut Line,
    started: Started,
    command: &Command,
    wishes: &Wishes,
    mut notices: watch::Receiver<Box<str>>,
) -> Result<(), End> {
    let Started { channel, receipt, early } = started;
    let (from_target, to_target) = channel.split();
    let number = receipt.command();
    let judged = Arc::clone(receipt.judged());
    let detectors = open.way.finders.of(Some(&judged)).map_err(|error| End::failed(error.to_string()))?;
    let key = open.gateway.mask_key().clone();
    let recording = Recording {
        tape: open.tape.clone(),
        command: number,
        content: records(&judged, wishes),
        input: Input::new(number, detectors.clone(), key, wishes.pty.is_some()),
        echoes: wishes.pty.is_some().then(Arc::default),
    };
    recording.terminal(wishes);
    let watched =
        Watched { typed: Typed::of(open, command, wishes.pty.is_some()), has_pty: wishes.pty.is_some() };
    let kept = line.take_kept();
    let mut down = Down::new(open, detectors, receipt, recording.clone(), watched.clone());

    let end = {
        let to = Upward {
            open,
            target: &to_target,
            client: &line.write,
            reader: &line.reader,
            recording: &recording,
            watched: &watched,
        };
        let upward = up(&to, &mut line.read, kept);
        let downward = down.run(from_target, early, &line.write, command, wishes);
        tokio::pin!(upward, downward);
        let mut deaf = false;
        // Neither direction is cut off in the middle of a message, but by the end of all.
        loop {
            tokio::select! {
                biased;
                reason = open.stop.wait() => break Ended::Stopped(reason.to_string()),
                said = notices.changed() => if said.is_ok() {
                    let words = notices.borrow_and_update().clone();
                    let _ = say(&line.write, wishes.pty.is_some(), &words).await;
                },
                left = &mut upward, if !deaf => match left {
                    Left::Gone => break Ended::ClientGone,
                    Left::Deaf => deaf = true,
                },
                end = &mut downward => break end,
            }
        }
    };
    let _ = to_target.close().await;
    down.close(line, end).await
}

/// Whether content is recorded, beside the command itself: always on a terminal, which cannot be understood without.
fn records(judged: &Judged, wishes: &Wishes) -> bool {
    judged.records_results() || wishes.pty.is_some()
}

/// What is recorded of one command.
#[derive(Clone)]
struct Recording {
    tape: Tape,
    command: u64,
    content: bool,
    input: Input,
    /// On a terminal: what of its output is somebody's typing.
    echoes: Option<Arc<EchoCredit>>,
}

impl Recording {
    fn terminal(&self, wishes: &Wishes) {
        if let (true, Some(pty)) = (self.tape.is_on(), &wishes.pty) {
            self.tape.push(&Event::Terminal {
                command: self.command,
                term: pty.term.as_str().into(),
                columns: pty.size.columns,
                rows: pty.size.rows,
            });
        }
    }

    fn resize(&self, size: Size) {
        if self.tape.is_on() {
            let Size { columns, rows, .. } = size;
            self.tape.push(&Event::Resize { command: self.command, columns, rows });
        }
    }

    /// Whether content is recorded now, once there is room for it.
    async fn is_on(&self) -> bool {
        if !self.content || !self.tape.is_on() {
            return false;
        }
        poll_fn(|cx| self.tape.poll_room(cx)).await;
        true
    }
}

/// How the client's direction ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The client has gone, or closed the channel.
    Gone,
    /// The target takes nothing more.
    Deaf,
}

/// From the client to the target.
async fn up(to: &Upward<'_>, from: &mut ChannelReadHalf, kept: std::collections::VecDeque<Kept>) -> Left {
    let mut ended = false;
    for kept in kept {
        let sent = match kept {
            Kept::Data(data) if !ended => to.send(data).await,
            Kept::Data(_) => true,
            Kept::Eof => {
                ended = true;
                to.end().await
            }
            Kept::Resize(size) => to.resize(size).await,
        };
        if !sent {
            return Left::Deaf;
        }
    }
    loop {
        let Some(message) = from.wait().await else { return Left::Gone };
        let sent = match message {
            ChannelMsg::Close => return Left::Gone,
            // After its end a client sends nothing more that counts.
            ChannelMsg::Data { data } if !ended => to.send(data).await,
            ChannelMsg::Eof if !ended => {
                ended = true;
                to.end().await
            }
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                let size =
                    Size { columns: col_width, rows: row_height, width: pix_width, height: pix_height };
                to.resize(size).await
            }
            ChannelMsg::Signal { signal } => to.target.signal(signal).await.is_ok(),
            // The channel has started what it starts; a second exec or a late pty changes nothing.
            _ => true,
        };
        if !sent {
            return Left::Deaf;
        }
    }
}

/// Where a client's input goes.
struct Upward<'a> {
    open: &'a Open,
    target: &'a ChannelWriteHalf<Msg>,
    client: &'a ToClient,
    reader: &'a Reader,
    recording: &'a Recording,
    watched: &'a Watched,
}

impl Upward<'_> {
    /// Whether the target takes more.
    async fn send(&self, data: Bytes) -> bool {
        self.open.traffic.count_input(data.len());
        if let Some(credit) = &self.recording.echoes {
            credit.typed(data.len());
        }
        if self.recording.is_on().await {
            self.recording.input.sent(&self.recording.tape, &data);
        }
        // Before it is sent: where the lines are known by now, the shell does not get the one that ends its session.
        self.watched.notice(self.open, self.watched.typed.sent(&data), self.client).await;
        if self.open.stop.reached().is_some() {
            return false;
        }
        let bytes = data.len();
        let sent = self.target.data_bytes(data).await.is_ok();
        self.reader.took(bytes);
        sent
    }

    async fn end(&self) -> bool {
        self.watched.notice(self.open, self.watched.typed.finish(), self.client).await;
        self.open.stop.reached().is_none() && self.target.eof().await.is_ok()
    }

    async fn resize(&self, size: Size) -> bool {
        self.recording.resize(size);
        self.target.window_change(size.columns, size.rows, size.width, size.height).await.is_ok()
    }
}

/// What is noticed of one command's input.
#[derive(Clone)]
struct Watched {
    typed: Typed,
    has_pty: bool,
}

impl Watched {
    /// Judges what was typed. Where that ends the session, its switch has been thrown when this returns.
    async fn notice(&self, open: &Open, lines: Vec<typed::Line>, client: &ToClient) {
        if lines.is_empty() {
            return;
        }
        for notice in typed::judge(open, lines).await {
            if let Notice::Warn(words) = notice {
                // A client that has gone is noticed by whoever reads from it.
                let _ = say(client, self.has_pty, &words).await;
            }
        }
    }
}

/// How a channel ended.
enum Ended {
    /// The target closed it, after it had said how its program ended.
    Target,
    ClientGone,
    /// The gateway ends it, with these words.
    Stopped(String),
}

/// From the target to the client.
struct Down {
    open: Arc<Open>,
    receipt: Receipt,
    recording: Recording,
    watched: Watched,
    stdout: Output,
    stderr: Output,
    bytes: u64,
    exit: Option<Exit>,
    /// Whether the client knows that no output comes any more.
    end: Told,
    /// When the target was last heard of, and how far the silence since was answered.
    heard: Instant,
    silence: Silence,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Silence {
    Fresh,
    Settled,
    Released,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    No,
    /// It will be, after the exit status: a client that has read all may close the channel, and would miss it.
    Due,
    Yes,
}

enum Exit {
    Status(u32),
    Signal(Sig, bool),
}

type ToClient = ChannelWriteHalf<russh::server::Msg>;

impl Down {
    fn new(
        open: &Arc<Open>,
        detectors: Option<Arc<Detectors>>,
        receipt: Receipt,
        recording: Recording,
        watched: Watched,
    ) -> Self {
        let output = |stream| Output::new(stream, detectors.clone(), open.gateway.mask_key().clone());
        Self {
            open: Arc::clone(open),
            receipt,
            recording,
            watched,
            stdout: output(Stream::Stdout),
            stderr: output(Stream::Stderr),
            bytes: 0,
            exit: None,
            end: Told::No,
            heard: Instant::now(),
            silence: Silence::Fresh,
        }
    }

    /// Carries what the target says until the end.
    async fn run(
        &mut self,
        mut from: ChannelReadHalf,
        early: Vec<ChannelMsg>,
        client: &ToClient,
        command: &Command,
        wishes: &Wishes,
    ) -> Ended {
        for message in early {
            if let Some(end) = self.message(message, client).await {
                return end;
            }
        }
        let mut policies = self.open.gateway.policies().changes();
        // A policy that came between the judging and here is noticed, too.
        let mut is_due = self.open.gateway.policies().generation() != self.receipt.judged().generation();
        loop {
            if std::mem::take(&mut is_due)
                && let Err(why) = self.judge_again(command, wishes, client).await
            {
                return Ended::Stopped(why);
            }
            let patience = self.patience();
            let silence = async {
                match patience {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            let end = tokio::select! {
                message = from.wait() => match message {
                    Some(message) => self.message(message, client).await,
                    None => Some(Ended::Target),
                },
                () = silence => self.hushed(client).await,
                changed = policies.changed() => {
                    is_due = changed.is_ok();
                    None
                }
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Until when a silence goes on before something that is held back is shown; for ever where nothing is.
    fn patience(&self) -> Option<Instant> {
        if !self.stdout.holds() && !self.stderr.holds() && self.end != Told::Due {
            return None;
        }
        match self.silence {
            Silence::Fresh => Some(self.heard + SETTLED),
            Silence::Settled => Some(self.heard + RELEASED),
            Silence::Released => None,
        }
    }

    async fn hushed(&mut self, client: &ToClient) -> Option<Ended> {
        let show: fn(&mut Output) -> Bytes = match self.silence {
            Silence::Fresh => Output::settle,
            Silence::Settled | Silence::Released => Output::release,
        };
        if self.silence == Silence::Settled && self.end == Told::Due {
            // It has closed its output and goes on.
            self.end = Told::Yes;
            let _ = client.eof().await;
        }
        self.silence = if self.silence == Silence::Fresh { Silence::Settled } else { Silence::Released };
        let (out, err) = (show(&mut self.stdout), show(&mut self.stderr));
        self.tell(client, Stream::Stdout, out).await.or(self.tell(client, Stream::Stderr, err).await)
    }

    async fn message(&mut self, message: ChannelMsg, client: &ToClient) -> Option<Ended> {
        let (stream, data) = match message {
            ChannelMsg::Data { data } => (Stream::Stdout, data),
            ChannelMsg::ExtendedData { data, ext: STDERR } => (Stream::Stderr, data),
            ChannelMsg::ExitStatus { exit_status } => {
                self.exit = Some(Exit::Status(exit_status));
                return None;
            }
            ChannelMsg::ExitSignal { signal_name, core_dumped, .. } => {
                self.exit = Some(Exit::Signal(signal_name, core_dumped));
                return None;
            }
            ChannelMsg::Eof => {
                let (out, err) = (self.stdout.finish(), self.stderr.finish());
                let told = self.tell(client, Stream::Stdout, out).await;
                (self.end, self.heard, self.silence) = (Told::Due, Instant::now(), Silence::Fresh);
                return told.or(self.tell(client, Stream::Stderr, err).await);
            }
            ChannelMsg::Close => return Some(Ended::Target),
            _ => return None,
        };
        self.heard = Instant::now();
        self.silence = Silence::Fresh;
        if self.recording.is_on().await {
            self.recording.input.answered(&self.recording.tape, &data);
        }
        let lines = self.watched.typed.answered(&data);
        self.watched.notice(&self.open, lines, client).await;
        let is_echo = self.recording.echoes.as_ref().is_some_and(|credit| credit.covers(data.len()));
        let output = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
        let mut shown = output.push(data);
        if is_echo && output.holds() {
            shown = [shown, output.settle()].concat().into();
        }
        self.tell(client, stream, shown).await
    }

    /// Counts, records and forwards, in this order.
    async fn tell(&mut self, client: &ToClient, stream: Stream, shown: Bytes) -> Option<Ended> {
        if shown.is_empty() {
            return None;
        }
        if let Err(refusal) = self.receipt.count(LimitUnit::Bytes, shown.len() as u64).await {
            return Some(Ended::Stopped(words(&refusal)));
        }
        if self.recording.is_on().await {
            let output = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
            output.record(&self.recording.tape, self.recording.command, &shown);
        }
        if let Some(reason) = self.open.stop.reached() {
            return Some(Ended::Stopped(reason.to_string()));
        }
        self.bytes += shown.len() as u64;
        self.open.traffic.count_output(shown.len());
        let sent = match stream {
            Stream::Stdout => client.data_bytes(shown).await,
            Stream::Stderr => client.extended_data_bytes(STDERR, shown).await,
        };
        sent.is_err().then_some(Ended::ClientGone)
    }

    /// Another policy is in force: what runs goes on only if it would be let through again.
    async fn judge_again(
        &mut self,
        command: &Command,
        wishes: &Wishes,
        client: &ToClient,
    ) -> Result<(), String> {
        self.watched.typed.renew(&self.open);
        let stands = self.open.session.lock().await.resume(self.receipt.judged());
        if let Some(continuation) = stands.map_err(|refusal| words(&refusal))? {
            continuation.forward();
            return Ok(());
        }
        let permit = match self.open.judge(command, &wishes.settings()).await {
            Judgement::Admit(permit) => permit,
            Judgement::Refuse(refusal) => return Err(words(&refusal)),
            Judgement::Hold(_) => {
                return Err(
                    "the policy has changed, and this needs an approval now: start it again".to_owned()
                );
            }
        };
        let receipt = permit.forward();
        let detectors =
            self.open.way.finders.of(Some(receipt.judged())).map_err(|error| error.to_string())?;
        self.recording.input.renew(detectors.clone());
        let (out, err) = (self.stdout.renew(detectors.clone()), self.stderr.renew(detectors));
        let _ = self.tell(client, Stream::Stdout, out).await;
        let _ = self.tell(client, Stream::Stderr, err).await;
        // What was begun under the old policy ends where the new one's goes on.
        std::mem::replace(&mut self.receipt, receipt).outcome(Outcome::default());
        Ok(())
    }

    /// Says how it ended: to the client, in evidence, in the recording.
    async fn close(mut self, line: &Line, end: Ended) -> Result<(), End> {
        let (out, err) = (self.stdout.finish(), self.stderr.finish());
        if matches!(end, Ended::Target) {
            let _ = self.tell(&line.write, Stream::Stdout, out).await;
            let _ = self.tell(&line.write, Stream::Stderr, err).await;
        }
        let (status, signal) = match &self.exit {
            Some(Exit::Status(status)) => (Some(*status), None),
            Some(Exit::Signal(signal, _)) => (None, Some(signal_name(signal))),
            None => (None, None),
        };
        if self.recording.is_on().await {
            self.recording.input.finish(&self.recording.tape);
        }
        if self.recording.tape.is_on() {
            let signal = signal.as_deref().map(Into::into);
            self.recording.tape.push(&Event::Exit { command: self.recording.command, status, signal });
        }
        let error = match (&end, status, &signal) {
            (Ended::Stopped(_), ..) => Some("stopped".to_owned()),
            (Ended::ClientGone, None, None) => Some("client gone".to_owned()),
            (_, Some(0), _) => None,
            (_, Some(status), _) => Some(format!("exit {status}")),
            (_, None, Some(signal)) => Some(format!("signal {signal}")),
            (_, None, None) => Some("no exit status".to_owned()),
        };
        self.receipt.unwatched();
        let masked = self.stdout.masked() + self.stderr.masked();
        self.receipt.outcome(Outcome { rows: None, bytes: self.bytes, masked, error: error.as_deref() });
        match end {
            Ended::ClientGone => Err(End::Gone),
            Ended::Stopped(words) => Err(End::failed(words)),
            Ended::Target => {
                match self.exit {
                    Some(Exit::Status(status)) => line.exit_status(status).await,
                    Some(Exit::Signal(signal, core_dumped)) => line.exit_signal(signal, core_dumped).await,
                    None => {}
                }
                Ok(())
            }
        }
    }
}

fn signal_name(signal: &Sig) -> String {
    format!("{signal:?}").trim_start_matches("Custom(\"").trim_end_matches("\")").to_owned()
}
