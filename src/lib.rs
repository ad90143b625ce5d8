//! fanfare: a push server. Clients hold a connection open, and the server sends to them: what a backend publishes,
//! what a timer says, what another client says.
//!
//! `docs/architecture.md` tells how the modules fit together. Imports point down only:
//! [`node`] and the binary; [`http`] and [`drain`]; [`session`]; [`server`], [`shard`], [`broker::memory`];
//! [`transport`], [`registry`], [`publication`], [`heartbeat`], [`admission`], [`metrics`], the [`broker::Broker`] trait;
//! [`codec`], [`close`], [`id`], [`config`].

#![cfg_attr(
    test,
    allow(
        clippy::too_many_lines,
        reason = "a test's scenario is one story; the code itself is checked without its tests"
    )
)]

pub mod admission;
pub mod broker;
pub mod cli;
pub mod close;
pub mod codec;
pub mod config;
pub mod drain;
pub mod fossil;
pub mod heartbeat;
pub mod hooks;
pub mod http;
pub mod hub;
pub mod id;
pub mod logger;
pub mod metrics;
pub mod node;
pub mod protocol;
pub mod publication;
pub mod registry;
pub mod server;
pub mod session;
pub mod shard;
pub mod signals;
#[cfg(test)]
mod testing;
pub mod token;
pub mod transport;
