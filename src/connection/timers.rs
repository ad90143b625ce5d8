//! Time in the life of a session: pings, the wait for life, the write deadline, the end of a
//! closing connection. One timer counts at a time, the earliest; what is due when it rings is
//! decided by the session's state.

use std::time::Instant;

use super::{Connection, ConnectionPhase, Inner, Pings};
use crate::{
    close::{Close, Ending},
    heartbeat::HeartbeatAction,
};

impl Connection {
    /// A timer of this session rang; a stale one is told by its number.
    pub(crate) fn on_timer(&self, number: u32, now: Instant) {
        let mut inner = self.inner.borrow_mut();
        if inner
            .timer
            .is_some_and(|timer| timer.number.get() == number)
        {
            inner.timer = None;
            self.on_timer_due(now, &mut inner);
        }
    }

    /// Does what is due and sets the next timer.
    pub(super) fn on_timer_due(&self, now: Instant, inner: &mut Inner) {
        let mut next = None;
        if let Some(since) = inner.exceptional.stalled() {
            let by = since + self.shared.config.write_timeout;
            if by <= now {
                if inner.exceptional.ending().is_none() {
                    self.shared.stats.slow_disconnects.add(1);
                }
                return self.cut(inner, Ending::ByServer(Close::WRITE_TIMEOUT));
            }
            next = Some(by);
        }
        if let Some(at) = inner.exceptional.cut_at() {
            if at <= now {
                return self.cut(inner, Ending::Lost);
            }
            next = Some(next.map_or(at, |next: Instant| next.min(at)));
        } else if inner.phase == ConnectionPhase::Open {
            let heartbeat_config = self.profile.heartbeat(self.shared.config.heartbeat);
            let reads_paused = self.pauses_reads(inner);
            let mut beat = inner.heartbeat.poll(now, &heartbeat_config, reads_paused);
            if beat == HeartbeatAction::Ping {
                // Before the client's connect is answered it does not know of pings (protocol page,
                // part 4).
                let told =
                    self.welcomed.get() || !matches!(self.profile.pings, Pings::Protocol { .. });
                if told {
                    self.queue_ping(inner, now);
                }
                if !told || !self.profile.expects_life() {
                    inner.heartbeat.on_activity(&heartbeat_config);
                }
                beat = inner.heartbeat.poll(now, &heartbeat_config, reads_paused);
            }
            match beat {
                HeartbeatAction::Wait(at) => next = Some(next.map_or(at, |next| next.min(at))),
                HeartbeatAction::Ping => {}
                HeartbeatAction::Dead => {
                    self.shared.stats.no_pong.add(1);
                    return self.fail_inner(inner, Close::NO_PONG, now);
                }
            }
        }
        if let Some(at) = next {
            self.set_timer(inner, at);
        }
    }

    fn queue_ping(&self, inner: &mut Inner, now: Instant) {
        if self.profile.pings == (Pings::Protocol { answered: true }) {
            self.pings_open.set(self.pings_open.get().saturating_add(1));
        }
        self.profile.ping(|bytes, kind| {
            inner
                .outbox
                .push_own(bytes, kind, &self.shared.config.outbox)
        });
        self.flush_for_task(inner, now);
    }

    /// Makes sure that the session is looked at no later than `at`.
    pub(super) fn set_timer(&self, inner: &mut Inner, at: Instant) {
        if let Some(key) = self.key.get() {
            inner.timer = self.shared.set_timer(key, at, inner.timer);
        }
    }
}
