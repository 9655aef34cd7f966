//! What Prometheus is told.

use std::fmt::Write;
use std::time::Instant;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::enforce::Gateway;

/// Counted while commands flow; each is one atomic.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) admitted: Counter,
    pub(crate) denied: Counter,
    pub(crate) held: Counter,
    pub(crate) released: Counter,
    pub(crate) sessions_opened: Counter,
    pub(crate) clients_refused: Counter,
}

/// All metrics, in the text format.
pub(super) fn render(gateway: &Gateway) -> String {
    let shared = &gateway.shared;
    let metrics = &shared.metrics;
    let mut registry = Registry::with_prefix("portcullis");
    for (name, help, counter) in [
        ("commands_admitted", "Commands that were forwarded", &metrics.admitted),
        ("commands_denied", "Commands that were refused by policy", &metrics.denied),
        ("commands_held", "Commands that waited for approval", &metrics.held),
        ("commands_released", "Commands that were approved and forwarded", &metrics.released),
        ("sessions_opened", "Sessions that were admitted", &metrics.sessions_opened),
        (
            "clients_refused",
            "Clients that were turned away before they had a session",
            &metrics.clients_refused,
        ),
    ] {
        registry.register(name, help, counter.clone());
    }
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let holding = shared.held.load(std::sync::atomic::Ordering::Relaxed) as u64;
    for (name, help, value) in [
        ("sessions", "Live sessions", shared.registry.len() as u64),
        ("commands_holding", "Commands that wait for approval now", holding),
        (
            "policy_generation",
            "Policies that have been in force since the start",
            shared.policies.generation(),
        ),
        ("evidence_records", "The number of the newest record in the audit log", shared.log.last_seq()),
        (
            "evidence_synced",
            "The number up to which records are known to be on disk",
            shared.log.synced_seq(),
        ),
        ("evidence_bytes", "Bytes appended to the audit log since the start", shared.log.bytes_appended()),
        ("evidence_ok", "Whether the audit log can be written", u64::from(shared.log.poison().is_none())),
        (
            "store_ok",
            "Whether revocations can be looked for",
            u64::from(shared.registry.is_confirmed(Instant::now())),
        ),
    ] {
        let gauge: Gauge = Gauge::default();
        gauge.set(number(value));
        registry.register(name, help, gauge);
    }
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        let _ = text.write_str("# the metrics could not be written\n");
    }
    text
}
