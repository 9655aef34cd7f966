//! Which target a request leads to: by the address it came to, by its host, or by how its path begins.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::connect::Way;

/// Two targets that nothing tells apart.
#[derive(Debug, thiserror::Error)]
#[error("two targets have the {0}: which one is meant?")]
pub struct Twice(String);

/// All targets, by how they are asked for.
#[derive(Default)]
pub(crate) struct Routes {
    listeners: HashMap<SocketAddr, Arc<Way>>,
    hosts: HashMap<String, Arc<Way>>,
    /// The longest first.
    prefixes: Vec<(String, Arc<Way>)>,
}

/// Where a request leads.
pub(crate) struct Route<'r> {
    pub(crate) way: &'r Arc<Way>,
    /// What is taken off its path, because it is the gateway's and not the target's.
    pub(crate) prefix: &'r str,
    /// Whether the target knows the host that was asked for as its own.
    pub(crate) by_host: bool,
}

impl Routes {
    pub(crate) fn of<'w>(ways: impl Iterator<Item = &'w Arc<Way>>) -> Result<Self, Twice> {
        let mut routes = Self::default();
        for way in ways {
            let by = &way.leg.asked_by;
            for address in by.listen.iter().filter(|address| address.port() != 0) {
                if routes.listeners.insert(*address, Arc::clone(way)).is_some() {
                    return Err(Twice(format!("address `{address}`")));
                }
            }
            for host in &by.hosts {
                if routes.hosts.insert(host.clone(), Arc::clone(way)).is_some() {
                    return Err(Twice(format!("host `{host}`")));
                }
            }
            if let Some(prefix) = &by.prefix {
                if routes.prefixes.iter().any(|(other, _)| other == prefix) {
                    return Err(Twice(format!("prefix `{prefix}`")));
                }
                routes.prefixes.push((prefix.clone(), Arc::clone(way)));
            }
        }
        routes.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(routes)
    }

    /// Where a request leads that came to this address, for this host, with this target as it was sent.
    pub(crate) fn find(&self, came_to: SocketAddr, host: &str, sent: &str) -> Option<Route<'_>> {
        // Who listens on every address of a machine is found by the port.
        let everywhere = |address: &&SocketAddr| {
            address.ip().is_unspecified()
                && address.port() == came_to.port()
                && address.is_ipv4() == came_to.is_ipv4()
        };
        let own = || self.listeners.keys().find(everywhere).and_then(|address| self.listeners.get(address));
        if let Some(way) = self.listeners.get(&came_to).or_else(own) {
            return Some(Route { way, prefix: "", by_host: false });
        }
        if let Some(way) = self.hosts.get(host) {
            return Some(Route { way, prefix: "", by_host: true });
        }
        let is_below = |prefix: &str| {
            sent.strip_prefix(prefix)
                .is_some_and(|rest| matches!(rest.as_bytes().first(), None | Some(b'/' | b'?')))
        };
        let (prefix, way) = self.prefixes.iter().find(|(prefix, _)| is_below(prefix))?;
        Some(Route { way, prefix, by_host: false })
    }
}
