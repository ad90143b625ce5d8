//! The stream under an HTTP connection: a [`Socket`] with a write deadline.
//!
//! It also bounds the head of a request (`http.head_bytes`). actix-http has no write timeout and
//! stops polling a body once its buffer is full, so a peer that takes nothing would hold its
//! connection for ever. Here every stalled write or flush starts a timer of `slow.write_timeout`; a
//! byte taken stops it. Where actix-http cannot read a request, the answer that says why takes the
//! place of its empty 400 ([`misread`]). Owned by the HTTP dispatcher until a hand-over takes the
//! socket.

use std::{
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    head_bound::IncomingHead, listener::Door, misread, pending::PendingConnection,
    request_line::RequestLine, request_turn::RequestTurn,
};
use crate::{
    connection::{info::TransportKind, socket::Socket},
    metrics::CutReason,
};

/// The answer to a head with more than `http.head_bytes`.
const HEAD_TOO_LARGE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 152\r\nconnection: close\r\n\r\n\
    the head of a request, its address and headers, is larger than this server takes \
    (http.head_bytes); /poll and /sse take a long query by POST, as a form\n";

/// The end of a connection whose request has a head with more than `http.head_bytes`.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the head of a request is larger than http.head_bytes")]
pub(super) struct HeadTooLarge;

/// A socket that ends with [`io::ErrorKind::TimedOut`] when its peer takes nothing for too long.
pub(crate) struct HttpStream {
    socket: Socket,
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    place: Rc<PendingConnection>,
    turn: Rc<RequestTurn>,
    door: Door,
    head_bytes_max: usize,
    /// The head that is being received.
    head: IncomingHead,
    /// The number of the request that it belongs to.
    head_of: u64,
    request_line: RequestLine,
    /// The number of the request that it belongs to.
    line_of: u64,
    /// The input since something was written, as far as [`misread`] looks at it.
    seen: Vec<u8>,
    /// What is written instead of an empty answer.
    instead: Option<InsteadAnswer>,
}

/// An answer that is written instead of an empty one.
struct InsteadAnswer {
    bytes: Vec<u8>,
    /// How many of them are written.
    written: usize,
}

impl HttpStream {
    /// Puts a deadline on a socket's writes.
    #[must_use]
    pub(crate) fn new(
        socket: Socket,
        write_timeout: Duration,
        head_bytes_max: usize,
        place: Rc<PendingConnection>,
        turn: Rc<RequestTurn>,
    ) -> Self {
        Self {
            socket,
            write_timeout,
            stalled: None,
            place,
            turn,
            door: Door::default(),
            head_bytes_max,
            head: IncomingHead::default(),
            head_of: 0,
            request_line: RequestLine::default(),
            line_of: 0,
            seen: Vec::new(),
            instead: None,
        }
    }

    /// The same, accepted on a listener of this kind.
    #[must_use]
    pub(super) fn of_door(mut self, door: Door) -> Self {
        self.door = door;
        self
    }

    /// Who is served on the listener that it was accepted on.
    #[must_use]
    pub(super) fn door(&self) -> Door {
        self.door
    }

    /// The connection's place among those that are not sessions.
    #[must_use]
    pub(crate) fn place(&self) -> &Rc<PendingConnection> {
        &self.place
    }

    /// What is left of the connection's turn.
    #[must_use]
    pub(crate) fn turn(&self) -> &Rc<RequestTurn> {
        &self.turn
    }

    /// Gives the socket up, for a hand-over.
    #[must_use]
    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }

    /// How a session on this stream is carried.
    #[must_use]
    pub(crate) fn transport(&self) -> TransportKind {
        match &self.socket {
            Socket::Tcp(_) => TransportKind::WebSocket,
            Socket::Tls(_) => TransportKind::WebSocketTls,
            #[cfg(unix)]
            Socket::Unix(_) => TransportKind::WebSocketUnix,
        }
    }

    /// Where the head of a further request is known to begin with what comes now, its request line
    /// is made readable too.
    fn begin_request_line(&mut self) {
        let Some(request) = self.place.head_that_comes() else {
            return;
        };
        if request == self.line_of {
            return;
        }
        self.line_of = request;
        // Behind a body, or a request that was not waited for, it may have begun before.
        if self.request_line.is_over() && self.head.is_at_end() {
            self.request_line = RequestLine::default();
        }
    }

    /// Whether these bytes make the head of a request too large.
    fn is_head_too_large(&mut self, came: &[u8]) -> bool {
        let Some(request) = self.place.head_that_comes() else {
            self.head.pass();
            return false;
        };
        if self.head_of != request {
            self.head = IncomingHead::default();
            self.head_of = request;
        }
        self.head.is_too_large(came, self.head_bytes_max)
    }

    /// Keeps what came, for the answer to a request that cannot be read.
    fn keep_seen(&mut self, came: &[u8]) {
        if self.place.head_that_comes().is_some() {
            let room = misread::SEEN_BYTES_MAX - self.seen.len();
            self.seen.extend_from_slice(&came[..came.len().min(room)]);
        }
    }

    /// How much of this is to be written before an answer takes the place of an empty one, which is
    /// the rest of it; absent where all of it is to be written.
    fn before_instead(&mut self, buf: &[u8]) -> Option<usize> {
        if self.instead.is_some() {
            return Some(0);
        }
        let fault = |at| Some((at, misread::fault_in(&self.seen)?));
        let Some((at, fault)) = misread::empty_answer_in(buf).and_then(fault) else {
            self.seen = Vec::new();
            return None;
        };
        if at == 0 {
            self.place.set_misread(fault);
            self.instead = Some(InsteadAnswer {
                bytes: misread::answer(fault),
                written: 0,
            });
        }
        Some(at)
    }

    /// Writes what takes the place of an empty answer of so many bytes.
    fn poll_write_instead(
        &mut self,
        cx: &mut Context<'_>,
        bytes: usize,
    ) -> Poll<io::Result<usize>> {
        while let Some(mut answer) = self.instead.take() {
            let rest = &answer.bytes[answer.written..];
            let written = self.with_deadline(cx, |socket, cx| socket.poll_write(cx, rest));
            answer.written += match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(0)),
                Poll::Ready(Ok(count)) => count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => 0,
            };
            if answer.written < answer.bytes.len() {
                self.instead = Some(answer);
            }
            if written.is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(bytes))
    }

    fn with_deadline<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut Socket>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let before = self.socket.tls_bytes_written();
        let result = poll(Pin::new(&mut self.socket), cx);
        let after = self.socket.tls_bytes_written();
        // Under TLS a write that is ready may only have filled a buffer.
        if after > before || (after.is_none() && result.is_ready()) {
            self.stalled = None;
        }
        self.place.set_writing(result.is_pending());
        if result.is_ready() {
            return result;
        }
        let timeout = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(timeout)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the peer takes nothing",
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.place.is_input_over() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        this.begin_request_line();
        let socket = Pin::new(&mut this.socket);
        ready!(match this.request_line.is_over() {
            true => socket.poll_read(cx, buf),
            false => this.request_line.poll_read(socket, cx, buf),
        })?;
        if buf.filled().len() > before {
            this.place.input_came();
        }
        this.keep_seen(&buf.filled()[before..]);
        if this.is_head_too_large(&buf.filled()[before..]) {
            this.place.all().cut(CutReason::HeadTooLarge);
            // As much of it as the system takes; the connection ends with this error.
            let _ = Pin::new(&mut this.socket).poll_write(cx, HEAD_TOO_LARGE);
            return Poll::Ready(Err(io::Error::other(HeadTooLarge)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let buf = match this.before_instead(buf) {
            None => buf,
            Some(0) => return this.poll_write_instead(cx, buf.len()),
            Some(at) => &buf[..at],
        };
        this.with_deadline(cx, |socket, cx| socket.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = this.with_deadline(cx, |socket, cx| socket.poll_flush(cx));
        // Whoever flushes has written all that there is.
        if flushed.is_ready() {
            this.place.set_written();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = this.with_deadline(cx, |socket, cx| socket.poll_shutdown(cx));
        if shut.is_ready() {
            this.place.set_written();
        }
        shut
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[test]
    fn the_answer_to_a_head_that_is_too_large_has_the_length_that_it_names() {
        let text = std::str::from_utf8(HEAD_TOO_LARGE).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_ends_the_stream() {
        let (ours, _theirs) = tokio::net::UnixStream::pair().expect("a pair of sockets");
        let place = Rc::new(PendingConnection::for_test());
        let turn = Rc::new(RequestTurn::new(64, Arc::default()));
        let (socket, timeout) = (Socket::Unix(ours), Duration::from_secs(10));
        let mut stream = HttpStream::new(socket, timeout, 1024, place, turn);
        let started = tokio::time::Instant::now();
        let block = vec![0u8; 64 * 1024];
        let error = loop {
            if let Err(error) = stream.write_all(&block).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= Duration::from_secs(10));
    }
}
