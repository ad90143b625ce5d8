//! Time in the life of a session: pings, the wait for life, the write deadline, the end of a closing connection. One alarm counts at
//! a time, the earliest; what is due when it rings is decided by the session's state.

use std::time::Instant;

use super::{Inner, Outbox, Phase, Pings};
use crate::{
    close::{Close, Ending},
    heartbeat::Beat,
};

impl Outbox {
    /// An alarm of this session rang; a stale one is told by its number.
    pub fn on_alarm(&self, number: u32, now: Instant) {
        let mut inner = self.inner.borrow_mut();
        if inner.alarm.is_some_and(|(current, _)| current == number) {
            inner.alarm = None;
            self.on_alarm_due(now, &mut inner);
        }
    }

    /// Does what is due and sets the next alarm.
    pub(super) fn on_alarm_due(&self, now: Instant, inner: &mut Inner) {
        let mut next = None;
        if let Some(since) = inner.stalled {
            let by = since + self.common.write_timeout;
            if by <= now {
                if inner.ending.is_none() {
                    self.common.stats.slow_disconnects.add(1);
                }
                return self.cut(inner, Ending::ByServer(Close::WRITE_TIMEOUT));
            }
            next = Some(by);
        }
        if let Some(at) = inner.cut_at {
            if at <= now {
                return self.cut(inner, Ending::Lost);
            }
            next = Some(next.map_or(at, |next: Instant| next.min(at)));
        } else if inner.phase == Phase::Open {
            let rhythm = self.style.rhythm(self.common.rhythm);
            let mut beat = inner.heartbeat.look(now, &rhythm, self.deaf(inner));
            if beat == Beat::Ping {
                // Before the client's connect is answered it does not know of pings (protocol page, part 4).
                let told =
                    self.welcomed.get() || !matches!(self.style.pings, Pings::Protocol { .. });
                if told {
                    self.queue_ping(inner, now);
                }
                if !told || !self.style.expects_life() {
                    inner.heartbeat.life(&rhythm);
                }
                beat = inner.heartbeat.look(now, &rhythm, false);
            }
            match beat {
                Beat::Wait(at) => next = Some(next.map_or(at, |next| next.min(at))),
                Beat::Ping => {}
                Beat::Dead => {
                    self.common.stats.no_pong.add(1);
                    return self.fail_inner(inner, Close::NO_PONG, now);
                }
            }
        }
        if let Some(at) = next {
            self.set_alarm(inner, at);
        }
    }

    fn queue_ping(&self, inner: &mut Inner, now: Instant) {
        if self.style.pings == (Pings::Protocol { answered: true }) {
            self.pings_open.set(self.pings_open.get().saturating_add(1));
        }
        self.style
            .ping(|bytes, kind| inner.queue.push_own(bytes, kind, &self.common.bounds));
        self.flush_for_task(inner, now);
    }

    /// Makes sure that the session is looked at no later than `at`.
    pub(super) fn set_alarm(&self, inner: &mut Inner, at: Instant) {
        let Some(key) = self.key.get() else {
            return;
        };
        if inner.alarm.is_some_and(|(_, set)| set <= at) {
            return;
        }
        let number = self.common.alarms.get().wrapping_add(1);
        self.common.alarms.set(number);
        inner.alarm = Some((number, at));
        self.common.wheel.borrow_mut().insert(at, (key, number));
    }
}
