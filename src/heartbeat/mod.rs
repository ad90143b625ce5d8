//! Liveness of one session and the timing wheel that asks for it; pure, `now` is always a
//! parameter.
//!
//! One wheel serves a whole shard, so a session costs one entry of 16 bytes and no timer of its
//! own. An entry only says *when to look again*: what is due is decided by the session's own state,
//! so an entry that has become pointless does no harm and is simply forgotten.

use std::time::{Duration, Instant};

/// When to ping, and how long to wait for life.
#[derive(Clone, Copy, Debug)]
pub struct HeartbeatConfig {
    /// From one ping to the next.
    pub ping_interval: Duration,
    /// From a ping's leaving to the latest sign of life; shorter than the interval.
    pub pong_timeout: Duration,
}

/// State of one session's heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heartbeat {
    /// Nothing is asked of the client; the next ping is due at `ping_at`.
    Quiet {
        /// When the next ping is due.
        ping_at: Instant,
    },
    /// A ping was queued at `asked` and left the outbox at `left`. While it has not left, the write
    /// deadline governs, not this one: a pong cannot come before the ping went.
    Pinged {
        /// When the ping was queued.
        asked: Instant,
        /// When its last byte was taken by the system.
        left: Option<Instant>,
    },
}

/// What a look at the heartbeat says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeartbeatAction {
    /// Send a ping now.
    Ping,
    /// Nothing came in time: end the session (3012).
    Dead,
    /// Nothing is due; look again then.
    Wait(Instant),
}

impl HeartbeatConfig {
    /// How long after its start a session is pinged first, by a random `share` from 0 to 1 of it:
    /// spread over the second half of the interval, so that sessions that came together are not
    /// pinged together, and one that has just begun is not either.
    #[must_use]
    pub(crate) fn first_ping(&self, share: f64) -> Duration {
        let half = self.ping_interval / 2;
        half + half.mul_f64(share)
    }
}

impl Heartbeat {
    /// Starts with a first ping after so long.
    #[must_use]
    pub(crate) fn start(now: Instant, first_ping: Duration) -> Self {
        Self::Quiet {
            ping_at: now + first_ping,
        }
    }

    /// Bytes came from the client. Any of them count: a pong, a message, a part of one.
    pub(crate) fn on_activity(&mut self, config: &HeartbeatConfig) {
        if let Self::Pinged { asked, .. } = *self {
            *self = Self::Quiet {
                ping_at: asked + config.ping_interval,
            };
        }
    }

    /// The queued ping has left.
    pub(crate) fn ping_left(&mut self, now: Instant) {
        if let Self::Pinged { left, .. } = self {
            left.get_or_insert(now);
        }
    }

    /// Says what is due at `now`. `reads_paused`: nothing is read, so life cannot be seen. The
    /// pings go on, since proxies count idle time by them; the wait for life begins anew with each
    /// look, so that it is whole when reading goes on.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        config: &HeartbeatConfig,
        reads_paused: bool,
    ) -> HeartbeatAction {
        match *self {
            Self::Quiet { ping_at } if ping_at > now => HeartbeatAction::Wait(ping_at),
            Self::Quiet { .. } => {
                *self = Self::Pinged {
                    asked: now,
                    left: None,
                };
                HeartbeatAction::Ping
            }
            Self::Pinged { left: None, .. } => HeartbeatAction::Wait(now + config.pong_timeout),
            Self::Pinged { asked, .. } if reads_paused => {
                let next_ping = asked + config.ping_interval;
                if next_ping <= now {
                    *self = Self::Pinged {
                        asked: now,
                        left: None,
                    };
                    return HeartbeatAction::Ping;
                }
                *self = Self::Pinged {
                    asked,
                    left: Some(now),
                };
                HeartbeatAction::Wait(next_ping.min(now + config.pong_timeout / 2))
            }
            Self::Pinged {
                left: Some(left), ..
            } => {
                let by = left + config.pong_timeout;
                if by > now {
                    HeartbeatAction::Wait(by)
                } else {
                    HeartbeatAction::Dead
                }
            }
        }
    }
}

/// Granularity of the wheel: a deadline is noticed at most this long after it has passed.
pub(crate) const TICK: Duration = Duration::from_millis(50);
const SLOTS: u64 = 1024;

/// A hashed timing wheel: constant cost to insert and to expire; bounded by what is inserted.
#[derive(Debug)]
pub struct Wheel<K> {
    start: Instant,
    /// The next tick to expire.
    next: u64,
    slots: Vec<Vec<(u64, K)>>,
}

impl<K: Copy> Wheel<K> {
    /// An empty wheel whose time begins at `start`.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            next: 0,
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
        }
    }

    /// Whether nothing waits.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.iter().all(Vec::is_empty)
    }

    /// Asks for `key` to be handed back at the first tick at or after `at`.
    pub(crate) fn insert(&mut self, at: Instant, key: K) {
        let tick = self.due_at(at);
        self.slots[(tick % SLOTS) as usize].push((tick, key));
    }

    /// Moves every key whose time has come to `due`.
    pub(crate) fn expire(&mut self, now: Instant, due: &mut Vec<K>) {
        let elapsed = now.saturating_duration_since(self.start).as_nanos();
        let current = (elapsed / TICK.as_nanos()) as u64;
        // After a long sleep of the machine one round over all slots finds everything that is due.
        let first = self.next;
        let last = current.min(first.saturating_add(SLOTS - 1));
        for tick in first..=last {
            let slot = &mut self.slots[(tick % SLOTS) as usize];
            let mut index = 0;
            while index < slot.len() {
                if slot[index].0 <= current {
                    due.push(slot.swap_remove(index).1);
                } else {
                    index += 1;
                }
            }
            // A burst of sessions must not keep its peak for ever: sooner or later each slot has
            // one. A slot is looked at once a round, so that room is not taken anew all the time.
            if slot.len() * 4 <= slot.capacity() {
                slot.shrink_to(slot.len() * 2);
            }
        }
        self.next = self.next.max(current + 1);
    }

    /// The tick that was looked at last, which is a clock of [`TICK`]s for those who want to know
    /// the time often and not exactly.
    #[must_use]
    pub(crate) fn tick(&self) -> u32 {
        // It wraps after six years.
        self.next as u32
    }

    /// The tick at which a key that is inserted for `at` is handed back; it wraps as
    /// [`tick`](Self::tick) does.
    #[must_use]
    pub(crate) fn tick_of(&self, at: Instant) -> u32 {
        self.due_at(at) as u32
    }

    fn due_at(&self, at: Instant) -> u64 {
        self.tick_at_or_after(at).max(self.next)
    }

    fn tick_at_or_after(&self, at: Instant) -> u64 {
        let nanos = at.saturating_duration_since(self.start).as_nanos();
        nanos.div_ceil(TICK.as_nanos()) as u64
    }
}

#[cfg(test)]
mod tests;
