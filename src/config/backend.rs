//! How the node calls the backend, checked: hooks and polls. Made once when the settings are
//! checked, then only read. No debug form shows what may be a password.

use std::{fmt, time::Duration};

use super::values::Secret;

/// How long a hook may take, unless the settings say otherwise.
pub(super) const HOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the backend is asked one kind of question. Its debug form leaves out what may be a
/// password.
#[derive(Clone, PartialEq, Eq)]
pub struct Hook {
    /// The URL, http or https.
    pub(crate) url: String,
    /// How long the whole call may take.
    pub(crate) timeout: Duration,
    /// Data goes as base64, JSON too.
    pub(crate) binary_encoding: bool,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("url", &public_url(&self.url))
            .field("timeout", &self.timeout)
            .field("binary_encoding", &self.binary_encoding)
            .finish()
    }
}

/// What the backend is asked and told; a hook without a URL is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// Asked who a client is.
    pub(crate) connect: Option<Hook>,
    /// Asked whether a session may go on.
    pub(crate) refresh: Option<Hook>,
    /// Asked whether a client may subscribe.
    pub(crate) subscribe: Option<Hook>,
    /// Asked whether a subscription may go on.
    pub(crate) sub_refresh: Option<Hook>,
    /// Asked whether a client may publish, and what.
    pub(crate) publish: Option<Hook>,
    /// Answers a client's rpc command.
    pub(crate) rpc: Option<Hook>,
    /// Answers a message on a raw endpoint.
    pub(crate) message: Option<Hook>,
    /// Told of sessions, subscriptions and channels.
    pub(crate) events: Option<Hook>,
    /// Key that every call is signed with.
    pub(crate) secret: Option<Secret>,
    /// Headers of the client's request that are passed on, in lower case.
    pub(crate) headers: Vec<String>,
    /// Calls at a time, for each of the two kinds of hooks.
    pub(crate) concurrency: usize,
    /// Calls that may wait for their turn, for each kind.
    pub(crate) queue: usize,
    /// Events that may wait for the backend.
    pub(crate) events_queue: usize,
    /// Events that one call carries at most.
    pub(crate) events_batch: usize,
}

impl Hooks {
    /// The hooks that are set, by name, in the order of the documentation.
    pub(crate) fn configured(&self) -> impl Iterator<Item = (&'static str, &Hook)> {
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

/// An endpoint of the backend whose answers are published when they change: a checked `[[poll]]`.
/// Its debug form shows no values of headers, since they may be keys.
#[derive(Clone, PartialEq, Eq)]
pub struct PollSettings {
    /// The URL, http or https.
    pub(crate) url: String,
    /// Interval between requests.
    pub(crate) every: Duration,
    /// The channel that changed answers are published in.
    pub(crate) channel: String,
    /// Headers of the request.
    pub(crate) headers: Vec<(String, String)>,
    /// How long one answer may take.
    pub(crate) timeout: Duration,
    /// Whether an outage is published, once.
    pub(crate) publish_failures: bool,
}

impl fmt::Debug for PollSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&String> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("PollSettings")
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
    // Both refuse only URLs without a host, which have neither user nor password.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}
