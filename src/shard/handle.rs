//! How other threads reach a shard: handles with reserved room, and the list of all shards of this process.
//!
//! A handle's room is the bound of its shard's mailbox: `do_send` knows none. The list grows by one a worker thread.

use std::{
    cell::OnceCell,
    rc::Rc,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use actix::{Addr, Handler, Message};

use super::{Shard, actor::ShardActor};
use crate::{
    broker::Broker,
    connection::ConnectionConfig,
    id::ShardId,
    metrics::{Metrics, WorkerStats},
};

/// How a shard's queue is bounded (`limits.shard_queue`, `limits.shard_queue_bytes`).
#[derive(Clone, Copy, Debug)]
pub struct QueueBounds {
    /// Publications.
    pub publications_max: usize,
    /// Bytes.
    pub bytes_max: usize,
}

/// What waits in a shard's mailbox.
#[derive(Debug, Default)]
pub(super) struct QueueCredit {
    publications: AtomicUsize,
    bytes: AtomicUsize,
}

impl QueueCredit {
    /// Gives room back.
    pub(super) fn release(&self, bytes: usize) {
        self.publications.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}

/// How other threads reach a shard.
#[derive(Clone)]
pub struct ShardHandle {
    addr: Addr<ShardActor>,
    credit: Arc<QueueCredit>,
    bounds: QueueBounds,
    stats: Arc<WorkerStats>,
}

impl ShardHandle {
    /// The actor's address.
    #[must_use]
    pub fn addr(&self) -> &Addr<ShardActor> {
        &self.addr
    }

    /// Sessions of this shard.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.stats.sessions.get() as usize
    }

    /// Takes room for one publication of `bytes`; false if there is none. A single publication may exceed the
    /// byte bound in an empty queue.
    #[must_use]
    pub fn reserve(&self, bytes: usize) -> bool {
        let waiting = self.credit.publications.fetch_add(1, Relaxed);
        let waiting_bytes = self.credit.bytes.fetch_add(bytes, Relaxed);
        let fits = waiting < self.bounds.publications_max
            && (waiting == 0 || waiting_bytes.saturating_add(bytes) <= self.bounds.bytes_max);
        if !fits {
            self.release(bytes);
        }
        fits
    }

    /// Gives room back.
    pub fn release(&self, bytes: usize) {
        self.credit.release(bytes);
    }
}

/// What a new shard is made with.
pub struct ShardSettings {
    /// Bounds of its mailbox.
    pub queue: QueueBounds,
    /// Makes what its outboxes share.
    pub config: Box<dyn Fn(Arc<WorkerStats>) -> ConnectionConfig + Send + Sync>,
}

/// The shards of this process. Grows by one a worker thread; a worker is replaced only if its thread died, in
/// which case the process ends anyway.
pub struct Shards {
    handles: RwLock<Vec<ShardHandle>>,
    metrics: Arc<Metrics>,
    settings: ShardSettings,
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
        }
    }

    /// This thread's shard, started on first use. Call on a worker thread only.
    pub fn current(&self, broker: &Arc<dyn Broker>) -> Rc<Shard> {
        CURRENT.with(|current| current.get_or_init(|| self.start(broker.clone())).clone())
    }

    /// A shard beside this thread's own.
    #[cfg(test)]
    pub(crate) fn new_here(&self, broker: &Arc<dyn Broker>) -> Rc<Shard> {
        self.start(broker.clone())
    }

    fn start(&self, broker: Arc<dyn Broker>) -> Rc<Shard> {
        let stats = self.metrics.add_worker();
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        let id = ShardId(handles.len() as u32);
        let credit = Arc::new(QueueCredit::default());
        let config = (self.settings.config)(stats.clone());
        let shard = Shard::new(id, config, broker);
        let addr = ShardActor::start_for(shard.clone(), credit.clone());
        handles.push(ShardHandle {
            addr,
            credit,
            bounds: self.settings.queue,
            stats,
        });
        shard
    }

    /// All shards.
    #[must_use]
    pub fn all(&self) -> Vec<ShardHandle> {
        self.handles
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The shards with these ids.
    #[must_use]
    pub fn some(&self, ids: impl Iterator<Item = ShardId>) -> Vec<ShardHandle> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        // Ids are places in the list.
        ids.filter_map(|id| handles.get(id.0 as usize).cloned())
            .collect()
    }

    /// Whether any session is connected to this process.
    #[must_use]
    pub fn has_sessions(&self) -> bool {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        handles.iter().any(|handle| handle.stats.sessions.get() > 0)
    }

    /// Sends a message to every shard.
    pub fn send_all<M>(&self, message: &M)
    where
        M: Message<Result = ()> + Clone + Send + 'static,
        ShardActor: Handler<M>,
    {
        for handle in self.all() {
            handle.addr.do_send(message.clone());
        }
    }
}
