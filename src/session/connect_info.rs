//! What a handshake, or the request of a stream, has settled about the session that begins.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Instant,
};

use crate::{
    admission::Permit,
    connection::info::{RequestWords, SessionInfo, Traffic, TransportKind},
    hooks::{HookContext, PassedHeaders},
    id::SessionId,
    protocol::Encoding,
    unix_time::unix_now_ms,
};

/// What is known of the client before it has said anything.
pub(crate) struct ConnectInfo {
    /// The session's id.
    pub(crate) id: SessionId,
    /// The client's address.
    pub(crate) address: Option<IpAddr>,
    /// Path of the endpoint.
    pub(crate) endpoint: Arc<str>,
    /// What the request says of it.
    pub(crate) words: RequestWords,
    /// How the connection is carried.
    pub(crate) transport: TransportKind,
    /// The agreed window of permessage-deflate.
    pub window_bits: Option<u8>,
    /// Headers of the request that the backend is shown.
    pub(crate) headers: PassedHeaders,
    /// The place under the limits.
    pub(crate) permit: Permit,
}

impl ConnectInfo {
    /// The session as others see it.
    #[must_use]
    pub(crate) fn info(&self, worker: u32, protocol: Option<Encoding>) -> Arc<SessionInfo> {
        Arc::new(SessionInfo {
            id: self.id,
            user: OnceLock::new(),
            protocol,
            address: self.address,
            endpoint: self.endpoint.clone(),
            words: self.words.clone().boxed(),
            transport: self.transport,
            worker,
            since_ms: unix_now_ms(),
            started: Instant::now(),
            traffic: Traffic::default(),
        })
    }

    /// The session as the backend is told it, before anything is known of its user.
    #[must_use]
    pub(crate) fn hook_context(&self, protocol: &'static str) -> HookContext {
        HookContext {
            client: self.id.to_string(),
            transport: self.transport.hook_name(),
            protocol,
            headers: self.headers.clone(),
        }
    }
}
