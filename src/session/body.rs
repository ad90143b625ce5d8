//! The body of a streamed HTTP answer: takes what waits in an outbox and hands it to actix-http,
//! which asks for more only while its own buffer has room. So the outbox's bound is the bound, and
//! the connection's write deadline the deadline. Owned by the HTTP dispatcher; when it is dropped,
//! the session's actor is told that its client is gone.

use std::{
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix::Recipient;
use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use crate::{
    connection::{Connection, outbox::Frame},
    shard::SessionMessage,
};

/// Bytes that are gathered into one chunk, so that a burst leaves in few writes.
pub(crate) const CHUNK_BYTES: usize = 16 * 1024;

/// Puts what waits in an outbox behind what `chunk` has, until that is large or nothing waits;
/// `None` once all is taken. `put` writes one frame.
pub(crate) fn poll_chunk(
    connection: &Connection,
    cx: &mut Context<'_>,
    mut chunk: BytesMut,
    mut put: impl FnMut(&Frame, &mut BytesMut),
) -> Poll<Option<Bytes>> {
    while chunk.len() < CHUNK_BYTES {
        match connection.poll_take(cx) {
            Poll::Ready(Some(frame)) => put(&frame, &mut chunk),
            Poll::Ready(None) if chunk.is_empty() => return Poll::Ready(None),
            Poll::Pending if chunk.is_empty() => return Poll::Pending,
            // What is over or waits is found again by the next call.
            Poll::Ready(None) | Poll::Pending => break,
        }
    }
    Poll::Ready(Some(chunk.freeze()))
}

/// The body of a streamed answer: frames of its connection's outbox.
pub(crate) struct OutboxBody {
    head: Option<Bytes>,
    connection: Rc<Connection>,
    session: Recipient<SessionMessage>,
}

impl OutboxBody {
    /// A body that begins with `head` and goes on with whatever comes into the outbox, as its
    /// frames are.
    #[must_use]
    pub(crate) fn new(
        head: Option<Bytes>,
        connection: Rc<Connection>,
        session: Recipient<SessionMessage>,
    ) -> Self {
        Self {
            head,
            connection,
            session,
        }
    }
}

impl Stream for OutboxBody {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(head) = this.head.take() {
            return Poll::Ready(Some(Ok(head)));
        }
        let connection = &this.connection;
        let chunk = poll_chunk(connection, cx, BytesMut::new(), |frame, chunk| {
            chunk.extend_from_slice(connection.bytes_of(frame));
        });
        chunk.map(|chunk| chunk.map(Ok))
    }
}

impl Drop for OutboxBody {
    #[expect(
        clippy::disallowed_methods,
        reason = "one, by the only body of its session"
    )]
    fn drop(&mut self) {
        self.session.do_send(SessionMessage::Gone);
    }
}
