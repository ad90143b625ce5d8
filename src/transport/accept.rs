//! Accepting: connections of all listeners go to the worker that has the fewest.
//!
//! One thread accepts and does nothing else. A socket is counted for its worker, then sent to it,
//! which registers it with its own runtime. A worker's queue is bounded;
//! where all are full, nothing more is accepted, and clients wait in the system's backlog
//! (`tcp.backlog`). [`Accepting::close`] takes whoever waits there before the listeners go.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_rt::Arbiter;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::Instant,
};
#[cfg(unix)]
use {std::os::unix::net::UnixStream, tokio::net::UnixListener};

use super::{
    listener::{BoundSocket, Listener},
    pending::{PendingConnection, PendingConnections},
};
use crate::metrics::WorkerStats;

/// How long nothing is accepted after the system had no descriptor or no memory for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Between two lines about that.
const LOG_PAUSE: Duration = Duration::from_secs(10);
/// How long a full worker is waited for before all are looked at again.
const FULL_PAUSE: Duration = Duration::from_millis(100);
/// How long the end of accepting may take; a worker that stands still may hold it up.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// A socket as it was accepted, registered with no runtime.
pub(super) enum Incoming {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TCP on which TLS is spoken.
    Tls(TcpStream),
    /// A unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

/// An accepted connection on its way to its worker.
pub(super) struct Accepted {
    pub(super) socket: Incoming,
    /// Its other end; absent on a unix socket.
    pub(super) peer: Option<SocketAddr>,
    pub(super) place: PendingConnection,
}

/// A worker, as the accepting thread sees it.
pub(crate) struct WorkerLink {
    pub(super) queue: mpsc::Sender<Accepted>,
    pub(super) stats: Arc<WorkerStats>,
    /// Its pending connections, and those that are on their way to it.
    pub(super) pending: Arc<AtomicUsize>,
}

impl WorkerLink {
    fn connections(&self) -> usize {
        self.pending.load(Relaxed) + self.stats.sessions.get() as usize
    }
}

/// The accepting thread, to end it by.
pub(crate) struct Accepting {
    close: watch::Sender<()>,
    /// Ends with the last listener.
    open: mpsc::Receiver<()>,
    /// Files of unix sockets.
    paths: Vec<PathBuf>,
}

impl Accepting {
    /// Accepts on all listeners from now on.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn start(
        listeners: Vec<Listener>,
        workers: Vec<WorkerLink>,
        pending: Arc<PendingConnections>,
    ) -> io::Result<Self> {
        let paths = listeners.iter().filter_map(Listener::path).collect();
        let (close, closed) = watch::channel(());
        let (is_open, open) = mpsc::channel(1);
        let (sender, started) = std::sync::mpsc::sync_channel(1);
        Arbiter::new().spawn_fn(move || {
            let distributor = Rc::new(Distributor {
                workers,
                pending,
                next: Cell::new(0),
            });
            let listeners: io::Result<Vec<_>> =
                listeners.into_iter().map(AsyncListener::new).collect();
            let listeners = listeners.map(|listeners| {
                for listener in listeners {
                    let accept = accept_all(listener, distributor.clone(), closed.clone());
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
        Ok(Self { close, open, paths })
    }

    /// Takes whoever waits to be accepted; from then on connections are refused.
    pub(crate) async fn close(mut self) {
        for path in &self.paths {
            let _ = std::fs::remove_file(path);
        }
        let _ = self.close.send(());
        if tokio::time::timeout(CLOSE_GRACE, self.open.recv())
            .await
            .is_err()
        {
            log::warn!("the listeners did not close in time");
        }
    }
}

/// A listener on the accepting thread's runtime.
enum AsyncListener {
    Tcp(TcpListener),
    Tls(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

type Arrival = (Incoming, Option<SocketAddr>);

impl AsyncListener {
    fn new(listener: Listener) -> io::Result<Self> {
        Ok(match listener.into_socket() {
            BoundSocket::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket)?),
            BoundSocket::Tls(socket) => Self::Tls(TcpListener::from_std(socket)?),
            #[cfg(unix)]
            BoundSocket::Unix(socket, _) => Self::Unix(UnixListener::from_std(socket)?),
        })
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Arrival>> {
        let tcp = |listener: &TcpListener, cx: &mut Context<'_>| {
            let (stream, peer) = ready!(listener.poll_accept(cx))?;
            Poll::Ready(stream.into_std().map(|stream| (stream, Some(peer))))
        };
        Poll::Ready(match self {
            Self::Tcp(listener) => {
                ready!(tcp(listener, cx)).map(|(stream, peer)| (Incoming::Tcp(stream), peer))
            }
            Self::Tls(listener) => {
                ready!(tcp(listener, cx)).map(|(stream, peer)| (Incoming::Tls(stream), peer))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                stream
                    .into_std()
                    .map(|stream| (Incoming::Unix(stream), None))
            }
        })
    }

    /// Whoever waits to be accepted now, asked of the system itself; then the listener is closed.
    fn into_rest(self) -> io::Result<Vec<Arrival>> {
        let mut rest = Vec::new();
        let mut take_tcp = |listener: TcpListener, as_incoming: fn(TcpStream) -> Incoming| {
            let listener = listener.into_std()?;
            while let Ok((stream, peer)) = listener.accept() {
                stream.set_nonblocking(true)?;
                rest.push((as_incoming(stream), Some(peer)));
            }
            Ok::<_, io::Error>(())
        };
        match self {
            Self::Tcp(listener) => take_tcp(listener, Incoming::Tcp)?,
            Self::Tls(listener) => take_tcp(listener, Incoming::Tls)?,
            #[cfg(unix)]
            Self::Unix(listener) => {
                let listener = listener.into_std()?;
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    rest.push((Incoming::Unix(stream), None));
                }
            }
        }
        Ok(rest)
    }
}

/// Accepts on one listener until it is told to close.
async fn accept_all(
    listener: AsyncListener,
    distributor: Rc<Distributor>,
    mut closed: watch::Receiver<()>,
) {
    let mut next_line = Instant::now();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = closed.changed() => break,
            accepted = poll_fn(|cx| listener.poll_accept(cx)) => accepted,
        };
        match accepted {
            Ok((socket, peer)) => distributor.give(socket, peer).await,
            // It was gone before it was accepted; the next one has nothing to do with it.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if Instant::now() >= next_line {
                    next_line = Instant::now() + LOG_PAUSE;
                    log::error!("connections cannot be accepted: {error}");
                }
                tokio::select! {
                    biased;
                    _ = closed.changed() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    match listener.into_rest() {
        Ok(rest) => {
            for (socket, peer) in rest {
                distributor.give(socket, peer).await;
            }
        }
        Err(error) => log::error!("connections cannot be accepted at the end: {error}"),
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

/// Gives connections to workers.
struct Distributor {
    workers: Vec<WorkerLink>,
    pending: Arc<PendingConnections>,
    /// The worker that is looked at first, so that equals take turns.
    next: Cell<usize>,
}

impl Distributor {
    /// Sends a socket to the worker with the fewest connections; waits while no queue has room.
    async fn give(&self, socket: Incoming, peer: Option<SocketAddr>) {
        let (worker, room) = loop {
            let Some(worker) = self.choose() else { return };
            // All are full if this one is; meanwhile another one may have room again.
            match tokio::time::timeout(FULL_PAUSE, worker.queue.reserve()).await {
                Ok(Ok(room)) => break (worker, room),
                Ok(Err(_)) => {
                    log::error!("no worker takes connections any more");
                    return;
                }
                Err(_) => {}
            }
        };
        let address = peer.map(|peer| peer.ip());
        let place = PendingConnection::new(&self.pending, address, worker.pending.clone());
        room.send(Accepted {
            socket,
            peer,
            place,
        });
    }

    /// Of the workers that can take one, the one with the fewest connections.
    fn choose(&self) -> Option<&WorkerLink> {
        let count = self.workers.len();
        let in_turn = (0..count).map(|index| (self.next.get() + index) % count);
        let chosen = in_turn.min_by_key(|&index| {
            let worker = &self.workers[index];
            let is_full = worker.queue.capacity() == 0;
            (worker.queue.is_closed(), is_full, worker.connections())
        })?;
        self.next.set((chosen + 1) % count);
        Some(&self.workers[chosen])
    }
}
