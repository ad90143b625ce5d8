//! Hooks: the backend decides what clients may do, and is told what happens.
//!
//! [`HookClient`] asks (`connect`, `subscribe`, `rpc`, …), one call for one question; [`EventSink`]
//! tells, in batches. Both are owned by the node and used from any thread of a tokio runtime.
//! Bounds: `hooks.concurrency` calls at a time and `hooks.queue` waiting, each within its hook's
//! timeout; `hooks.events_queue` events; answers up to 1 MiB. It must not know actix, and nothing
//! here stands in the way of a delivery: a slow backend makes only those wait who asked it.
//! `docs/hooks.md` describes the shapes for authors of backends.

mod answer;
mod backoff;
mod client;
mod concurrency;
mod context;
mod dispatcher;
mod envelope;
mod event;
mod event_sink;
mod failure;
mod message_answer;
mod request;
mod shape;
mod signer;
mod stats;

pub(crate) use self::{
    answer::{ConnectAnswer, PublishAnswer, RefreshAnswer, SubscribeAnswer},
    backoff::delay as backoff_delay,
    client::HookClient,
    context::{HookContext, PassedHeaders, UserContext},
    dispatcher::PerHookOverview,
    event::Event,
    event_sink::{EventSink, EventStats},
    failure::{HookFailure, HookResult, Unavailable},
    request::ConnectHookRequest,
};

#[cfg(test)]
pub(crate) mod tests;
