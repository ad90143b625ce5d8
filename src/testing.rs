//! What tests of several modules are set up with: shards, a hub, and a broker that does as it is told. Only built for tests.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use actix::Actor;

use crate::{
    broker::{
        Broker, BrokerError, BrokerFuture, History, HistoryFilter, PresenceStats, PublishRequest,
        PublishResult,
    },
    config::{Settings, SlowPolicy},
    connection::{
        Connection, ConnectionConfig, ConnectionProfile, Pings,
        info::{SessionInfo, Traffic, TransportKind},
        outbox::{FRAME_OVERHEAD, Frame, OutboxConfig},
    },
    heartbeat::{HeartbeatConfig, Wheel},
    hooks::HookClient,
    id::{Epoch, SessionId, ShardId, StreamPosition},
    metrics::Metrics,
    node::{Node, NodeParts},
    protocol::ClientInfo,
    publication::{Compression, Framing, Payload, PayloadFormat, Target, WireFormat},
    registry::ChannelName,
    server::{Server, SessionCounts},
    shard::{Membership, QueueBounds, Shard, ShardSettings, Shards},
    token::Tokens,
};

/// Shards whose mailboxes hold so many publications.
pub fn shard_settings(publications_max: usize) -> ShardSettings {
    let second = Duration::from_secs(1);
    ShardSettings {
        queue: QueueBounds {
            publications_max,
            bytes_max: 1 << 24,
        },
        config: Box::new(move |stats| ConnectionConfig {
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
            wheel: RefCell::new(Wheel::new(Instant::now())),
            timers: Cell::new(0),
            stats,
        }),
    }
}

/// A hub with the demonstration's settings around a broker.
pub fn node(
    broker: &Arc<dyn Broker>,
    shards: &Arc<Shards>,
    metrics: &Arc<Metrics>,
) -> (Arc<Node>, Arc<SessionCounts>) {
    node_with(Settings::demonstration(), broker, shards, metrics)
}

/// The same with settings of the test's own.
pub fn node_with(
    settings: Settings,
    broker: &Arc<dyn Broker>,
    shards: &Arc<Shards>,
    metrics: &Arc<Metrics>,
) -> (Arc<Node>, Arc<SessionCounts>) {
    let settings = Arc::new(settings);
    let counts = Arc::new(SessionCounts::default());
    let server = Server::new(
        counts.clone(),
        &[],
        &settings.channels,
        1 << 20,
        broker.clone(),
    )
    .start();
    let node = Node::new(NodeParts {
        metrics: metrics.clone(),
        counts: counts.clone(),
        shards: shards.clone(),
        broker: broker.clone(),
        server,
        tokens: Tokens::new(&settings.token).expect("keys"),
        hooks: HookClient::new(&settings.hooks).expect("hooks"),
        events: None,
        settings,
    });
    (node, counts)
}

/// Panics where it is told to, is always busy where it is told to, and knows who listens.
#[derive(Default)]
pub struct MockBroker {
    pub panics: AtomicBool,
    pub busy: AtomicBool,
    /// Publishes and reads are taken and never answered.
    pub silent: AtomicBool,
    pub listening: Mutex<Vec<String>>,
    /// How many publications are to be refused next.
    pub refuses: AtomicU32,
    pub reads_paused: AtomicBool,
    /// What was published, and when by the clock of the runtime.
    pub published: Mutex<Vec<(tokio::time::Instant, String)>>,
}

fn now<T>(value: T) -> BrokerFuture<T> {
    BrokerFuture::ready(Ok(value))
}

impl Broker for MockBroker {
    fn publish(&self, draft: PublishRequest) -> BrokerFuture<PublishResult> {
        assert!(!self.panics.load(Relaxed), "as told");
        let refuses = self
            .refuses
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        if self.busy.load(Relaxed) || refuses.is_ok() {
            return BrokerFuture::ready(Err(BrokerError::Busy));
        }
        let text = String::from_utf8_lossy(draft.payload.as_bytes()).into_owned();
        let published = (tokio::time::Instant::now(), text);
        self.published.lock().expect("no panic").push(published);
        if self.silent.load(Relaxed) {
            return BrokerFuture::later(std::future::pending());
        }
        now(PublishResult {
            position: None,
            delivered: 0,
            suppressed: false,
        })
    }
    fn announce(&self, _: &ChannelName, _: bool, _: Arc<ClientInfo>) -> BrokerFuture<()> {
        now(())
    }
    fn history(&self, _: &ChannelName, _: HistoryFilter) -> BrokerFuture<History> {
        if self.silent.load(Relaxed) {
            return BrokerFuture::later(std::future::pending());
        }
        let top = StreamPosition {
            offset: 0,
            epoch: Epoch::NONE,
        };
        now(History {
            items: Vec::new(),
            top,
        })
    }
    fn remove_history(&self, _: &ChannelName) -> BrokerFuture<()> {
        now(())
    }
    fn present(
        &self,
        _: &ChannelName,
        _: SessionId,
        _: Arc<ClientInfo>,
        _: Duration,
    ) -> BrokerFuture<()> {
        now(())
    }
    fn absent(&self, _: &ChannelName, _: SessionId) -> BrokerFuture<()> {
        now(())
    }
    fn presence(&self, _: &ChannelName) -> BrokerFuture<Vec<(SessionId, Arc<ClientInfo>)>> {
        now(Vec::new())
    }
    fn presence_stats(&self, _: &ChannelName) -> BrokerFuture<PresenceStats> {
        now(PresenceStats::default())
    }
    fn listen(&self, channel: &ChannelName, _: ShardId) -> bool {
        self.listening
            .lock()
            .expect("no panic")
            .push(channel.to_string());
        true
    }
    fn unlisten(&self, channel: &ChannelName, _: ShardId) -> bool {
        let mut listening = self.listening.lock().expect("no panic");
        let place = listening.iter().position(|name| **name == **channel);
        place.map(|place| listening.remove(place)).is_some()
    }
    fn channels(&self) -> usize {
        0
    }
    fn history_bytes(&self) -> usize {
        0
    }
    fn list_channels(&self, _: &dyn Fn(&str) -> bool, _: usize) -> Vec<(ChannelName, usize)> {
        Vec::new()
    }
    fn is_heard(&self, _: &Target) -> bool {
        !self.reads_paused.load(Relaxed)
    }
    fn tick(&self, _: Instant) {}
}

/// A member of a shard that keeps what it gets.
pub struct Listener {
    pub connection: Rc<Connection>,
    pub membership: Membership,
}

impl Listener {
    /// In no channel yet.
    pub fn new(shard: &Rc<Shard>) -> Self {
        let info = Arc::new(SessionInfo {
            id: SessionId::random(),
            user: std::sync::OnceLock::new(),
            protocol: std::sync::OnceLock::new(),
            address: None,
            endpoint: "/test".into(),
            subprotocol: None,
            user_agent: None,
            transport: TransportKind::Poll,
            worker: 0,
            since: std::time::SystemTime::now(),
            started: Instant::now(),
            traffic: Traffic::default(),
        });
        let profile = ConnectionProfile {
            form: WireFormat {
                body: PayloadFormat::Raw,
                framing: Framing::Bare,
            },
            pings: Pings::None,
        };
        let connection = Connection::for_body(info, shard.config().clone(), profile);
        let membership = shard.join(connection.clone(), false);
        Self {
            connection,
            membership,
        }
    }

    /// What came so far: offset and text.
    pub fn taken(&self) -> Vec<(u64, String)> {
        let mut taken = Vec::new();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        while let std::task::Poll::Ready(Some(frame)) = self.connection.poll_take(&mut cx) {
            if let Frame::Shared { publication, .. } = &frame {
                let item = publication.item().expect("a message");
                let text = String::from_utf8_lossy(item.payload.as_bytes()).into_owned();
                taken.push((item.offset, text));
            }
        }
        taken
    }
}

/// A text.
pub fn text(text: &str) -> Payload {
    Payload::Text(text.into())
}
