//! What was refused or ended, by reason. All words are from fixed lists.

use prometheus_client::encoding::DescriptorEncoder;

use super::numbers::{EncodeResult, MetricFamily, counters_by};
use crate::metrics::Metrics;

/// Writes the counts.
pub(super) fn encode(metrics: &Metrics, encoder: &mut DescriptorEncoder<'_>) -> EncodeResult {
    counters_by(
        encoder,
        MetricFamily {
            name: "fanfare_limited",
            help: "Messages, sessions and subscriptions refused by a limit",
            label: "limit",
        },
        metrics.limits(),
    )?;
    counters_by(
        encoder,
        MetricFamily {
            name: "fanfare_refused_handshakes",
            help: "Handshakes refused, by reason",
            label: "reason",
        },
        metrics.refused(),
    )?;
    counters_by(
        encoder,
        MetricFamily {
            name: "fanfare_refused_requests",
            help: "Requests refused, by status",
            label: "status",
        },
        metrics.refused_requests(),
    )?;
    counters_by(
        encoder,
        MetricFamily {
            name: "fanfare_api_errors",
            help: "Calls of the API answered with an error, by its code",
            label: "code",
        },
        metrics.api_errors(),
    )?;
    counters_by(
        encoder,
        MetricFamily {
            name: "fanfare_cut_connections",
            help: "Connections ended before they were a session, by reason",
            label: "reason",
        },
        metrics.cuts(),
    )?;
    counters_by(
        encoder,
        MetricFamily {
            name: "fanfare_handovers",
            help: "Hand-overs to a new process (SIGUSR2), by outcome",
            label: "outcome",
        },
        metrics.handovers(),
    )
}
