//! Tag pins, kept in the gateway's store.

use policy_core::Name;
use portcullis_gateway::store::{Keeper, StoreError, TagPin};

use crate::catalogue::{Pin, Pins};

/// The pins of one target.
pub struct StoredPins {
    store: Keeper,
    target: Box<str>,
    at_start: Vec<Pin>,
}

impl StoredPins {
    /// Reads what the store has for this target.
    ///
    /// # Errors
    /// Where the store can't answer: without its pins a renamed column would lose its mask.
    pub async fn read(store: &Keeper, target: &str) -> Result<Self, StoreError> {
        let name = target.to_owned();
        let stored = store.ask(move |store| store.tag_pins(&name)).await?;
        let at_start = stored
            .into_iter()
            .filter_map(|pin| {
                let name = Name::new(pin.pattern.split(Name::SEPARATOR))?;
                Some(Pin { name, table: pin.table, attnum: pin.attribute })
            })
            .collect();
        Ok(Self { store: store.clone(), target: target.into(), at_start })
    }
}

impl Pins for StoredPins {
    fn load(&self) -> Vec<Pin> {
        self.at_start.clone()
    }

    fn save(&self, new: &[Pin]) {
        let pins: Vec<_> = new
            .iter()
            .map(|pin| TagPin {
                pattern: pin.name.as_joined().to_owned(),
                table: pin.table,
                attribute: pin.attnum,
            })
            .collect();
        let target = self.target.to_string();
        self.store.tell("keep what tags resolved to", move |store| store.pin_tags(&target, &pins));
    }
}
