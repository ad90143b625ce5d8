//! A worker: a thread that takes the connections sent to it from their first byte to their end, or
//! until a session has their socket.
//!
//! Each connection is a task of its own, so that none waits for another one's handshake. Nothing is
//! set up for a connection before its first byte: a silent one costs its task and its socket. What
//! bounds them is [`pending`](super::pending); a connection that has to go is dropped where it
//! stands.

use std::{
    fmt::Display,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
    task::Poll,
};

use actix_http::{Protocol, error::DispatchError};
use actix_rt::Arbiter;
use actix_service::{Service, ServiceFactory};
use log::Level;
use rustls::ServerConfig;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    distributor::{Accepted, Arrival, Incoming, WorkerLink},
    hello::{self, Hello},
    http_stream::{HeadTooLarge, HttpStream},
    pending::PendingConnection,
    request_turn::RequestTurn,
    socket_options::SocketOptions,
};
use crate::{
    connection::{CountingStream, socket::Socket},
    logger::{self, Address, REFUSAL_PAUSE, Subject},
    metrics::{CutReason, WorkerStats},
};

/// Sockets that may wait for one worker; then others get them.
const QUEUE: usize = 1024;

/// An accepted connection, as actix-http takes it.
pub(super) type OpenedSocket = (HttpStream, Protocol, Option<SocketAddr>);

/// Starts a worker thread. `http` and `stats` are called there, in this order: the service of its
/// connections, and what it counts.
///
/// # Errors
/// `http` gives a service that cannot be made.
pub(crate) fn start<F, H, S>(
    http: F,
    stats: impl FnOnce() -> Arc<WorkerStats> + Send + 'static,
    options: SocketOptions,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<(WorkerLink, Arbiter)>
where
    F: FnOnce() -> H + Send + 'static,
    H: ServiceFactory<OpenedSocket, Config = (), Service = S> + 'static,
    S: Service<OpenedSocket, Response = (), Error = DispatchError> + 'static,
{
    let (queue, incoming) = mpsc::channel(QUEUE);
    let (sender, started) = std::sync::mpsc::sync_channel(1);
    let arbiter = Arbiter::new();
    arbiter.spawn_fn(move || {
        actix_rt::spawn(async move {
            // Without a service the other end learns it by the end of this task.
            let Ok(http) = http().new_service(()).await else {
                return;
            };
            let stats = stats();
            let _ = sender.send(stats.clone());
            let worker = Rc::new(Worker {
                http,
                options,
                tls: tls.map(TlsAcceptor::from),
                stats,
            });
            worker.run(incoming).await;
        });
    });
    let broken = |_| io::Error::other("the services of a worker cannot be made");
    let stats = started.recv().map_err(broken)?;
    let pending = Arc::new(AtomicUsize::new(0));
    let link = WorkerLink {
        queue,
        stats,
        pending,
    };
    Ok((link, arbiter))
}

/// What the connections of one worker share.
struct Worker<S> {
    /// An App behind actix-http, which is always ready.
    http: S,
    options: SocketOptions,
    tls: Option<TlsAcceptor>,
    stats: Arc<WorkerStats>,
}

impl<S> Worker<S>
where
    S: Service<OpenedSocket, Response = (), Error = DispatchError> + 'static,
{
    async fn run(self: Rc<Self>, mut incoming: mpsc::Receiver<Accepted>) {
        while let Some(accepted) = incoming.recv().await {
            let this = self.clone();
            actix_rt::spawn(async move { this.take(accepted).await });
        }
    }

    /// One connection, to its end.
    async fn take(&self, accepted: Accepted) {
        let Accepted { arrival, place } = accepted;
        let (peer, place) = (arrival.peer, Rc::new(place));
        let mut serving = pin!(self.serve(arrival, &place));
        // Twice, with the runtime's look at the socket in between: whoever comes with a whole
        // request has it begun by then, and takes nobody's place.
        for _ in 0..2 {
            if poll_once(serving.as_mut()).await.is_ready() {
                return;
            }
            tokio::task::yield_now().await;
        }
        place.wait();
        tokio::select! {
            // First, so that a request that is here is seen before it has to go or is found idle.
            biased;
            () = serving => {}
            () = place.dropped() => {}
            why = place.told_to_go() => match why {
                Some(why) => {
                    let limit = why.limit();
                    tell_misspoken("an unfinished connection makes room for newer ones", &limit, peer);
                }
                None => log::debug!(address:% = address_of(peer); "an idle connection is ended"),
            }
        }
    }

    async fn serve(&self, arrival: Arrival, place: &Rc<PendingConnection>) {
        let Arrival { peer, door, .. } = arrival;
        let Some((socket, hello)) = self.open(arrival, place).await else {
            return;
        };
        let SocketOptions {
            write_timeout,
            head_bytes,
            requests_per_turn,
            ..
        } = self.options;
        let turn = Rc::new(RequestTurn::new(requests_per_turn, self.stats.clone()));
        let stream =
            HttpStream::new(socket, write_timeout, head_bytes, place.clone(), turn).of_door(door);
        // On the heap, since it is far larger than what waits for the first byte.
        let served = Box::pin(self.http.call((stream, Protocol::Http1, peer))).await;
        match served {
            Ok(()) => {}
            Err(DispatchError::Parse(error)) => {
                place.all().cut(CutReason::NotHttp);
                let error = place
                    .misread()
                    .map_or_else(|| error.to_string(), String::from);
                match hello {
                    Hello::Tls => {
                        let how = "use ws://, or tls: in listen";
                        tell_misspoken("TLS on a plain listener", &how, peer);
                    }
                    Hello::Http => tell_misspoken("a request cannot be read", &error, peer),
                    Hello::Other => tell_misspoken("no HTTP came", &error, peer),
                }
            }
            Err(DispatchError::Io(error)) if is_head_too_large(&error) => {
                tell_misspoken(
                    "the head of a request is larger than http.head_bytes",
                    &"431",
                    peer,
                );
            }
            Err(DispatchError::SlowRequestTimeout) => place.all().cut(CutReason::HeadTimeout),
            Err(error) => {
                log::debug!(address:% = address_of(peer), reason:% = error; "a connection ended");
            }
        }
    }

    /// The socket with its first byte there to be read, and what that looks like; absent if none
    /// comes in time.
    async fn open(&self, arrival: Arrival, place: &PendingConnection) -> Option<(Socket, Hello)> {
        let Arrival {
            socket,
            peer,
            has_options,
            ..
        } = arrival;
        let tcp = |stream| {
            let stream = TcpStream::from_std(stream).ok()?;
            if !has_options {
                self.options.apply(&stream);
            }
            Some(stream)
        };
        match socket {
            Incoming::Tcp(stream) => {
                let stream = tcp(stream)?;
                let hello = self.in_time(place, hello::of(&stream)).await?;
                Some((Socket::Tcp(stream), hello))
            }
            #[cfg(unix)]
            Incoming::Unix(stream) => {
                let stream = UnixStream::from_std(stream).ok()?;
                self.in_time(place, stream.readable()).await?;
                Some((Socket::Unix(stream), Hello::Other))
            }
            Incoming::Tls(stream) => {
                let handshake = timeout(
                    self.options.handshake_timeout,
                    self.handshake(tcp(stream)?, peer, place),
                );
                let Ok(stream) = handshake.await else {
                    place.all().cut(CutReason::TlsTimeout);
                    return None;
                };
                let mut stream = stream?;
                let first = self.in_time(place, stream.fill_buf()).await?;
                let hello = hello::looks_like(first);
                Some((Socket::Tls(stream), hello))
            }
        }
    }

    /// Waits for the first byte of a request.
    async fn in_time<T>(
        &self,
        place: &PendingConnection,
        first_byte: impl Future<Output = io::Result<T>>,
    ) -> Option<T> {
        match timeout(self.options.request_timeout, first_byte).await {
            // An error is the client's end, which says nothing to anyone.
            Ok(result) => result.ok(),
            Err(_) => {
                place.all().cut(CutReason::HeadTimeout);
                None
            }
        }
    }

    async fn handshake(
        &self,
        mut stream: TcpStream,
        peer: Option<SocketAddr>,
        place: &PendingConnection,
    ) -> Option<Box<tokio_rustls::server::TlsStream<CountingStream>>> {
        if hello::of(&stream).await.ok()? == Hello::Http {
            place.all().cut(CutReason::TlsFailed);
            let how = "use https:// or wss://";
            tell_misspoken("plain HTTP on a tls: listener", &how, peer);
            let _ = stream.write_all(hello::SPEAK_TLS).await;
            return None;
        }
        let acceptor = self.tls.as_ref()?;
        match acceptor.accept(CountingStream::new(stream)).await {
            Ok(stream) => Some(Box::new(stream)),
            Err(error) => {
                place.all().cut(CutReason::TlsFailed);
                let address = address_of(peer);
                log::debug!(address:%, reason:% = error; "a TLS handshake failed");
                None
            }
        }
    }
}

fn is_head_too_large(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|error| error.is::<HeadTooLarge>())
}

/// Polls a future once.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Who knocks with something else can do so as often as it likes.
fn tell_misspoken(what: &'static str, reason: &dyn Display, peer: Option<SocketAddr>) {
    let address = address_of(peer);
    let subject = Subject::new(Level::Info, module_path!(), what)
        .from(address)
        .with("reason", reason);
    logger::throttled(subject, REFUSAL_PAUSE, |times| {
        log::info!(address:%, reason:%, times; "{what}");
    });
}

/// The other end of a connection, for the log.
fn address_of(peer: Option<SocketAddr>) -> Address {
    Address(peer.map(|peer| peer.ip().to_canonical()))
}
