//! The numbers of each worker.

use prometheus_client::{encoding::DescriptorEncoder, metrics::MetricType};

use super::numbers::{EncodeResult, MetricFamily, counters_by, gauges_by};
use crate::{
    metrics::{Count, WorkerStats},
    node::Node,
    shard::ShardHandle,
};

/// What waits for each worker: name, help, number.
type PerQueue = (&'static str, &'static str, fn(&ShardHandle) -> usize);

const PER_QUEUE: [PerQueue; 2] = [
    (
        "fanfare_worker_queue",
        "Publications that wait for a worker (limits.shard_queue)",
        ShardHandle::queued_publications,
    ),
    (
        "fanfare_worker_queue_bytes",
        "Bytes of publications that wait for a worker (limits.shard_queue_bytes)",
        ShardHandle::queued_bytes,
    ),
];

/// Counters of each worker: name, help, number.
type PerWorker = (&'static str, &'static str, fn(&WorkerStats) -> &Count);

const PER_WORKER: [PerWorker; 11] = [
    ("fanfare_messages_received", "Data messages received", |s| {
        &s.messages_in
    }),
    ("fanfare_messages_sent", "Data messages written", |s| {
        &s.messages_out
    }),
    (
        "fanfare_received_bytes",
        "Bytes received on WebSocket connections",
        |s| &s.bytes_in,
    ),
    (
        "fanfare_sent_bytes",
        "Bytes written on WebSocket connections",
        |s| &s.bytes_out,
    ),
    (
        "fanfare_slow_disconnects",
        "Sessions ended as too slow (3008, 3009)",
        |s| &s.slow_disconnects,
    ),
    (
        "fanfare_dropped_publications",
        "Publications dropped for slow clients",
        |s| &s.dropped,
    ),
    (
        "fanfare_window_batches",
        "Batches that left channels with a window",
        |s| &s.window_batches,
    ),
    (
        "fanfare_window_early",
        "Batches that left before the end of their window (window_bytes)",
        |s| &s.window_early,
    ),
    (
        "fanfare_window_replaced",
        "Publications that gave way to newer ones in a window (keep)",
        |s| &s.window_replaced,
    ),
    (
        "fanfare_no_pong_disconnects",
        "Sessions ended for lack of life (3012)",
        |s| &s.no_pong,
    ),
    (
        "fanfare_turns_spent",
        "Turns of sessions and connections that were spent, so that others went first",
        |s| &s.turns_spent,
    ),
];

fn by_worker<'a>(name: &'a str, help: &'a str) -> MetricFamily<'a> {
    MetricFamily {
        name,
        help,
        label: "worker",
    }
}

/// Writes the numbers of each worker.
pub(super) fn encode(node: &Node, encoder: &mut DescriptorEncoder<'_>) -> EncodeResult {
    let workers = node.metrics.workers();
    let sessions = workers.iter().map(|stats| stats.sessions.get());
    let family = by_worker("fanfare_worker_sessions", "Sessions now, by worker");
    gauges_by(encoder, family, sessions.enumerate())?;
    let shards = node.shards.all();
    for (name, help, of) in PER_QUEUE {
        let waiting = shards.iter().map(|shard| of(shard) as u64);
        gauges_by(encoder, by_worker(name, help), waiting.enumerate())?;
    }
    for (name, help, of) in PER_WORKER {
        let counts = workers.iter().map(|stats| of(stats).get());
        counters_by(encoder, by_worker(name, help), counts.enumerate())?;
    }
    let mut family = encoder.encode_descriptor(
        "fanfare_delivery_delay_seconds",
        "Publication accepted to written",
        None,
        MetricType::Histogram,
    )?;
    for (worker, stats) in workers.iter().enumerate() {
        let delays = stats.delays.histogram();
        let count = delays.buckets.iter().map(|(_, count)| count).sum();
        family
            .encode_family(&[("worker", worker.to_string())])?
            .encode_histogram::<prometheus_client::encoding::NoLabelSet>(
            delays.sum_secs,
            count,
            &delays.buckets,
            None,
        )?;
    }
    Ok(())
}
