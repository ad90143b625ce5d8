//! The numbers of the node.

use std::{sync::atomic::Ordering::Relaxed, time::Instant};

use prometheus_client::encoding::DescriptorEncoder;

use super::numbers::{EncodeResult, counter, gauge};
use crate::{
    logger,
    node::{Node, phase::Phase},
};

/// What a number of the node is: one that goes up and down, or one that only grows.
#[derive(Clone, Copy)]
enum MetricKind {
    Gauge,
    Counter,
}

/// Numbers of the node: name, help, kind, number.
type PerNode = (&'static str, &'static str, MetricKind, fn(&Node) -> u64);

const PER_NODE: &[PerNode] = &[
    (
        "fanfare_sessions",
        "Sessions now",
        MetricKind::Gauge,
        |node| node.session_counts().now,
    ),
    (
        "fanfare_sessions_peak",
        "Most sessions at a time",
        MetricKind::Gauge,
        |node| node.session_counts().peak,
    ),
    (
        "fanfare_sessions_opened",
        "Sessions since the start",
        MetricKind::Counter,
        |node| node.session_counts().total,
    ),
    (
        "fanfare_channels",
        "Channels with a member on this node",
        MetricKind::Gauge,
        |node| node.count_channels() as u64,
    ),
    (
        "fanfare_draining",
        "1 while the node drains",
        MetricKind::Gauge,
        |node| u64::from(node.phase() > Phase::Running),
    ),
    (
        "fanfare_refused_publications",
        "Publications refused for lack of room",
        MetricKind::Counter,
        |node| node.metrics.publish_refused.load(Relaxed),
    ),
    (
        "fanfare_permits",
        "Connections that count against limits.sessions, those that are closing included",
        MetricKind::Gauge,
        |node| node.admission.sessions() as u64,
    ),
    (
        "fanfare_untold_joins_leaves",
        "Joins and leaves that nobody was told of for lack of room",
        MetricKind::Counter,
        |node| node.metrics.joins_leaves_untold.load(Relaxed),
    ),
    (
        "fanfare_publications",
        "Publications accepted",
        MetricKind::Counter,
        |node| node.metrics.published.load(Relaxed),
    ),
    (
        "fanfare_history_bytes",
        "Bytes that histories hold",
        MetricKind::Gauge,
        |node| node.usage().history_bytes as u64,
    ),
    (
        "fanfare_position_bytes",
        "Bytes that positions of channels without publications hold",
        MetricKind::Gauge,
        |node| node.usage().position_bytes as u64,
    ),
    (
        "fanfare_idempotency_bytes",
        "Bytes that idempotency keys hold",
        MetricKind::Gauge,
        |node| node.usage().idempotency_bytes as u64,
    ),
    (
        "fanfare_evicted_publications",
        "Publications that histories gave up before their time (limits.history_bytes)",
        MetricKind::Counter,
        |node| node.usage().evicted_publications,
    ),
    (
        "fanfare_evicted_positions",
        "Positions given up before their time (limits.position_bytes)",
        MetricKind::Counter,
        |node| node.usage().evicted_positions,
    ),
    (
        "fanfare_users",
        "Different users with a session",
        MetricKind::Gauge,
        |node| node.users() as u64,
    ),
    (
        "fanfare_pending_connections",
        "Connections that are not sessions, but for those whose request is being answered",
        MetricKind::Gauge,
        |node| node.metrics.pending_connections.load(Relaxed),
    ),
    (
        "fanfare_pending_body_bytes",
        "Bytes of bodies of requests whose rest is waited for (limits.pending_body_bytes)",
        MetricKind::Gauge,
        |node| node.metrics.pending_body_bytes.load(Relaxed),
    ),
    (
        "fanfare_stuck_threads",
        "Threads without a sign of life for limits.thread_timeout",
        MetricKind::Gauge,
        |node| node.stuck_threads(Instant::now()).len() as u64,
    ),
    (
        "fanfare_log_lines_waiting",
        "Log lines that wait to be written",
        MetricKind::Gauge,
        |_| logger::stats().waiting,
    ),
    (
        "fanfare_log_lines_dropped",
        "Log lines that found no room or could not be written",
        MetricKind::Counter,
        |_| logger::stats().dropped,
    ),
    (
        "fanfare_log_lines_withheld",
        "Refusals and faults told only as a number",
        MetricKind::Counter,
        |_| logger::stats().withheld,
    ),
];

/// Writes the numbers of the node.
pub(super) fn encode(node: &Node, encoder: &mut DescriptorEncoder<'_>) -> EncodeResult {
    for &(name, help, kind, of) in PER_NODE {
        match kind {
            MetricKind::Gauge => gauge(encoder, name, help, of(node))?,
            MetricKind::Counter => counter(encoder, name, help, of(node))?,
        }
    }
    Ok(())
}
