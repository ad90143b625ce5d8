//! The stream under an HTTP connection: a [`Socket`] with a write deadline.
//!
//! actix-http has no write timeout and stops polling a body once its buffer is full, so a peer that
//! takes nothing would hold its connection for ever. Here every stalled write or flush starts a
//! timer of `slow.write_timeout`; a byte taken stops it. Owned by the HTTP dispatcher until a
//! hand-over takes the socket.

use std::{
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::pending::PendingConnection;
use crate::connection::{info::TransportKind, socket::Socket};

/// A socket that ends with [`io::ErrorKind::TimedOut`] when its peer takes nothing for too long.
pub struct HttpStream {
    socket: Socket,
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    place: Rc<PendingConnection>,
}

impl HttpStream {
    /// Puts a deadline on a socket's writes.
    #[must_use]
    pub(crate) fn new(
        socket: Socket,
        write_timeout: Duration,
        place: Rc<PendingConnection>,
    ) -> Self {
        Self {
            socket,
            write_timeout,
            stalled: None,
            place,
        }
    }

    /// The connection's place among those that are not sessions.
    #[must_use]
    pub(crate) fn place(&self) -> &Rc<PendingConnection> {
        &self.place
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

    fn with_deadline<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut Socket>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let before = self.socket.taken();
        let result = poll(Pin::new(&mut self.socket), cx);
        let taken = self.socket.taken();
        // Under TLS a write that is ready may only have filled a buffer.
        if taken > before || (taken.is_none() && result.is_ready()) {
            self.stalled = None;
        }
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
        Pin::new(&mut self.get_mut().socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .with_deadline(cx, |socket, cx| socket.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .with_deadline(cx, |socket, cx| socket.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .with_deadline(cx, |socket, cx| socket.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_ends_the_stream() {
        let (ours, _theirs) = tokio::net::UnixStream::pair().expect("a pair of sockets");
        let place = Rc::new(PendingConnection::for_test());
        let mut stream = HttpStream::new(Socket::Unix(ours), Duration::from_secs(10), place);
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
