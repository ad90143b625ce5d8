//! The settings of a node, read and checked: what the rest of the node goes by. Made once at the
//! start by [`Settings::load`], then only read.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use super::{
    backend::{Hooks, Poll},
    channels::Channels,
    raw_settings::RawSettings,
    sections::{
        Admin, Api, Close, Deflate, Drain, Heartbeat, Http, Limits, Log, Page, Route, Slow, State,
        Tcp, TokenSettings,
    },
    values::{Listen, OnMessage, TrustedProxies},
};

/// What the TLS listeners go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The full chain, the server's own certificate first.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

/// A raw WebSocket endpoint: a checked `[[raw]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEndpoint {
    /// Path at which it is served.
    pub path: String,
    /// Text sent right after the handshake.
    pub greeting: Option<String>,
    /// What a message does.
    pub on_message: OnMessage,
    /// Known subprotocols; `*` knows them all.
    pub subprotocols: Vec<String>,
    /// Allowed origins; absent: any.
    pub origins: Option<Vec<String>>,
    /// Channels that every session joins.
    pub channels: Vec<String>,
    /// Channels of a session that asks for none and is given none.
    pub default_channels: Vec<String>,
    /// Whether the backend is asked who a client is.
    pub connect_hook: bool,
}

/// An interval push: a checked `[[push]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The interval; the first push comes one interval after the start.
    pub every: Duration,
    /// The channel; absent: every session.
    pub channel: Option<String>,
    /// The text, with its placeholders; empty where `file` has it.
    pub data: String,
    /// The file that has the text, to be read at each tick.
    pub file: Option<PathBuf>,
    /// Whether a tick is left out whose text equals the last one's.
    pub only_changed: bool,
}

/// The settings of a node, checked.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "each field is the section or the setting of its name"
)]
pub struct Settings {
    pub listen: Vec<Listen>,
    pub workers: usize,
    pub node: String,
    pub trusted_proxies: TrustedProxies,
    /// In lower case.
    pub address_header: Option<String>,
    pub limits: Limits,
    pub heartbeat: Heartbeat,
    pub slow: Slow,
    pub close: Close,
    pub deflate: Deflate,
    pub tcp: Tcp,
    pub http: Http,
    pub drain: Drain,
    pub state: State,
    pub tls: Option<Tls>,
    pub admin: Admin,
    pub log: Log,
    pub page: Page,
    pub status: Route,
    pub health: Route,
    pub ready: Route,
    pub metrics: Route,
    pub diag: Route,
    pub connection: Route,
    pub sse: Route,
    pub longpoll: Route,
    pub send: Route,
    pub channels: Channels,
    pub token: TokenSettings,
    pub client: Client,
    pub api: Api,
    pub hooks: Hooks,
    pub poll: Vec<Poll>,
    pub raw: Vec<RawEndpoint>,
    pub push: Vec<Push>,
    /// Whether the built-in demonstration runs, since no file was given.
    pub demonstration: bool,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// As they were written.
    pub(super) written: Written,
}

impl Settings {
    /// Where a setting was written: file and line, variable or flag.
    #[must_use]
    pub fn place_of(&self, path: &str) -> String {
        self.written.0.origin(path).to_string()
    }

    /// Paths of the settings that have another value in `other`, but those of the log, which are
    /// taken up while the process runs. A certificate's paths are among them, its contents not.
    #[must_use]
    pub fn changes(&self, other: &Self) -> Vec<String> {
        let mut changes = self.written.0.changes(&other.written.0);
        changes.retain(|path| path == "log.headers" || !path.starts_with("log."));
        changes
    }
}

/// The settings as written, to be compared with later ones. How they were written is no part of
/// what they are, and their secrets are not to be shown.
#[derive(Clone)]
pub(super) struct Written(pub(super) Arc<RawSettings>);

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

/// What is asked of the sessions of clients: a checked `[client]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Whether sessions without a token are taken.
    pub anonymous: bool,
    /// Allowed origins; `None`: the request's own host, or no Origin header.
    pub origins: Option<Vec<String>>,
    /// How long a connection may stay without its connect command.
    pub connect_timeout: Duration,
    /// Whether and how users are subscribed to channels of their own.
    pub personal_channel: Option<PersonalChannel>,
}

/// The channel that each user is subscribed to from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalChannel {
    /// Its namespace; empty for none.
    pub namespace: String,
    /// Whether a user's new session ends the user's others.
    pub single_connection: bool,
}

impl PersonalChannel {
    /// The channel of a user. A comma would make it the channel of several.
    #[must_use]
    pub(crate) fn of(&self, user: &str) -> Option<String> {
        let is_one = !user.is_empty() && !user.contains(',');
        is_one.then(|| match self.namespace.as_str() {
            "" => format!("#{user}"),
            namespace => format!("{namespace}:#{user}"),
        })
    }
}

impl Default for Client {
    fn default() -> Self {
        Self {
            anonymous: true,
            origins: None,
            connect_timeout: Duration::from_secs(10),
            personal_channel: None,
        }
    }
}
