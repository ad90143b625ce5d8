//! A shard: one actor per worker thread, with everything that belongs to that thread's sessions.
//!
//! Owns the registry (channel ⇄ sessions), the sessions' outboxes and the timing wheel, so that nothing on the
//! delivery path is locked. Sessions live on the same thread and call [`Shard`] directly; other threads send
//! messages to [`ShardActor`]. Its mailbox is bounded in effect: publications reserve room first
//! ([`ShardHandle::reserve`]), and other messages are as rare as signals and administrators.
//! A panic in a shard ends the process: half a server that looks whole is worse than a restart.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, WrapFuture};
use slab::Slab;

use crate::{
    broker::Broker,
    close::{Close, Ending},
    heartbeat::TICK,
    id::{SessionId, ShardId},
    metrics::{Metrics, WorkerStats},
    publication::{Publication, Target},
    registry::{ChannelName, Registry, SessionKey},
    transport::outbox::{Alarm, Common, Outbox},
};

/// Publications that a busy mailbox delivers before the outboxes are written, so that a stream of them cannot
/// keep the writing waiting.
const PUBLICATIONS_A_TURN: usize = 64;

/// The same bound in deliveries, for publications with many receivers.
const DELIVERIES_A_TURN: usize = 16 * 1024;

/// How often a draining shard closes its next share of sessions.
const DRAIN_STEP: Duration = Duration::from_millis(20);

/// A publication to deliver; sent only with room reserved.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Deliver(pub Arc<Publication>);

#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

/// Close all sessions, spread evenly over a time.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Drain {
    /// Over how long.
    pub spread: Duration,
    /// With which code and reason.
    pub close: Close,
}

/// Cut whatever is left, without a word.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct Cut;

/// Close one session, wherever it is; shards that do not hold it do nothing.
#[derive(Message, Clone)]
#[rtype(result = "bool")]
pub struct Kick {
    /// Which session.
    pub session: SessionId,
    /// With which code and reason.
    pub close: Close,
}

/// How a shard's queue is bounded (`limits.shard_queue`, `limits.shard_queue_bytes`).
#[derive(Clone, Copy, Debug)]
pub struct QueueBounds {
    /// Publications.
    pub publications_max: usize,
    /// Bytes.
    pub bytes_max: usize,
}

#[derive(Debug, Default)]
struct Load {
    publications: AtomicUsize,
    bytes: AtomicUsize,
}

/// How other threads reach a shard.
#[derive(Clone)]
pub struct ShardHandle {
    id: ShardId,
    addr: Addr<ShardActor>,
    load: Arc<Load>,
    bounds: QueueBounds,
    stats: Arc<WorkerStats>,
}

impl ShardHandle {
    /// The actor's address.
    #[must_use]
    pub fn addr(&self) -> &Addr<ShardActor> {
        &self.addr
    }

    /// Takes room for one publication of `bytes`; false if there is none. A single publication may exceed the
    /// byte bound in an empty queue.
    #[must_use]
    pub fn reserve(&self, bytes: usize) -> bool {
        let waiting = self.load.publications.fetch_add(1, Relaxed);
        let waiting_bytes = self.load.bytes.fetch_add(bytes, Relaxed);
        let fits = waiting < self.bounds.publications_max
            && (waiting == 0 || waiting_bytes.saturating_add(bytes) <= self.bounds.bytes_max);
        if !fits {
            self.release(bytes);
        }
        fits
    }

    /// Gives room back.
    pub fn release(&self, bytes: usize) {
        self.load.publications.fetch_sub(1, Relaxed);
        self.load.bytes.fetch_sub(bytes, Relaxed);
    }
}

/// What a new shard is made with.
pub struct ShardSettings {
    /// Bounds of its mailbox.
    pub queue: QueueBounds,
    /// Makes what its outboxes share.
    pub common: Box<dyn Fn(Arc<WorkerStats>) -> Common + Send + Sync>,
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

    fn start(&self, broker: Arc<dyn Broker>) -> Rc<Shard> {
        let stats = self.metrics.add_worker();
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        let id = ShardId(handles.len() as u32);
        let load = Arc::new(Load::default());
        let shard = Rc::new(Shard {
            id,
            common: Rc::new((self.settings.common)(stats.clone())),
            registry: RefCell::default(),
            sessions: RefCell::default(),
            dirty: RefCell::default(),
            broker,
            leaving: RefCell::default(),
        });
        let addr = ShardActor {
            shard: shard.clone(),
            load: load.clone(),
            turn: Vec::new(),
            deliveries: 0,
            ticked: Instant::now(),
            due: Vec::new(),
        }
        .start();
        handles.push(ShardHandle {
            id,
            addr,
            load,
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
    pub fn some(&self, ids: &[ShardId]) -> Vec<ShardHandle> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        handles
            .iter()
            .filter(|handle| ids.contains(&handle.id))
            .cloned()
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

/// What belongs to one worker thread.
pub struct Shard {
    id: ShardId,
    common: Rc<Common>,
    registry: RefCell<Registry>,
    sessions: RefCell<Slab<Rc<Outbox>>>,
    /// Sessions to write to at the end of the turn.
    dirty: RefCell<Vec<SessionKey>>,
    broker: Arc<dyn Broker>,
    /// Set once the drain has begun: whose handshake was under way then is closed as soon as it joins.
    leaving: RefCell<Option<Close>>,
}

impl Shard {
    /// Number of the worker.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// What this shard's outboxes share.
    #[must_use]
    pub fn common(&self) -> &Rc<Common> {
        &self.common
    }

    /// The broker that this shard listens to.
    #[must_use]
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.broker
    }

    /// Gives a session its place and puts it into its channels. It leaves when the membership is dropped.
    pub fn join(self: &Rc<Self>, outbox: Rc<Outbox>, channels: &[ChannelName]) -> Membership {
        let key = self.sessions.borrow_mut().insert(outbox.clone()) as SessionKey;
        self.registry.borrow_mut().add_session(key);
        self.common.stats.sessions.add(1);
        let membership = Membership {
            shard: self.clone(),
            key,
            member: Cell::new(true),
        };
        for channel in channels {
            self.subscribe(key, channel);
        }
        let now = Instant::now();
        outbox.place(key, now);
        if let Some(close) = &*self.leaving.borrow() {
            outbox.close(close.clone(), now);
        }
        membership
    }

    fn subscribe(&self, key: SessionKey, channel: &ChannelName) {
        // Two steps, so that the registry is free again when the broker is called.
        let joined = self.registry.borrow_mut().join(key, channel);
        if joined == Some(true) {
            self.broker.listen(channel, self.id);
        }
        self.count_channels();
    }

    fn leave_channels(&self, key: SessionKey) {
        let mut vacated = Vec::new();
        self.registry
            .borrow_mut()
            .remove_session(key, |name| vacated.push(name.clone()));
        for name in &vacated {
            self.broker.unlisten(name, self.id);
        }
        self.count_channels();
        self.common.stats.sessions.sub(1);
    }

    fn count_channels(&self) {
        let channels = self.registry.borrow().channel_count();
        self.common.stats.channels.set(channels as u64);
    }

    /// Delivers what one turn of the mailbox brought. A single publication is queued and written receiver by receiver, so
    /// that each outbox is touched once; several are all queued first and then leave together.
    fn deliver_turn(&self, publications: &mut Vec<Arc<Publication>>) {
        let now = Instant::now();
        let at_once = publications.len() == 1;
        for publication in publications.drain(..) {
            self.deliver(publication, now, at_once);
        }
        self.flush();
    }

    /// Receivers of a publication here; a session in several of its channels counts for each.
    fn receivers(&self, publication: &Publication) -> usize {
        match publication.target() {
            Target::Everyone => self.sessions.borrow().len(),
            Target::Channels(channels) => {
                let registry = self.registry.borrow();
                channels
                    .iter()
                    .map(|name| registry.members(name).len())
                    .sum()
            }
        }
    }

    /// Puts a publication into the outboxes of its receivers, which are written `at_once` or noted for the flush.
    fn deliver(&self, publication: Arc<Publication>, now: Instant, at_once: bool) {
        let shared = Rc::new(publication);
        let sessions = self.sessions.borrow();
        let mut dirty = self.dirty.borrow_mut();
        let exclude = shared.exclude();
        let mut push = |key: SessionKey, outbox: &Outbox| {
            if exclude.is_some_and(|id| id == outbox.info().id) || !outbox.push(&shared, now) {
                return;
            }
            if at_once {
                outbox.flush(now);
            } else {
                dirty.push(key);
            }
        };
        match shared.target() {
            Target::Everyone => {
                for (key, outbox) in sessions.iter() {
                    push(key as SessionKey, outbox);
                }
            }
            Target::Channels(channels) => {
                let registry = self.registry.borrow();
                if let [channel] = channels.as_slice() {
                    for key in registry.members(channel) {
                        push(key, &sessions[key as usize]);
                    }
                } else {
                    let mut keys: Vec<SessionKey> = channels
                        .iter()
                        .flat_map(|channel| registry.members(channel))
                        .collect();
                    keys.sort_unstable();
                    keys.dedup();
                    for key in keys {
                        push(key, &sessions[key as usize]);
                    }
                }
            }
        }
    }

    /// Writes to every session that got something.
    fn flush(&self) {
        let now = Instant::now();
        let sessions = self.sessions.borrow();
        let mut dirty = self.dirty.borrow_mut();
        for key in dirty.drain(..) {
            if let Some(outbox) = sessions.get(key as usize) {
                outbox.flush(now);
            }
        }
        if dirty.capacity() > 64 * 1024 {
            *dirty = Vec::new();
        }
    }
}

/// A session's membership of its shard; leaving happens once, at the latest when this is dropped.
pub struct Membership {
    shard: Rc<Shard>,
    key: SessionKey,
    member: Cell<bool>,
}

impl Membership {
    /// The shard.
    #[must_use]
    pub fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// Leaves all channels and the count of sessions; the place is kept for the alarms of a closing
    /// connection. Returns whether this was the call that left.
    pub fn leave(&self) -> bool {
        let left = self.member.replace(false);
        if left {
            self.shard.leave_channels(self.key);
        }
        left
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.leave();
        let mut sessions = self.shard.sessions.borrow_mut();
        // Its 16 bytes stay for the next session: giving them back would mean rebuilding the list of free places.
        sessions.try_remove(self.key as usize);
    }
}

/// The actor through which other threads reach a shard.
pub struct ShardActor {
    shard: Rc<Shard>,
    load: Arc<Load>,
    /// Publications of this turn; at most [`PUBLICATIONS_A_TURN`].
    turn: Vec<Arc<Publication>>,
    /// Deliveries that they make.
    deliveries: usize,
    /// When the wheel was last looked at.
    ticked: Instant,
    due: Vec<Alarm>,
}

impl ShardActor {
    fn deliver_turn(&mut self) {
        self.deliveries = 0;
        self.shard.deliver_turn(&mut self.turn);
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        self.ticked = now;
        let mut due = std::mem::take(&mut self.due);
        self.shard.common.wheel.borrow_mut().expire(now, &mut due);
        let sessions = self.shard.sessions.borrow();
        for (key, number) in due.drain(..) {
            if let Some(outbox) = sessions.get(key as usize) {
                outbox.on_alarm(number, now);
            }
        }
        self.due = due;
    }

    /// Closes sessions so that, at any moment, the share of closed ones is the share of the spread that passed.
    fn drain_step(&mut self, ctx: &mut Context<Self>, mut plan: DrainPlan) {
        let passed = plan.started.elapsed().as_secs_f64();
        let spread = plan.drain.spread.as_secs_f64();
        let share = if spread > 0.0 { passed / spread } else { 1.0 };
        let due = (share.min(1.0) * plan.keys.len() as f64).ceil() as usize;
        let now = Instant::now();
        let sessions = self.shard.sessions.borrow();
        for &(key, id) in &plan.keys[plan.closed..due] {
            let outbox = sessions.get(key as usize);
            if let Some(outbox) = outbox.filter(|outbox| outbox.info().id == id) {
                outbox.close(plan.drain.close.clone(), now);
                outbox.flush(now);
            }
        }
        drop(sessions);
        plan.closed = due;
        if plan.closed < plan.keys.len() {
            ctx.run_later(DRAIN_STEP, move |shard, ctx| shard.drain_step(ctx, plan));
        }
    }
}

struct DrainPlan {
    started: Instant,
    drain: Drain,
    keys: Vec<(SessionKey, SessionId)>,
    closed: usize,
}

impl Actor for ShardActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, |shard, _| shard.on_tick());
    }
}

impl Handler<Deliver> for ShardActor {
    type Result = ();

    fn handle(&mut self, Deliver(publication): Deliver, ctx: &mut Self::Context) {
        self.load.publications.fetch_sub(1, Relaxed);
        self.load.bytes.fetch_sub(publication.weight(), Relaxed);
        if self.turn.is_empty() {
            // Handled once the mailbox is empty; finds nothing to do if the turn was full before.
            ctx.notify(Flush);
        }
        self.deliveries += self.shard.receivers(&publication);
        self.turn.push(publication);
        if self.turn.len() == PUBLICATIONS_A_TURN || self.deliveries >= DELIVERIES_A_TURN {
            self.deliver_turn();
            // A mailbox that others fill as fast as it is emptied would keep this thread to itself: the actor's context goes
            // on with it until it is empty. So the sessions get their turn here, and the wheel its tick, which the context
            // would only look at afterwards.
            if self.ticked.elapsed() >= TICK {
                self.on_tick();
            }
            ctx.wait(tokio::task::yield_now().into_actor(self));
        }
    }
}

impl Handler<Flush> for ShardActor {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Self::Context) {
        self.deliver_turn();
    }
}

impl Handler<Drain> for ShardActor {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Self::Context) {
        if self
            .shard
            .leaving
            .replace(Some(drain.close.clone()))
            .is_some()
        {
            return;
        }
        // What was accepted before goes out before any Close.
        self.deliver_turn();
        let sessions = self.shard.sessions.borrow();
        let keys = sessions
            .iter()
            .map(|(key, outbox)| (key as SessionKey, outbox.info().id))
            .collect();
        drop(sessions);
        let plan = DrainPlan {
            started: Instant::now(),
            drain,
            keys,
            closed: 0,
        };
        self.drain_step(ctx, plan);
    }
}

impl Handler<Cut> for ShardActor {
    type Result = ();

    fn handle(&mut self, _: Cut, _: &mut Self::Context) {
        for (_, outbox) in self.shard.sessions.borrow().iter() {
            outbox.end(Ending::ByServer(Close::RESTART));
        }
    }
}

impl Handler<Kick> for ShardActor {
    type Result = bool;

    fn handle(&mut self, kick: Kick, _: &mut Self::Context) -> bool {
        let sessions = self.shard.sessions.borrow();
        let found = sessions
            .iter()
            .find(|(_, outbox)| outbox.info().id == kick.session);
        if let Some((_, outbox)) = found {
            let now = Instant::now();
            outbox.close(kick.close, now);
            outbox.flush(now);
        }
        found.is_some()
    }
}

impl Drop for ShardActor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            log::error!("shard {} panicked; the process ends", self.shard.id);
            std::process::abort();
        }
    }
}
