//! Calls of the backend by hook and outcome, and events. Both words are from fixed lists.

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};

use super::numbers::{EncodeResult, counter, gauge};
use crate::{hooks::EventSink, node::Node};

/// Writes the counts.
pub(super) fn encode(node: &Node, encoder: &mut DescriptorEncoder<'_>) -> EncodeResult {
    let snapshot = node.hooks.stats();
    gauge(
        encoder,
        "fanfare_hook_calls_waiting",
        "Calls of the backend that wait for their turn",
        snapshot.waiting as u64,
    )?;
    let mut family = encoder.encode_descriptor(
        "fanfare_hook_calls",
        "Calls of the backend, by hook and outcome",
        None,
        MetricType::Counter,
    )?;
    for hook in &snapshot.hooks {
        for (outcome, count) in hook.calls.iter().filter(|(_, count)| *count > 0) {
            let labels = [("hook", hook.hook), ("outcome", outcome)];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
    }
    let Some(events) = node.events.as_ref().map(EventSink::stats) else {
        return Ok(());
    };
    gauge(
        encoder,
        "fanfare_events_pending",
        "Events not yet delivered",
        events.pending,
    )?;
    counter(
        encoder,
        "fanfare_events_delivered",
        "Events delivered",
        events.delivered,
    )?;
    counter(
        encoder,
        "fanfare_events_dropped",
        "Events lost",
        events.dropped,
    )
}
