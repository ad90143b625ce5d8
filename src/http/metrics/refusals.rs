//! What was refused or ended, by reason. All words are from fixed lists.

use prometheus_client::encoding::DescriptorEncoder;

use super::numbers::{Encoded, counters_by};
use crate::metrics::Metrics;

/// Writes the counts.
pub(super) fn encode(metrics: &Metrics, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
    counters_by(
        encoder,
        (
            "fanfare_limited",
            "Messages, sessions and subscriptions refused by a limit",
        ),
        "limit",
        metrics.limits(),
    )?;
    counters_by(
        encoder,
        (
            "fanfare_refused_handshakes",
            "Handshakes refused, by reason",
        ),
        "reason",
        metrics.refused(),
    )?;
    counters_by(
        encoder,
        ("fanfare_refused_requests", "Requests refused, by status"),
        "status",
        metrics.refused_requests(),
    )?;
    counters_by(
        encoder,
        (
            "fanfare_api_errors",
            "Calls of the API answered with an error, by its code",
        ),
        "code",
        metrics.api_errors(),
    )?;
    counters_by(
        encoder,
        (
            "fanfare_cut_connections",
            "Connections ended before they were a session, by reason",
        ),
        "reason",
        metrics.cuts(),
    )?;
    counters_by(
        encoder,
        (
            "fanfare_handovers",
            "Hand-overs to a new process (SIGUSR2), by outcome",
        ),
        "outcome",
        metrics.handovers(),
    )
}
