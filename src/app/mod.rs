//! The process: everything of one server, from bound listeners to a drained end.
//!
//! [`App::bind`] takes what can fail at the start (addresses, certificates, descriptors),
//! [`App::run`] serves until a signal says otherwise: workers are started first, then connections
//! are accepted; at the end nothing more is accepted, sessions are drained, and the workers go last.
//! On SIGUSR2 a new process takes the listeners over ([`successor`]); it knows of the old one by
//! its [`Inheritance`].

mod drain;
mod error;
mod handover;
mod predecessor;
mod start;
mod state;
mod successor;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_rt::Arbiter;
use actix_web::middleware::from_fn;

use self::{drain::Reason, handover::Handover, successor::Launch};
pub use self::{error::AppError, predecessor::Inheritance};
use crate::{
    broker::LocalFanout,
    config::Settings,
    http::{self, HttpState},
    liveness::{PULSE_INTERVAL, Pulse},
    metrics::Handover as HandoverOutcome,
    node::{Node, phase::Phase},
    signals::{Signal, Signals},
    supervisor,
    transport::{
        accept::Accepting,
        distributor::WorkerLink,
        listener::Listener,
        pending::PendingConnections,
        requests,
        socket_options::SocketOptions,
        tls::{Certificate, TlsError},
        worker,
    },
};

/// How often certificate files are looked at.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(10);
/// Descriptors that are no connections of clients: listeners, files, runtimes, the backend.
const DESCRIPTORS_BESIDE_CLIENTS: u64 = 1024;
/// How long the last events may take at the end of a drain.
const EVENTS_GRACE: Duration = Duration::from_secs(5);

/// A server that is bound but does not serve yet.
pub struct App {
    settings: Arc<Settings>,
    listeners: Vec<Listener>,
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
        let listeners = Listener::bind_all(&settings, &mut inheritance.sockets)?;
        Ok(Self {
            settings: Arc::new(settings),
            listeners,
            certificate,
            launch: Launch::of_this_process(),
        })
    }

    /// Where clients reach it.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.listeners.iter().map(Listener::url)
    }

    /// Whether only this machine reaches it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.listeners.iter().all(Listener::is_local)
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
        // What is kept on disk is one process's: the one before this gives it up when it is told.
        let is_kept = settings.state.dir.is_some();
        if is_kept {
            start::check(&settings)?;
            tokio::select! {
                () = inheritance.take_over() => {}
                () = signals.stop() => return Ok(()),
            }
        }
        let node = start::node(&settings, inheritance.takes_over())?;
        let http = Arc::new(HttpState::new(&settings, start::polls(&node)?));
        let pending = PendingConnections::new(&settings, node.metrics.clone());
        let (links, workers) = self.start_workers(&node, &http)?;
        if !is_kept {
            tokio::select! {
                () = inheritance.take_over() => {}
                // Nobody has been accepted yet.
                () = signals.stop() => return Ok(()),
            }
        }
        let accepting = Accepting::start(self.listeners, links, pending.clone())
            .map_err(|error| AppError::Io("starting to accept", error))?;
        supervisor::ready();
        node.advance(Phase::Running);

        let running = Running {
            node: &node,
            certificate: self.certificate.as_deref(),
            launch: &self.launch,
        };
        let reason = running.until_end(&accepting, &mut signals, reload).await;
        match reason {
            Reason::Stop => supervisor::stopping(),
            Reason::HandedOver => let_go(&node).await,
        }
        tokio::select! {
            _ = drain::run(&node, accepting, &pending, reason) => {}
            () = ignore(&mut signals, &node) => {}
        }
        if let Some(events) = &node.events {
            let left = events.flush(EVENTS_GRACE).await;
            if left > 0 {
                log::warn!("{left} events were not delivered to hooks.events");
            }
        }
        for worker in workers {
            worker.stop();
        }
        if let Some(state) = &node.state {
            // Whoever still publishes is refused from here on.
            state.close();
        }
        Ok(())
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
                        .wrap(from_fn(http::tell_of_refusals))
                        .wrap(from_fn(http::settle))
                        .configure(move |app| http::configure(&node, &http, app))
                })
            };
            let node = node.clone();
            let stats = move || {
                let fanout: Arc<dyn LocalFanout> = node.fanout.clone();
                node.shards.current(&fanout).config().stats.clone()
            };
            let (link, worker) =
                worker::start(service, stats, options, tls_config.clone()).map_err(failed)?;
            links.push(link);
            workers.push(worker);
        }
        Ok((links, workers))
    }
}

/// What the main thread does while the node serves.
struct Running<'a> {
    node: &'a Node,
    certificate: Option<&'a Certificate>,
    launch: &'a Launch,
}

impl Running<'_> {
    /// Sees to signals, certificates and threads until the node has to go.
    async fn until_end(
        &self,
        accepting: &Accepting,
        signals: &mut Signals,
        reload: impl Fn(),
    ) -> Reason {
        let mut look = tokio::time::interval(CERTIFICATE_LOOK);
        let mut watch = Watch::new(self.node);
        let mut handover = Handover::new(self.node, accepting, self.launch);
        loop {
            let signal = tokio::select! {
                signal = signals.next() => signal,
                ready = handover.next() => match handover.finish(ready).await {
                    true => return Reason::HandedOver,
                    false => continue,
                },
                () = watch.tick() => continue,
                _ = look.tick() => {
                    if let Some(result) = self.certificate.and_then(Certificate::reload_if_changed) {
                        report_certificate(result);
                    }
                    continue;
                }
            };
            match signal {
                Signal::Stop => {
                    handover.stop();
                    return Reason::Stop;
                }
                Signal::HandOver => handover.begin(),
                Signal::Reload => {
                    supervisor::reloading();
                    reload();
                    if let Some(certificate) = self.certificate {
                        report_certificate(certificate.reload());
                    }
                    supervisor::ready();
                }
            }
        }
    }
}

/// Gives what is kept on disk to the process that has taken over and waits for it: pushes and polls
/// end here, and whoever still publishes what is kept is refused.
async fn let_go(node: &Node) {
    node.entries.stop();
    if let Some(state) = node.state.clone() {
        // It writes what waits and has the disk hold it. A panic there has ended the process.
        let _ = tokio::task::spawn_blocking(move || state.close()).await;
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

/// Gives the main thread's signs of life, and tells of threads that give none.
struct Watch<'a> {
    node: &'a Node,
    pulse: Arc<Pulse>,
    interval: tokio::time::Interval,
    told: Vec<String>,
}

impl<'a> Watch<'a> {
    fn new(node: &'a Node) -> Self {
        Self {
            node,
            pulse: node.metrics.liveness.watch("main".to_string()),
            interval: tokio::time::interval(PULSE_INTERVAL),
            told: Vec::new(),
        }
    }

    async fn tick(&mut self) {
        self.interval.tick().await;
        let now = Instant::now();
        self.pulse.beat(now);
        let stuck = self.node.stuck_threads(now);
        let limit = humantime::format_duration(self.node.settings.limits.thread_timeout);
        for name in stuck.iter().filter(|name| !self.told.contains(name)) {
            log::error!("thread {name} has given no sign of life for {limit}");
        }
        for name in self.told.iter().filter(|name| !stuck.contains(name)) {
            log::info!("thread {name} lives again");
        }
        self.told = stuck;
    }
}

fn report_certificate(result: Result<(), TlsError>) {
    match result {
        Ok(()) => log::info!("the TLS certificate was taken up anew"),
        Err(error) => log::error!("the TLS certificate stays as it was: {error}"),
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
