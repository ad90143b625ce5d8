//! A connection's place among those that are not sessions, from the moment it is accepted. Owned by
//! the connection's task, shared with its requests (`request`, `request_body`).

use std::{
    cell::Cell,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::Notify;

use super::{PendingConnections, evict::Eviction, place::PendingPlace};
use crate::metrics::CutReason;

/// A connection, as far as it is counted.
pub(crate) struct PendingConnection {
    place: PendingPlace,
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
            place: PendingPlace::new(all.clone(), peer, of_worker),
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
        this.place.enter();
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
        self.place.all()
    }

    /// What it brought by itself is done, and from here on it waits for its client.
    pub(crate) fn wait(&self) {
        self.place.hold();
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
            (false, true) => self.all().owed.fetch_add(1, Relaxed),
            (true, false) => self.all().owed.fetch_sub(1, Relaxed),
            _ => return,
        };
    }

    /// Waits until it has to go: to make room for others at a bound, or, absent, because it is idle
    /// where none stays so.
    pub(crate) async fn told_to_go(&self) -> Option<CutReason> {
        loop {
            match self.place.told().await {
                Eviction::Go(why) => return Some(why),
                Eviction::Look if self.is_idle() => return None,
                Eviction::Look => {}
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
            self.all().answering.fetch_sub(1, Relaxed);
        }
    }

    /// The system has all that was to be written.
    pub(crate) fn set_written(&self) {
        if self.is_unwritten.replace(false) {
            self.all().answering.fetch_sub(1, Relaxed);
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

    /// A route has the head of its request, whose number is returned.
    pub(super) fn begin_request(&self) -> u64 {
        self.all().answering.fetch_add(1, Relaxed);
        self.is_answering.set(true);
        self.set_owed(true);
        self.is_vouched_for.set(false);
        self.request.get()
    }

    /// Its request was answered, and it is pending again.
    pub(super) fn end_request(&self) {
        self.set_answered();
        self.is_answering.set(false);
        self.set_owed(false);
        self.has_input.set(false);
        self.request.set(self.request.get() + 1);
        if !self.is_session.get() {
            self.place.enter();
        }
    }

    /// Its place among the pending ones.
    pub(super) fn place(&self) -> &PendingPlace {
        &self.place
    }

    /// Whether a key of the API vouches for the body of its request.
    pub(super) fn is_vouched_for(&self) -> bool {
        self.is_vouched_for.get()
    }

    /// Nobody waits for the body of a request any more.
    pub(super) fn end_body(&self, request: u64, is_whole: bool) {
        if !is_whole {
            self.left_body.set(true);
        }
        // Who keeps a body longer than its request says nothing of the next one.
        if self.request.get() == request {
            self.place.leave();
        }
    }

    /// It has become a session, for good.
    pub(crate) fn become_session(&self) {
        self.is_session.set(true);
        self.set_owed(false);
        self.place.leave();
    }
}

impl Drop for PendingConnection {
    fn drop(&mut self) {
        // Nobody is there any more who could be written to.
        self.set_written();
        self.set_owed(false);
        self.place.leave();
    }
}
