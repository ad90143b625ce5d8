//! The start of a node: its actors, its broker and what all of it shares, put together from the
//! settings. Runs once, on the thread of the process; what it starts ends with the process.

use std::{
    cell::{Cell, RefCell},
    io,
    sync::{Arc, mpsc},
    time::Instant,
};

use actix::{Actor, Addr, Arbiter};

use super::{error::AppError, state};
use crate::{
    broker::{
        Broker, Front,
        fanout::{Fanout, Occupancy},
        memory::MemoryPresence,
    },
    config::Settings,
    connection::{
        ConnectionConfig,
        outbox::{FRAME_OVERHEAD, OutboxConfig},
    },
    heartbeat::{HeartbeatConfig, Wheel},
    hooks::{Event, EventSink, HookClient},
    liveness::Pulse,
    metrics::Metrics,
    node::{Node, NodeParts},
    publication::Compression,
    registry::is_internal,
    server::{
        Server, SessionCounts,
        entries::Entries,
        poll::{PollWatch, Poller},
    },
    shard::{QueueBounds, ShardSettings, Shards},
    token::Tokens,
    unix_time::unix_now_ms,
};

/// Tries what a node may fail at, but for what it keeps on disk: before another process gives that
/// up for this one.
pub(super) fn check(settings: &Settings) -> Result<(), AppError> {
    Tokens::new(&settings.token)?;
    HookClient::new(&settings.hooks)?;
    Ok(())
}

/// Starts what a node is made of, and the node of it. `takes_over`: the process before this one is
/// letting go of what is kept on disk.
pub(super) fn node(settings: &Arc<Settings>, takes_over: bool) -> Result<Arc<Node>, AppError> {
    let metrics = Arc::new(Metrics::default());
    let counts = Arc::new(SessionCounts::default());
    let tokens = Tokens::new(&settings.token)?;
    let hooks = HookClient::new(&settings.hooks)?;
    let node_id = uuid::Uuid::new_v4().to_string();
    let events = EventSink::start(&settings.hooks, hooks.clone(), node_id.clone());
    if let Some(events) = &events {
        events.send(Event::NodeStarted {
            time_ms: unix_now_ms(),
            name: settings.node.clone(),
            handover: takes_over,
        });
    }
    let shards = Arc::new(Shards::new(metrics.clone(), shard_settings(settings)));
    let occupancy = occupancy_events(events.clone());
    let fanout = Arc::new(Fanout::new(shards.clone(), occupancy));
    let kept = state::restore(settings, &fanout, &tokens, takes_over)?;
    let timeout = settings.limits.broker_timeout;
    let broker: Arc<dyn Broker> = Arc::new(Front::new(kept.broker, metrics.clone(), timeout));
    let presence = Arc::new(Front::new(
        Arc::new(MemoryPresence::default()),
        metrics.clone(),
        timeout,
    ));
    let pulse = metrics.liveness.watch("server".to_string());
    let server = start_server(settings, &counts, (&broker, &kept.entries), pulse)?;
    Ok(Node::new(NodeParts {
        node_id,
        settings: settings.clone(),
        metrics,
        counts,
        shards,
        broker,
        presence,
        fanout,
        server,
        tokens,
        hooks,
        events,
        state: kept.state,
        entries: kept.entries,
    }))
}

/// The `[[poll]]`s, each a task of the calling thread, which delivers nothing.
pub(super) fn polls(node: &Arc<Node>) -> Result<Vec<PollWatch>, AppError> {
    let mut watches = Vec::new();
    for poll in &node.settings.poll {
        let (http, broker) = (node.hooks.http_client(), node.broker.clone());
        let poller = Poller::new(poll, http, &node.settings.channels, broker)?;
        let poller = poller.with_entries(node.entries.clone());
        watches.push(poller.watch());
        actix_rt::spawn(poller.run());
    }
    Ok(watches)
}

/// The `Server` actor on a thread of its own.
fn start_server(
    settings: &Arc<Settings>,
    counts: &Arc<SessionCounts>,
    (broker, entries): (&Arc<dyn Broker>, &Arc<Entries>),
    pulse: Arc<Pulse>,
) -> Result<Addr<Server>, AppError> {
    let (settings, counts, broker) = (settings.clone(), counts.clone(), broker.clone());
    let entries = entries.clone();
    let (sender, receiver) = mpsc::sync_channel(1);
    Arbiter::new().spawn_fn(move || {
        let server = Server::new(
            counts,
            &settings.push,
            &settings.channels,
            settings.limits.outbox_bytes,
            broker,
        )
        .with_pulse(pulse)
        .with_entries(entries)
        .start();
        // The other end waits for exactly this.
        let _ = sender.send(server);
    });
    receiver
        .recv()
        .map_err(|_| AppError::Io("the server's thread", io::ErrorKind::BrokenPipe.into()))
}

/// Tells the backend which channels are listened to.
fn occupancy_events(events: Option<EventSink>) -> Box<Occupancy> {
    Box::new(move |channel, occupied| {
        if let Some(events) = events.as_ref().filter(|_| !is_internal(channel)) {
            let (time_ms, channel) = (unix_now_ms(), channel.to_string());
            events.send(if occupied {
                Event::ChannelOccupied { time_ms, channel }
            } else {
                Event::ChannelVacated { time_ms, channel }
            });
        }
    })
}

fn shard_settings(settings: &Arc<Settings>) -> ShardSettings {
    let queue = QueueBounds {
        publications_max: settings.limits.shard_queue,
        bytes_max: settings.limits.shard_queue_bytes,
    };
    let settings = settings.clone();
    ShardSettings {
        queue,
        held_bytes_max: settings.limits.recovery_bytes(),
        config: Box::new(move |stats| ConnectionConfig {
            outbox: OutboxConfig {
                bytes_max: settings.limits.outbox_bytes,
                frame_overhead: FRAME_OVERHEAD,
                policy: settings.slow.policy,
                compression: Compression {
                    min_bytes: settings.deflate.min_bytes,
                    level: settings.deflate.level,
                },
            },
            heartbeat: HeartbeatConfig {
                ping_interval: settings.heartbeat.ping_interval,
                pong_timeout: settings.heartbeat.pong_timeout,
            },
            write_timeout: settings.slow.write_timeout,
            close_timeout: settings.close.timeout,
            wheel: RefCell::new(Wheel::new(Instant::now())),
            timers: Cell::new(0),
            stats,
        }),
    }
}
