//! The process: everything of one server, from bound listeners to a drained end.
//!
//! [`App::bind`] takes what can fail at the start (addresses, certificates, descriptors),
//! [`App::run`] serves until a signal says otherwise: workers are started first, then connections
//! are accepted; at the end nothing more is accepted, sessions are drained, and the workers go
//! last. On SIGUSR2 a new process takes the listeners over ([`successor`]); it knows of the old one
//! by its [`Inheritance`].

mod control;
mod drain;
mod error;
mod handover;
mod predecessor;
mod running;
mod start;
mod state;
mod successor;

use std::{sync::Arc, time::Duration};

use actix_rt::Arbiter;
use actix_web::middleware::from_fn;

#[cfg(test)]
pub(crate) use self::start::shard_settings;
use self::{drain::Reason, running::Running, start::Started, successor::Launch};
pub use self::{error::AppError, predecessor::Inheritance};
use crate::{
    broker::LocalFanout,
    config::Settings,
    hooks::Event,
    http::{self, HttpState},
    metrics::HandoverOutcome,
    node::Node,
    server::poll::Poller,
    signals::{Signal, Signals},
    supervisor,
    transport::{
        accept::Accepting,
        distributor::WorkerLink,
        listener::{Door, HttpListener},
        pending::PendingConnections,
        requests,
        socket_options::SocketOptions,
        tls::Certificate,
        worker,
    },
    unix_time::unix_now_ms,
};

/// Descriptors that are no connections of clients: listeners, files, runtimes, the backend.
const DESCRIPTORS_BESIDE_CLIENTS: u64 = 1024;
/// How long the last events may take at the end of a drain.
const EVENTS_GRACE: Duration = Duration::from_secs(5);

/// A server that is bound but does not serve yet.
pub struct App {
    settings: Arc<Settings>,
    listeners: Vec<HttpListener>,
    certificate: Option<Arc<Certificate>>,
    launch: Launch,
}

impl App {
    /// Binds the listeners that are not inherited, reads the certificate, and sees to the limit on
    /// descriptors.
    ///
    /// # Errors
    /// The first thing that cannot be had.
    pub fn bind(settings: Settings, inheritance: &mut Inheritance) -> Result<Self, AppError> {
        raise_descriptor_limit(&settings);
        let certificate = match &settings.tls {
            Some(tls) => Some(Certificate::load(&tls.cert, &tls.key)?),
            None => None,
        };
        let listeners = HttpListener::bind_all(&settings, &mut inheritance.sockets)?;
        Ok(Self {
            settings: Arc::new(settings),
            listeners,
            certificate,
            launch: Launch::of_this_process(),
        })
    }

    /// Where clients reach it.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.urls_of(Door::Everyone)
    }

    /// Where administrators reach it, if not there.
    pub fn admin_urls(&self) -> impl Iterator<Item = &str> {
        self.urls_of(Door::Administrators)
    }

    fn urls_of(&self, door: Door) -> impl Iterator<Item = &str> {
        let listeners = self.listeners.iter();
        let listeners = listeners.filter(move |listener| listener.door() == door);
        listeners.map(HttpListener::url)
    }

    /// Whether only this machine reaches it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.listeners.iter().all(HttpListener::is_local)
    }

    /// Serves until told to stop, or until a new process has taken over, then drains; a second
    /// signal to stop ends the process before that. `reload` is called on SIGHUP, for what the
    /// process itself can take up anew (what is set of its log); certificates are seen to here.
    /// Must be called in an actix `System`.
    ///
    /// # Errors
    /// What the system refuses at the start.
    pub async fn run(
        self,
        mut signals: Signals,
        inheritance: &Inheritance,
        reload: impl Fn(),
    ) -> Result<(), AppError> {
        let settings = self.settings.clone();
        // Clients may wait on the sockets already: they are taken in before the state is read.
        let Started { node, later } = start::node(&settings, inheritance.has_sockets())?;
        let pollers = start::polls(&node)?;
        let watches = pollers.iter().map(Poller::watch).collect();
        let http = Arc::new(HttpState::new(&settings, watches));
        let pending = PendingConnections::new(&settings, node.metrics.clone());
        let (links, workers) = self.start_workers(&node, &http)?;
        if inheritance.takes_over() {
            state::look(&settings)?;
        }
        let predecessor = tokio::select! {
            predecessor = inheritance.take_over() => predecessor,
            // Nobody has been accepted yet.
            () = signals.stop() => return Ok(()),
        };
        if let Some(predecessor) = predecessor {
            control::forward(&node, predecessor);
        }
        // The first event of this life.
        if let Some(events) = &node.events {
            events.send(Event::NodeStarted {
                time_ms: unix_now_ms(),
                name: settings.node.clone(),
                handover: inheritance.takes_over(),
            });
        }
        let accepting = Accepting::start(self.listeners, links, pending.clone())
            .map_err(|error| AppError::Io("starting to accept", error))?;
        let running = Running {
            node: &node,
            certificate: self.certificate.as_deref(),
            launch: &self.launch,
            opening: running::begin(&node, later)?,
            pollers,
        };
        let ended = running.until_end(&accepting, &mut signals, reload).await;
        node.gate.end();
        let reason = *ended.as_ref().unwrap_or(&Reason::Failed);
        if reason != Reason::HandedOver {
            supervisor::stopping();
        }
        tokio::select! {
            _ = drain::run(&node, accepting, &pending, reason) => {}
            () = ignore(&mut signals, &node) => {}
        }
        node.settle_reports().await;
        if let Some(events) = &node.events {
            let left = events.flush(EVENTS_GRACE).await;
            if left > 0 {
                log::warn!("{left} events were not delivered to hooks.events");
            }
        }
        for worker in workers {
            worker.stop();
        }
        if let Some(state) = node.state.get() {
            // Whoever still publishes is refused from here on.
            state.close();
        }
        ended.map(drop)
    }

    /// Starts the workers, which have nothing to do before something is accepted.
    fn start_workers(
        &self,
        node: &Arc<Node>,
        http: &Arc<HttpState>,
    ) -> Result<(Vec<WorkerLink>, Vec<Arbiter>), AppError> {
        let failed = |error| AppError::Io("starting to serve", error);
        let tls_config = match &self.certificate {
            Some(certificate) => Some(Arc::new(certificate.server_config()?)),
            None => None,
        };
        let options = SocketOptions::new(&self.settings);
        let (mut links, mut workers) = (Vec::new(), Vec::new());
        for _ in 0..self.settings.workers {
            let (routes, http) = (node.clone(), http.clone());
            let service = move || {
                requests::http_service(options, move || {
                    let (node, http) = (routes.clone(), http.clone());
                    actix_web::App::new()
                        .wrap(from_fn(http::answer))
                        .configure(move |app| http::configure(&node, &http, app))
                })
            };
            let node = node.clone();
            let stats = move || {
                let fanout: Arc<dyn LocalFanout> = node.fanout.clone();
                node.shards.current(&fanout).shared().stats.clone()
            };
            let (link, worker) =
                worker::start(service, stats, options, tls_config.clone()).map_err(failed)?;
            links.push(link);
            workers.push(worker);
        }
        Ok((links, workers))
    }
}

/// Says of every signal that this process is ending already; never ends.
async fn ignore(signals: &mut Signals, node: &Node) {
    loop {
        let signal = signals.next().await;
        if signal == Signal::HandOver {
            node.metrics.handover(HandoverOutcome::Ignored);
        }
        log::info!("this process is draining already, {signal:?} changes nothing");
    }
}

/// Every connection is a descriptor. Raises the soft limit as far as the limits on them need and
/// the hard limit allows.
fn raise_descriptor_limit(settings: &Settings) {
    let limits = &settings.limits;
    let clients = limits.sessions.saturating_add(limits.pending_connections);
    let needed = (clients as u64).saturating_add(DESCRIPTORS_BESIDE_CLIENTS);
    match rlimit::increase_nofile_limit(needed) {
        Ok(limit) if limit < needed => log::warn!(
            "only {limit} file descriptors can be open, which is less than limits.sessions = {} and \
             limits.pending_connections = {} need; raise the hard limit (ulimit -Hn, LimitNOFILE= \
             in systemd) or lower limits.sessions",
            limits.sessions,
            limits.pending_connections
        ),
        Ok(_) => {}
        Err(error) => log::warn!("the limit on file descriptors cannot be raised: {error}"),
    }
}
