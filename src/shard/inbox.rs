//! What other threads hand to a shard, in one order: publications, and the marks between them.
//!
//! Handing over and waking are two steps. A worker hands over all that one turn of a session
//! publishes and then wakes the others once, when its own shard's turn comes: a thread that is
//! woken may take the core of the one that woke it, and would deliver the first publication by
//! itself while the rest is not handed over yet. Whoever is no worker says for how long it goes on
//! ([`HeldWakes`]), or wakes with each.
//!
//! Bounds: each publication has a [`Reservation`]; a mark is as rare as joins
//! (`limits.commands_per_turn`), and in place of a publication.

use std::{
    cell::RefCell,
    collections::VecDeque,
    marker::PhantomData,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use actix::{Message, Recipient};

use super::{begin::Begin, drain::Drain, reservation::Reservation};
use crate::{publication::Publication, registry::ChannelName};

/// Room for so many is kept while nothing waits.
pub(super) const KEPT_ROOM: usize = 1024;

/// What is handed to a shard.
pub(super) enum Incoming {
    /// A publication to deliver; its room is given back when it leaves the inbox.
    Publication(Arc<Publication>, Reservation),
    /// A membership begins here.
    Begin(Begin),
    /// All sessions are to be closed: what was accepted before goes out before any Close.
    Drain(Drain),
    /// The members of a channel that count its offsets have missed something that cannot be
    /// brought. Bound: only in place of a publication that was on its way before this shard
    /// listened, and found no room when it came.
    Missed(ChannelName),
}

/// Something is in the inbox.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Wake;

/// The inbox of a shard.
#[derive(Default)]
pub(super) struct Inbox {
    queue: Mutex<VecDeque<Incoming>>,
    /// The next look is on its way: a [`Wake`] is sent.
    is_woken: AtomicBool,
    /// The actor has ended. Written under the lock of the queue.
    is_closed: AtomicBool,
    /// Once it is started; its runtime ends it.
    actor: OnceLock<Recipient<Wake>>,
}

impl Inbox {
    /// The actor that takes what is here out.
    pub(super) fn set_actor(&self, actor: Recipient<Wake>) {
        // It is not set yet.
        let _ = self.actor.set(actor);
    }

    /// Whether anybody takes out what is here.
    pub(super) fn is_open(&self) -> bool {
        self.actor.get().is_some() && !self.is_closed.load(SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Incoming>> {
        // Nothing under the lock is left half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something behind all that is here, and says how much that is now. Somebody is to
    /// [`wake`](Self::wake) the shard. Of one that has ended nothing is kept.
    pub(super) fn push(&self, incoming: Incoming) -> usize {
        let mut queue = self.lock();
        if self.is_closed.load(SeqCst) {
            // What it held goes back without the lock.
            drop(queue);
            return 0;
        }
        queue.push_back(incoming);
        queue.len()
    }

    /// Wakes the shard, unless it is about to look anyway. False if it has ended.
    #[expect(
        clippy::disallowed_methods,
        reason = "one at a time: the next is sent once this one is taken out"
    )]
    pub(super) fn wake(&self) -> bool {
        if !self.is_open() {
            return false;
        }
        if !self.is_woken.swap(true, SeqCst)
            && let Some(actor) = self.actor.get()
        {
            actor.do_send(Wake);
        }
        true
    }

    /// Takes all that is here, behind what was `taken` before; the next push needs a wake.
    pub(super) fn take(&self, taken: &mut VecDeque<Incoming>) {
        self.is_woken.store(false, SeqCst);
        let mut queue = self.lock();
        if taken.is_empty() {
            mem::swap(&mut *queue, taken);
        } else {
            taken.append(&mut queue);
        }
    }

    /// Nobody comes any more: what is here goes, and what is pushed later.
    pub(super) fn close(&self) {
        let mut queue = self.lock();
        self.is_closed.store(true, SeqCst);
        let left = mem::take(&mut *queue);
        drop(queue);
        drop(left);
    }
}

thread_local! {
    /// The shards that this thread has handed something while it held their wakes.
    static HELD: RefCell<Option<OwedWakes>> = const { RefCell::new(None) };
}

/// While it is there, this thread wakes no shard that it hands something, unless that is a turn by
/// itself; then all of them. For a thread that is no worker and hands over several publications.
pub(crate) struct HeldWakes {
    /// The first of several that are nested.
    is_first: bool,
    /// It ends on the thread that it began on.
    _here: PhantomData<*const ()>,
}

impl HeldWakes {
    pub(crate) fn begin() -> Self {
        let before = HELD.with(|held| {
            let mut held = held.borrow_mut();
            held.is_some() || held.replace(OwedWakes::default()).is_some()
        });
        Self {
            is_first: !before,
            _here: PhantomData,
        }
    }

    /// Leaves the wake of a shard to the end of what is held. False where nothing is.
    pub(super) fn add(inbox: &Arc<Inbox>) -> bool {
        HELD.with(|held| {
            let held = held.borrow();
            held.as_ref().inspect(|held| held.add(inbox)).is_some()
        })
    }
}

impl Drop for HeldWakes {
    fn drop(&mut self) {
        if self.is_first
            && let Some(held) = HELD.with(|held| held.borrow_mut().take())
        {
            held.pay();
        }
    }
}

/// The inboxes that a worker has put something into and not woken yet; at most one a shard.
#[derive(Default)]
pub(super) struct OwedWakes(RefCell<Vec<Arc<Inbox>>>);

impl OwedWakes {
    pub(super) fn add(&self, inbox: &Arc<Inbox>) {
        let mut owed = self.0.borrow_mut();
        if !owed.iter().any(|known| Arc::ptr_eq(known, inbox)) {
            owed.push(inbox.clone());
        }
    }

    /// Wakes all of them.
    pub(super) fn pay(&self) {
        for inbox in self.0.borrow_mut().drain(..) {
            inbox.wake();
        }
    }
}

#[cfg(test)]
mod tests;
