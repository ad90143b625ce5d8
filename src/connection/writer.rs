//! Writing: what waits goes out as far as the system takes it, then the direction is shut where
//! that is next; what left is counted.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use tokio::io::AsyncWrite;

use super::{Connection, ConnectionPhase, Inner, Wire};
use crate::{
    close::Ending,
    connection::outbox::{Frame, FrameKind},
};

/// Frames gathered into one vectored write.
const SLICES_MAX: usize = 64;

impl Connection {
    /// Writes what waits, as the session's own task: registers it for writability and follows the
    /// phase.
    pub fn poll_write(&self, cx: &mut Context<'_>, now: Instant) -> ConnectionPhase {
        let mut inner = self.inner.borrow_mut();
        if !inner
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            inner.waker = Some(cx.waker().clone());
        }
        self.flush_inner(&mut inner, cx, now);
        inner.phase
    }

    /// Writes what waits, as the shard at the end of its turn.
    pub(crate) fn flush(&self, now: Instant) {
        self.dirty.set(false);
        self.flush_for_task(&mut self.inner.borrow_mut(), now);
    }

    /// Flushes on behalf of the session's task, which is told if the connection turns out to be
    /// lost. A session that was not polled yet flushes by itself on its first poll.
    pub(super) fn flush_for_task(&self, inner: &mut Inner, now: Instant) {
        // Taken out and put back, since cloning a waker costs two atomic operations a delivery.
        if let Some(waker) = inner.waker.take() {
            self.flush_inner(inner, &mut Context::from_waker(&waker), now);
            if inner.phase == ConnectionPhase::Ended {
                waker.wake_by_ref();
            }
            inner.waker = Some(waker);
        }
    }

    fn flush_inner(&self, inner: &mut Inner, cx: &mut Context<'_>, now: Instant) {
        if inner.phase == ConnectionPhase::Ended {
            return;
        }
        if matches!(inner.wire, Wire::Body) {
            if !inner.outbox.is_empty() {
                cx.waker().wake_by_ref();
            }
            return;
        }
        match self.write_all(inner, cx, now) {
            Ok(true) => inner.exceptional.go_on(),
            Ok(false) => {
                let since = inner.exceptional.stall(now);
                self.set_timer(inner, since + self.shared.config.write_timeout);
            }
            Err(_) => {
                inner.exceptional.end_by(Ending::Lost);
                inner.phase = ConnectionPhase::Ended;
            }
        }
    }

    /// Returns whether everything is out, and the direction shut where that was next.
    fn write_all(&self, inner: &mut Inner, cx: &mut Context<'_>, now: Instant) -> io::Result<bool> {
        // Of all that is written here: what a slow reader makes room for is soon full again.
        let is_full = inner.exceptional.stalled().is_some();
        while !inner.outbox.is_empty() {
            if let Some(separator) = self.profile.separator() {
                self.join_front(inner, separator, now);
            }
            let Wire::Socket(socket) = &mut inner.wire else {
                return Ok(true);
            };
            let sent = match inner.outbox.single() {
                Some(bytes) => socket.poll_send(cx, bytes, is_full),
                None => {
                    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                    let filled = inner.outbox.slices(&mut slices);
                    socket.poll_send_vectored(cx, &slices[..filled], is_full)
                }
            };
            let Poll::Ready(n) = sent else {
                return Ok(false);
            };
            let n = n?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            // TLS takes plain text into a buffer of its own, which says nothing of the peer.
            inner.unflushed = socket.buffers();
            match socket.tls_bytes_written() {
                None => inner.exceptional.go_on(),
                Some(written) => inner.exceptional.note_written(written),
            }
            self.count_written(inner, n, now);
        }
        if inner.unflushed && !Self::flush_records(inner, cx)? {
            return Ok(false);
        }
        let Wire::Socket(socket) = &mut inner.wire else {
            return Ok(true);
        };
        if inner.phase == ConnectionPhase::Lingering && !inner.shut {
            match Pin::new(socket).poll_shutdown(cx) {
                Poll::Pending => return Ok(false),
                // A peer that has gone already cannot be told so; reading will notice.
                Poll::Ready(_) => inner.shut = true,
            }
        }
        Ok(true)
    }

    /// Returns whether the records of TLS are out.
    fn flush_records(inner: &mut Inner, cx: &mut Context<'_>) -> io::Result<bool> {
        let Wire::Socket(socket) = &mut inner.wire else {
            return Ok(true);
        };
        inner.unflushed = Pin::new(&mut *socket).poll_flush(cx)?.is_pending();
        if let Some(written) = socket.tls_bytes_written() {
            inner.exceptional.note_written(written);
        }
        Ok(!inner.unflushed)
    }

    /// Messages that wait leave in one frame; each is counted here, the frame when it is out.
    fn join_front(&self, inner: &mut Inner, separator: &[u8], now: Instant) {
        let (mut ping_left, stats) = (false, &self.shared.stats);
        inner
            .outbox
            .join_front(separator, &self.shared.config.outbox, |frame| match frame {
                Frame::Own { kind, .. } => ping_left |= *kind == FrameKind::Ping,
                Frame::Shared(shared) => shared.observe(&stats.delays, now),
            });
        if ping_left {
            inner.heartbeat.ping_left(now);
        }
    }

    /// Counts a frame that was taken by the body of an HTTP answer.
    pub(super) fn count_left(&self, inner: &mut Inner, frame: &Frame, bytes: usize, now: Instant) {
        let (traffic, stats) = (&self.info.traffic, &self.shared.stats);
        let mut messages = 1;
        match frame {
            Frame::Own {
                kind: FrameKind::Reply,
                ..
            } => {}
            Frame::Shared(shared) => {
                messages = shared.publications().len() as u64;
                shared.observe(&stats.delays, now);
            }
            Frame::Own { kind, .. } => {
                if *kind == FrameKind::Ping {
                    inner.heartbeat.ping_left(now);
                }
                traffic.bytes_out.add(bytes as u64);
                stats.bytes_out.add(bytes as u64);
                return;
            }
        }
        traffic.messages_out.add(messages);
        traffic.bytes_out.add(bytes as u64);
        stats.messages_out.add(messages);
        stats.bytes_out.add(bytes as u64);
    }

    fn count_written(&self, inner: &mut Inner, n: usize, now: Instant) {
        let (mut messages, mut ping_left, mut head) = (0, false, 0);
        inner
            .outbox
            .advance(n, &self.shared.config.outbox, |frame, len| match frame {
                Frame::Own { kind, .. } => {
                    messages += match kind {
                        // Bytes of HTTP, as those of the request.
                        FrameKind::Head => {
                            head = len;
                            0
                        }
                        FrameKind::Reply => 1,
                        FrameKind::Batch { messages, .. } => u64::from(*messages),
                        FrameKind::Pong | FrameKind::Ping | FrameKind::Close => 0,
                    };
                    ping_left |= *kind == FrameKind::Ping;
                }
                Frame::Shared(shared) => {
                    messages += shared.publications().len() as u64;
                    shared.observe(&self.shared.stats.delays, now);
                }
            });
        if ping_left {
            inner.heartbeat.ping_left(now);
        }
        let (traffic, stats) = (&self.info.traffic, &self.shared.stats);
        let bytes = n.saturating_sub(head) as u64;
        traffic.messages_out.add(messages);
        traffic.bytes_out.add(bytes);
        stats.messages_out.add(messages);
        stats.bytes_out.add(bytes);
    }
}
