//! A connection's place among those that are not sessions, from the moment it is accepted. Owned by
//! the connection's task, shared with its requests.

use std::{
    cell::Cell,
    net::IpAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::{
    PendingConnections,
    table::{Evict, Key, Place},
};

/// A connection, as far as it is counted.
pub(crate) struct PendingConnection {
    all: Arc<PendingConnections>,
    key: Key,
    evict: Evict,
    /// Pending connections of its worker, which the next one is chosen by.
    of_worker: Arc<AtomicUsize>,
    /// Its place in the table, while it is pending.
    place: Cell<Option<Place>>,
    /// Number of the request that is being received or answered.
    request: Cell<u64>,
    /// A route has the request.
    is_answering: Cell<bool>,
    /// A route left a body unread, so that what comes may be more of it.
    left_body: Cell<bool>,
    /// Bytes of another request are here.
    has_input: Cell<bool>,
    /// Bytes of an answer wait for the peer.
    is_writing: Cell<bool>,
    /// It ends by itself behind an answer.
    is_ending: Cell<bool>,
    /// It has become a session and counts no more.
    is_session: Cell<bool>,
}

impl PendingConnection {
    /// Counts a connection that was accepted now, for the worker that gets it.
    #[must_use]
    pub(crate) fn new(
        all: &Arc<PendingConnections>,
        peer: Option<IpAddr>,
        of_worker: Arc<AtomicUsize>,
    ) -> Self {
        let this = Self {
            key: all.key(peer),
            all: all.clone(),
            evict: Evict::default(),
            of_worker,
            place: Cell::new(None),
            request: Cell::new(0),
            is_answering: Cell::new(false),
            left_body: Cell::new(false),
            has_input: Cell::new(false),
            is_writing: Cell::new(false),
            is_ending: Cell::new(false),
            is_session: Cell::new(false),
        };
        this.enter();
        this
    }

    /// The place of a connection that nobody else knows of.
    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        let settings = crate::config::Settings::demonstration();
        let all = PendingConnections::new(&settings, Arc::default());
        Self::new(&all, None, Arc::default())
    }

    /// All of them.
    #[must_use]
    pub(crate) fn all(&self) -> &PendingConnections {
        &self.all
    }

    /// Waits until it has to go, to make room for others or because it is idle where none stays so.
    pub(crate) async fn told_to_go(&self) {
        while !self.evict.told().await {
            if self.is_idle() {
                return;
            }
        }
    }

    /// Bytes of a request have come.
    pub(crate) fn input_came(&self) {
        self.has_input.set(true);
    }

    /// Whether bytes of an answer wait for the peer.
    pub(crate) fn set_writing(&self, is_writing: bool) {
        self.is_writing.set(is_writing);
    }

    /// Its answer is the last one, and it ends in its own time behind that.
    pub(crate) fn set_ending(&self) {
        self.is_ending.set(true);
    }

    /// It has been answered, whole, and nothing of another request is here. One that has not asked
    /// yet is not idle: its request is on its way.
    fn is_idle(&self) -> bool {
        let is_busy = self.is_answering.get() || self.has_input.get() || self.is_writing.get();
        let has_gone_on = self.is_session.get() || self.is_ending.get();
        self.request.get() > 0 && !is_busy && !has_gone_on
    }

    /// The number of the request whose head comes next; absent while that is not certain.
    #[must_use]
    pub(crate) fn head_that_comes(&self) -> Option<u64> {
        let is_certain = !self.is_answering.get() && !self.left_body.get();
        is_certain.then(|| self.request.get())
    }

    /// It has become a session, for good.
    pub(crate) fn become_session(&self) {
        self.is_session.set(true);
        self.leave();
    }

    fn enter(&self) {
        if self.is_session.get() || self.place.get().is_some() {
            return;
        }
        let (place, cut) = self
            .all
            .change(|table| table.enter(self.key, self.evict.clone()));
        if let Some(why) = cut {
            self.all.cut(why);
        }
        self.place.set(Some(place));
        self.of_worker.fetch_add(1, Relaxed);
        // Behind the lock: who enters before `close_idle` has it finds it in the table.
        if self.all.closes_idle.load(Relaxed) {
            self.evict.look();
        }
    }

    fn leave(&self) {
        if let Some(place) = self.place.take() {
            self.all.change(|table| table.leave(self.key, place));
            self.of_worker.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for PendingConnection {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A request that is being answered; when it is dropped, its connection is pending again.
pub(crate) struct Answering(Rc<PendingConnection>);

impl Answering {
    /// A route has the request's head. The connection is pending until the [`Body`] is there too.
    #[must_use]
    pub(crate) fn begin(connection: &Rc<PendingConnection>) -> (Self, Body) {
        connection.all.answering.fetch_add(1, Relaxed);
        connection.is_answering.set(true);
        let body = Body {
            connection: connection.clone(),
            request: connection.request.get(),
            is_whole: true,
        };
        (Self(connection.clone()), body)
    }

    /// The connection that it came by.
    #[must_use]
    pub(crate) fn place(&self) -> &PendingConnection {
        &self.0
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.all.answering.fetch_sub(1, Relaxed);
        self.0.is_answering.set(false);
        self.0.has_input.set(false);
        self.0.request.set(self.0.request.get() + 1);
        self.0.enter();
    }
}

/// The body of a request that a route has; dropped when it is there whole, or nobody wants it.
pub(crate) struct Body {
    connection: Rc<PendingConnection>,
    request: u64,
    is_whole: bool,
}

impl Body {
    /// It has begun to come, and its end is not there yet.
    pub(crate) fn set_whole(&mut self, is_whole: bool) {
        self.is_whole = is_whole;
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if !self.is_whole {
            self.connection.left_body.set(true);
        }
        // Who keeps a body longer than its request says nothing of the next one.
        if self.connection.request.get() == self.request {
            self.connection.leave();
        }
    }
}
