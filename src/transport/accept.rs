//! Accepting: connections of all listeners go to the worker that has the fewest.
//!
//! One thread accepts and does nothing else. The [`Distributor`] gives each socket to a worker,
//! which registers it with its own runtime; where all queues are full, nothing more is accepted,
//! and clients wait in the system's backlog (`tcp.backlog`). [`Accepting::close`] takes whoever
//! waits there before the listeners go, but not from a socket that another process holds too: who
//! waits there is that one's. [`Accepting::pause`] leaves all of them to another process.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    net::SocketAddr,
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_rt::Arbiter;
#[cfg(unix)]
use mio::net::UnixListener;
use mio::net::{TcpListener, TcpStream};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    distributor::{Arrival, Distributor, Incoming, WorkerLink},
    listener::{BoundSocket, Door, HttpListener},
    pending::PendingConnections,
};

/// How long nothing is accepted after the system had no descriptor or no memory for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Between two lines about that.
const LOG_PAUSE: Duration = Duration::from_secs(10);
/// How long the end of accepting may take; a worker that stands still may hold it up.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// How accepting ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nobody accepts on this process's own listeners any more: whoever waits is taken.
    Close,
    /// Another process accepts on all of them.
    Pause,
}

/// A listening socket for another process.
pub(crate) struct HandedSocket {
    /// A descriptor of it.
    pub(crate) descriptor: OwnedFd,
    /// Only processes of ours hold it, so that the other one ends it.
    pub(crate) is_own: bool,
}

/// The accepting thread, to end it by.
pub(crate) struct Accepting {
    end: watch::Sender<Option<End>>,
    /// Ends with the last listener.
    open: mpsc::Receiver<()>,
    /// Files of unix sockets that end with this process.
    paths: Vec<PathBuf>,
    /// A second descriptor of each listening socket, to hand on.
    sockets: Vec<HandedSocket>,
}

impl Accepting {
    /// Accepts on all listeners from now on.
    ///
    /// # Errors
    /// A socket cannot be duplicated, or not be given to the runtime of the accepting thread.
    pub(crate) fn start(
        listeners: Vec<HttpListener>,
        workers: Vec<WorkerLink>,
        pending: Arc<PendingConnections>,
    ) -> io::Result<Self> {
        let paths = listeners.iter().filter_map(HttpListener::path).collect();
        let sockets = listeners.iter().map(|listener| {
            Ok(HandedSocket {
                descriptor: listener.descriptor()?,
                is_own: listener.is_own(),
            })
        });
        let sockets = sockets.collect::<io::Result<_>>()?;
        let (end, ended) = watch::channel(None);
        let (is_open, open) = mpsc::channel(1);
        let (sender, started) = std::sync::mpsc::sync_channel(1);
        Arbiter::new().spawn_fn(move || {
            let distributor = Rc::new(Distributor::new(workers, pending));
            let listeners: io::Result<Vec<_>> =
                listeners.into_iter().map(AsyncListener::new).collect();
            let listeners = listeners.map(|listeners| {
                for listener in listeners {
                    let accept = accept_all(listener, distributor.clone(), ended.clone());
                    let is_open = is_open.clone();
                    actix_rt::spawn(async move {
                        accept.await;
                        drop(is_open);
                    });
                }
            });
            // The other end waits for exactly this.
            let _ = sender.send(listeners);
        });
        let broken = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        started.recv().map_err(broken)??;
        Ok(Self {
            end,
            open,
            paths,
            sockets,
        })
    }

    /// The listening sockets for another process, in the order of `listen`.
    ///
    /// # Errors
    /// A socket cannot be duplicated: the process has no descriptor left.
    pub(crate) fn sockets(&self) -> io::Result<Vec<HandedSocket>> {
        let another = |socket: &HandedSocket| {
            Ok(HandedSocket {
                descriptor: socket.descriptor.try_clone()?,
                is_own: socket.is_own,
            })
        };
        self.sockets.iter().map(another).collect()
    }

    /// Takes whoever waits to be accepted on this process's own listeners; from then on connections
    /// are refused there. Those that another process holds too are left to it as they are.
    pub(crate) async fn close(self) {
        for path in &self.paths {
            let _ = std::fs::remove_file(path);
        }
        self.end(End::Close).await;
    }

    /// Accepts nothing more; whoever waits is accepted by the process that has the sockets now.
    pub(crate) async fn pause(self) {
        self.end(End::Pause).await;
    }

    async fn end(mut self, how: End) {
        // A socket that has another descriptor would go on taking connections in.
        self.sockets.clear();
        let _ = self.end.send(Some(how));
        if tokio::time::timeout(CLOSE_GRACE, self.open.recv())
            .await
            .is_err()
        {
            log::warn!("the listeners did not close in time");
        }
    }
}

/// A listener on the accepting thread's runtime.
struct AsyncListener {
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
    fn new(listener: HttpListener) -> io::Result<Self> {
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

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Arrival>> {
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

    /// Whoever waits to be accepted now, asked of the system itself.
    fn rest(&self) -> Vec<Arrival> {
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

/// Accepts on one listener until it is told to end.
async fn accept_all(
    listener: AsyncListener,
    distributor: Rc<Distributor>,
    mut end: watch::Receiver<Option<End>>,
) {
    let mut next_line = Instant::now();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = end.changed() => break,
            accepted = poll_fn(|cx| listener.poll_accept(cx)) => accepted,
        };
        match accepted {
            Ok(arrival) => distributor.give(arrival).await,
            // It was gone before it was accepted; the next one has nothing to do with it.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if Instant::now() >= next_line {
                    next_line = Instant::now() + LOG_PAUSE;
                    log::error!("connections cannot be accepted: {error}");
                }
                tokio::select! {
                    biased;
                    _ = end.changed() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    // Who waits on a socket that another process has is accepted there: ours is only let go.
    if !listener.is_own || *end.borrow() != Some(End::Close) {
        return;
    }
    let rest = listener.rest();
    // Nobody more comes from here on.
    drop(listener);
    for arrival in rest {
        distributor.give(arrival).await;
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
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
