//! Asking the gateway about a command, and what to tell whoever sent it.

use policy_core::Protocol;
use portcullis_gateway::enforce::{Asked, Judgement, Permit, Refusal, Stage, StatementParts};

use crate::bastion::Open;
use crate::command::Command;

impl Open {
    /// Judges a command. `settings` are the variables that will be set for it: an approval binds them. `why` is what its client
    /// said for it.
    pub(crate) async fn judge(
        &self,
        command: &Command,
        settings: &[(Box<str>, Box<str>)],
        why: Option<&str>,
    ) -> Judgement {
        let statement = self.gateway.statement(StatementParts {
            protocol: &Protocol::SSH,
            raw: &command.text,
            shown: &command.text,
            actions: &command.actions,
            definitions: &[],
        });
        let statement = match statement {
            Ok(statement) => statement,
            Err(refusal) => return Judgement::Refuse(refusal),
        };
        let asked =
            Asked { settings, justification: why, ..Asked::new(&statement, Stage::Execute, command.via) };
        self.session.lock().await.judge(&asked).await
    }

    /// Judges what the protocol gives no time to wait for: what would be held is refused, and says so.
    pub(crate) async fn judge_now(&self, command: &Command) -> Result<Permit, String> {
        match self.judge(command, &[], None).await {
            Judgement::Admit(permit) => Ok(permit),
            Judgement::Refuse(refusal) => Err(words(&refusal)),
            Judgement::Hold(held) => {
                // It was never opened, so no reviewer has seen it.
                drop(held);
                Err(format!("{} would wait for approval, which SSH leaves no time for here", command.text))
            }
        }
    }
}

/// A refusal, for the person who is refused: what happened, and the way out.
pub(crate) fn words(refusal: &Refusal) -> String {
    if refusal.hint.is_empty() {
        refusal.message.to_string()
    } else {
        format!("{}\n{}", refusal.message, refusal.hint)
    }
}
