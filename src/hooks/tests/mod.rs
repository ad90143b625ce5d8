//! Wire ring of the hooks: a client against a small backend on loopback.
//!
//! `backend` is the noise; `calls` is what a call sends and reads, `failures` what happens when the
//! backend does not do its part, `delivery` the events on the wire.

pub(crate) mod backend;
mod calls;
mod delivery;
mod failures;

use std::{sync::Arc, time::Duration};

use super::{HookContext, UserContext};
use crate::{
    config::{Hook, Hooks},
    identity::Identity,
};

/// Longer than anything takes that works.
pub(super) const AMPLE: Duration = Duration::from_secs(20);

/// All hooks at one address.
pub(super) fn hooks_at(url: &str, timeout: Duration) -> Hooks {
    let hook = || {
        Some(Hook {
            url: url.to_string(),
            timeout,
            binary_encoding: false,
        })
    };
    Hooks {
        connect: hook(),
        refresh: hook(),
        subscribe: hook(),
        sub_refresh: hook(),
        publish: hook(),
        rpc: hook(),
        message: hook(),
        events: hook(),
        secret: None,
        headers: Vec::new(),
        concurrency: 256,
        queue: 4096,
        events_queue: 65_536,
        events_batch: 100,
    }
}

pub(super) fn hook_context() -> HookContext {
    HookContext {
        client: "c1".into(),
        transport: "websocket",
        protocol: "json",
        headers: Arc::default(),
    }
}

pub(super) fn alice() -> Identity {
    Identity {
        user: "alice".into(),
        ..Identity::anonymous()
    }
}

pub(super) fn user_context() -> UserContext {
    UserContext::of(&alice(), hook_context())
}

/// Waits until something is so; fails the test if it does not come about.
pub(super) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(AMPLE, waiting).await;
    assert!(waited.is_ok(), "never happened: {what}");
}
