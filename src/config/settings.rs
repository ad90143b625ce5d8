//! The settings of a node, read and checked: what the rest of the node goes by. Made once at the
//! start by [`Settings::load`], then only read.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use super::{
    backend::{Hooks, PollSettings},
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
    /// The private key of the first certificate.
    pub key: PathBuf,
    /// How long a handshake may take.
    pub(crate) handshake_timeout: Duration,
}

/// A raw WebSocket endpoint: a checked `[[raw]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEndpoint {
    /// Path at which it is served.
    pub(crate) path: String,
    /// Text sent right after the handshake.
    pub(crate) greeting: Option<String>,
    /// What a message does.
    pub(crate) on_message: OnMessage,
    /// Known subprotocols; `*` knows them all.
    pub(crate) subprotocols: Vec<String>,
    /// Allowed origins; absent: any.
    pub(crate) origins: Option<Vec<String>>,
    /// Channels that every session joins.
    pub(crate) channels: Vec<String>,
    /// Channels of a session that asks for none and is given none.
    pub(crate) default_channels: Vec<String>,
    /// Whether the backend is asked who a client is.
    pub(crate) connect_hook: bool,
}

/// An interval push: a checked `[[push]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushSettings {
    /// The interval; the first push comes one interval after the start.
    pub(crate) every: Duration,
    /// The channel; absent: every session.
    pub(crate) channel: Option<String>,
    /// The text, with its placeholders; empty where `file` has it.
    pub(crate) data: String,
    /// The file that has the text, to be read at each tick.
    pub file: Option<PathBuf>,
    /// Whether a tick is left out whose text equals the last one's.
    pub(crate) only_changed: bool,
}

/// The settings of a node, checked.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "each field is the section or the setting of its name"
)]
pub struct Settings {
    pub(crate) listen: Vec<Listen>,
    pub(crate) workers: usize,
    pub(crate) node: String,
    pub(crate) trusted_proxies: TrustedProxies,
    /// In lower case.
    pub(crate) address_header: Option<String>,
    pub(crate) limits: Limits,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) slow: Slow,
    pub(crate) close: Close,
    pub(crate) deflate: Deflate,
    pub(crate) tcp: Tcp,
    pub(crate) http: Http,
    pub(crate) drain: Drain,
    pub state: State,
    pub tls: Option<Tls>,
    pub(crate) admin: Admin,
    pub log: Log,
    pub(crate) page: Page,
    pub(crate) status: Route,
    pub(crate) health: Route,
    pub(crate) ready: Route,
    pub(crate) metrics: Route,
    pub(crate) diag: Route,
    pub(crate) connection: Route,
    pub(crate) sse: Route,
    pub(crate) longpoll: Route,
    pub(crate) send: Route,
    pub(crate) channels: Channels,
    pub token: TokenSettings,
    pub(crate) client: ClientSettings,
    pub(crate) api: Api,
    pub(crate) hooks: Hooks,
    pub(crate) poll: Vec<PollSettings>,
    pub(crate) raw: Vec<RawEndpoint>,
    pub(crate) push: Vec<PushSettings>,
    /// Whether the built-in demonstration runs, since no file was given.
    pub demonstration: bool,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// As they were written.
    pub(super) written: WrittenSettings,
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
pub(super) struct WrittenSettings(pub(super) Arc<RawSettings>);

impl PartialEq for WrittenSettings {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for WrittenSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

/// What is asked of the sessions of clients: a checked `[client]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// Whether sessions without a token are taken.
    pub(crate) anonymous: bool,
    /// Allowed origins; `None`: the request's own host, or no Origin header.
    pub(crate) origins: Option<Vec<String>>,
    /// How long a connection may stay without its connect command.
    pub(crate) connect_timeout: Duration,
    /// Whether and how users are subscribed to channels of their own.
    pub(crate) personal_channel: Option<PersonalChannel>,
}

/// The channel that each user is subscribed to from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PersonalChannel {
    /// Its namespace; empty for none.
    pub(crate) namespace: String,
    /// Whether a user's new session ends the user's others.
    pub(crate) single_connection: bool,
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

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            anonymous: true,
            origins: None,
            connect_timeout: Duration::from_secs(10),
            personal_channel: None,
        }
    }
}
