//! What tests of several modules are set up with: shards, a node, a member that keeps what it gets,
//! and a broker that does as it is told. Only built for tests.

pub(crate) mod frames;
pub(crate) mod scripted;
mod settings;
pub(crate) mod store;

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::Actor;

pub(crate) use self::{
    scripted::{Op, ScriptedBroker, ScriptedEngine, scripted},
    settings::{raw, settings},
};
use crate::{
    broker::{Front, LocalFanout, fanout::Fanout},
    config::{Settings, SlowPolicy},
    connection::{
        Connection, ConnectionConfig, ConnectionProfile, Pings,
        info::{SessionInfo, Traffic, TransportKind},
        outbox::{FRAME_OVERHEAD, OutboxConfig},
    },
    heartbeat::HeartbeatConfig,
    hooks::HookClient,
    id::SessionId,
    metrics::Metrics,
    node::{Node, NodeParts},
    publication::{Compression, Framing, Payload, PayloadFormat, WireFormat},
    server::{Server, reports::SessionReports},
    shard::{Membership, QueueBounds, Shard, ShardSettings, Shards},
    token::Tokens,
};

/// Shards whose inboxes hold so many publications.
pub(crate) fn shard_settings(publications_max: usize) -> ShardSettings {
    let second = Duration::from_secs(1);
    ShardSettings {
        queue: QueueBounds {
            publications_max,
            bytes_max: 1 << 24,
        },
        held_bytes_max: 1 << 20,
        config: ConnectionConfig {
            outbox: OutboxConfig {
                bytes_max: 1 << 20,
                frame_overhead: FRAME_OVERHEAD,
                policy: SlowPolicy::Disconnect,
                compression: Compression {
                    min_bytes: 256,
                    level: 3,
                },
            },
            heartbeat: HeartbeatConfig {
                ping_interval: 60 * second,
                pong_timeout: 8 * second,
            },
            write_timeout: 10 * second,
            close_timeout: second,
        },
    }
}

/// Runs a test as a worker does, with a clock that only moves when everything waits.
pub(crate) fn paused(test: impl Future<Output = ()>) {
    run(test, true);
}

/// Runs a test as a worker does, with the clock of the machine.
pub(crate) fn on_a_worker(test: impl Future<Output = ()>) {
    run(test, false);
}

/// A runtime a test, of one thread, since a shard belongs to its thread.
fn run(test: impl Future<Output = ()>, is_paused: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(is_paused)
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        test.await;
        // An actor that was never polled is polled when it is dropped, which needs the runtime.
        tokio::time::sleep(Duration::from_millis(1)).await;
    });
}

/// A node with the demonstration's settings, on a scripted broker, whose only shard is that of this
/// thread.
pub(crate) struct TestNode {
    pub(crate) broker: Arc<ScriptedBroker>,
    pub(crate) shard: Rc<Shard>,
    pub(crate) node: Arc<Node>,
    pub(crate) metrics: Arc<Metrics>,
}

impl TestNode {
    /// Whose shard's inbox holds so many publications.
    pub(crate) fn new(room: usize) -> Self {
        Self::with(room, Settings::demonstration())
    }

    /// The same with other settings.
    pub(crate) fn with(room: usize, settings: Settings) -> Self {
        Self::made(shard_settings(room), Arc::new(settings))
    }

    /// As the process makes one of these settings, but for its broker and its only shard.
    pub(crate) fn as_started(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        Self::made(crate::app::shard_settings(&settings), settings)
    }

    fn made(shard_settings: ShardSettings, settings: Arc<Settings>) -> Self {
        let metrics = Arc::new(Metrics::default());
        let shards = Shards::new(metrics.clone(), shard_settings).with_windows(&settings.channels);
        let shards = Arc::new(shards);
        let fanout = Arc::new(Fanout::new(shards.clone(), Box::new(|_, _| {})));
        let scripted = ScriptedEngine::new().node(fanout.clone());
        let listeners: Arc<dyn LocalFanout> = fanout.clone();
        let timeout = settings.limits.broker_timeout;
        let front = Arc::new(Front::new(scripted.clone(), metrics.clone(), timeout));
        let reports = Arc::new(SessionReports::default());
        let server = Server::new(
            reports.clone(),
            &settings.push,
            &settings.channels,
            settings.limits.outbox_bytes,
            front.clone(),
        )
        .start();
        let node = Node::new(NodeParts {
            node_id: "n".into(),
            metrics: metrics.clone(),
            reports,
            shards: shards.clone(),
            broker: front.clone(),
            presence: front,
            fanout,
            server,
            tokens: Tokens::new(&settings.token).expect("no keys"),
            hooks: HookClient::new(&settings.hooks).expect("no hooks"),
            events: None,
            entries: Arc::default(),
            settings,
        });
        node.have_state(None);
        Self {
            broker: scripted,
            shard: shards.current(&listeners),
            node,
            metrics,
        }
    }
}

/// A member of a shard that keeps what it gets.
pub(crate) struct Listener {
    pub(crate) connection: Rc<Connection>,
    pub(crate) membership: Membership,
}

impl Listener {
    /// In no channel yet.
    pub(crate) fn new(shard: &Rc<Shard>) -> Self {
        let info = Arc::new(SessionInfo {
            id: SessionId::random(),
            user: std::sync::OnceLock::new(),
            protocol: None,
            address: None,
            endpoint: "/test".into(),
            words: None,
            transport: TransportKind::Poll,
            worker: 0,
            since_ms: 0,
            started: Instant::now(),
            traffic: Traffic::default(),
        });
        let profile = ConnectionProfile {
            form: WireFormat {
                body: PayloadFormat::Raw,
                framing: Framing::None,
            },
            pings: Pings::None,
        };
        let connection = Connection::for_body(info, shard.shared().clone(), profile);
        let membership = shard.join(connection.clone(), false);
        Self {
            connection,
            membership,
        }
    }

    /// What came so far: offset and text.
    pub(crate) fn taken(&self) -> Vec<(u64, String)> {
        let mut taken = Vec::new();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        while let std::task::Poll::Ready(Some(frame)) = self.connection.poll_take(&mut cx) {
            for publication in frame.publications() {
                let item = publication.item().expect("a message");
                let text = String::from_utf8_lossy(item.payload.as_bytes()).into_owned();
                taken.push((item.offset, text));
            }
        }
        taken
    }
}

/// A payload of this text.
pub(crate) fn text(text: &str) -> Payload {
    Payload::Text(text.into())
}
