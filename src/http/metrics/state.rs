//! The numbers of what is kept on disk; there are none where nothing is.

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use super::numbers::{EncodeResult, MetricFamily, counter, counters_by, gauge};
use crate::{node::gate::GateStats, state::StateStats};

/// Writes what waits, and has waited, for the state of the process before.
pub(super) fn encode_gate(stats: &GateStats, encoder: &mut DescriptorEncoder<'_>) -> EncodeResult {
    gauge(
        encoder,
        "fanfare_state_held_requests",
        "Requests that wait until the state on disk is read",
        stats.held,
    )?;
    gauge(
        encoder,
        "fanfare_state_held_bytes",
        "Bytes of their heads and bodies, as they are charged",
        stats.bytes,
    )?;
    counter(
        encoder,
        "fanfare_state_waited_requests",
        "Requests that have waited for the state on disk",
        stats.all,
    )?;
    counters_by(
        encoder,
        MetricFamily {
            name: "fanfare_state_refused_requests",
            help: "Requests refused since the state on disk was not read yet, by reason",
            label: "reason",
        },
        stats.refused,
    )
}

/// Writes the numbers of the state on disk.
pub(super) fn encode(stats: &StateStats, encoder: &mut DescriptorEncoder<'_>) -> EncodeResult {
    let gauges = [
        (
            "fanfare_state_queue",
            "Records that wait to be written to disk",
            stats.queue,
        ),
        (
            "fanfare_state_queue_bytes",
            "Their bytes, those being written included",
            stats.queue_bytes,
        ),
        ("fanfare_state_bytes", "Bytes of the files", stats.bytes),
        ("fanfare_state_segments", "Files of the log", stats.segments),
        (
            "fanfare_state_writable",
            "1 while everything that is to be kept can be written",
            u64::from(stats.is_writable),
        ),
        (
            "fanfare_state_whole",
            "0 while the files may have lost something that is being written anew from memory",
            u64::from(stats.is_whole),
        ),
    ];
    for (name, help, number) in gauges {
        gauge(encoder, name, help, number)?;
    }
    let times = [
        (
            "fanfare_state_write_wait_seconds",
            "Age of the oldest record that waits to be written",
            stats.write_wait,
        ),
        (
            "fanfare_state_sync_age_seconds",
            "Age of the oldest write that the disk was not yet made to hold",
            stats.sync_age,
        ),
    ];
    for (name, help, time) in times {
        let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(time.as_secs_f64()).encode(descriptor)?;
    }
    encode_counters(stats, encoder)
}

fn encode_counters(stats: &StateStats, encoder: &mut DescriptorEncoder<'_>) -> EncodeResult {
    let counters = [
        (
            "fanfare_state_snapshots",
            "How often everything was written anew",
            stats.snapshots,
        ),
        (
            "fanfare_state_failed_writes",
            "Writes and syncs that failed",
            stats.failed_writes,
        ),
        (
            "fanfare_state_damaged",
            "Files that were damaged at the start",
            stats.damaged,
        ),
    ];
    for (name, help, number) in counters {
        counter(encoder, name, help, number)?;
    }
    Ok(())
}
