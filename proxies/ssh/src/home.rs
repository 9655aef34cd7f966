//! Where relative paths begin on a target: asked once a session, by the gateway itself, when a command needs it.

use portcullis_evidence::record::Made;

use crate::bastion::Open;

impl Open {
    /// The home directory, or nothing where the target does not say: relative paths stay undetermined then.
    pub(crate) async fn home(&self) -> Option<&str> {
        self.home.get_or_init(|| self.ask_home()).await.as_deref()
    }

    async fn ask_home(&self) -> Option<String> {
        self.session.lock().await.made(Made::Home, None).ok()?;
        None
    }
}
