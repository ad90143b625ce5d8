//! How other threads reach a shard: handles, room reserved in its inbox, and the list of all shards
//! of this process.
//!
//! A [`Reservation`] is the bound of its shard's inbox. The list grows by one a worker thread.

use std::{
    cell::OnceCell,
    rc::Rc,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, atomic::Ordering::Relaxed},
};

use actix::{Addr, Handler, Message};

use super::{
    Shard,
    actor::{PUBLICATIONS_A_TURN, ShardActor},
    inbox::{HeldWakes, Inbox, Incoming},
    reservation::{QueueCredit, Reservation},
    window::Windows,
};
use crate::{
    broker::LocalFanout,
    config::Channels,
    connection::{ConnectionConfig, ConnectionShared, clock},
    id::ShardId,
    metrics::{Metrics, WorkerStats},
    publication::Publication,
    registry::ChannelName,
};

/// How a shard's queue is bounded (`limits.shard_queue`, `limits.shard_queue_bytes`).
#[derive(Clone, Copy, Debug)]
pub struct QueueBounds {
    /// Publications that wait in the inbox.
    pub publications_max: usize,
    /// Their bytes, each with what it keeps beside its payload.
    pub bytes_max: usize,
}

/// How other threads reach a shard.
#[derive(Clone)]
pub struct ShardHandle {
    addr: Addr<ShardActor>,
    inbox: Arc<Inbox>,
    credit: Arc<QueueCredit>,
    bounds: QueueBounds,
    stats: Arc<WorkerStats>,
}

impl ShardHandle {
    /// The address for what is no publication: those reserve room first. What is sent there by this
    /// thread comes behind what it has handed over.
    #[must_use]
    pub(crate) fn addr(&self) -> &Addr<ShardActor> {
        CURRENT.with(|current| {
            if let Some(own) = current.get() {
                own.owed.pay();
            }
        });
        &self.addr
    }

    /// Sessions of this shard.
    #[must_use]
    pub(crate) fn sessions(&self) -> usize {
        self.stats.sessions.get() as usize
    }

    /// Publications that wait for this shard or have room reserved there.
    #[must_use]
    pub(crate) fn queued_publications(&self) -> usize {
        self.credit.publications.load(Relaxed)
    }

    /// Bytes of publications that wait for this shard or have room reserved there.
    #[must_use]
    pub(crate) fn queued_bytes(&self) -> usize {
        self.credit.bytes.load(Relaxed)
    }

    /// Takes room for one publication of `bytes`; absent if there is none. A single publication may
    /// exceed the byte bound in an empty queue.
    #[must_use]
    pub(crate) fn reserve(&self, bytes: usize) -> Option<Reservation> {
        let waiting = self.credit.publications.fetch_add(1, Relaxed);
        let waiting_bytes = self.credit.bytes.fetch_add(bytes, Relaxed);
        // From here on it is given back by its drop, also if it does not fit.
        let reservation = Reservation {
            credit: self.credit.clone(),
            bytes,
            counts: true,
        };
        let fits = waiting < self.bounds.publications_max
            && (waiting_bytes == 0 || waiting_bytes.saturating_add(bytes) <= self.bounds.bytes_max);
        fits.then_some(reservation)
    }

    /// Hands over a publication, for which room was reserved in this shard.
    pub(crate) fn deliver(&self, publication: Arc<Publication>, room: Reservation) {
        self.hand_over(Incoming::Publication(publication, room));
    }

    /// Has the members of a channel that count its offsets told that they have missed something.
    pub(crate) fn tell_missed(&self, channel: ChannelName) {
        self.hand_over(Incoming::Missed(channel));
    }

    /// In the order of the calls. A worker wakes another one's shard in its own shard's next turn,
    /// behind all that is handed over until then, or when that is a turn already; whoever is no
    /// worker does at once, or once it has handed over all ([`HeldWakes`]).
    fn hand_over(&self, incoming: Incoming) {
        let waiting = self.inbox.push(incoming);
        let is_owed = waiting < PUBLICATIONS_A_TURN
            && CURRENT.with(|current| match current.get() {
                Some(own) if !Arc::ptr_eq(&own.inbox, &self.inbox) => own.owe(&self.inbox),
                Some(_) => false,
                None => HeldWakes::add(&self.inbox),
            });
        if !is_owed {
            self.inbox.wake();
        }
    }
}

/// What a new shard is made with.
pub struct ShardSettings {
    /// Bounds of its inbox.
    pub queue: QueueBounds,
    /// Bytes of publications that one subscriber holds back while its history is read
    /// (`limits.recovery_bytes`).
    pub held_bytes_max: usize,
    /// How its connections are set.
    pub config: ConnectionConfig,
}

/// The shards of this process. Grows by one a worker thread; a worker is replaced only if its
/// thread died, in which case the process ends anyway.
pub struct Shards {
    handles: RwLock<Vec<ShardHandle>>,
    metrics: Arc<Metrics>,
    settings: ShardSettings,
    /// The rules of channels, where any of them has a window.
    windows: Option<Arc<Channels>>,
}

thread_local! {
    static CURRENT: OnceCell<Rc<Shard>> = const { OnceCell::new() };
}

impl Shards {
    /// No shards yet; workers add theirs.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, settings: ShardSettings) -> Self {
        Self {
            handles: RwLock::default(),
            metrics,
            settings,
            windows: None,
        }
    }

    /// Under these rules for what waits to leave together.
    #[must_use]
    pub fn with_windows(mut self, channels: &Channels) -> Self {
        let channels = channels.have_windows().then(|| Arc::new(channels.clone()));
        self.windows = channels;
        self
    }

    /// This thread's shard, started on first use. Call on a worker thread only.
    pub fn current(&self, fanout: &Arc<dyn LocalFanout>) -> Rc<Shard> {
        CURRENT.with(|current| current.get_or_init(|| self.start(fanout.clone())).clone())
    }

    /// A shard beside this thread's own.
    #[cfg(test)]
    pub(crate) fn new_here(&self, fanout: &Arc<dyn LocalFanout>) -> Rc<Shard> {
        self.start(fanout.clone())
    }

    fn start(&self, fanout: Arc<dyn LocalFanout>) -> Rc<Shard> {
        let stats = self.metrics.add_worker();
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        let id = ShardId(handles.len() as u32);
        let shared = ConnectionShared::new(self.settings.config, stats.clone(), clock::now());
        let shard = Shard::new(id, shared, self.settings.held_bytes_max, fanout);
        if let Some(rules) = &self.windows {
            shard.state.borrow_mut().windows = Some(Box::new(Windows::new(rules.clone())));
        }
        let addr = ShardActor::start_for(shard.clone());
        shard.inbox.set_actor(addr.clone().recipient());
        handles.push(ShardHandle {
            addr,
            inbox: shard.inbox.clone(),
            credit: Arc::default(),
            bounds: self.settings.queue,
            stats,
        });
        shard
    }

    /// The counts of this process.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The handles of the shards that have started, by their ids.
    #[must_use]
    pub(crate) fn all(&self) -> Vec<ShardHandle> {
        self.read().clone()
    }

    /// The same, by their ids, without a copy; while it is held no shard can be added.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Vec<ShardHandle>> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any session is connected to this process.
    #[must_use]
    pub(crate) fn has_sessions(&self) -> bool {
        self.read().iter().any(|shard| shard.sessions() > 0)
    }

    /// Sends a message to every shard.
    #[expect(
        clippy::disallowed_methods,
        reason = "two Drains and one Terminate in the life of a process: the second where whoever took over cannot say whom it means"
    )]
    pub(crate) fn send_all<M>(&self, message: &M)
    where
        M: Message<Result = ()> + Clone + Send + 'static,
        ShardActor: Handler<M>,
    {
        for shard in self.read().iter() {
            shard.addr().do_send(message.clone());
        }
    }
}
