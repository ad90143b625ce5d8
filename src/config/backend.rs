//! How the node calls the backend, checked: hooks and polls. Made once when the settings are
//! checked, then only read. No debug form shows what may be a password.

use std::{fmt, time::Duration};

use super::values::Secret;

/// How long a hook may take, unless the settings say otherwise.
pub(super) const HOOK_TIMEOUT: Duration = Duration::from_secs(5);

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

impl Hooks {
    /// The hooks that are set, by name, in the order of the documentation.
    pub fn configured(&self) -> impl Iterator<Item = (&'static str, &Hook)> {
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
