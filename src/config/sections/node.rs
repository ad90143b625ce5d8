//! Sections about the node itself: where it listens, limits, times, sockets, routes, logging.
//! Declared here; read by `file` and `load`, checked by `check`.

use std::{path::PathBuf, time::Duration};

use super::declaration::sections;
use crate::config::{
    setting_type::{
        Bool, Bytes, FilePath, Key, ListenAddresses, LogFormatName, Optional, ProxyList,
        SlowPolicyName, SyncPolicyName, Text, TextList, Time, U32, Usize,
    },
    values::{Listen, LogFormat, Secret, SlowPolicy, SyncPolicy, TrustedProxies},
};

/// Processors that this process may use, the default of `workers`.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The machine's name, the default of `node`: tells nodes apart without a setting.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "fanfare".to_string(),
        name => name.to_string(),
    }
}

sections! {
    /// The node.
    Root {
        /// Where to listen: `host:port` (plain), `tls:host:port` (needs tls.cert and tls.key) and
        /// `unix:/path`, which everyone on this machine may use unless it says otherwise:
        /// `unix:/path?mode=0660&group=www-data`.
        listen: Vec<Listen> as ListenAddresses = vec![Listen::Tcp("127.0.0.1:8080".to_string())];
        /// Worker threads; by default one a core.
        workers: usize as Usize = cores();
        /// Name of this node in status; by default the machine's.
        node: String as Text = host_name();
        /// Proxies whose X-Forwarded-For, Forwarded and X-Real-IP are believed; `unix` stands for
        /// peers on unix sockets.
        trusted_proxies: TrustedProxies as ProxyList = TrustedProxies::default();
        /// The one header in which the trusted proxies write the client's address, such as
        /// `X-Real-IP` or `CF-Connecting-IP`, read as a list from the right; absent:
        /// X-Forwarded-For, else Forwarded, else X-Real-IP. Name it where the proxy sets only one
        /// of them: it passes on the others as a client sent them.
        address_header: Option<String> as Optional<Text> = None;
    }

    /// Bounds on what clients may use.
    Limits {
        /// Sessions at a time; further handshakes get 503.
        sessions: usize as Usize = 100_000;
        /// Sessions of one address at a time (IPv6: of one /64), further ones get 429; 0 is no
        /// limit, since carriers put thousands behind one address.
        sessions_per_address: usize as Usize = 0;
        /// Connections at a time that are not sessions: in their handshake, with half a request, or
        /// idle between two; at the bound the address with most of them loses its oldest.
        pending_connections: usize as Usize = 4096;
        /// The same of one address (IPv6: of one /64), which then loses its oldest; trusted proxies
        /// and unix sockets are exempt; 0 is no limit.
        pending_connections_per_address: usize as Usize = 512;
        /// Bytes of bodies of requests that have come while the rest is waited for, unless a key of
        /// the API came with them; at the bound the address with most of them loses the connection
        /// of its oldest. One body may exceed it alone.
        pending_body_bytes: usize as Bytes = 32 << 20;
        /// The same of one address (IPv6: of one /64); trusted proxies and unix sockets are exempt;
        /// 0 is no limit.
        pending_body_bytes_per_address: usize as Bytes = 4 << 20;
        /// Largest message that a client may send; a larger one closes with 1009.
        message_bytes: usize as Bytes = 64 << 10;
        /// Bytes that may wait for one client, each message charged 256 more for what it keeps;
        /// slow.policy says what happens beyond. One message may exceed it alone.
        outbox_bytes: usize as Bytes = 1 << 20;
        /// Channels that one connection may name.
        subscriptions: usize as Usize = 128;
        /// Publications that may wait for one worker; a publisher without room is told to come
        /// again.
        shard_queue: usize as Usize = 16_384;
        /// Bytes of publications that may wait for one worker.
        shard_queue_bytes: usize as Bytes = 64 << 20;
        /// Bytes of publications that one recovery may bring; a larger one is answered with
        /// `recovered: false`. Absent: half of outbox_bytes.
        recovery_bytes: Option<usize> as Optional<Bytes> = None;
        /// Bytes of all histories together; beyond it, what is next to expire goes first, and
        /// whoever comes back for it is told so.
        history_bytes: usize as Bytes = 256 << 20;
        /// Bytes of the positions of channels that keep no publication now; beyond it those go that
        /// nobody listens to, first of channels to which nothing was published.
        position_bytes: usize as Bytes = 32 << 20;
        /// Sessions of one user at a time, further ones are closed with 3504; 0 is no limit.
        sessions_per_user: usize as Usize = 0;
        /// Messages and commands a second that one session may send; beyond it commands get error
        /// 111, and who goes on is closed with 3013; 0 is no limit.
        messages_per_second: u32 as U32 = 0;
        /// How many may come at once; 0 is twice messages_per_second.
        messages_burst: u32 as U32 = 0;
        /// Messages and commands a second of all sessions of one user together; 0 is no limit.
        messages_per_second_per_user: u32 as U32 = 0;
        /// Messages a second that come by requests of their own without a user, of one address
        /// (IPv6: of one /64) together, further ones get 429; 0: as many as of a user.
        messages_per_second_per_address: u32 as U32 = 0;
        /// How long an idempotency key is remembered; a publish that brings it again is answered as
        /// the first one was.
        idempotency_ttl: Duration as Time = Duration::from_secs(300);
        /// Bytes of all idempotency keys, 144 each; a publication whose key has no room is
        /// refused (100, for clients 111). Clients' keys take half of it at most, those of one
        /// user, or of one address where nobody is known, a hundredth.
        idempotency_bytes: usize as Bytes = 64 << 20;
        /// How long an answer of the broker is waited for; then error 100, 1013 or 503 says what
        /// may have happened.
        broker_timeout: Duration as Time = Duration::from_secs(5);
        /// How long a client of a node that vanished counts as present on others; with one node
        /// there is none.
        presence_ttl: Duration as Time = Duration::from_secs(60);
        /// How long a long poll is held at most.
        poll_wait: Duration as Time = Duration::from_secs(25);
        /// Commands of one session that may wait for the backend; nothing more is read from it
        /// until there is room.
        commands_pending: usize as Usize = 128;
        /// Frames of one streamed session, which come by /emulation, that may wait for their turn;
        /// at the bound they are answered with 503.
        frames_pending: usize as Usize = 16;
        /// Commands, or messages of a plain client, that one session has done, or requests that one
        /// connection has, before the others of its worker get their turn; what is left of a frame,
        /// or of a batch of the API, waits. A request counts once for each channel that it names.
        commands_per_turn: usize as Usize = 64;
        /// Bytes of messages, as they are after inflating, that one session has read before the
        /// others of its worker get their turn.
        inflated_bytes_per_turn: usize as Bytes = 256 << 10;
        /// How long a thread of the server may give no sign of life; then /ready says 503 and names
        /// it.
        thread_timeout: Duration as Time = Duration::from_secs(10);
    }

    /// How it is found out that a client is gone.
    Heartbeat {
        /// From one ping to the next; must be below every proxy's idle timeout (nginx: 60 s).
        ping_interval: Duration as Time = Duration::from_secs(25);
        /// How long after a ping anything must have come from the client; else it is closed with
        /// 3012.
        pong_timeout: Duration as Time = Duration::from_secs(8);
    }

    /// Clients that take less than they are sent.
    Slow {
        /// What happens when publications overflow a client's outbox: `disconnect` closes it with
        /// 3008, `drop_oldest` drops the oldest publications, `latest` keeps the newest of each
        /// channel.
        policy: SlowPolicy as SlowPolicyName = SlowPolicy::Disconnect;
        /// How long something may wait without the client taking a byte; then it is cut (3009).
        write_timeout: Duration as Time = Duration::from_secs(10);
    }

    /// Ends of connections.
    Close {
        /// How long the client's Close, or the end of its connection, is awaited.
        timeout: Duration as Time = Duration::from_secs(5);
    }

    /// Compression of WebSocket messages (permessage-deflate), for clients that ask for it.
    Deflate {
        /// Whether it is offered at all.
        enabled: bool as Bool = true;
        /// Messages shorter than this go out plain.
        min_bytes: usize as Bytes = 256;
        /// From 1 (fast) to 9 (small).
        level: u32 as U32 = 3;
    }

    /// Options of TCP sockets.
    Tcp {
        /// Silence after which the system probes a connection; 0 is never.
        keepalive: Duration as Time = Duration::from_secs(60);
        /// How long sent bytes may stay unacknowledged before the system gives the connection up
        /// (Linux); 0 is its default.
        user_timeout: Duration as Time = Duration::from_secs(30);
        /// Connections that may wait to be accepted.
        backlog: u32 as U32 = 4096;
    }

    /// Plain HTTP connections.
    Http {
        /// How long the head of a request may take.
        request_timeout: Duration as Time = Duration::from_secs(10);
        /// Largest head of a request, its address and headers; a larger one is answered with 431.
        head_bytes: usize as Bytes = 32 << 10;
        /// How long an idle connection is kept for another request.
        keep_alive: Duration as Time = Duration::from_secs(75);
    }

    /// How the node goes away: on SIGTERM and SIGINT, or on SIGUSR2, when a new process takes over.
    Drain {
        /// How long the node says 503 at /ready but still serves, so that load balancers can turn
        /// away.
        notice: Duration as Time = Duration::ZERO;
        /// Over how long sessions are closed (1012), so that they do not all come back at once.
        spread: Duration as Time = Duration::from_secs(5);
        /// How long the process that SIGUSR2 starts may take until it can serve; then it is ended
        /// and this one goes on.
        handover_timeout: Duration as Time = Duration::from_secs(30);
        /// How long, once the new process accepts, this one keeps the state for those whom it has
        /// accepted and not answered yet; a silent connection holds it up no longer.
        handover_grace: Duration as Time = Duration::from_millis(250);
    }

    /// What outlives the process, on disk: streams with their history, idempotency keys, blocks and
    /// revocations, and how far pushes and polls are; docs/state.md says what is lost when.
    State {
        /// The directory, of this node alone and on a disk of its machine; it is made where there
        /// is none. Absent: everything is in memory only, and a restart forgets it.
        dir: Option<PathBuf> as Optional<FilePath> = None;
        /// How often the disk is made to hold what was written, which is what a crash of the
        /// machine can cost; `always`: before anything is acknowledged; `never`: when the system
        /// sees fit. What ends only the process costs nothing.
        sync: SyncPolicy as SyncPolicyName = SyncPolicy::Every(Duration::from_secs(1));
        /// Bytes of the files; they may become 2.5 times as large as what is kept and 64 MiB, and
        /// less history is kept where that does not fit. Absent: what limits.history_bytes needs.
        bytes: Option<usize> as Optional<Bytes> = None;
        /// Records that may wait to be written; a publisher without room is told to come again.
        queue: usize as Usize = 65_536;
        /// Bytes of records that may wait to be written.
        queue_bytes: usize as Bytes = 64 << 20;
        /// How long a process that was started with listening sockets, by SIGUSR2 or a supervisor,
        /// holds whoever needs the state before it has read that, from when it accepts; then they
        /// are refused, with 503 or error 100, an error line says so, and it goes on waiting.
        handover: Duration as Time = Duration::from_secs(10);
        /// Requests that it holds at a time; further ones are refused.
        handover_requests: usize as Usize = 10_000;
        /// Bytes of their heads, and of what is read of their bodies, at most 128 KiB each.
        handover_bytes: usize as Bytes = 64 << 20;
    }

    /// TLS for `tls:` listeners; renewed files are taken up while the server runs.
    TlsSection {
        /// PEM file with the full chain, the server's own certificate first; as with every file in
        /// the settings, a relative path counts from the directory in which the server was started.
        cert: Option<PathBuf> as Optional<FilePath> = None;
        /// PEM file with the key; its path counts as that of cert.
        key: Option<PathBuf> as Optional<FilePath> = None;
        /// How long a handshake may take.
        handshake_timeout: Duration as Time = Duration::from_secs(5);
    }

    /// The administrator: the page at /admin with what it asks, and /status/sessions.
    Admin {
        /// The key that logs in at /admin, or is sent as `Authorization: Bearer <key>`; it opens
        /// /api/* too. Without one, none of this exists. Five wrong ones a minute of an address
        /// (IPv6: of one /64), then 429, for the right one too.
        key: Option<Secret> as Optional<Key> = None;
        /// Addresses, written as in the listen at the top, on which /admin is served, and on no
        /// other; everything else is served there too. Absent: on those of listen.
        listen: Option<Vec<Listen>> as Optional<ListenAddresses> = None;
        /// How long a login counts unless it is renewed, which the page does while it is looked at.
        token_ttl: Duration as Time = Duration::from_secs(15 * 60);
        /// How long a login counts however often it is renewed.
        token_lifetime: Duration as Time = Duration::from_secs(12 * 60 * 60);
        /// Logins at a time; one more ends the one that would be over first.
        tokens: usize as Usize = 64;
    }

    /// Logging, to standard error. SIGHUP takes changes up.
    Log {
        /// What is logged: off, error, warn, info, debug or trace, and of single modules as in
        /// `info,fanfare::hooks=debug`.
        filter: String as Text = "info".to_string();
        /// How: `text` for people, `json` for an object a line.
        format: LogFormat as LogFormatName = LogFormat::Text;
        /// Headers of a request that the lines about its session's begin and end, or about its
        /// refusal, show, such as `X-Request-Id`; 256 bytes of them at most. Taken up at the start
        /// only.
        headers: Vec<String> as TextList = Vec::new();
        /// Lines that may wait to be written, of at most some KiB each; what does not fit is
        /// dropped, and a line says how many.
        queue: usize as Usize = 4096;
        /// Lines a second about refusals, of all addresses together; one kind of one address has
        /// one a second, with its number. The rest is counted.
        refusals_per_second: u32 as U32 = 100;
    }

    /// The console at / and its files at /static/.
    Page {
        /// Whether it is served.
        enabled: bool as Bool = true;
        /// The channel of its danmaku screen, which whoever opens the page sees and writes to, by
        /// the client protocol and without a token; absent: there is no such screen.
        danmaku: Option<String> as Optional<Text> = None;
    }

    /// A built-in route; [`RawSettings`](crate::config::raw_settings) says which and what it is
    /// for.
    Route {
        /// Whether it is served.
        enabled: bool as Bool = true;
    }
}

impl State {
    /// Bytes of the files; unless set, what histories of so many bytes need.
    #[must_use]
    pub(crate) fn bytes_max(&self, history_bytes: usize) -> usize {
        let needed = history_bytes.saturating_add(history_bytes / 2 * 3);
        self.bytes.unwrap_or(needed.saturating_add(64 << 20))
    }
}

impl Limits {
    /// Bytes of publications that one recovery may bring; unless set, half of what may wait.
    #[must_use]
    pub(crate) fn recovery_bytes(&self) -> usize {
        self.recovery_bytes.unwrap_or(self.outbox_bytes / 2)
    }

    /// Messages that may come at once; unless set, two seconds of `messages_per_second`.
    #[must_use]
    pub(crate) fn messages_burst(&self) -> u32 {
        match self.messages_burst {
            0 => self.messages_per_second.saturating_mul(2),
            burst => burst,
        }
    }
}
