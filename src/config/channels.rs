//! What is said of channels and the backend, checked: rules of channels, who may, the API, hooks and polls. Made once when the
//! settings are checked, then only read; the rules of a channel are shared, so that asking for them copies nothing.
//! Nothing here reads a file or keeps state.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::values::{Secret, SlowPolicy};
pub use super::{
    sections::{Api, TokenSettings},
    setting_type::Allow,
};

/// How long a history keeps a publication, unless the settings say otherwise.
pub(super) const HISTORY_TTL: Duration = Duration::from_secs(300);

/// How long a hook may take, unless the settings say otherwise.
pub(super) const HOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// The rules of the channels of one namespace; what a `[[namespace]]` leaves out is taken from `[channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    /// The text before the first `:` of its channels; empty for `[channels]`.
    pub name: String,
    /// Publications kept of each channel; 0 is none.
    pub history_size: usize,
    /// How long each is kept.
    pub history_ttl: Duration,
    /// Every subscriber gets positions and recovers, whether it asks or not.
    pub recovery: bool,
    /// A new subscriber gets the newest publication.
    pub cache_recovery: bool,
    /// Who is in a channel is known.
    pub presence: bool,
    /// Joins and leaves are sent to those who ask.
    pub join_leave: bool,
    /// Subscribers that ask get differences instead of whole publications.
    pub delta: bool,
    /// What happens to slow clients here; `None` is `slow.policy`.
    pub slow_policy: Option<SlowPolicy>,
    /// Who may subscribe.
    pub allow_subscribe: Allow,
    /// Who may publish.
    pub allow_publish: Allow,
    /// Who may read the history.
    pub allow_history: Allow,
    /// Who may ask who is there.
    pub allow_presence: Allow,
}

impl Default for Namespace {
    fn default() -> Self {
        Self {
            name: String::new(),
            history_size: 0,
            history_ttl: HISTORY_TTL,
            recovery: false,
            cache_recovery: false,
            presence: false,
            join_leave: false,
            delta: false,
            slow_policy: None,
            allow_subscribe: Allow::default(),
            allow_publish: Allow::default(),
            allow_history: Allow::default(),
            allow_presence: Allow::default(),
        }
    }
}

/// The rules of all channels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Channels {
    /// `[channels]` or a `[[namespace]]` is written; until then plain clients' `?channel=` is open.
    pub configured: bool,
    /// The rules of channels without a `:`, and what namespaces inherit.
    pub default: Arc<Namespace>,
    /// The namespaces by name.
    pub namespaces: BTreeMap<String, Arc<Namespace>>,
}

impl Channels {
    /// The rules of a channel; `None` where its namespace is unknown (error 102). The text before the first `:` names the
    /// namespace; without one, or with none before it, the rules are those of `[channels]`.
    #[must_use]
    pub fn rules(&self, channel: &str) -> Option<&Arc<Namespace>> {
        match channel.split_once(':') {
            None | Some(("", _)) => Some(&self.default),
            Some((name, _)) => self.namespaces.get(name),
        }
    }

    /// The rules of `[channels]` and of every namespace.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Namespace>> {
        std::iter::once(&self.default).chain(self.namespaces.values())
    }
}

/// Sessions of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Whether sessions without a token are taken.
    pub anonymous: bool,
    /// Allowed origins; `None`: the request's own host, or no Origin header.
    pub origins: Option<Vec<String>>,
    /// How long a connection may stay without its connect command.
    pub connect_timeout: Duration,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            anonymous: true,
            origins: None,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// Where one question goes. Its debug form leaves out what may be a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Hook {
    /// The URL, http or https.
    pub url: String,
    /// How long the whole call may take.
    pub timeout: Duration,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("url", &public_url(&self.url))
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// The backend's say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// Who a client is.
    pub connect: Option<Hook>,
    /// Whether a session may go on.
    pub refresh: Option<Hook>,
    /// Whether a client may subscribe.
    pub subscribe: Option<Hook>,
    /// Whether a subscription may go on.
    pub sub_refresh: Option<Hook>,
    /// Whether a client may publish, and what.
    pub publish: Option<Hook>,
    /// The answer to a client's call.
    pub rpc: Option<Hook>,
    /// The answer to a message on a raw endpoint.
    pub message: Option<Hook>,
    /// What happened.
    pub events: Option<Hook>,
    /// Signs every call.
    pub secret: Option<Secret>,
    /// Headers of the client's request that are passed on, in lower case.
    pub headers: Vec<String>,
    /// Calls at a time.
    pub concurrency: usize,
    /// Calls that may wait.
    pub queue: usize,
    /// Events that may wait.
    pub events_queue: usize,
    /// Events of one call.
    pub events_batch: usize,
}

impl Default for Hooks {
    fn default() -> Self {
        super::sections::HooksSection::default().checked()
    }
}

impl Hooks {
    /// The hooks that are set, by name, in the order of the documentation.
    pub fn set(&self) -> impl Iterator<Item = (&'static str, &Hook)> {
        [
            ("connect", &self.connect),
            ("refresh", &self.refresh),
            ("subscribe", &self.subscribe),
            ("sub_refresh", &self.sub_refresh),
            ("publish", &self.publish),
            ("rpc", &self.rpc),
            ("message", &self.message),
            ("events", &self.events),
        ]
        .into_iter()
        .filter_map(|(name, hook)| hook.as_ref().map(|hook| (name, hook)))
    }
}

/// An endpoint that is asked and whose changed answers are published: a checked `[[poll]]`. Its debug form shows no values of
/// headers, since they may be keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Poll {
    /// The URL, http or https.
    pub url: String,
    /// From one question to the next.
    pub every: Duration,
    /// Where changes are published.
    pub channel: String,
    /// Headers of the question.
    pub headers: Vec<(String, String)>,
    /// How long one answer may take.
    pub timeout: Duration,
    /// Whether an outage is published, once.
    pub publish_failures: bool,
}

impl fmt::Debug for Poll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&String> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Poll")
            .field("url", &public_url(&self.url))
            .field("every", &self.every)
            .field("channel", &self.channel)
            .field("headers", &headers)
            .field("timeout", &self.timeout)
            .field("publish_failures", &self.publish_failures)
            .finish()
    }
}

/// A URL without what may be secret in it: user, password, query and fragment.
#[must_use]
pub fn public_url(url: &str) -> String {
    let Ok(mut url) = reqwest::Url::parse(url) else {
        return "(no URL)".to_string();
    };
    // Fails only for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}
