//! What the body of an HTTP answer takes of a connection that has no socket, one frame at a time as
//! its client reads.

use std::task::{Context, Poll};

use super::{Connection, ConnectionPhase, clock, outbox::Frame};

impl Connection {
    /// Takes the next frame for the body of an HTTP answer, which is then responsible for it;
    /// `Ready(None)` when the answer is to end.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        let mut inner = self.inner.borrow_mut();
        if !inner
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            inner.waker = Some(cx.waker().clone());
        }
        if inner.phase == ConnectionPhase::Ended {
            return Poll::Ready(None);
        }
        let Some(frame) = inner.outbox.take(&self.shared.config.outbox) else {
            if inner.phase == ConnectionPhase::Open {
                return Poll::Pending;
            }
            inner.phase = ConnectionPhase::Ended;
            return Poll::Ready(None);
        };
        let bytes = frame.bytes().len();
        self.count_left(&mut inner, &frame, bytes, clock::now());
        Poll::Ready(Some(frame))
    }

    /// The bytes of a frame that was taken.
    #[must_use]
    pub(crate) fn bytes_of<'a>(&'a self, frame: &'a Frame) -> &'a [u8] {
        frame.bytes()
    }

    /// Messages went out that the outbox never held, since a body brought them from a history.
    pub(crate) fn count_brought(&self, messages: u64, bytes: usize) {
        for traffic in [
            (
                &self.info.traffic.messages_out,
                &self.info.traffic.bytes_out,
            ),
            (
                &self.shared.stats.messages_out,
                &self.shared.stats.bytes_out,
            ),
        ] {
            traffic.0.add(messages);
            traffic.1.add(bytes as u64);
        }
    }
}
