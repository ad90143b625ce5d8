//! Who a client is, once a token, the backend or a rule of the node has said so.
//!
//! Plain data, made by the node and owned by the session or the request that it is about. Its
//! channels are bounded where they come from (`limits.subscriptions`). It must not judge whether
//! it still counts: what was taken back since then the node knows.

use bytes::Bytes;

use crate::subscription::ServerSubscription;

/// Who a session is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The user; empty is anonymous.
    pub(crate) user: String,
    /// Public information, as JSON; empty for none.
    pub(crate) info: Bytes,
    /// The backend's own notes on the session.
    pub(crate) meta: Bytes,
    /// When it ends unless it is renewed, in Unix seconds.
    pub(crate) expire_at: Option<u64>,
    /// Whether a token said so, so that a token can renew it.
    pub(crate) by_token: bool,
    /// When that token was made, in Unix seconds.
    pub(crate) issued_at: Option<u64>,
    /// That token's own id.
    pub(crate) token_id: Option<Box<str>>,
    /// Channels that it is subscribed to from the start, each once.
    pub(crate) subscriptions: Vec<ServerSubscription>,
    /// What the backend gives the client with its welcome.
    pub(crate) data: Bytes,
}

impl Identity {
    /// Nobody in particular, who brings nothing.
    #[must_use]
    pub(crate) fn anonymous() -> Self {
        Self {
            user: String::new(),
            info: Bytes::new(),
            meta: Bytes::new(),
            expire_at: None,
            by_token: false,
            issued_at: None,
            token_id: None,
            subscriptions: Vec::new(),
            data: Bytes::new(),
        }
    }

    /// Whether a token or the backend put it into a channel.
    #[must_use]
    pub(crate) fn is_given(&self, channel: &str) -> bool {
        self.subscriptions.iter().any(|sub| sub.channel == channel)
    }
}
