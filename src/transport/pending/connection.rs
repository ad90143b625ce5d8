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

use tokio::sync::Notify;

use super::{
    PendingConnections,
    evict::{Evict, Told},
    table::{Key, Place},
};
use crate::metrics::Cut;

/// A connection, as far as it is counted.
pub(crate) struct PendingConnection {
    all: Arc<PendingConnections>,
    key: Key,
    evict: Arc<Evict>,
    /// Pending connections of its worker, which the next one is chosen by.
    of_worker: Arc<AtomicUsize>,
    /// It is pending, and counted for its worker.
    is_pending: Cell<bool>,
    /// It has had to wait for its client, so that it holds a place in the table while it is
    /// pending. Whoever comes with a whole request needs none.
    holds_place: Cell<bool>,
    /// Since when it is pending, in the order of all.
    since: Cell<Place>,
    /// Its place in the table.
    place: Cell<Option<Place>>,
    /// Number of the request that is being received or answered.
    request: Cell<u64>,
    /// A route has the request.
    is_answering: Cell<bool>,
    /// It waits to be served.
    is_owed: Cell<bool>,
    /// An answer is made and not written yet; until then it counts as being made.
    is_unwritten: Cell<bool>,
    /// A route left a body unread, so that what comes may be more of it.
    left_body: Cell<bool>,
    /// A key of the API vouches for the body that comes, so that its bytes are not counted.
    is_vouched_for: Cell<bool>,
    /// Bytes of another request are here.
    has_input: Cell<bool>,
    /// Bytes of an answer wait for the peer.
    is_writing: Cell<bool>,
    /// It ends by itself behind an answer.
    is_ending: Cell<bool>,
    /// It has become a session and counts no more.
    is_session: Cell<bool>,
    /// An answer said that no other follows.
    has_said_close: Cell<bool>,
    /// Why its request could not be read, where it was told so.
    misread: Cell<Option<&'static str>>,
    /// Nothing more is read from it.
    is_input_over: Cell<bool>,
    /// It is to be dropped where it stands.
    dropped: Notify,
}

impl PendingConnection {
    /// Counts a connection that was accepted now, for the worker that gets it. It takes no place in
    /// the table before [`wait`](Self::wait): until then the worker's queue bounds it.
    #[must_use]
    pub(crate) fn new(
        all: &Arc<PendingConnections>,
        peer: Option<IpAddr>,
        of_worker: Arc<AtomicUsize>,
    ) -> Self {
        let this = Self {
            key: all.key(peer),
            all: all.clone(),
            evict: Arc::default(),
            of_worker,
            is_pending: Cell::new(false),
            holds_place: Cell::new(false),
            since: Cell::new(0),
            place: Cell::new(None),
            request: Cell::new(0),
            is_answering: Cell::new(false),
            is_owed: Cell::new(false),
            is_unwritten: Cell::new(false),
            left_body: Cell::new(false),
            is_vouched_for: Cell::new(false),
            has_input: Cell::new(false),
            is_writing: Cell::new(false),
            is_ending: Cell::new(false),
            is_session: Cell::new(false),
            has_said_close: Cell::new(false),
            misread: Cell::new(None),
            is_input_over: Cell::new(false),
            dropped: Notify::new(),
        };
        this.set_owed(true);
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

    /// What it brought by itself is done, and from here on it waits for its client.
    pub(crate) fn wait(&self) {
        self.holds_place.set(true);
        if self.is_pending.get() {
            self.take_place();
        }
    }

    /// An answer says that no other follows.
    pub(crate) fn say_close(&self) {
        self.has_said_close.set(true);
    }

    /// Whether no request is answered any more.
    #[must_use]
    pub(crate) fn has_said_close(&self) -> bool {
        self.has_said_close.get()
    }

    /// Nothing more is read from it, as if its client had ended.
    pub(crate) fn end_input(&self) {
        self.is_input_over.set(true);
    }

    /// It is to be dropped where it stands.
    pub(crate) fn drop_connection(&self) {
        self.dropped.notify_one();
    }

    /// Waits until it is to be dropped.
    pub(crate) async fn dropped(&self) {
        self.dropped.notified().await;
    }

    /// Whether nothing more is read from it.
    #[must_use]
    pub(crate) fn is_input_over(&self) -> bool {
        self.is_input_over.get()
    }

    /// It is told why its request cannot be read.
    pub(crate) fn set_misread(&self, fault: &'static str) {
        self.misread.set(Some(fault));
    }

    /// What it was told of that.
    #[must_use]
    pub(crate) fn misread(&self) -> Option<&'static str> {
        self.misread.get()
    }

    /// What it asked for has begun: a stream, or a wait for news, keeps nobody waiting.
    pub(crate) fn be_served(&self) {
        self.set_owed(false);
    }

    fn set_owed(&self, is_owed: bool) {
        match (self.is_owed.replace(is_owed), is_owed) {
            (false, true) => self.all.owed.fetch_add(1, Relaxed),
            (true, false) => self.all.owed.fetch_sub(1, Relaxed),
            _ => return,
        };
    }

    /// Waits until it has to go: to make room for others at a bound, or, absent, because it is idle
    /// where none stays so.
    pub(crate) async fn told_to_go(&self) -> Option<Cut> {
        loop {
            match self.evict.told().await {
                Told::Go(why) => return Some(why),
                Told::Look if self.is_idle() => return None,
                Told::Look => {}
            }
        }
    }

    /// Bytes of a request have come.
    pub(crate) fn input_came(&self) {
        self.has_input.set(true);
    }

    /// An answer is made. Until it is written it is owed as before: a process that ended between
    /// the two would take it along.
    fn set_answered(&self) {
        // Answers of one connection are written together, and count as one. A session writes its
        // own.
        if self.is_session.get() || self.is_unwritten.replace(true) {
            self.all.answering.fetch_sub(1, Relaxed);
        }
    }

    /// The system has all that was to be written.
    pub(crate) fn set_written(&self) {
        if self.is_unwritten.replace(false) {
            self.all.answering.fetch_sub(1, Relaxed);
        }
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

    /// Whoever sends the request that is being answered may be trusted with its body.
    pub(crate) fn vouch_for_body(&self) {
        self.is_vouched_for.set(true);
    }

    /// It has become a session, for good.
    pub(crate) fn become_session(&self) {
        self.is_session.set(true);
        self.set_owed(false);
        self.leave();
    }

    fn enter(&self) {
        if self.is_session.get() || self.is_pending.replace(true) {
            return;
        }
        self.since.set(self.all.next.fetch_add(1, Relaxed));
        self.of_worker.fetch_add(1, Relaxed);
        self.all.arriving.fetch_add(1, Relaxed);
        if self.holds_place.get() {
            self.take_place();
        }
    }

    fn take_place(&self) {
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

    fn leave(&self) {
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
}

impl Drop for PendingConnection {
    fn drop(&mut self) {
        // Nobody is there any more who could be written to.
        self.set_written();
        self.set_owed(false);
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
        connection.set_owed(true);
        connection.is_vouched_for.set(false);
        let body = Body {
            connection: connection.clone(),
            request: connection.request.get(),
            is_whole: true,
            bytes: 0,
            charged: None,
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
        self.0.set_answered();
        self.0.is_answering.set(false);
        self.0.set_owed(false);
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
    /// Bytes that have come.
    bytes: usize,
    /// Its place among the bodies whose bytes are counted, and how many are.
    charged: Option<(Place, usize)>,
}

impl Body {
    /// It has begun to come, and its end is not there yet.
    pub(crate) fn set_whole(&mut self, is_whole: bool) {
        self.is_whole = is_whole;
    }

    /// So many more bytes are here.
    pub(crate) fn came(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// The rest is waited for: what is here is counted.
    pub(crate) fn wait(&mut self) {
        let connection = &self.connection;
        let counted = self.charged.map_or(0, |(_, bytes)| bytes);
        if self.bytes == counted || connection.is_vouched_for.get() {
            return;
        }
        let all = &connection.all;
        let place = match self.charged {
            Some((place, _)) => place,
            None => all.next.fetch_add(1, Relaxed),
        };
        self.charged = Some((place, self.bytes));
        let (key, bytes, evict) = (connection.key, self.bytes, &connection.evict);
        let cuts = all.change_bytes(|all| all.charge(key, place, bytes, evict));
        for why in cuts {
            all.cut(why);
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some((place, _)) = self.charged {
            let connection = &self.connection;
            // Who was told to go and has just brought the rest stays.
            connection.all.change_bytes(|all| {
                all.release(connection.key, place);
                connection.evict.take_back();
            });
        }
        if !self.is_whole {
            self.connection.left_body.set(true);
        }
        // Who keeps a body longer than its request says nothing of the next one.
        if self.connection.request.get() == self.request {
            self.connection.leave();
        }
    }
}
