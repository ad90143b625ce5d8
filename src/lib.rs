//! fanfare: a push server. Clients hold a connection open, and the server sends to them: what a
//! backend publishes, what a timer says, what another client says.
//!
//! `docs/architecture.md` tells how the modules fit together. Imports point down only:
//! [`app`], [`cli`] and the binary; [`http`]; [`session`]; [`node`]; [`server`], [`shard`],
//! [`broker::fanout`], [`broker::memory`], [`state`]; [`connection`], [`transport`], [`registry`],
//! [`publication`], [`heartbeat`], [`admission`], [`metrics`], [`token`], [`hooks`],
//! [`http_client`], [`liveness`], [`logger`], [`signals`], [`store`], [`supervisor`], the traits of
//! [`broker`]; [`codec`], [`protocol`], [`fossil`], [`close`], [`id`], [`channel_name`],
//! [`identity`], [`subscription`], [`unix_time`], [`last_error`], [`config`].

// A reader that takes nothing would hold up whoever prints: what runs speaks through the logger.
#![warn(clippy::print_stderr, clippy::print_stdout)]
#![cfg_attr(
    test,
    allow(
        clippy::too_many_lines,
        reason = "a test's scenario is one story; the code itself is checked without its tests"
    )
)]

pub(crate) mod admission;
pub mod app;
pub mod broker;
pub mod channel_name;
pub mod cli;
pub mod close;
pub mod codec;
pub mod config;
pub mod connection;
pub mod fossil;
pub mod heartbeat;
pub(crate) mod hooks;
pub(crate) mod http;
pub(crate) mod http_client;
pub mod id;
pub(crate) mod identity;
pub(crate) mod last_error;
mod liveness;
pub mod logger;
pub mod metrics;
pub mod node;
#[cfg(feature = "planted-faults")]
mod planted;
pub mod protocol;
pub mod publication;
pub mod registry;
pub(crate) mod server;
pub(crate) mod session;
pub mod shard;
pub mod signals;
pub mod state;
pub mod store;
pub(crate) mod subscription;
pub(crate) mod supervisor;
#[cfg(test)]
mod testing;
pub mod token;
pub mod transport;
pub(crate) mod unix_time;
