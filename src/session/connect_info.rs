//! What a handshake, or the request of a stream, has settled about the session that begins.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::{Instant, SystemTime},
};

use crate::{
    admission::Permit,
    connection::info::{SessionInfo, Traffic, TransportKind},
    hooks::HookContext,
    id::SessionId,
};

/// What is known of the client before it has said anything.
pub(crate) struct ConnectInfo {
    /// The session's id.
    pub id: SessionId,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// Path of the endpoint.
    pub endpoint: Arc<str>,
    /// The chosen subprotocol.
    pub subprotocol: Option<Box<str>>,
    /// The `User-Agent`, cut.
    pub user_agent: Option<Box<str>>,
    /// Headers of the request that the log shows, cut.
    pub logged_headers: Option<Box<str>>,
    /// How the connection is carried.
    pub transport: TransportKind,
    /// The agreed window of permessage-deflate.
    pub window_bits: Option<u8>,
    /// Headers of the request that the backend is shown.
    pub headers: Arc<Vec<(String, String)>>,
    /// The place under the limits.
    pub permit: Permit,
}

impl ConnectInfo {
    /// The session as others see it.
    #[must_use]
    pub(crate) fn info(&self, worker: u32) -> Arc<SessionInfo> {
        Arc::new(SessionInfo {
            id: self.id,
            user: OnceLock::new(),
            protocol: OnceLock::new(),
            address: self.address,
            endpoint: self.endpoint.clone(),
            subprotocol: self.subprotocol.clone(),
            user_agent: self.user_agent.clone(),
            logged_headers: self.logged_headers.clone(),
            transport: self.transport,
            worker,
            since: SystemTime::now(),
            started: Instant::now(),
            traffic: Traffic::default(),
        })
    }

    /// On whose behalf the backend is asked, before anything is known of its user.
    #[must_use]
    pub(crate) fn hook_context(&self, protocol: &'static str) -> HookContext {
        HookContext {
            client: self.id.to_string(),
            user: String::new(),
            transport: self.transport.hook_name(),
            protocol,
            headers: self.headers.clone(),
            meta: bytes::Bytes::new(),
        }
    }
}
