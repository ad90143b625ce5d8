//! What all connections of one shard share: how they are set, the worker's numbers, and the timing
//! wheel by which they are looked at in time.
//!
//! Made with the shard, which asks for what is due once a tick. Bound of the wheel: one entry that
//! counts for each connection, and those that it has replaced, which their numbers tell.

use std::{
    cell::{Cell, RefCell},
    num::NonZeroU32,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::outbox::OutboxConfig;
use crate::{
    heartbeat::{HeartbeatConfig, Wheel},
    metrics::WorkerStats,
    registry::SessionKey,
};

/// How connections are set.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionConfig {
    /// Bound and policy of the queues.
    pub outbox: OutboxConfig,
    /// When to ping.
    pub heartbeat: HeartbeatConfig,
    /// `slow.write_timeout`.
    pub write_timeout: Duration,
    /// `close.timeout`.
    pub close_timeout: Duration,
}

/// What a wheel's entry names: the session's place, and the number of the entry, which tells a
/// stale one.
pub(crate) type TimerId = (SessionKey, u32);

/// A timer in the wheel.
#[derive(Clone, Copy)]
pub(super) struct Timer {
    pub(super) number: NonZeroU32,
    /// When it is due, as the wheel's clock counts.
    tick: u32,
}

/// What all connections of one shard share: see the module.
pub struct ConnectionShared {
    /// How they are set.
    pub(crate) config: ConnectionConfig,
    /// The worker's numbers.
    pub(crate) stats: Arc<WorkerStats>,
    wheel: RefCell<Wheel<TimerId>>,
    /// Number of the last timer set.
    last_timer: Cell<u32>,
}

impl ConnectionShared {
    /// With a wheel whose time begins now.
    #[must_use]
    pub(crate) fn new(config: ConnectionConfig, stats: Arc<WorkerStats>, now: Instant) -> Rc<Self> {
        Rc::new(Self {
            config,
            stats,
            wheel: RefCell::new(Wheel::new(now)),
            last_timer: Cell::new(0),
        })
    }

    /// The clock of the wheel, in ticks.
    #[must_use]
    pub(super) fn tick(&self) -> u32 {
        self.wheel.borrow().tick()
    }

    /// Sets a timer for a session, unless one that it has is due no later.
    pub(super) fn set_timer(
        &self,
        key: SessionKey,
        at: Instant,
        set: Option<Timer>,
    ) -> Option<Timer> {
        let mut wheel = self.wheel.borrow_mut();
        let tick = wheel.tick_of(at);
        if set.is_some_and(|set| !is_before(tick, set.tick)) {
            return set;
        }
        let number = NonZeroU32::MIN.saturating_add(self.last_timer.get());
        self.last_timer.set(number.get() % u32::MAX);
        wheel.insert(at, (key, number.get()));
        Some(Timer { number, tick })
    }

    /// Moves the timers whose time has come to `due`.
    pub(crate) fn expire(&self, now: Instant, due: &mut Vec<TimerId>) {
        self.wheel.borrow_mut().expire(now, due);
    }
}

/// Whether one tick of the wheel comes before another; they wrap after years.
fn is_before(tick: u32, other: u32) -> bool {
    (tick.wrapping_sub(other) as i32) < 0
}
