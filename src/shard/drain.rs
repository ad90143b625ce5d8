//! The end of all sessions of a shard, spread over a time.

use std::time::{Duration, Instant};

use actix::{Message, SpawnHandle};

use crate::{close::Close, id::SessionId, registry::SessionKey};

/// Close all sessions, spread evenly over a time.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Drain {
    /// Over how long; said again, only a spread of 0 counts: whoever is left ends now.
    pub(crate) spread: Duration,
    /// With which code and reason.
    pub(crate) close: Close,
}

/// How far a drain is.
pub(super) struct DrainPlan {
    pub(super) started: Instant,
    pub(super) drain: Drain,
    pub(super) keys: Vec<(SessionKey, SessionId)>,
    pub(super) closed: usize,
    /// When the next share is closed, and the timer that rings then.
    pub(super) next: Option<(Instant, SpawnHandle)>,
}
