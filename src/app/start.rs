//! The start of a node: its actors, its broker and what all of it shares, put together from the
//! settings. Runs once, on the thread of the process; what it starts ends with the process.

use std::{
    io,
    sync::{Arc, mpsc},
};

use actix::{Actor, Addr, Arbiter};

use super::{
    error::AppError,
    state::{self, Restoring},
};
use crate::{
    broker::{
        Broker, Front, Late,
        fanout::{Fanout, Occupancy},
        memory::{MemoryBroker, MemoryPresence},
    },
    config::Settings,
    connection::{
        ConnectionConfig,
        outbox::{FRAME_OVERHEAD, OutboxConfig},
    },
    heartbeat::HeartbeatConfig,
    hooks::{Event, EventSink, HookClient},
    liveness::Pulse,
    metrics::Metrics,
    node::{Node, NodeParts},
    publication::Compression,
    registry::is_internal,
    server::{
        Server, entries::Entries, poll::Poller, reports::SessionReports, stats::CountChannels,
    },
    shard::{QueueBounds, ShardSettings, Shards},
    state::StateDir,
    token::Tokens,
    unix_time::unix_now_ms,
};

/// A node, and what is still to be read for it.
pub(super) struct Started {
    pub(super) node: Arc<Node>,
    /// Where the node serves before it has its state.
    pub(super) later: Option<Later>,
}

/// The state that a node waits for.
pub(super) struct Later {
    pub(super) restoring: Restoring,
    /// Where the broker goes that is made of it.
    pub(super) broker: Arc<Late<MemoryBroker>>,
}

/// Starts what a node is made of, and the node of it, which has its state, unless that is to come
/// `later`.
pub(super) fn node(settings: &Arc<Settings>, later: bool) -> Result<Started, AppError> {
    let metrics = Arc::new(Metrics::default());
    let reports = Arc::new(SessionReports::default());
    let tokens = Tokens::new(&settings.token)?;
    let hooks = HookClient::new(&settings.hooks)?;
    let node_id = uuid::Uuid::new_v4().to_string();
    let events = EventSink::start(&settings.hooks, hooks.clone(), node_id.clone());
    let shards = Shards::new(metrics.clone(), shard_settings(settings));
    let shards = Arc::new(shards.with_windows(&settings.channels));
    let occupancy = occupancy_events(events.clone());
    let fanout = Arc::new(Fanout::new(shards.clone(), occupancy));
    let entries = Arc::<Entries>::default();
    let restoring = Restoring {
        settings: settings.clone(),
        metrics: metrics.clone(),
        fanout: fanout.clone(),
        revocations: tokens.revocations().clone(),
        entries: entries.clone(),
    };
    let made = made_broker(restoring, later)?;
    let presence = Arc::new(Front::new(
        Arc::new(MemoryPresence::default()),
        metrics.clone(),
        settings.limits.broker_timeout,
    ));
    let server = start_server(ServerParts {
        settings: settings.clone(),
        reports: reports.clone(),
        broker: made.broker.clone(),
        entries: entries.clone(),
        pulse: metrics.liveness.watch("server".to_string()),
        stats: stats_parts(settings, &metrics, &fanout),
    })?;
    let node = Node::new(NodeParts {
        node_id,
        settings: settings.clone(),
        metrics,
        reports,
        shards,
        broker: made.broker,
        presence,
        fanout,
        server,
        tokens,
        hooks,
        events,
        entries,
    });
    if made.later.is_none() {
        node.have_state(made.state);
    }
    Ok(Started {
        node,
        later: made.later,
    })
}

/// A broker with what is known of its state.
struct MadeBroker {
    broker: Arc<dyn Broker>,
    state: Option<Arc<StateDir>>,
    later: Option<Later>,
}

/// The broker: empty where nothing is kept, that of the process before, or one that is to come.
fn made_broker(restoring: Restoring, later: bool) -> Result<MadeBroker, AppError> {
    let (settings, metrics) = (restoring.settings.clone(), restoring.metrics.clone());
    let timeout = settings.limits.broker_timeout;
    let (broker, state): (Arc<MemoryBroker>, _) = match &settings.state.dir {
        Some(_) if later => {
            let broker = Arc::<Late<MemoryBroker>>::default();
            let front = Front::new(broker.clone(), metrics, timeout);
            return Ok(MadeBroker {
                broker: Arc::new(front),
                state: None,
                later: Some(Later { restoring, broker }),
            });
        }
        Some(dir) => {
            let kept = restoring.read(dir)?;
            (kept.broker, Some(kept.state))
        }
        None => {
            let fanout = restoring.fanout.clone();
            (
                Arc::new(MemoryBroker::new(fanout, state::bounds(&settings))),
                None,
            )
        }
    };
    Ok(MadeBroker {
        broker: Arc::new(Front::new(broker, metrics, timeout)),
        state,
        later: None,
    })
}

/// The `[[poll]]`s, each to become a task of the calling thread, which delivers nothing.
pub(super) fn polls(node: &Node) -> Result<Vec<Poller>, AppError> {
    let polls = node.settings.poll.iter();
    let pollers = polls.map(|poll| {
        let (http, broker) = (node.hooks.http_client(), node.broker.clone());
        let poller = Poller::new(poll, http, &node.settings.channels, broker)?;
        Ok(poller.with_entries(node.entries.clone()))
    });
    pollers.collect()
}

/// What the node's numbers are counted from; absent where nobody administers.
fn stats_parts(
    settings: &Settings,
    metrics: &Arc<Metrics>,
    fanout: &Arc<Fanout>,
) -> Option<(Arc<Metrics>, CountChannels)> {
    settings.admin.key.as_ref()?;
    let fanout = fanout.clone();
    let count_channels: CountChannels = Box::new(move || fanout.channels());
    Some((metrics.clone(), count_channels))
}

/// What the `Server` actor is started with.
struct ServerParts {
    settings: Arc<Settings>,
    reports: Arc<SessionReports>,
    broker: Arc<dyn Broker>,
    entries: Arc<Entries>,
    pulse: Arc<Pulse>,
    /// Absent where nobody administers.
    stats: Option<(Arc<Metrics>, CountChannels)>,
}

/// The `Server` actor on a thread of its own.
fn start_server(parts: ServerParts) -> Result<Addr<Server>, AppError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    Arbiter::new().spawn_fn(move || {
        let server = Server::new(
            parts.reports,
            &parts.settings.push,
            &parts.settings.channels,
            parts.settings.limits.outbox_bytes,
            parts.broker,
        )
        .with_pulse(parts.pulse)
        .with_entries(parts.entries);
        let server = match parts.stats {
            Some((metrics, count_channels)) => server.with_stats(metrics, count_channels),
            None => server,
        };
        let server = server.start();
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

pub(crate) fn shard_settings(settings: &Arc<Settings>) -> ShardSettings {
    let queue = QueueBounds {
        publications_max: settings.limits.shard_queue,
        bytes_max: settings.limits.shard_queue_bytes,
    };
    ShardSettings {
        queue,
        held_bytes_max: settings.limits.recovery_bytes(),
        config: ConnectionConfig {
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
        },
    }
}
