//! What is recorded of one command.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use policy_core::mask::Detectors;
use portcullis_evidence::recording::Event;
use portcullis_gateway::enforce::{Judged, Receipt, Tape};
use portcullis_gateway::stream::Input;

use crate::ahead::Size;
use crate::bastion::Open;
use crate::channel::echo_credit::EchoCredit;
use crate::channel::wishes::Wishes;

/// What is recorded of one command.
#[derive(Clone)]
pub(super) struct Recording {
    pub(super) tape: Tape,
    pub(super) command: u64,
    content: Arc<AtomicBool>,
    pub(super) input: Input,
    /// On a terminal: what of its output is somebody's typing.
    pub(super) echoes: Option<Arc<EchoCredit>>,
}

impl Recording {
    pub(super) fn new(
        open: &Open,
        receipt: &Receipt,
        wishes: &Wishes,
        detectors: Option<Arc<Detectors>>,
    ) -> Self {
        let (command, has_pty) = (receipt.command(), wishes.pty.is_some());
        Self {
            tape: open.tape.clone(),
            command,
            content: Arc::new(AtomicBool::new(records(receipt.judged(), wishes))),
            input: Input::new(command, detectors, open.gateway.mask_key().clone(), has_pty),
            echoes: has_pty.then(Arc::default),
        }
    }

    /// Another policy is in force, which may record more, or less.
    pub(super) fn renew(&self, receipt: &Receipt, wishes: &Wishes) {
        self.content.store(records(receipt.judged(), wishes), Ordering::Relaxed);
    }

    pub(super) fn terminal(&self, wishes: &Wishes) {
        if let (true, Some(pty)) = (self.tape.is_on(), &wishes.pty) {
            self.tape.push(&Event::Terminal {
                command: self.command,
                term: pty.term.as_str().into(),
                columns: pty.size.columns,
                rows: pty.size.rows,
            });
        }
    }

    pub(super) fn resize(&self, size: Size) {
        if self.tape.is_on() {
            let Size { columns, rows, .. } = size;
            self.tape.push(&Event::Resize { command: self.command, columns, rows });
        }
    }

    /// Whether content is recorded now, once there is room for it.
    pub(super) async fn is_on(&self) -> bool {
        if !self.content.load(Ordering::Relaxed) || !self.tape.is_on() {
            return false;
        }
        poll_fn(|cx| self.tape.poll_room(cx)).await;
        true
    }
}

/// Whether content is recorded, beside the command itself: always on a terminal, which cannot be understood without.
fn records(judged: &Judged, wishes: &Wishes) -> bool {
    judged.records_results() || wishes.pty.is_some()
}
