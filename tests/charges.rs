//! What is charged against the bounds of histories, positions and idempotency keys is what is
//! allocated: counted by an allocator, for the shapes that hold most beside the message itself. One
//! test alone in its process, since the count is of all threads.

use std::{
    alloc::System,
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use fanfare::{
    broker::{
        Broker, BrokerFuture, HistoryFilter, HistoryOptions, PublishRequest, PublishResult, Usage,
        Version,
        fanout::Fanout,
        memory::{MemoryBounds, MemoryBroker},
    },
    config::SlowPolicy,
    connection::{ConnectionConfig, outbox::OutboxConfig},
    heartbeat::HeartbeatConfig,
    metrics::Metrics,
    protocol::ClientInfo,
    publication::{Compression, Payload, Target},
    shard::{QueueBounds, ShardSettings, Shards},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Each bound; far more than what the locks and counters hold with nothing in them.
const BOUND: usize = 4 << 20;
/// What an allocator adds to a block: its header, or the way to the next size that it has.
const BLOCK_BYTES: usize = 16;

/// Bytes on the heap with what an allocator adds to them.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    let blocks = stats.allocations - stats.deallocations;
    stats.bytes_allocated - stats.bytes_deallocated + blocks * BLOCK_BYTES
}

/// There is no shard, and no connection.
fn connection_config() -> ConnectionConfig {
    ConnectionConfig {
        outbox: OutboxConfig {
            bytes_max: 1,
            frame_overhead: 1,
            policy: SlowPolicy::Disconnect,
            compression: Compression {
                min_bytes: 1,
                level: 1,
            },
        },
        heartbeat: HeartbeatConfig {
            ping_interval: Duration::MAX,
            pong_timeout: Duration::MAX,
        },
        write_timeout: Duration::MAX,
        close_timeout: Duration::MAX,
    }
}

/// The broker has no shard to send to: what is published is kept, and that is all.
fn broker() -> MemoryBroker {
    let settings = ShardSettings {
        queue: QueueBounds {
            publications_max: 1,
            bytes_max: 1,
        },
        held_bytes_max: 1,
        config: connection_config(),
    };
    let shards = Arc::new(Shards::new(Arc::new(Metrics::default()), settings));
    let bounds = MemoryBounds {
        history_bytes_max: BOUND,
        position_bytes_max: BOUND,
        idempotency_bytes_max: BOUND,
        idempotency_ttl: Duration::from_secs(600),
    };
    MemoryBroker::new(Arc::new(Fanout::new(shards, Box::new(|_, _| {}))), bounds)
}

fn at_once<T>(answer: BrokerFuture<T>) -> Option<T> {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.ok(),
        Poll::Pending => None,
    }
}

fn text(length: usize, number: usize) -> String {
    format!("{number:0length$}")
}

fn kept(channel: String, payload: String, size: usize) -> PublishRequest {
    let target = Target::Channel(channel.into());
    let mut request = PublishRequest::new(target, Payload::Text(payload.into()));
    request.history = Some(HistoryOptions {
        size,
        ttl: Duration::from_secs(600),
    });
    request
}

/// Publishes, and leaves nothing of the request but what is kept.
fn publish(broker: &MemoryBroker, request: PublishRequest) -> Option<PublishResult> {
    at_once(broker.publish(request))
}

/// Fills a broker until nothing more fits; what it then holds for each byte that it is charged.
fn held_for_a_charged_byte(fill: &dyn Fn(&MemoryBroker, usize)) -> (f64, Usage) {
    let before = held();
    let broker = broker();
    let empty = held();
    for number in 0..60_000 {
        fill(&broker, number);
    }
    let usage = broker.usage().expect("it is kept here");
    let charged = usage.history_bytes + usage.position_bytes + usage.idempotency_bytes;
    assert!(usage.history_bytes <= BOUND && usage.position_bytes <= BOUND);
    assert!(
        usage.idempotency_bytes <= BOUND && charged > BOUND * 9 / 10,
        "{usage:?}"
    );
    let held_now = held() - empty;
    drop(broker);
    assert!(held() <= before + 4096, "what was held is given back");
    (held_now as f64 / charged as f64, usage)
}

type Shape = (&'static str, fn(&MemoryBroker, usize));

const SHAPES: [Shape; 9] = [
    ("small items, one a channel", |broker, number| {
        publish(broker, kept(format!("c{number}"), "x".into(), 1));
    }),
    ("small items, thousands a channel", |broker, number| {
        publish(
            broker,
            kept(format!("c{}", number % 3), "x".into(), 100_000),
        );
    }),
    ("items of 1 KiB, ten a channel", |broker, number| {
        publish(
            broker,
            kept(format!("c{}", number % 800), text(1024, number), 10),
        );
    }),
    ("names of 255 bytes", |broker, number| {
        publish(broker, kept(text(255, number), "x".into(), 1));
    }),
    ("a version_epoch of 256 bytes", |broker, number| {
        let mut request = kept(format!("c{number}"), "x".into(), 1);
        request.version = Some(Box::new(Version {
            number: 1,
            epoch: text(256, number),
        }));
        publish(broker, request);
    }),
    ("20 tags", |broker, number| {
        let mut request = kept(format!("c{}", number % 100), "x".into(), 1000);
        let tags = (0..20).map(|tag| (format!("t{tag}"), number.to_string()));
        request.tags = Some(Arc::new(tags.collect::<BTreeMap<_, _>>().into()));
        publish(broker, request);
    }),
    (
        "publishers with information of their own",
        |broker, number| {
            let mut request = kept(format!("c{}", number % 100), "x".into(), 1000);
            request.info = Some(Arc::new(ClientInfo {
                user: text(10, number),
                client: text(36, number),
                conn_info: text(20, number).into(),
                chan_info: text(20, number).into(),
            }));
            publish(broker, request);
        },
    ),
    ("positions of unused channels", |broker, number| {
        let filter = HistoryFilter {
            keep: Duration::from_secs(600),
            ..HistoryFilter::default()
        };
        at_once(broker.history(&format!("c{number}").into(), filter));
    }),
    ("idempotency keys", |broker, number| {
        let target = Target::Channel(text(255, number % 1000).into());
        let mut request = PublishRequest::new(target, Payload::Text("x".into()));
        request.idempotency_key = Some(text(256, number).into());
        publish(broker, request);
    }),
];

// A bound of 64 MiB let 146 to 180 MB be held: names, labels, the names of versions and the room
// that lists keep free were not charged. What is charged holds for what is allocated, either way.
#[test]
fn what_is_charged_is_what_is_allocated() {
    // What the process makes once.
    static ONCE: OnceLock<Instant> = OnceLock::new();
    ONCE.get_or_init(Instant::now);
    drop(broker());
    let mut wrong = Vec::new();
    for (shape, fill) in SHAPES {
        let (ratio, usage) = held_for_a_charged_byte(&fill);
        println!("{shape}: {ratio:.2} bytes held for each that is charged");
        // 1.5 is promised of resident memory; the rest is for what lies between the blocks.
        if !(0.5..=1.2).contains(&ratio) {
            wrong.push(format!("{shape}: {ratio:.2} {usage:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
