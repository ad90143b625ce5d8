//! The place of one connection among the pending ones: whom it is counted under, since when, and
//! what is counted of its request's body. Part of a
//! [`PendingConnection`](super::PendingConnection).

use std::{
    cell::Cell,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::{
    PendingConnections,
    body_bytes::BodyBytes,
    evict::{Evict, Eviction},
    table::{PeerKey, Place},
};

/// See the module.
pub(super) struct PendingPlace {
    all: Arc<PendingConnections>,
    key: PeerKey,
    evict: Arc<Evict>,
    /// Pending connections of its worker, which the next one is chosen by.
    of_worker: Arc<AtomicUsize>,
    /// It is pending, and counted for its worker.
    is_pending: Cell<bool>,
    /// It has had to wait for its client, so that it holds a place in the table while it is
    /// pending. Whoever comes with a whole request needs none.
    is_held: Cell<bool>,
    /// Since when it is pending, in the order of all.
    since: Cell<Place>,
    /// Its place in the table.
    place: Cell<Option<Place>>,
}

impl PendingPlace {
    /// Of a connection from there, which is not pending yet.
    pub(super) fn new(
        all: Arc<PendingConnections>,
        peer: Option<IpAddr>,
        of_worker: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            key: all.key(peer),
            all,
            evict: Arc::default(),
            of_worker,
            is_pending: Cell::new(false),
            is_held: Cell::new(false),
            since: Cell::new(0),
            place: Cell::new(None),
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> &PendingConnections {
        &self.all
    }

    /// Waits until the connection is told something.
    pub(super) async fn told(&self) -> Eviction {
        self.evict.told().await
    }

    /// From here on it is in the table while it is pending.
    pub(super) fn hold(&self) {
        self.is_held.set(true);
        if self.is_pending.get() {
            self.take();
        }
    }

    /// The connection is pending from now on.
    pub(super) fn enter(&self) {
        if self.is_pending.replace(true) {
            return;
        }
        self.since.set(self.all.next.fetch_add(1, Relaxed));
        self.of_worker.fetch_add(1, Relaxed);
        self.all.arriving.fetch_add(1, Relaxed);
        if self.is_held.get() {
            self.take();
        }
    }

    fn take(&self) {
        let place = self.since.get();
        let cut = self
            .all
            .change(|table| table.enter(self.key, place, self.evict.clone()));
        if let Some(why) = cut {
            self.all.cut(why);
        }
        self.place.set(Some(place));
        self.all.arriving.fetch_sub(1, Relaxed);
        // Behind the lock: who enters before `close_idle` has it finds it in the table.
        if self.all.closes_idle.load(Relaxed) {
            self.evict.look();
        }
    }

    /// The connection is pending no more.
    pub(super) fn leave(&self) {
        if !self.is_pending.replace(false) {
            return;
        }
        self.of_worker.fetch_sub(1, Relaxed);
        match self.place.take() {
            // Who was told to go and has just brought a request stays: it is pending no more.
            Some(place) => self
                .all
                .change(|table| table.leave(self.key, place, &self.evict)),
            None => {
                self.all.arriving.fetch_sub(1, Relaxed);
            }
        }
    }

    /// Counts so many bytes of a body whose rest is waited for, at the place that they have among
    /// all, or else at a new one; returns it.
    pub(super) fn charge_body(&self, place: Option<Place>, bytes: usize) -> Place {
        let place = place.unwrap_or_else(|| self.all.next.fetch_add(1, Relaxed));
        let charge = |all: &mut BodyBytes| all.charge(self.key, place, bytes, &self.evict);
        let cuts = self.all.change_bytes(charge);
        for why in cuts {
            self.all.cut(why);
        }
        place
    }

    /// The bytes of a body that were counted under this number are waited for no more.
    pub(super) fn release_body(&self, place: Place) {
        // Who was told to go and has just brought the rest stays.
        self.all.change_bytes(|all| {
            all.release(self.key, place);
            self.evict.take_back();
        });
    }
}
