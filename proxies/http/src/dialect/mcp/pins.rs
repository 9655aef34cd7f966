//! Whether the description of a tool is one that was approved. The first that the gateway sees is taken for approved; what a server says
//! of a tool later counts once a held call of the tool was approved.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use policy_normalize::mcp::{Repeat, Tool};
use portcullis_gateway::store::{Described, Keeper, StoreError, ToolDescription, ToolPin, ToolRepeat};
use ring::digest::{SHA256, digest};

use crate::dialect::Place;

/// The most tools of one message that are looked up.
const MOST: usize = 100;

/// The descriptions of what a message calls that nobody has approved, by tool; `None` where no description is known.
pub(super) struct Pins(BTreeMap<String, Option<Vec<[u8; 32]>>>);

impl Pins {
    /// Looks up what `called` names.
    pub(super) async fn of(place: Place<'_>, called: impl FnOnce(&Mutex<Vec<String>>)) -> Self {
        let names = Mutex::new(Vec::new());
        called(&names);
        let mut names = names.into_inner().unwrap_or_else(PoisonError::into_inner);
        names.sort_unstable();
        names.dedup();
        if names.is_empty() || names.len() > MOST {
            return Self(BTreeMap::new());
        }
        let target = place.target.to_owned();
        let changes = place.store.ask(move |store| {
            names
                .into_iter()
                .map(|name| Ok((name.clone(), store.tool_changes(&target, &name)?)))
                .collect::<Result<_, StoreError>>()
        });
        match changes.await {
            Ok(changes) => Self(changes),
            Err(error) => {
                tracing::warn!(%error, "it could not be looked up whether a tool has changed");
                Self(BTreeMap::new())
            }
        }
    }

    pub(super) fn pinned(&self, name: &str) -> Option<bool> {
        Some(self.0.get(name)?.as_ref()?.is_empty())
    }

    /// What an approval of the message is of, too.
    pub(super) fn changed(&self) -> Vec<ToolPin> {
        let of = |(tool, changes): (&String, &Option<Vec<[u8; 32]>>)| {
            let pin = |digest: &[u8; 32]| ToolPin { tool: tool.clone(), digest: *digest };
            changes.iter().flatten().map(pin).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of).collect()
    }

    /// What a reviewer should know.
    pub(super) fn in_words(&self) -> String {
        let each = self.0.iter().filter_map(|(name, changes)| match changes {
            None => Some(format!("; nobody was shown a description of the tool `{name}` yet")),
            Some(changes) if !changes.is_empty() => {
                Some(format!("; the tool `{name}` is described in a way that nobody has approved"))
            }
            Some(_) => None,
        });
        each.collect()
    }
}

/// Notes how tools are described, before somebody is shown it: what is known of each name then.
pub(super) async fn describe(
    store: &Keeper,
    target: &str,
    tools: Vec<Tool>,
) -> Result<BTreeMap<String, Described>, StoreError> {
    let tools: Vec<ToolDescription> = tools
        .into_iter()
        .map(|Tool { name, canonical, repeats }| {
            let mut pin = ToolPin { tool: name, digest: [0; 32] };
            let digest = digest(&SHA256, canonical.as_bytes());
            pin.digest.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
            let repeats = repeats.into_iter().map(|Repeat { field, pointer }| ToolRepeat { field, pointer });
            ToolDescription { pin, repeats: repeats.collect() }
        })
        .collect();
    let target = target.to_owned();
    store
        .ask(move |store| {
            let described = store.describe_tools(&target, &tools)?;
            let mut known = BTreeMap::new();
            for (ToolDescription { pin, .. }, now) in tools.into_iter().zip(described) {
                // A name that is there twice is what the worse of both is.
                let worse = match (known.get(&pin.tool), now) {
                    (Some(Described::NoRoom), _) | (_, Described::NoRoom) => Described::NoRoom,
                    (Some(Described::Changed), _) | (_, Described::Changed) => Described::Changed,
                    _ => Described::Pinned,
                };
                known.insert(pin.tool, worse);
            }
            Ok(known)
        })
        .await
}
