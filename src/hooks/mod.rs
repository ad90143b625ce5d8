//! Hooks: the backend decides what clients may do, and is told what happens.
//!
//! [`HookClient`] asks (`connect`, `subscribe`, `rpc`, …), one call for one question; [`EventSink`] tells, in batches.
//! Both are owned by the node and used from any thread of a tokio runtime. Bounds: `hooks.concurrency` calls at a time
//! and `hooks.queue` waiting, each within its hook's timeout; `hooks.events_queue` events; answers up to 1 MiB. It
//! must not know actix, and nothing here stands in the way of a delivery: a slow backend makes only those wait who
//! asked it. `docs/hooks.md` describes the shapes for authors of backends.

pub mod answer;
mod backoff;
mod call;
mod client;
mod context;
mod envelope;
mod event;
mod gate;
pub mod http;
mod log_throttle;
mod message;
mod request;
mod shape;
mod sign;
mod sink;
mod stats;

pub use self::{
    answer::{ConnectAnswer, Overrides, PublishAnswer, RefreshAnswer, SubAnswer, SubscribeAnswer},
    backoff::delay as backoff_delay,
    client::HookClient,
    context::{HeaderList, HookContext},
    event::{Event, now_ms},
    http::HookSetupError,
    message::{MESSAGES_MAX, MessagePayload},
    sign::{SIGNATURE_HEADER, Signer},
    sink::{EventSink, EventStats},
    stats::{DURATION_BUCKETS, HookSnapshot, Kind, Outcome, PerHookSnapshot},
};

/// What a hook says.
pub type Answer<T> = Result<T, HookFailure>;

/// An error that the backend wants its client to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reply's code; never 0.
    pub code: u32,
    /// The reply's message.
    pub message: String,
    /// Whether the client should try again.
    pub temporary: bool,
}

/// No result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookFailure {
    /// `{"error":…}`: goes to the client as it is.
    Error(Refusal),
    /// `{"disconnect":…}`: closes the client.
    Disconnect {
        /// 3000 to 4999.
        code: u16,
        /// Short enough for a Close frame.
        reason: String,
    },
    /// The backend did not answer as it should: the client gets error 100. The word is one of [`Outcome`]'s, or
    /// `not_configured`.
    Unavailable(&'static str),
}

impl HookFailure {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Error(_) => Outcome::Error,
            Self::Disconnect { .. } => Outcome::Disconnect,
            Self::Unavailable(word) => {
                let named = Outcome::ALL.iter().find(|outcome| outcome.word() == *word);
                named.copied().unwrap_or(Outcome::Broken)
            }
        }
    }
}

impl From<http::Fault> for HookFailure {
    fn from(fault: http::Fault) -> Self {
        let outcome = match fault {
            http::Fault::Connect => Outcome::Connect,
            http::Fault::Broken => Outcome::Broken,
            http::Fault::TooLarge => Outcome::TooLarge,
        };
        Self::Unavailable(outcome.word())
    }
}

#[cfg(test)]
pub(crate) mod tests;
