//! File transfer: a channel whose packets are judged one by one.
//!
//! The gateway starts the subsystem itself, so starting it needs no rule; every operation does. What waits for approval
//! holds up what stands behind it in the same channel, as it would at the target.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use policy_core::rule::LimitUnit;
use policy_core::{Action, Resource, Value};
use portcullis_evidence::record::Made;
use portcullis_evidence::recording::{Event, FileResult};
use portcullis_gateway::enforce::{Held, Judgement, Outcome, Permit, Receipt, Refusal, Released};
use russh::{ChannelId, ChannelMsg, ChannelWriteHalf};
use tokio::sync::{Notify, mpsc};

use super::line::Line;
use super::{End, UNMASKABLE, has_value_masks};
use crate::ahead::Sent;
use crate::bastion::Open;
use crate::command::Command;
use crate::judge::words;
use crate::sftp::wire::reply::Code;
use crate::sftp::{Ask, Closed, Fatal, Gate, Reply, SUBSYSTEM, Step};

/// How many bytes may wait for a reader before what comes from the other side counts as waiting, too.
const WAITING: usize = 512 << 10;

/// Carries a file transfer to its end.
pub(super) async fn carry(open: &Arc<Open>, line: &mut Line, why: Option<&str>) -> Result<(), End> {
    open.session.lock().await.made(Made::Sftp, None).map_err(|refusal| End::refused(&refusal))?;
    let failed = |error: russh::Error| End::failed(format!("the target opens no channel: {error}"));
    let channel = open.target.channel_open_session().await.map_err(failed)?;
    channel.request_subsystem(true, SUBSYSTEM).await.map_err(failed)?;
    let (mut from_target, target) = channel.split();
    let (to_target, target_queue) = Outbox::new();
    let (to_client, client_queue) = Outbox::new();
    let mut transfer = Transfer {
        open,
        why,
        gate: Gate::new(),
        to_target: to_target.clone(),
        to_client: to_client.clone(),
        held: None,
        notices: Vec::new(),
        under_way: HashMap::new(),
        opened: HashMap::new(),
        limited: Vec::new(),
    };
    let mut from_client_waiting = 0;
    let mut ended = false;
    let mut told_end = false;
    let mut policies = open.gateway.policies().changes();
    policies.mark_unchanged();
    let mut kept = line.take_kept();
    let result = {
        let writing = async {
            tokio::select! {
                () = target_queue.drain(&target, &to_target) => {}
                () = client_queue.drain(&line.write, &to_client) => {}
            }
        };
        tokio::pin!(writing);
        loop {
            let mut is_gone = false;
            for notice in transfer.notices.drain(..) {
                is_gone |= line.say(&notice).await.is_err();
            }
            if is_gone {
                break Err(End::Gone);
            }
            match kept.pop() {
                Some(Sent::Data(data)) => {
                    from_client_waiting += data.len();
                    if let Err(end) = transfer.client_said(&data).await {
                        break Err(end);
                    }
                    continue;
                }
                Some(Sent::Eof) => {
                    ended = true;
                    continue;
                }
                Some(_) => continue,
                None => {}
            }
            // Behind everything that came before it.
            if ended && !told_end && transfer.held.is_none() && transfer.gate.queued() == 0 {
                told_end = true;
                to_target.end();
            }
            // What the client sends is taken at once, and counts as waiting until the target is not behind with it.
            if transfer.held.is_none() && to_target.is_low() && to_client.is_low() {
                line.reader.took(std::mem::take(&mut from_client_waiting));
            }
            tokio::select! {
                biased;
                reason = open.stop.wait() => break Err(End::failed(reason.to_string())),
                // The channel to one of them is gone.
                () = &mut writing => break Ok(()),
                released = transfer.released() => {
                    if let Err(end) = transfer.answered(released).await {
                        break Err(end);
                    }
                }
                message = line.read.wait() => match message {
                    None | Some(ChannelMsg::Close) => break Err(End::Gone),
                    // After its end a client sends nothing more that counts.
                    Some(ChannelMsg::Data { data }) if !ended => {
                        from_client_waiting += data.len();
                        if let Err(end) = transfer.client_said(&data).await {
                            break Err(end);
                        }
                    }
                    Some(ChannelMsg::Eof) => ended = true,
                    Some(_) => {}
                },
                message = from_target.wait(), if to_client.is_low() => match message {
                    None | Some(ChannelMsg::Close) => break Ok(()),
                    Some(ChannelMsg::Failure) => break Err(End::failed("the target has no file transfer")),
                    Some(ChannelMsg::Data { data }) => {
                        if let Err(end) = transfer.target_said(&data).await {
                            break Err(end);
                        }
                    }
                    Some(ChannelMsg::ExitStatus { exit_status }) => line.exit_status(exit_status).await,
                    Some(_) => {}
                },
                () = to_target.lower() => {}
                () = to_client.lower() => {
                    if let Err(end) = transfer.advance().await {
                        break Err(end);
                    }
                }
                changed = policies.changed() => {
                    // What is open was opened under the old one.
                    if changed.is_err() || transfer.gate.has_open() {
                        break Err(End::failed("the policy has changed: begin the transfer again"));
                    }
                }
            }
        }
    };
    let _ = target.close().await;
    transfer.end().await;
    result
}

/// One transfer.
struct Transfer<'a> {
    open: &'a Open,
    /// Why, as the client said.
    why: Option<&'a str>,
    gate: Gate,
    to_target: Outbox,
    to_client: Outbox,
    /// What waits for approval.
    held: Option<(Box<Held>, Ask)>,
    /// What the target has not answered yet, by the gate's number.
    under_way: HashMap<u64, Operation>,
    /// The commands that opened what is open, by the gate's number.
    opened: HashMap<u64, u64>,
    /// What the person at the client is to be told.
    notices: Vec<String>,
    /// Admitted operations whose rules count bytes, one for each set of such rules: all that is read counts for each.
    limited: Vec<Receipt>,
}

/// Something that was admitted.
struct Operation {
    receipt: Receipt,
    action: Option<Action>,
}

impl Transfer<'_> {
    async fn client_said(&mut self, data: &[u8]) -> Result<(), End> {
        self.open.traffic.count_input(data.len());
        self.gate.client_sent(data).map_err(fatal)?;
        self.advance().await
    }

    /// Everything that can be decided now.
    async fn advance(&mut self) -> Result<(), End> {
        // A refusal answers the client at once, so a client that does not read is not looked at further.
        while self.to_client.is_low() {
            let Some(step) = self.gate.step().map_err(fatal)? else { break };
            if let Some(reason) = self.open.stop.reached() {
                return Err(End::failed(reason.to_string()));
            }
            match step {
                Step::Pass(packet) => self.to_target.push(packet),
                Step::Refused(refused) => {
                    let recorded = self.open.session.lock().await.refused("sftp", &refused.reason, None);
                    recorded.map_err(|refusal| End::refused(&refusal))?;
                    self.to_client.push(refused.answer);
                }
                Step::Ask(ask) => self.ask(ask).await?,
            }
        }
        Ok(())
    }

    async fn ask(&mut self, ask: Ask) -> Result<(), End> {
        let command = Command { via: "sftp", text: ask.text.clone(), actions: Arc::new(ask.actions.clone()) };
        match self.open.judge(&command, &[], self.why).await {
            Judgement::Admit(permit) => self.admit(ask, permit),
            Judgement::Refuse(refusal) => self.refuse(ask, &refusal),
            Judgement::Hold(mut held) => match held.open().await {
                Ok(notice) => {
                    self.notices.push(format!("{}: {}", ask.text, notice.text));
                    self.held = Some((held, ask));
                }
                Err(refusal) => self.refuse(ask, &refusal),
            },
        }
        Ok(())
    }

    fn admit(&mut self, ask: Ask, permit: Permit) {
        let is_masked = has_value_masks(&permit);
        let reads = ask.actions.iter().any(|action| action.verb.as_str() == "read");
        let receipt = permit.forward();
        if reads && is_masked {
            receipt.outcome(Outcome { error: Some("can't be masked"), ..Outcome::default() });
            // `sftp` and `scp` show only the code of an answer.
            self.notices.push(format!("{}: {UNMASKABLE}", ask.text));
            let answer = self.gate.refuse(ask, UNMASKABLE);
            return self.to_client.push(answer);
        }
        let operation = Operation { action: ask.actions.iter().next().cloned(), receipt };
        self.under_way.insert(ask.number, operation);
        let packet = self.gate.admit(ask);
        self.to_target.push(packet);
    }

    fn refuse(&mut self, ask: Ask, refusal: &Refusal) {
        let action = ask.actions.iter().next().cloned();
        self.record(0, action.as_ref(), FileResult::Denied, Some(&refusal.message), None);
        // `sftp` shows only the code of an answer.
        self.notices.push(format!("{}: {}", ask.text, words(refusal)));
        let answer = self.gate.refuse(ask, &words(refusal).replace('\n', "; "));
        self.to_client.push(answer);
    }

    /// The end of the wait, where something waits. Safe to drop and call again.
    async fn released(&mut self) -> Result<Released, Refusal> {
        match &mut self.held {
            Some((held, _)) => {
                let _holding = self.open.traffic.holds();
                held.wait().await
            }
            None => pending().await,
        }
    }

    async fn answered(&mut self, released: Result<Released, Refusal>) -> Result<(), End> {
        let Some((_, ask)) = self.held.take() else { return Ok(()) };
        match released {
            Ok(released) => self.admit(ask, released.permit),
            Err(refusal) => self.refuse(ask, &refusal),
        }
        self.advance().await
    }

    async fn target_said(&mut self, data: &[u8]) -> Result<(), End> {
        self.gate.target_sent(data).map_err(fatal)?;
        while let Some(reply) = self.gate.reply().map_err(fatal)? {
            match reply {
                Reply::Client(packet) => {
                    self.count(packet.len() as u64).await?;
                    self.open.traffic.count_output(packet.len());
                    self.to_client.push(packet);
                }
                Reply::Target(question) => self.to_target.push(question),
                Reply::Done { number, code, opens } => self.done(number, code, opens),
                Reply::Closed(closed) => self.closed(&closed),
            }
        }
        // An answer may be what the next request waited for.
        self.advance().await
    }

    async fn count(&mut self, bytes: u64) -> Result<(), End> {
        for receipt in &mut self.limited {
            receipt.count(LimitUnit::Bytes, bytes).await.map_err(|refusal| End::refused(&refusal))?;
        }
        Ok(())
    }

    fn done(&mut self, number: u64, code: Code, opens: bool) {
        let Some(Operation { receipt, action }) = self.under_way.remove(&number) else { return };
        if opens {
            self.opened.insert(number, receipt.command());
        }
        let error = (code != Code::OK).then(|| code.to_string());
        let result = if error.is_none() { FileResult::Done } else { FileResult::Failed };
        self.record(receipt.command(), action.as_ref(), result, error.as_deref(), None);
        let counts = error.is_none() && receipt.judged().counts(LimitUnit::Bytes);
        let limits = |receipt: &Receipt| receipt.judged().obligations().limits.clone();
        if counts && !self.limited.iter().any(|other| limits(other) == limits(&receipt)) {
            self.limited.push(receipt);
        } else {
            receipt.outcome(Outcome { error: error.as_deref(), ..Outcome::default() });
        }
    }

    fn closed(&mut self, closed: &Closed) {
        let command = self.opened.remove(&closed.number).unwrap_or_default();
        let bytes = closed.read.saturating_add(closed.written);
        if self.open.tape.is_on() {
            self.open.tape.push(&Event::File {
                command,
                operation: "close".into(),
                path: closed.path.as_str().into(),
                to: None,
                result: FileResult::Done,
                error: None,
                bytes: Some(bytes),
            });
        }
    }

    fn record(
        &self,
        command: u64,
        action: Option<&Action>,
        result: FileResult,
        error: Option<&str>,
        bytes: Option<u64>,
    ) {
        let (true, Some(action)) = (self.open.tape.is_on(), action) else { return };
        let path = match &action.resource {
            Resource::Named(name) => format!("/{}", name.display('/')),
            _ => String::new(),
        };
        let to = match action.attribute("to") {
            Some(Value::Text(to)) => Some((&**to).into()),
            _ => None,
        };
        self.open.tape.push(&Event::File {
            command,
            operation: action.verb.as_str().into(),
            path: path.into(),
            to,
            result,
            error: error.map(Into::into),
            bytes,
        });
    }

    async fn end(mut self) {
        for closed in self.gate.end() {
            self.closed(&closed);
        }
        if let Some((held, _)) = self.held.take() {
            held.withdraw("client gone").await;
        }
        for receipt in self.limited {
            receipt.outcome(Outcome::default());
        }
    }
}

fn fatal(fatal: Fatal) -> End {
    End::failed(fatal.to_string())
}

/// What goes to one side.
enum Parcel {
    Packet(Bytes),
    /// The end of what is sent.
    End,
}

/// Packets on their way to one side.
#[derive(Clone)]
struct Outbox {
    queue: mpsc::UnboundedSender<Parcel>,
    waiting: Arc<AtomicUsize>,
    lowered: Arc<Notify>,
}

/// The other end of it.
struct Queue(mpsc::UnboundedReceiver<Parcel>);

impl Outbox {
    fn new() -> (Self, Queue) {
        let (queue, arriving) = mpsc::unbounded_channel();
        (Self { queue, waiting: Arc::default(), lowered: Arc::default() }, Queue(arriving))
    }

    fn push(&self, packet: Bytes) {
        self.waiting.fetch_add(packet.len(), Ordering::Relaxed);
        let _ = self.queue.send(Parcel::Packet(packet));
    }

    /// Nothing comes after what was pushed so far.
    fn end(&self) {
        let _ = self.queue.send(Parcel::End);
    }

    /// Whether more may be taken from the other side.
    fn is_low(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < WAITING
    }

    /// Resolves when it has become low again; for ever pending while it is.
    async fn lower(&self) {
        if self.is_low() {
            return pending().await;
        }
        self.lowered.notified().await;
    }
}

impl Queue {
    /// Writes what comes until the channel is gone.
    async fn drain<T>(mut self, to: &ChannelWriteHalf<T>, outbox: &Outbox)
    where
        T: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
    {
        while let Some(parcel) = self.0.recv().await {
            let Parcel::Packet(packet) = parcel else {
                let _ = to.eof().await;
                continue;
            };
            let bytes = packet.len();
            if to.data_bytes(packet).await.is_err() {
                return;
            }
            let before = outbox.waiting.fetch_sub(bytes, Ordering::Relaxed);
            if before >= WAITING && before - bytes < WAITING {
                outbox.lowered.notify_one();
            }
        }
    }
}
