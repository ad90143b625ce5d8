//! Distributing: each accepted connection goes to the worker that has the fewest.
//!
//! It is counted among the pending ones, then sent to its worker by a bounded queue. Where all are
//! full, whoever accepts waits here. Used by the accepting thread alone.

#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::{
    cell::Cell,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use super::listener::Door;
use super::pending::{PendingConnection, PendingConnections};
use crate::metrics::WorkerStats;

/// How long a full worker is waited for before all are looked at again.
const FULL_PAUSE: Duration = Duration::from_millis(100);

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

/// A connection as it was accepted.
pub(super) struct Arrival {
    pub(super) socket: Incoming,
    /// Its other end; absent on a unix socket.
    pub(super) peer: Option<SocketAddr>,
    /// Who is served on the listener that it came by.
    pub(super) door: Door,
    /// It has the options of [`SocketOptions`](super::socket_options::SocketOptions) from its
    /// listener.
    pub(super) has_options: bool,
}

/// An accepted connection on its way to its worker.
pub(super) struct Accepted {
    pub(super) arrival: Arrival,
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

/// Gives connections to workers.
pub(super) struct Distributor {
    workers: Vec<WorkerLink>,
    pending: Arc<PendingConnections>,
    /// The worker that is looked at first, so that equals take turns.
    next: Cell<usize>,
}

impl Distributor {
    pub(super) fn new(workers: Vec<WorkerLink>, pending: Arc<PendingConnections>) -> Self {
        Self {
            workers,
            pending,
            next: Cell::new(0),
        }
    }

    /// Sends a connection to the worker with the fewest; waits while no queue has room.
    pub(super) async fn give(&self, arrival: Arrival) {
        let (worker, room) = loop {
            let Some(worker) = self.choose() else { return };
            if let Ok(room) = worker.queue.try_reserve() {
                break (worker, room);
            }
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
        let address = arrival.peer.map(|peer| peer.ip());
        let place = PendingConnection::new(&self.pending, address, worker.pending.clone());
        room.send(Accepted { arrival, place });
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
