//! `/metrics` in OpenMetrics form, by prometheus-client, or in Prometheus's own text form for those
//! who ask for it. Labels are bounded: workers, the endpoints of the settings, and fixed words.

mod numbers;
mod prometheus_text;
mod state;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use self::numbers::{Encoded, counter, gauge};
use super::{HttpState, api::Denied, auth};
use crate::{
    logger,
    metrics::{Count, WorkerStats},
    node::{Node, admin::NotAdmin, phase::Phase},
    shard::ShardHandle,
};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers `/metrics`: to the administrator, to whoever has a key of the API, and while none is set
/// to this machine.
pub(super) async fn metrics(
    request: HttpRequest,
    node: Data<Node>,
    http: Data<HttpState>,
) -> HttpResponse {
    match auth::check_if_brought(&request, &node) {
        Some(Ok(_)) => {}
        Some(Err(why @ NotAdmin::Limited(_))) => return auth::refuse(why),
        _ => {
            if let Err(denied) = http.api.admit_reader(&request) {
                return refuse(denied);
            }
        }
    }
    let overview = node.overview().await;
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot {
        node: node.into_inner(),
        by_endpoint: overview.map_or(Vec::new(), |overview| overview.by_endpoint),
    }));
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &registry) {
        return HttpResponse::InternalServerError().body(format!("{error}\n"));
    }
    let (content_type, text) = match prometheus_text::is_wanted(&request) {
        true => (
            prometheus_text::CONTENT_TYPE,
            prometheus_text::from_open_metrics(&text),
        ),
        false => (OPEN_METRICS, text),
    };
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::VARY, "Accept"))
        .content_type(content_type)
        .body(text)
}

fn refuse(denied: Denied) -> HttpResponse {
    let (mut response, why) = match denied {
        Denied::Key => {
            let mut response = HttpResponse::Unauthorized();
            response.insert_header((header::WWW_AUTHENTICATE, "apikey realm=\"fanfare api\""));
            (
                response,
                "needs X-API-Key: <api.key> or Authorization: Bearer <admin.key>\n",
            )
        }
        Denied::NotLocal => (
            HttpResponse::Forbidden(),
            "while no api.key is set, only for requests from this machine that no proxy passed on and whose Host is \
             localhost, a loopback address or the machine's name, or with Authorization: Bearer <admin.key>; set \
             api.key\n",
        ),
        Denied::Admin(why) => return auth::refuse(why),
    };
    response.content_type("text/plain; charset=utf-8").body(why)
}

struct Snapshot {
    node: Arc<Node>,
    by_endpoint: Vec<(Arc<str>, usize)>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

/// What waits for each worker: name, help, which of publications and bytes.
type PerQueue = (&'static str, &'static str, fn(&(usize, usize)) -> usize);

const PER_QUEUE: [PerQueue; 2] = [
    (
        "fanfare_worker_queue",
        "Publications that wait for a worker (limits.shard_queue)",
        |waiting| waiting.0,
    ),
    (
        "fanfare_worker_queue_bytes",
        "Bytes of publications that wait for a worker (limits.shard_queue_bytes)",
        |waiting| waiting.1,
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

/// What a number of the node is: one that goes up and down, or one that only grows.
#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Counter,
}

/// Numbers of the node: name, help, kind, number.
type PerNode = (&'static str, &'static str, Kind, fn(&Node) -> u64);

const PER_NODE: &[PerNode] = &[
    ("fanfare_sessions", "Sessions now", Kind::Gauge, |node| {
        node.counts.read().0
    }),
    (
        "fanfare_sessions_peak",
        "Most sessions at a time",
        Kind::Gauge,
        |node| node.counts.read().1,
    ),
    (
        "fanfare_sessions_opened",
        "Sessions since the start",
        Kind::Counter,
        |node| node.counts.read().2,
    ),
    (
        "fanfare_channels",
        "Channels with a member on this node",
        Kind::Gauge,
        |node| node.count_channels() as u64,
    ),
    (
        "fanfare_draining",
        "1 while the node drains",
        Kind::Gauge,
        |node| u64::from(node.phase() > Phase::Running),
    ),
    (
        "fanfare_refused_publications",
        "Publications refused for lack of room",
        Kind::Counter,
        |node| node.metrics.publish_refused.load(Relaxed),
    ),
    (
        "fanfare_permits",
        "Connections that count against limits.sessions, those that are closing included",
        Kind::Gauge,
        |node| node.admission.sessions() as u64,
    ),
    (
        "fanfare_untold_joins_leaves",
        "Joins and leaves that nobody was told of for lack of room",
        Kind::Counter,
        |node| node.metrics.joins_leaves_untold.load(Relaxed),
    ),
    (
        "fanfare_publications",
        "Publications accepted",
        Kind::Counter,
        |node| node.metrics.published.load(Relaxed),
    ),
    (
        "fanfare_history_bytes",
        "Bytes that histories hold",
        Kind::Gauge,
        |node| node.usage().history_bytes as u64,
    ),
    (
        "fanfare_position_bytes",
        "Bytes that positions of channels without publications hold",
        Kind::Gauge,
        |node| node.usage().position_bytes as u64,
    ),
    (
        "fanfare_idempotency_bytes",
        "Bytes that idempotency keys hold",
        Kind::Gauge,
        |node| node.usage().idempotency_bytes as u64,
    ),
    (
        "fanfare_evicted_publications",
        "Publications that histories gave up before their time (limits.history_bytes)",
        Kind::Counter,
        |node| node.usage().evicted_publications,
    ),
    (
        "fanfare_evicted_positions",
        "Positions given up before their time (limits.position_bytes)",
        Kind::Counter,
        |node| node.usage().evicted_positions,
    ),
    (
        "fanfare_users",
        "Different users with a session",
        Kind::Gauge,
        |node| node.users() as u64,
    ),
    (
        "fanfare_pending_connections",
        "Connections that are not sessions, but for those whose request is being answered",
        Kind::Gauge,
        |node| node.metrics.pending_connections.load(Relaxed),
    ),
    (
        "fanfare_pending_body_bytes",
        "Bytes of bodies of requests whose rest is waited for (limits.pending_body_bytes)",
        Kind::Gauge,
        |node| node.metrics.pending_body_bytes.load(Relaxed),
    ),
    (
        "fanfare_stuck_threads",
        "Threads without a sign of life for limits.thread_timeout",
        Kind::Gauge,
        |node| node.stuck_threads(Instant::now()).len() as u64,
    ),
    (
        "fanfare_log_lines_waiting",
        "Log lines that wait to be written",
        Kind::Gauge,
        |_| logger::stats().waiting,
    ),
    (
        "fanfare_log_lines_dropped",
        "Log lines that found no room or could not be written",
        Kind::Counter,
        |_| logger::stats().dropped,
    ),
    (
        "fanfare_log_lines_withheld",
        "Refusals and faults told only as a number",
        Kind::Counter,
        |_| logger::stats().withheld,
    ),
];

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Encoded {
        for &(name, help, kind, of) in PER_NODE {
            match kind {
                Kind::Gauge => gauge(&mut encoder, name, help, of(&self.node))?,
                Kind::Counter => counter(&mut encoder, name, help, of(&self.node))?,
            }
        }
        if self.node.settings.state.dir.is_some() {
            state::encode_gate(&self.node.gate.stats(), &mut encoder)?;
        }
        if let Some(state) = self.node.state.get() {
            state::encode(&state.stats(), &mut encoder)?;
        }
        self.encode_refusals(&mut encoder)?;
        self.encode_backend(&mut encoder)?;
        let mut family = encoder.encode_descriptor(
            "fanfare_endpoint_sessions",
            "Sessions now, by endpoint",
            None,
            MetricType::Gauge,
        )?;
        for (path, count) in &self.by_endpoint {
            let labels = [("endpoint", path.to_string())];
            ConstGauge::new(*count as u64).encode(family.encode_family(&labels)?)?;
        }
        self.encode_workers(&mut encoder)
    }
}

impl Snapshot {
    /// What was refused or ended, by reason. All words are from fixed lists.
    fn encode_refusals(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let metrics = &self.node.metrics;
        let fixed = |(word, count): (&str, u64)| (word.to_string(), count);
        let families = [
            (
                "fanfare_limited",
                "Messages, sessions and subscriptions refused by a limit",
                "limit",
                metrics.limits().map(fixed).collect::<Vec<_>>(),
            ),
            (
                "fanfare_refused_handshakes",
                "Handshakes refused, by reason",
                "reason",
                metrics.refused().map(fixed).collect(),
            ),
            (
                "fanfare_refused_requests",
                "Requests refused, by status",
                "status",
                metrics.refused_requests().collect(),
            ),
            (
                "fanfare_api_errors",
                "Calls of the API answered with an error, by its code",
                "code",
                metrics.api_errors().collect(),
            ),
            (
                "fanfare_cut_connections",
                "Connections ended before they were a session, by reason",
                "reason",
                metrics.cuts().map(fixed).collect(),
            ),
            (
                "fanfare_handovers",
                "Hand-overs to a new process (SIGUSR2), by outcome",
                "outcome",
                metrics.handovers().map(fixed).collect(),
            ),
        ];
        for (name, help, label, counts) in families {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (value, count) in counts {
                let labels = [(label, value.as_str())];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    /// Calls of the backend by hook and outcome, and events. Both words are from fixed lists.
    fn encode_backend(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let node = &self.node;
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
        let Some(events) = node.events.as_ref().map(crate::hooks::EventSink::stats) else {
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

    fn encode_workers(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let workers = self.node.metrics.workers();
        let label = |worker: usize| [("worker", worker.to_string())];
        let mut family = encoder.encode_descriptor(
            "fanfare_worker_sessions",
            "Sessions now, by worker",
            None,
            MetricType::Gauge,
        )?;
        for (worker, stats) in workers.iter().enumerate() {
            ConstGauge::new(stats.sessions.get()).encode(family.encode_family(&label(worker))?)?;
        }
        let waiting = self.node.shards.all();
        let waiting: Vec<_> = waiting.iter().map(ShardHandle::waiting).collect();
        for (name, help, of) in PER_QUEUE {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (worker, waiting) in waiting.iter().enumerate() {
                let gauge = ConstGauge::new(of(waiting) as u64);
                gauge.encode(family.encode_family(&label(worker))?)?;
            }
        }
        for (name, help, of) in PER_WORKER {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (worker, stats) in workers.iter().enumerate() {
                let count = ConstCounter::new(of(stats).get());
                count.encode(family.encode_family(&label(worker))?)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            "fanfare_delivery_delay_seconds",
            "Publication accepted to written",
            None,
            MetricType::Histogram,
        )?;
        for (worker, stats) in workers.iter().enumerate() {
            let (buckets, sum) = stats.delays.read();
            let count = buckets.iter().map(|(_, count)| count).sum();
            family
                .encode_family(&label(worker))?
                .encode_histogram::<prometheus_client::encoding::NoLabelSet>(
                    sum, count, &buckets, None,
                )?;
        }
        Ok(())
    }
}
