//! A listener on the accepting thread's runtime, and what comes in by it.
//!
//! It owns the socket of an [`HttpListener`] and accepts one connection at a time, which it tells
//! with its kind, its peer, the door, and whether it has the listener's options. Which worker gets
//! a connection, and when accepting ends, is decided elsewhere.

use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    os::fd::AsRawFd,
    task::{Context, Poll, ready},
};

#[cfg(unix)]
use mio::net::UnixListener;
use mio::net::{TcpListener, TcpStream};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    distributor::{Arrival, Incoming},
    listener::{BoundSocket, Door, HttpListener},
};

/// A listener on the accepting thread's runtime.
pub(super) struct AsyncListener {
    socket: AsyncSocket,
    /// No other process accepts on it.
    is_own: bool,
    door: Door,
    /// Whether its connections have the options that it has: of a listener that has them, asked of
    /// its first connection, since a sandbox may call itself Linux and hand none on.
    gives_options: Cell<Option<bool>>,
}

/// What it accepts is registered with the runtime of its worker and with no other: a listener of
/// tokio's would first register it here, which costs two calls of the system a connection.
enum AsyncSocket {
    Tcp(AsyncFd<TcpListener>),
    Tls(AsyncFd<TcpListener>),
    #[cfg(unix)]
    Unix(AsyncFd<UnixListener>),
}

impl AsyncListener {
    /// Watched by this thread's runtime from now on.
    ///
    /// # Errors
    /// The runtime does not take it.
    pub(super) fn new(listener: HttpListener) -> io::Result<Self> {
        let (is_own, door) = (listener.is_own(), listener.door());
        let gives_options = Cell::new(match listener.has_options() {
            true => None,
            false => Some(false),
        });
        let tcp = |socket| watched(TcpListener::from_std(socket));
        let socket = match listener.into_socket() {
            BoundSocket::Tcp(socket) => AsyncSocket::Tcp(tcp(socket)?),
            BoundSocket::Tls(socket) => AsyncSocket::Tls(tcp(socket)?),
            #[cfg(unix)]
            BoundSocket::Unix(socket, _) => {
                AsyncSocket::Unix(watched(UnixListener::from_std(socket))?)
            }
        };
        Ok(Self {
            socket,
            is_own,
            door,
            gives_options,
        })
    }

    /// The next connection, as it comes.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Arrival>> {
        let accepted = match &self.socket {
            AsyncSocket::Tcp(listener) => {
                let accepted = ready!(poll_ready(listener, cx, TcpListener::accept));
                accepted.map(tcp_as(Incoming::Tcp))
            }
            AsyncSocket::Tls(listener) => {
                let accepted = ready!(poll_ready(listener, cx, TcpListener::accept));
                accepted.map(tcp_as(Incoming::Tls))
            }
            #[cfg(unix)]
            AsyncSocket::Unix(listener) => {
                let accepted = ready!(poll_ready(listener, cx, UnixListener::accept));
                accepted.map(|(stream, _)| (Incoming::Unix(stream.into()), None))
            }
        };
        Poll::Ready(accepted.map(|(socket, peer)| self.arrival(socket, peer)))
    }

    /// No other process accepts on it.
    pub(super) fn is_own(&self) -> bool {
        self.is_own
    }

    /// Whoever waits to be accepted now, asked of the system itself.
    pub(super) fn rest(&self) -> Vec<Arrival> {
        std::iter::from_fn(|| {
            let (socket, peer) = match &self.socket {
                AsyncSocket::Tcp(listener) => {
                    tcp_as(Incoming::Tcp)(listener.get_ref().accept().ok()?)
                }
                AsyncSocket::Tls(listener) => {
                    tcp_as(Incoming::Tls)(listener.get_ref().accept().ok()?)
                }
                #[cfg(unix)]
                AsyncSocket::Unix(listener) => {
                    let (stream, _) = listener.get_ref().accept().ok()?;
                    (Incoming::Unix(stream.into()), None)
                }
            };
            Some(self.arrival(socket, peer))
        })
        .collect()
    }

    fn arrival(&self, socket: Incoming, peer: Option<SocketAddr>) -> Arrival {
        Arrival {
            has_options: self.gives_options_to(&socket),
            socket,
            peer,
            door: self.door,
        }
    }

    /// Whether this connection has the listener's options; one of a unix socket has none to have.
    fn gives_options_to(&self, socket: &Incoming) -> bool {
        let stream = match socket {
            Incoming::Tcp(stream) | Incoming::Tls(stream) => stream,
            #[cfg(unix)]
            Incoming::Unix(_) => return true,
        };
        let known = self.gives_options.get();
        known.unwrap_or_else(|| {
            let gives = stream.nodelay().unwrap_or(false);
            self.gives_options.set(Some(gives));
            gives
        })
    }
}

/// A listening socket whose connections the runtime tells of; nothing is written to it.
#[expect(
    deprecated,
    reason = "its heir is unsafe, since a type may close or change its descriptor meanwhile; mio's \
              listeners own theirs and never do"
)]
fn watched<T: AsRawFd>(socket: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(socket, Interest::READABLE)
}

/// Tries what the system may refuse for now until it is ready for it.
fn poll_ready<T: AsRawFd, R>(
    socket: &AsyncFd<T>,
    cx: &mut Context<'_>,
    attempt: impl Fn(&T) -> io::Result<R>,
) -> Poll<io::Result<R>> {
    loop {
        let mut guard = ready!(socket.poll_read_ready(cx))?;
        if let Ok(result) = guard.try_io(|socket| attempt(socket.get_ref())) {
            return Poll::Ready(result);
        }
    }
}

/// An accepted TCP connection of this kind.
fn tcp_as(
    kind: fn(std::net::TcpStream) -> Incoming,
) -> impl Fn((TcpStream, SocketAddr)) -> (Incoming, Option<SocketAddr>) {
    move |(stream, peer)| (kind(stream.into()), Some(peer))
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use socket2::SockRef;

    use super::*;
    use crate::{
        testing,
        transport::{inherited::InheritedSockets, socket_options::SocketOptions},
    };

    const SETTINGS: &str = "listen = [\"127.0.0.1:0\"]\n[tcp]\nkeepalive = \"77s\"\n\
                            user_timeout = \"33s\"\n";

    /// Connects to a listener, and gives what it accepts its options as a worker does; answers
    /// whether it had them, and the connection.
    async fn accepted(listener: HttpListener) -> (bool, std::net::TcpStream) {
        let address = listener.url().replace("http://", "").replace('/', "");
        let listener = AsyncListener::new(listener).expect("a runtime");
        let _client = std::net::TcpStream::connect(address).expect("it listens");
        let arrival = poll_fn(|cx| listener.poll_accept(cx)).await;
        let arrival = arrival.expect("a connection");
        let Incoming::Tcp(stream) = arrival.socket else {
            panic!("it is TCP");
        };
        (arrival.has_options, stream)
    }

    fn bind(inherited: Option<std::net::TcpListener>) -> HttpListener {
        let settings = testing::settings(SETTINGS);
        let mut inherited = InheritedSockets::of(inherited);
        let bound = HttpListener::bind_all(&settings, &mut inherited);
        bound.expect("a free port").remove(0)
    }

    /// Four calls of the system a connection are spared where a listener gives its options on.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_connection_has_the_options_of_a_listener_that_was_bound_here() {
        let (has_options, stream) = accepted(bind(None)).await;
        assert!(has_options);
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().expect("an option"));
        assert!(socket.keepalive().expect("an option"));
        let time = |seconds| Duration::from_secs(seconds);
        assert_eq!(socket.tcp_keepalive_time().expect("an option"), time(77));
        assert_eq!(
            socket.tcp_user_timeout().expect("an option"),
            Some(time(33))
        );
    }

    /// systemd's sockets have systemd's options, and whoever waits on one has them too.
    #[tokio::test]
    async fn a_connection_of_an_inherited_listener_is_said_to_have_none() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (has_options, stream) = accepted(bind(Some(socket))).await;
        assert!(!has_options);
        let options = SocketOptions::new(&testing::settings(SETTINGS));
        options.apply(&stream);
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().expect("an option"));
        assert!(socket.keepalive().expect("an option"));
    }
}
