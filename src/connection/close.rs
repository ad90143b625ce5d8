//! How a session's connection ends: in an orderly way, for a fault, by its client, or at once; each
//! leaves the phase that says what may still happen.

use std::time::Instant;

use super::{Connection, ConnectionPhase, Inner, Wire};
use crate::{
    close::{Close, Ending},
    connection::outbox::FrameKind,
};

impl Connection {
    /// Ends the session in an orderly way: what is queued goes out, then the Close, then the
    /// client's Close is awaited until `close.timeout`. Where the profile knows a close without a
    /// word, the connection is gone at once.
    pub(crate) fn close(&self, close: Close, now: Instant) {
        let close = self.profile.translate_close(close);
        let mut inner = self.inner.borrow_mut();
        if inner.phase == ConnectionPhase::Open && self.profile.is_silent(&close) {
            return self.cut(&mut inner, Ending::ByServer(close));
        }
        if inner.phase == ConnectionPhase::Open {
            self.queue_close(&mut inner, &close);
            inner.phase = match inner.wire {
                Wire::Socket(_) => ConnectionPhase::Closing,
                // HTTP has no Close that could be answered.
                Wire::Body => ConnectionPhase::Lingering,
            };
            self.end_with(&mut inner, Ending::ByServer(close), now);
        }
    }

    /// Ends the session for a fault of the client's: what is queued goes out, for it answers what
    /// came before the fault, then the Close, and nothing after it; the client's own Close is
    /// not awaited.
    pub(crate) fn fail(&self, close: Close, now: Instant) {
        self.fail_inner(&mut self.inner.borrow_mut(), close, now);
    }

    pub(super) fn fail_inner(&self, inner: &mut Inner, close: Close, now: Instant) {
        if inner.phase == ConnectionPhase::Open {
            self.queue_close(inner, &close);
            inner.phase = ConnectionPhase::Lingering;
            self.end_with(inner, Ending::ByServer(close), now);
        }
    }

    /// The client's Close came: it is answered with its own code, or its answer to ours ends the
    /// wait.
    pub(crate) fn answer_close(&self, close: Close, now: Instant) {
        let mut inner = self.inner.borrow_mut();
        if inner.phase == ConnectionPhase::Open {
            self.queue_close(&mut inner, &Close::new(close.code, ""));
            self.end_with(&mut inner, Ending::ByPeer(close), now);
        }
        if inner.phase != ConnectionPhase::Ended {
            inner.phase = ConnectionPhase::Lingering;
        }
    }

    /// What the client sends cannot be read any more while we wait for its Close: stop waiting.
    pub(crate) fn stop_waiting(&self) {
        let mut inner = self.inner.borrow_mut();
        if inner.phase == ConnectionPhase::Closing {
            inner.phase = ConnectionPhase::Lingering;
        }
    }

    /// The connection is gone or is to go now; what waits is lost.
    pub(crate) fn end(&self, ending: Ending) {
        self.cut(&mut self.inner.borrow_mut(), ending);
    }

    fn queue_close(&self, inner: &mut Inner, close: &Close) {
        inner.outbox.push_own(
            self.profile.close_message(close),
            FrameKind::Close,
            &self.shared.config.outbox,
        );
    }

    fn end_with(&self, inner: &mut Inner, ending: Ending, now: Instant) {
        inner.exceptional.end_by(ending);
        let at = now + self.shared.config.close_timeout;
        inner.exceptional.cut_by(at);
        self.set_timer(inner, at);
        // The reader has a new phase to act on.
        if let Some(waker) = &inner.waker {
            waker.wake_by_ref();
        }
    }

    pub(super) fn cut(&self, inner: &mut Inner, ending: Ending) {
        inner.exceptional.end_by(ending);
        inner.phase = ConnectionPhase::Ended;
        if let Some(waker) = &inner.waker {
            waker.wake_by_ref();
        }
    }
}
