//! Connections that are not sessions: in their handshake, with half a request, or idle between two.
//!
//! Whoever connects costs memory and a descriptor before anything is known about him, so these
//! connections have bounds of their own: `limits.pending_connections` in all, and
//! `limits.pending_connections_per_address` of one address (IPv6: of one /64). At a bound the
//! oldest goes, never the newcomer: who means it needs a moment, who only holds a place stays.
//! Sessions, and requests that a route is answering, do not count, nor does a connection before it
//! has had to wait for its client: however many come at once with whole requests, none takes
//! another's place.
//!
//! What has come of a body whose rest is waited for is bounded in bytes in the same way
//! (`limits.pending_body_bytes`, `limits.pending_body_bytes_per_address`), unless a key of the API
//! vouches for it: the connection of the oldest such body goes, never the one that brings bytes.
//!
//! One [`PendingConnections`] a process, behind one lock; it is taken when a connection comes,
//! begins and ends to be answered, never for a message. The bytes have a lock of their own, taken
//! when the rest of a body has to be waited for. [`PendingConnection`] is a connection's place in
//! it, [`Answering`] a request that a route has, [`RequestBody`] the state of that one's body.

mod body_bytes;
mod connection;
mod evict;
mod place;
mod request;
mod request_body;
mod table;
#[cfg(test)]
mod tests;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use self::{
    body_bytes::BodyBytes,
    table::{PeerKey, PendingTable},
};
pub(crate) use self::{
    connection::PendingConnection, request::Answering, request_body::RequestBody,
};
use crate::{
    admission::counted_as,
    config::{Settings, TrustedProxies},
    metrics::{CutReason, Metrics},
};

/// The pending connections of this process and their bounds.
pub(crate) struct PendingConnections {
    trusted_proxies: TrustedProxies,
    table: Mutex<PendingTable>,
    body_bytes: Mutex<BodyBytes>,
    /// Those of them that have had no time to ask yet, and hold no place in the table.
    arriving: AtomicUsize,
    /// The number that the next one to be pending gets.
    next: AtomicU64,
    /// Requests that are being answered now, or whose answer is not written yet; a drain waits for
    /// them.
    answering: AtomicUsize,
    /// Connections to whom an answer is owed; who hands over waits for them.
    owed: AtomicUsize,
    /// None stays idle any more.
    closes_idle: AtomicBool,
    metrics: Arc<Metrics>,
}

impl PendingConnections {
    /// Nobody is pending yet; the bounds are those of the settings.
    #[must_use]
    pub(crate) fn new(settings: &Settings, metrics: Arc<Metrics>) -> Arc<Self> {
        let limits = &settings.limits;
        Arc::new(Self {
            trusted_proxies: settings.trusted_proxies.clone(),
            table: Mutex::new(PendingTable::new(
                limits.pending_connections,
                limits.pending_connections_per_address,
            )),
            body_bytes: Mutex::new(BodyBytes::new(
                limits.pending_body_bytes,
                limits.pending_body_bytes_per_address,
            )),
            arriving: AtomicUsize::new(0),
            next: AtomicU64::new(0),
            answering: AtomicUsize::new(0),
            owed: AtomicUsize::new(0),
            closes_idle: AtomicBool::new(false),
            metrics,
        })
    }

    /// Closes those that are idle between two requests, from now on; called once.
    pub(crate) fn close_idle(&self) {
        // Whoever enters the table behind this sees it.
        self.closes_idle.store(true, Relaxed);
        self.change(|table| table.look());
    }

    /// Connections now that are not sessions and whose request nobody answers.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        // In this order: who goes from the one to the other meanwhile is in one of them at least.
        let arriving = self.arriving.load(Relaxed);
        arriving + self.lock().len()
    }

    /// Requests that are being answered now, or whose answer is not written yet.
    #[must_use]
    pub(crate) fn answering(&self) -> usize {
        self.answering.load(Relaxed)
    }

    /// Connections that wait to be served: their first request may not be here yet, or a route has
    /// one and has not settled it. Sessions, streams and waiting polls are served.
    #[must_use]
    pub(crate) fn owed(&self) -> usize {
        self.owed.load(Relaxed)
    }

    /// Counts a connection that is ended before it was a session.
    pub(crate) fn cut(&self, why: CutReason) {
        self.metrics.cut(why);
    }

    /// Whom a connection is counted under. Trusted proxies and peers on unix sockets bring the
    /// connections of many, and are never the ones to go while others are there.
    fn key(&self, peer: Option<IpAddr>) -> PeerKey {
        match peer {
            Some(peer) if !self.trusted_proxies.contains(peer) => {
                PeerKey::Address(counted_as(peer))
            }
            _ => PeerKey::Exempt,
        }
    }

    fn change<T>(&self, step: impl FnOnce(&mut PendingTable) -> T) -> T {
        let mut table = self.lock();
        let result = step(&mut table);
        self.metrics
            .pending_connections
            .store(table.len() as u64, Relaxed);
        result
    }

    /// The same for the bytes of bodies.
    fn change_bytes<T>(&self, step: impl FnOnce(&mut BodyBytes) -> T) -> T {
        // A panic between the steps would leave a sum wrong by one body.
        let bytes = self.body_bytes.lock();
        let mut bytes = bytes.unwrap_or_else(PoisonError::into_inner);
        let result = step(&mut bytes);
        self.metrics
            .pending_body_bytes
            .store(bytes.total() as u64, Relaxed);
        result
    }

    fn lock(&self) -> MutexGuard<'_, PendingTable> {
        // A panic between the steps of the table would leave a count wrong by one, not a place.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
