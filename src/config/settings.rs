//! The settings: every name, form, default and sentence, in one place.

use std::{path::PathBuf, time::Duration};

use super::{
    form::{
        Bytes, Count, File, Flag, Key, Listens, Maybe, Policy, Proxies, Small, Text, Texts, Time,
    },
    table::groups,
    types::{Listen, OnMessage, Secret, SlowPolicy, TrustedProxies},
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Processors that this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The machine's name, so that nodes can be told apart without a setting.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "fanfare".to_string(),
        name => name.to_string(),
    }
}

groups! {
    /// Settings that belong to no table.
    Root {
        /// Where to listen: `host:port` (plain), `tls:host:port` (needs tls.cert and tls.key) and `unix:/path`.
        listen: Vec<Listen> as Listens = vec![Listen::Tcp("127.0.0.1:8080".to_string())];
        /// Worker threads; by default one a core.
        workers: usize as Count = cores();
        /// Name of this node in status; by default the machine's.
        node: String as Text = host_name();
        /// Proxies whose X-Forwarded-For, Forwarded and X-Real-IP are believed; `unix` stands for peers on unix sockets.
        trusted_proxies: TrustedProxies as Proxies = TrustedProxies::default();
    }

    /// Bounds on what clients may use.
    Limits {
        /// Sessions at a time; further handshakes get 503.
        sessions: usize as Count = 100_000;
        /// Sessions of one address at a time (IPv6: of one /64), further ones get 429; 0 is no limit, since carriers put
        /// thousands behind one address.
        sessions_per_address: usize as Count = 0;
        /// Largest message that a client may send; a larger one closes with 1009.
        message_bytes: usize as Bytes = 64 << 10;
        /// Bytes that may wait for one client, each message charged 256 more for what it keeps; slow.policy says what happens beyond. One message may exceed it alone.
        outbox_bytes: usize as Bytes = 1 << 20;
        /// Channels that one connection may name.
        subscriptions: usize as Count = 128;
        /// Publications that may wait for one worker; a publisher without room is told to come again.
        shard_queue: usize as Count = 16_384;
        /// Bytes of publications that may wait for one worker.
        shard_queue_bytes: usize as Bytes = 64 << 20;
    }

    /// How it is found out that a client is gone.
    Heartbeat {
        /// From one ping to the next; must be below every proxy's idle timeout (nginx: 60 s).
        ping_interval: Duration as Time = seconds(25);
        /// How long after a ping anything must have come from the client; else it is closed with 3012.
        pong_timeout: Duration as Time = seconds(8);
    }

    /// Clients that take less than they are sent.
    Slow {
        /// What happens when publications overflow a client's outbox: `disconnect` closes it with 3008, `drop_oldest` drops
        /// the oldest publications, `latest` keeps the newest of each channel.
        policy: SlowPolicy as Policy = SlowPolicy::Disconnect;
        /// How long something may wait without the client taking a byte; then it is cut (3009).
        write_timeout: Duration as Time = seconds(10);
    }

    /// Ends of connections.
    Close {
        /// How long the client's Close, or the end of its connection, is awaited.
        timeout: Duration as Time = seconds(5);
    }

    /// Compression of WebSocket messages (permessage-deflate), for clients that ask for it.
    Deflate {
        /// Whether it is offered at all.
        enabled: bool as Flag = true;
        /// Messages shorter than this go out plain.
        min_bytes: usize as Bytes = 256;
        /// From 1 (fast) to 9 (small).
        level: u32 as Small = 3;
    }

    /// Options of TCP sockets.
    Tcp {
        /// Silence after which the system probes a connection; 0 is never.
        keepalive: Duration as Time = seconds(60);
        /// How long sent bytes may stay unacknowledged before the system gives the connection up (Linux); 0 is its default.
        user_timeout: Duration as Time = seconds(30);
        /// Connections that may wait to be accepted.
        backlog: u32 as Small = 4096;
    }

    /// Plain HTTP connections.
    Http {
        /// How long the head of a request may take.
        request_timeout: Duration as Time = seconds(10);
        /// How long an idle connection is kept for another request.
        keep_alive: Duration as Time = seconds(75);
    }

    /// How the node goes away on SIGTERM and SIGINT.
    Drain {
        /// How long the node says 503 at /ready but still serves, so that load balancers can turn away.
        notice: Duration as Time = Duration::ZERO;
        /// Over how long sessions are closed (1012), so that they do not all come back at once.
        spread: Duration as Time = seconds(5);
    }

    /// TLS for `tls:` listeners; renewed files are taken up while the server runs.
    TlsFiles {
        /// PEM file with the full chain, the server's own certificate first.
        cert: Option<PathBuf> as Maybe<File> = None;
        /// PEM file with the key.
        key: Option<PathBuf> as Maybe<File> = None;
    }

    /// The administrator.
    Admin {
        /// The key for /status/sessions, sent as `Authorization: Bearer <key>`; without one, that route does not exist.
        key: Option<Secret> as Maybe<Key> = None;
    }

    /// Logging, to standard error.
    Log {
        /// What is logged, in env_logger's syntax; SIGHUP takes a change up.
        filter: String as Text = "info,actix_server=warn".to_string();
    }

    /// One of the built-in routes.
    Route {
        /// Whether it is served.
        enabled: bool as Flag = true;
    }

    /// A `[[raw]]` as it is written.
    RawTable {
        /// Where it is served; begins with `/`.
        path: String as Text = String::new();
        /// Sent right after the handshake; absent: nothing.
        greeting: Option<String> as Maybe<Text> = None;
        /// What a message does: `ignore`, `echo` (the same back), `reply` (the text of `reply` back) or `relay` (to everyone in
        /// the client's channels, or to everyone on this path if it has none).
        on_message: String as Text = "ignore".to_string();
        /// The text sent back by on_message = "reply"; `{message}` stands for the message.
        reply: Option<String> as Maybe<Text> = None;
        /// With on_message = "relay": whether the sender gets its message too; false unless set.
        relay_self: Option<bool> as Maybe<Flag> = None;
        /// Known subprotocols: the first one that a client offers and that is listed here is chosen; `["*"]` takes the first
        /// offered. A client that offers only others is accepted without one.
        subprotocols: Vec<String> as Texts = Vec::new();
        /// Allowed origins, such as `https://www.example.com`; absent: any. A request without an Origin header is always
        /// allowed, since phones send none.
        origins: Option<Vec<String>> as Maybe<Texts> = None;
        /// Channels that every session of this path joins.
        channels: Vec<String> as Texts = Vec::new();
    }

    /// A `[[push]]` as it is written.
    PushTable {
        /// The interval; the first push comes one interval after the start.
        every: Duration as Time = Duration::ZERO;
        /// To whom: the members of this channel; absent: every session.
        channel: Option<String> as Maybe<Text> = None;
        /// The text; `{time}`, `{sessions}` and `{seq}` are filled in.
        data: String as Text = String::new();
        /// Whether a tick is left out whose text equals the last one's.
        only_changed: bool as Flag = false;
    }
}

/// Certificate and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `tls.cert`.
    pub cert: PathBuf,
    /// `tls.key`.
    pub key: PathBuf,
}

/// A raw WebSocket endpoint: a checked `[[raw]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEndpoint {
    /// Where it is served.
    pub path: String,
    /// Sent right after the handshake.
    pub greeting: Option<String>,
    /// What a message does.
    pub on_message: OnMessage,
    /// Known subprotocols; `*` knows them all.
    pub subprotocols: Vec<String>,
    /// Allowed origins; absent: any.
    pub origins: Option<Vec<String>>,
    /// Channels that every session joins.
    pub channels: Vec<String>,
}

/// An interval push: a checked `[[push]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The interval.
    pub every: Duration,
    /// The channel; absent: every session.
    pub channel: Option<String>,
    /// The text, with its placeholders.
    pub data: String,
    /// Whether a tick is left out whose text equals the last one's.
    pub only_changed: bool,
}

/// The settings of a node, checked.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "each field is the group of its name, documented above"
)]
pub struct Settings {
    pub listen: Vec<Listen>,
    pub workers: usize,
    pub node: String,
    pub trusted_proxies: TrustedProxies,
    pub limits: Limits,
    pub heartbeat: Heartbeat,
    pub slow: Slow,
    pub close: Close,
    pub deflate: Deflate,
    pub tcp: Tcp,
    pub http: Http,
    pub drain: Drain,
    pub tls: Option<Tls>,
    pub admin: Admin,
    pub log: Log,
    pub page: Route,
    pub status: Route,
    pub health: Route,
    pub ready: Route,
    pub metrics: Route,
    pub diag: Route,
    pub raw: Vec<RawEndpoint>,
    pub push: Vec<Push>,
    /// No file was given, and the built-in demonstration runs.
    pub demonstration: bool,
    /// The file that was read.
    pub file: Option<PathBuf>,
}
