//! From the target to the client: what a program writes is masked, counted and recorded, then shown.

use std::sync::Arc;

use bytes::Bytes;
use policy_core::mask::Detectors;
use policy_core::rule::LimitUnit;
use portcullis_evidence::recording::{Event, Stream};
use portcullis_gateway::enforce::{Judgement, Outcome, Receipt};
use portcullis_gateway::stream::{Output, Silence};
use russh::{ChannelMsg, ChannelReadHalf, Sig};
use tokio::time::Instant;

use super::recording::Recording;
use super::{Ended, ToClient, Watched};
use crate::bastion::Open;
use crate::channel::line::{Line, STDERR};
use crate::channel::wishes::Wishes;
use crate::channel::{End, UNMASKABLE, has_value_masks};
use crate::command::Command;
use crate::judge::words;

/// From the target to the client.
pub(super) struct Down {
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

impl Down {
    pub(super) fn new(
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
    pub(super) async fn run(
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
        let waits = self.stdout.holds() || self.stderr.holds() || self.recording.input.holds();
        if !waits && self.end != Told::Due {
            return None;
        }
        Some(self.heard + self.silence.after()?)
    }

    async fn hushed(&mut self, client: &ToClient) -> Option<Ended> {
        if self.silence == Silence::Settled && self.end == Told::Due {
            // It has closed its output and goes on.
            self.end = Told::Yes;
            let _ = client.eof().await;
        }
        self.recording.input.settle(&self.recording.tape);
        let show = self.silence.answer();
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
        let permit = match self.open.judge(command, &wishes.settings(), wishes.justification.as_deref()).await
        {
            Judgement::Admit(permit) => permit,
            Judgement::Refuse(refusal) => return Err(words(&refusal)),
            Judgement::Hold(_) => {
                return Err(
                    "the policy has changed, and this needs an approval now: start it again".to_owned()
                );
            }
        };
        if command.copies_files() && has_value_masks(&permit) {
            permit.forward().outcome(Outcome { error: Some("can't be masked"), ..Outcome::default() });
            return Err(UNMASKABLE.to_owned());
        }
        let receipt = permit.forward();
        self.recording.renew(&receipt, wishes);
        let detectors =
            self.open.way.finders.of(Some(receipt.judged())).map_err(|error| error.to_string())?;
        self.recording.input.renew(detectors.clone());
        let (out, err) = (self.stdout.renew(detectors.clone()), self.stderr.renew(detectors));
        for (stream, rest) in [(Stream::Stdout, out), (Stream::Stderr, err)] {
            if let Some(Ended::Stopped(why)) = self.tell(client, stream, rest).await {
                return Err(why);
            }
        }
        // What was begun under the old policy ends where the new one's goes on.
        std::mem::replace(&mut self.receipt, receipt).outcome(Outcome::default());
        Ok(())
    }

    /// Says how it ended: to the client, in evidence, in the recording.
    pub(super) async fn close(mut self, line: &Line, mut end: Ended) -> Result<(), End> {
        let (out, err) = (self.stdout.finish(), self.stderr.finish());
        for (stream, rest) in [(Stream::Stdout, out), (Stream::Stderr, err)] {
            // A limit that is reached by the last bytes is reached.
            if matches!(end, Ended::Target)
                && let Some(ended) = self.tell(&line.write, stream, rest).await
            {
                end = ended;
            }
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
                    None => {
                        return Err(End::failed(
                            "the target closed the channel before the command had ended",
                        ));
                    }
                }
                Ok(())
            }
        }
    }
}

fn signal_name(signal: &Sig) -> String {
    format!("{signal:?}").trim_start_matches("Custom(\"").trim_end_matches("\")").to_owned()
}
