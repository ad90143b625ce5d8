//! Accepting: connections of all listeners go to the worker that has the fewest.
//!
//! One thread accepts and does nothing else. The [`Distributor`] gives each socket to a worker,
//! which registers it with its own runtime; where all queues are full, nothing more is accepted,
//! and clients wait in the system's backlog (`tcp.backlog`). [`Accepting::close`] takes whoever
//! waits there before the listeners go, but not from a socket that another process holds too: who
//! waits there is that one's. [`Accepting::pause`] leaves all of them to another process.

use std::{future::poll_fn, io, os::fd::OwnedFd, path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use actix_rt::Arbiter;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    async_listener::AsyncListener,
    distributor::{Distributor, WorkerLink},
    listener::HttpListener,
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
    if !listener.is_own() || *end.borrow() != Some(End::Close) {
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
