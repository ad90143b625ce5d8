//! fanfare's own parts, put together as small as they work: a node with its memory broker and one
//! shard, clients on socket pairs, all on one thread.
//!
//! The only file here that names fanfare: a change of its internals is followed here and nowhere
//! else. What is between a scenario and fanfare here must stay so thin that it does not show in a
//! count. Nothing is drawn by chance but the keys of hash maps and ids, and the runtime's clock
//! stands still, so that no tick of the shard falls into a count.

use std::{
    cell::Cell,
    future::Future,
    os::unix::net::UnixStream,
    pin::pin,
    rc::Rc,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

pub use fanfare::{
    broker::PublishRequest, codec::Decoder, node::recovery::Since, publication::Publication,
    registry::ChannelName,
};
use fanfare::{
    broker::{
        Broker, Front, HistoryOptions, LocalFanout,
        fanout::Fanout,
        memory::{MemoryBounds, MemoryBroker},
    },
    codec::{Message, Opcode, encode as frame_of},
    config::{Channels, Namespace, SlowPolicy},
    connection::{
        Connection, ConnectionConfig, ConnectionProfile, Pings,
        info::{SessionInfo, Traffic, TransportKind},
        outbox::{FRAME_OVERHEAD, OutboxConfig},
        socket::Socket,
    },
    heartbeat::HeartbeatConfig,
    id::{Epoch, SessionId},
    metrics::Metrics,
    node::recovery::Recovery,
    protocol::Encoding,
    publication::{
        Compression, Content, Delta, Framing, Item, Payload, PayloadFormat, Target, WireFormat,
    },
    shard::{Membership, QueueBounds, Shard, ShardSettings, Shards, SubscribeOptions},
};
use tokio::{runtime::Runtime, task::LocalSet};

/// The least length of a payload: it is deflated, and a socket's buffer takes a hundred of them
/// unread.
pub const PAYLOAD_BYTES: usize = 512;

/// Publications that a channel with history keeps.
pub const HISTORY: usize = 100;

/// Nothing expires, pings or times out before.
const LONG: Duration = Duration::from_secs(3_600);

/// A bound that is never reached.
const PLENTY: usize = 1 << 30;

/// Turns within which the shard must have delivered what was published.
const TURNS_MAX: usize = 100;

/// Bytes of messages that leave a window together: ten of the payloads here, and never nine or
/// eleven, with what fanfare counts beside them.
const WINDOW_BYTES: usize = 10 * (PAYLOAD_BYTES + 48 + 70);

const COMPRESSION: Compression = Compression {
    min_bytes: 256,
    level: 3,
};

/// The form in which a client takes publications; each in one WebSocket frame.
#[derive(Clone, Copy, Debug)]
pub enum Wire {
    /// The payload.
    Raw,
    /// The same, deflated.
    RawDeflated,
    /// The envelope of plain clients.
    Envelope,
    /// A push of the client protocol in JSON.
    Json,
    /// The same, deflated.
    JsonDeflated,
    /// A push of the client protocol in Protobuf.
    Protobuf,
}

impl Wire {
    fn form(self) -> WireFormat {
        let client = |encoding| PayloadFormat::Client {
            encoding,
            unidirectional: false,
            delta: Delta::Off,
        };
        let (body, window_bits) = match self {
            Self::Raw => (PayloadFormat::Raw, 0),
            Self::RawDeflated => (PayloadFormat::Raw, 15),
            Self::Envelope => (PayloadFormat::Envelope, 0),
            Self::Json => (client(Encoding::Json), 0),
            Self::JsonDeflated => (client(Encoding::Json), 15),
            Self::Protobuf => (client(Encoding::Protobuf), 0),
        };
        WireFormat {
            body,
            framing: Framing::WebSocket { window_bits },
        }
    }

    fn profile(self) -> ConnectionProfile {
        let pings = match self {
            Self::Raw | Self::RawDeflated | Self::Envelope => Pings::Control { text: false },
            Self::Json | Self::JsonDeflated | Self::Protobuf => Pings::Protocol { answered: true },
        };
        ConnectionProfile {
            form: self.form(),
            pings,
        }
    }
}

/// Rows of JSON, the same for the same number.
fn payload(number: usize) -> Payload {
    let mut text = String::from("[");
    let mut seed = number as u32;
    while text.len() < PAYLOAD_BYTES {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(&format!(
            "{{\"id\":{seed},\"name\":\"row {}\"}},",
            seed % 97
        ));
    }
    text.replace_range(text.len() - 1.., "]");
    Payload::Text(text.into())
}

/// What a client's message holds.
#[derive(Clone, Copy, Debug)]
pub enum Words {
    /// Bytes, which are unmasked and looked at by nobody.
    Binary,
    /// JSON in ASCII.
    Json,
    /// Text of three bytes a character.
    Chinese,
}

/// What stands before the payload of a client's frame of 126 to 65,535 bytes (RFC 6455 §5.2).
pub const MASKED_HEAD_BYTES: usize = 8;

/// A client's message in its frame, masked.
pub fn masked(number: usize, words: Words) -> Vec<u8> {
    let Payload::Text(json) = payload(number) else {
        unreachable!("a payload of rows is text");
    };
    let (opcode, message) = match words {
        Words::Binary => (Opcode::Binary, json.to_string()),
        Words::Json => (Opcode::Text, json.to_string()),
        Words::Chinese => (
            Opcode::Text,
            "推送服务器向所有人".repeat(PAYLOAD_BYTES / 27 + 1),
        ),
    };
    let plain = frame_of(opcode, message.as_bytes());
    let key = (number as u32).wrapping_mul(2_654_435_761).to_be_bytes();
    let head = plain.len() - message.len();
    let mut frame = plain[..head].to_vec();
    frame[1] |= 0x80;
    frame.extend_from_slice(&key);
    let bytes = message.bytes().zip(key.iter().cycle());
    frame.extend(bytes.map(|(byte, key)| byte ^ key));
    frame
}

/// The decoder of a connection without deflate.
pub fn decoder() -> Decoder {
    Decoder::new(PLENTY, false)
}

/// Takes what one read of a socket brought; the bytes of the message that became whole.
pub fn decode(decoder: &mut Decoder, mut read: &mut [u8]) -> usize {
    match decoder.decode(&mut read).expect("a legal frame") {
        Some(Message::Text(text)) => text.len(),
        Some(Message::Binary(bytes)) => bytes.len(),
        _ => 0,
    }
}

/// A publication at its place in a channel's stream, not encoded yet.
pub fn publication(number: usize) -> Publication {
    let item = Item::new(payload(number), number as u64 + 1);
    let epoch = Epoch::parse("abcdefgh").expect("eight digits of an epoch");
    Publication::new(
        Target::Channel("news".into()),
        Content::Item(Arc::new(item)),
    )
    .in_stream(epoch, None)
}

/// Encodes a publication in a form, if that was not done before.
pub fn encode(publication: &Publication, wire: Wire) -> &[u8] {
    publication.frame(wire.form(), &COMPRESSION)
}

/// What is to be published; `kept`: in a channel with history.
pub fn request(channel: &ChannelName, number: usize, kept: bool) -> PublishRequest {
    let mut request = PublishRequest::new(Target::Channel(channel.clone()), payload(number));
    request.history = kept.then_some(HistoryOptions {
        size: HISTORY,
        ttl: LONG,
    });
    request
}

/// A node with one shard, that of this thread.
pub struct Node {
    runtime: Runtime,
    local: LocalSet,
    broker: Arc<dyn Broker>,
    shard: Rc<Shard>,
    started: Instant,
    clients: Cell<u32>,
}

impl Node {
    /// Without channels and clients.
    pub fn new() -> Self {
        Self::under(Namespace::default())
    }

    /// The same where ten publications fill a channel's window, which ends by that alone.
    pub fn with_window() -> Self {
        Self::under(Namespace {
            window: LONG,
            window_bytes: WINDOW_BYTES,
            ..Namespace::default()
        })
    }

    fn under(rules: Namespace) -> Self {
        let channels = Channels {
            default: Arc::new(rules),
            ..Channels::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let local = LocalSet::new();
        let metrics = Arc::new(Metrics::default());
        let settings = ShardSettings {
            queue: QueueBounds {
                publications_max: PLENTY,
                bytes_max: PLENTY,
            },
            held_bytes_max: PLENTY,
            config: config(),
        };
        let shards = Shards::new(metrics.clone(), settings).with_windows(&channels);
        let shards = Arc::new(shards);
        let fanout = Arc::new(Fanout::new(shards.clone(), Box::new(|_, _| ())));
        let bounds = MemoryBounds {
            history_bytes_max: PLENTY,
            position_bytes_max: PLENTY,
            idempotency_bytes_max: PLENTY,
            idempotency_ttl: LONG,
        };
        let memory = Arc::new(MemoryBroker::new(fanout.clone(), bounds));
        let broker = Arc::new(Front::new(memory, metrics, LONG));
        let listeners: Arc<dyn LocalFanout> = fanout;
        let shard = local.block_on(&runtime, async { shards.current(&listeners) });
        Self {
            runtime,
            local,
            broker,
            shard,
            started: Instant::now(),
            clients: Cell::new(0),
        }
    }

    /// A client that is in no channel yet, and reads nothing.
    pub fn client(&self, wire: Wire) -> Client {
        let _in_runtime = self.runtime.enter();
        let (server, peer) = UnixStream::pair().expect("a socket pair");
        server.set_nonblocking(true).expect("a socket of ours");
        let server = tokio::net::UnixStream::from_std(server).expect("a runtime");
        // All came at once and with the same share of the ping interval before them, which their
        // ids say: their timers lie in one slot of the wheel, and so the heap is the same in each
        // run.
        let now = self.started;
        let number = self.clients.replace(self.clients.get() + 1);
        let id = SessionId::parse(&format!("{number:08x}-0000-4000-8000-000080000000"));
        let info = Arc::new(SessionInfo {
            id: id.expect("the form of an id"),
            user: OnceLock::new(),
            protocol: None,
            address: None,
            endpoint: "/ws".into(),
            words: None,
            transport: TransportKind::WebSocketUnix,
            worker: 0,
            since_ms: 0,
            started: now,
            traffic: Traffic::default(),
        });
        let connection = Connection::new(
            Socket::Unix(server),
            info.clone(),
            self.shard.shared().clone(),
            wire.profile(),
        );
        // A raw client's shard looks whether a message reached it by another channel before.
        let plain = matches!(wire, Wire::Raw | Wire::RawDeflated);
        let membership = self.shard.join(connection.clone(), plain);
        // As its session's task does at first; the shard writes only to who was polled.
        connection.poll_write(&mut Context::from_waker(Waker::noop()), now);
        Client {
            info,
            membership,
            _peer: peer,
        }
    }

    /// Publishes, which is accepted.
    pub fn publish(&self, request: PublishRequest) {
        at_once(self.broker.publish(request)).expect("room");
    }

    /// Lets the runtime find out that the clients' sockets take bytes: before, a shard that writes
    /// would wait for the session's task, which is not there.
    pub fn settle(&self) {
        self.local.block_on(&self.runtime, async {
            for _ in 0..TURNS_MAX {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Lets the shard work until what is waited for is so.
    pub fn until(&self, done: impl Fn() -> bool) {
        self.local.block_on(&self.runtime, async {
            for _ in 0..TURNS_MAX {
                tokio::task::yield_now().await;
                if done() {
                    return;
                }
            }
            panic!("not delivered within {TURNS_MAX} turns");
        });
    }

    /// The place of who has missed the newest `missed` publications of a channel.
    pub fn since(&self, channel: &ChannelName, missed: u64) -> Since {
        let mut position = self.recover(channel, &Since::Now).top;
        position.offset -= missed;
        Since::position(position)
    }

    /// Listens to a channel and reads what was missed, as a session has it done (`node::recovery`).
    fn recover(&self, channel: &ChannelName, since: &Since) -> Recovery {
        at_once(self.broker.listening(channel)).expect("listening");
        let filter = since.filter(LONG).within(PLENTY);
        let history = at_once(self.broker.history(channel, filter)).expect("an answer");
        since.recovery(history)
    }
}

/// How the connections of the shard are set.
fn config() -> ConnectionConfig {
    ConnectionConfig {
        outbox: OutboxConfig {
            bytes_max: PLENTY,
            frame_overhead: FRAME_OVERHEAD,
            policy: SlowPolicy::Disconnect,
            compression: COMPRESSION,
        },
        heartbeat: HeartbeatConfig {
            ping_interval: LONG,
            pong_timeout: LONG / 2,
        },
        write_timeout: LONG,
        close_timeout: LONG,
    }
}

/// A session as its shard sees it, with the client's end of its socket.
pub struct Client {
    info: Arc<SessionInfo>,
    membership: Membership,
    _peer: UnixStream,
}

impl Client {
    /// Joins a channel whose publications are delivered as they come.
    pub fn join(&self, channel: &ChannelName) {
        assert!(self.membership.join(channel));
    }

    /// Subscribes to a channel: enters held back, reads what was missed where the channel keeps it,
    /// goes live. Returns how many publications were missed.
    pub fn subscribe(&self, node: &Node, channel: &ChannelName, since: Option<&Since>) -> usize {
        let options = SubscribeOptions {
            positioned: since.is_some(),
            ..SubscribeOptions::default()
        };
        let subscription = self.membership.subscribe(channel, options);
        let subscription = subscription.expect("not subscribed before");
        let missed = match since {
            None => {
                at_once(node.broker.listening(channel)).expect("listening");
                Recovery::nothing(false)
            }
            Some(since) => node.recover(channel, since),
        };
        let primed = !missed.items.is_empty();
        let live = self
            .membership
            .go_live(channel, subscription, missed.top, primed);
        assert!(live);
        missed.items.len()
    }

    /// Messages that the system has taken for it.
    pub fn received(&self) -> u64 {
        self.info.traffic.messages_out.get()
    }
}

/// What a future gives that need not wait, as those of the memory broker.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the memory broker answers at once"),
    }
}
