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
pub enum Heartbeat {
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
pub enum HeartbeatAction {
    /// Send a ping now.
    Ping,
    /// Nothing came in time: end the session (3012).
    Dead,
    /// Nothing is due; look again then.
    Wait(Instant),
}

impl Heartbeat {
    /// Starts with a first ping after `phase` (a share of the interval, so that sessions that came
    /// together are not pinged together).
    #[must_use]
    pub fn start(now: Instant, phase: Duration) -> Self {
        Self::Quiet {
            ping_at: now + phase,
        }
    }

    /// Bytes came from the client. Any of them count: a pong, a message, a part of one.
    pub fn on_activity(&mut self, config: &HeartbeatConfig) {
        if let Self::Pinged { asked, .. } = *self {
            *self = Self::Quiet {
                ping_at: asked + config.ping_interval,
            };
        }
    }

    /// The queued ping has left.
    pub fn ping_left(&mut self, now: Instant) {
        if let Self::Pinged { left, .. } = self {
            left.get_or_insert(now);
        }
    }

    /// Says what is due at `now`. `reads_paused`: nothing is read, so life cannot be seen. The
    /// pings go on, since proxies count idle time by them; the wait for life begins anew with each
    /// look, so that it is whole when reading goes on.
    pub fn poll(
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
pub const TICK: Duration = Duration::from_millis(50);
const SLOTS: u64 = 1024;

/// A hashed timing wheel: constant cost to insert and to expire; bounded by what is inserted.
#[derive(Debug)]
pub struct Wheel<K> {
    start: Instant,
    /// The next tick to expire.
    next: u64,
    slots: Vec<Vec<(u64, K)>>,
    len: usize,
}

impl<K: Copy> Wheel<K> {
    /// An empty wheel whose time begins at `start`.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            next: 0,
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            len: 0,
        }
    }

    /// Entries that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Asks for `key` to be handed back at the first tick at or after `at`.
    pub fn insert(&mut self, at: Instant, key: K) {
        let tick = self.tick_at_or_after(at).max(self.next);
        self.slots[(tick % SLOTS) as usize].push((tick, key));
        self.len += 1;
    }

    /// Moves every key whose time has come to `due`.
    pub fn expire(&mut self, now: Instant, due: &mut Vec<K>) {
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
                    self.len -= 1;
                } else {
                    index += 1;
                }
            }
            if slot.is_empty() && slot.capacity() > 1024 {
                // A burst of sessions must not keep its peak for ever.
                *slot = Vec::new();
            }
        }
        self.next = self.next.max(current + 1);
    }

    fn tick_at_or_after(&self, at: Instant) -> u64 {
        let nanos = at.saturating_duration_since(self.start).as_nanos();
        nanos.div_ceil(TICK.as_nanos()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: HeartbeatConfig = HeartbeatConfig {
        ping_interval: Duration::from_secs(25),
        pong_timeout: Duration::from_secs(8),
    };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_client_that_answers_is_pinged_at_even_intervals() {
        let start = Instant::now();
        let mut beat = Heartbeat::start(start, Duration::from_secs(3));
        assert_eq!(
            beat.poll(start, &RHYTHM, false),
            HeartbeatAction::Wait(after(start, 3))
        );
        assert_eq!(
            beat.poll(after(start, 3), &RHYTHM, false),
            HeartbeatAction::Ping
        );
        beat.ping_left(after(start, 3));
        beat.on_activity(&RHYTHM);
        assert_eq!(
            beat.poll(after(start, 4), &RHYTHM, false),
            HeartbeatAction::Wait(after(start, 28))
        );
    }

    #[test]
    fn a_client_that_is_silent_after_a_ping_is_dead_after_the_timeout() {
        let start = Instant::now();
        let mut beat = Heartbeat::start(start, Duration::ZERO);
        assert_eq!(beat.poll(start, &RHYTHM, false), HeartbeatAction::Ping);
        beat.ping_left(after(start, 1));
        assert_eq!(
            beat.poll(after(start, 8), &RHYTHM, false),
            HeartbeatAction::Wait(after(start, 9))
        );
        assert_eq!(
            beat.poll(after(start, 9), &RHYTHM, false),
            HeartbeatAction::Dead
        );
    }

    #[test]
    fn a_ping_that_could_not_leave_kills_nobody() {
        let start = Instant::now();
        let mut beat = Heartbeat::start(start, Duration::ZERO);
        assert_eq!(beat.poll(start, &RHYTHM, false), HeartbeatAction::Ping);
        assert!(matches!(
            beat.poll(after(start, 60), &RHYTHM, false),
            HeartbeatAction::Wait(_)
        ));
    }

    #[test]
    fn nobody_is_dead_while_we_do_not_read() {
        let start = Instant::now();
        let mut beat = Heartbeat::start(start, Duration::ZERO);
        assert_eq!(beat.poll(start, &RHYTHM, false), HeartbeatAction::Ping);
        beat.ping_left(start);
        for seconds in 1..24 {
            let action = beat.poll(after(start, seconds), &RHYTHM, true);
            assert!(matches!(action, HeartbeatAction::Wait(_)), "{action:?}");
        }
        // Reading goes on: from the last look on, the client has the whole of the timeout.
        let life = HeartbeatAction::Wait(after(start, 31));
        assert_eq!(beat.poll(after(start, 24), &RHYTHM, false), life);
        let late = beat.poll(after(start, 31), &RHYTHM, false);
        assert_eq!(late, HeartbeatAction::Dead);
    }

    /// A session that waited for its backend got no ping in all that time, so a proxy with a
    /// shorter timeout than the backend's cut it, and the answer never arrived. Pings go on at
    /// their interval while nothing is read.
    #[test]
    fn pings_go_on_while_we_do_not_read() {
        let start = Instant::now();
        let mut beat = Heartbeat::start(start, Duration::ZERO);
        let mut pings = 0;
        for seconds in 0..=100 {
            if beat.poll(after(start, seconds), &RHYTHM, true) == HeartbeatAction::Ping {
                beat.ping_left(after(start, seconds));
                pings += 1;
            }
        }
        assert_eq!(pings, 5, "at 0, 25, 50, 75 and 100 s");
    }

    #[test]
    fn the_wheel_hands_back_each_key_once_and_never_early() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        // Far more than one round of the wheel, in a scattered order.
        let mut expected: Vec<(u64, u32)> = (0..5_000u32)
            .map(|k| ((u64::from(k) * 7919) % 200_000, k))
            .collect();
        for &(ms, k) in &expected {
            wheel.insert(start + Duration::from_millis(ms), k);
        }
        expected.sort_unstable();
        let mut seen = Vec::new();
        let mut due = Vec::new();
        for step in 0..=(200_000 / 50 + 1) {
            let now = start + TICK * step;
            wheel.expire(now, &mut due);
            for k in due.drain(..) {
                let at = start + Duration::from_millis((u64::from(k) * 7919) % 200_000);
                assert!(at <= now, "key {k} came early");
                assert!(now - at < TICK * 2, "key {k} came late");
                seen.push(k);
            }
        }
        assert_eq!(seen.len(), expected.len());
        assert!(wheel.is_empty());
    }

    #[test]
    fn after_a_sleep_of_the_machine_everything_due_comes_at_once() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        for k in 0..100u32 {
            wheel.insert(start + Duration::from_secs(u64::from(k)), k);
        }
        let mut due = Vec::new();
        wheel.expire(start + Duration::from_secs(3600), &mut due);
        assert_eq!(due.len(), 100);
        wheel.insert(start, 7);
        due.clear();
        wheel.expire(start + Duration::from_secs(3601), &mut due);
        assert_eq!(due, [7]);
    }
}
