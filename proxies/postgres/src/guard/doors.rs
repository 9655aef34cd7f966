//! The targets in force, each with all that its sessions share.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use portcullis_gateway::config::TargetConfig;

use super::target::Guarded;
use crate::connect::Target;

/// One target in force.
#[derive(Clone)]
pub struct Door {
    /// What the configuration says of it.
    pub config: Arc<TargetConfig>,
    /// How it is reached.
    pub reached: Arc<Target>,
    /// How it is guarded.
    pub guarded: Arc<Guarded>,
}

/// All of them, by the name that clients ask for; replaced as a whole.
#[derive(Default)]
pub struct Doors(ArcSwap<HashMap<String, Door>>);

impl Doors {
    /// Puts other targets into force.
    pub fn put(&self, doors: HashMap<String, Door>) {
        self.0.store(Arc::new(doors));
    }

    /// Those in force.
    pub fn all(&self) -> Arc<HashMap<String, Door>> {
        self.0.load_full()
    }

    /// The one by which this target is reached, if it is still in force as it is.
    pub fn leading_to(&self, target: &Arc<Target>) -> Option<Door> {
        self.0.load().get(&target.name).filter(|door| Arc::ptr_eq(&door.reached, target)).cloned()
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.load().contains_key(name)
    }
}
