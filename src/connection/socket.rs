//! The byte stream under a connection: TCP, unix socket, or TLS over TCP, as one type.
//!
//! One type for all three keeps a single copy of the HTTP service in the binary and lets a session
//! be handed over without knowing what it runs on. TLS is boxed, since its state would make every
//! TCP socket pay.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_rt::net::TcpStream;
#[cfg(unix)]
use actix_rt::net::UnixStream;
use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::counting_stream::CountingStream;

/// A connected stream.
pub enum Socket {
    /// Plain TCP.
    Tcp(TcpStream),
    /// A unix domain socket.
    #[cfg(unix)]
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<CountingStream>>),
}

/// A connection that HTTP has let go of.
pub(crate) struct Upgraded {
    /// The socket, of which HTTP reads no more.
    pub(crate) socket: Socket,
    /// The head of the 101, which is to be written before anything else.
    pub(crate) head: Bytes,
    /// Bytes that came behind the request.
    pub(crate) read_buf: BytesMut,
}

impl Socket {
    /// Writes as much as the system takes at once; on `Pending` the waker is called when it takes
    /// more. `is_full` is whether the last try found it so: a wrong one costs a call of the system
    /// at most, and nothing under TLS.
    ///
    /// Plain sockets are tried outside the runtime's cooperative budget: a shard writes to
    /// thousands of sockets in one turn, and a spent budget would look like a full socket. One that
    /// was not full is tried before the runtime's own note of its readiness is looked at: that is a
    /// line of memory which nothing else of a delivery touches. A peer that has gone is an error
    /// there, as in the standard library: Rust's programs ignore SIGPIPE.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        is_full: bool,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => until_full(
                (!is_full).then(|| SockRef::from(&*stream).send(bytes)),
                || stream.try_write(bytes),
                || stream.poll_write_ready(cx),
            ),
            #[cfg(unix)]
            Self::Unix(stream) => until_full(
                (!is_full).then(|| SockRef::from(&*stream).send(bytes)),
                || stream.try_write(bytes),
                || stream.poll_write_ready(cx),
            ),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// The same for several pieces in one call of the system.
    pub(crate) fn poll_send_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        is_full: bool,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => until_full(
                (!is_full).then(|| SockRef::from(&*stream).send_vectored(slices)),
                || stream.try_write_vectored(slices),
                || stream.poll_write_ready(cx),
            ),
            #[cfg(unix)]
            Self::Unix(stream) => until_full(
                (!is_full).then(|| SockRef::from(&*stream).send_vectored(slices)),
                || stream.try_write_vectored(slices),
                || stream.poll_write_ready(cx),
            ),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    /// Bytes that the system has taken, where writing does not tell: under TLS.
    #[must_use]
    pub(crate) fn tls_bytes_written(&self) -> Option<u64> {
        match self {
            Self::Tls(stream) => Some(stream.get_ref().0.bytes_written),
            _ => None,
        }
    }

    /// Whether written bytes may still wait in the socket's own buffer and need a flush (TLS
    /// records).
    #[must_use]
    pub(crate) fn buffers(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

/// What was written at once, or if that would block, what is written by the runtime's readiness:
/// tries, waits for it, and tries again.
fn until_full(
    at_once: Option<io::Result<usize>>,
    mut write: impl FnMut() -> io::Result<usize>,
    mut poll_ready: impl FnMut() -> Poll<io::Result<()>>,
) -> Poll<io::Result<usize>> {
    if let Some(written) = at_once.filter(|written| !would_block(written)) {
        return Poll::Ready(written);
    }
    loop {
        let written = write();
        if !would_block(&written) {
            return Poll::Ready(written);
        }
        ready!(poll_ready())?;
    }
}

fn would_block(written: &io::Result<usize>) -> bool {
    matches!(written, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn never() -> io::Result<usize> {
        panic!("it was written twice")
    }

    #[test]
    fn what_is_taken_at_once_asks_the_runtime_nothing() {
        let pending = || panic!("the runtime was asked");
        assert!(matches!(
            until_full(Some(Ok(3)), never, pending),
            Poll::Ready(Ok(3))
        ));
    }

    #[test]
    fn a_lost_socket_is_told_at_once() {
        let lost = Some(Err(io::ErrorKind::ConnectionReset.into()));
        let pending = || panic!("the runtime was asked");
        assert!(matches!(
            until_full(lost, never, pending),
            Poll::Ready(Err(_))
        ));
    }

    #[test]
    fn a_full_socket_is_written_to_again_for_the_runtime_to_note_it() {
        let mut written = 0;
        let write = || {
            written += 1;
            full()
        };
        assert!(until_full(Some(full()), write, || Poll::Pending).is_pending());
        assert_eq!(written, 1);
    }

    #[test]
    fn a_socket_that_was_full_is_written_to_once_it_is_ready() {
        let (mut written, mut asked) = (0, 0);
        let write = || {
            written += 1;
            if written == 1 { full() } else { Ok(3) }
        };
        let ready = || {
            asked += 1;
            Poll::Ready(Ok(()))
        };
        assert!(matches!(until_full(None, write, ready), Poll::Ready(Ok(3))));
        assert_eq!((written, asked), (2, 1));
    }
}
