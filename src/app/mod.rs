//! The process: everything of one server, from bound listeners to a drained end.
//!
//! [`App::bind`] takes what can fail at the start (addresses, certificates, descriptors),
//! [`App::run`] serves until a signal says otherwise: workers are started first, then connections
//! are accepted; at the end nothing more is accepted, sessions are drained, and the workers go last.

mod drain;
mod error;
mod start;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_rt::Arbiter;
use actix_web::middleware::from_fn;

pub use self::error::AppError;
use crate::{
    broker::LocalFanout,
    config::Settings,
    http::{self, HttpState},
    liveness::{PULSE_INTERVAL, Pulse},
    node::Node,
    signals::{Signal, Signals},
    transport::{
        accept::Accepting,
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
}

impl App {
    /// Binds the listeners, reads the certificate, and sees to the limit on descriptors.
    ///
    /// # Errors
    /// The first thing that cannot be had.
    pub fn bind(settings: Settings) -> Result<Self, AppError> {
        raise_descriptor_limit(&settings);
        let certificate = match &settings.tls {
            Some(tls) => Some(Certificate::load(&tls.cert, &tls.key)?),
            None => None,
        };
        let listeners = Listener::bind_all(&settings)?;
        Ok(Self {
            settings: Arc::new(settings),
            listeners,
            certificate,
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

    /// Serves until told to stop, then drains; a second signal ends the process before that.
    /// `reload` is called on SIGHUP, for what the process itself can take up anew (what is set of
    /// its log); certificates are seen to here. Must be called in an actix `System`.
    ///
    /// # Errors
    /// What the system refuses at the start.
    pub async fn run(self, mut signals: Signals, reload: impl Fn()) -> Result<(), AppError> {
        let settings = self.settings.clone();
        let certificate = self.certificate.clone();
        let node = start::node(&settings)?;
        let http = Arc::new(HttpState::new(&settings, start::polls(&node)?));
        let pending = PendingConnections::new(&settings, node.metrics.clone());
        let (accepting, workers) = self.serve(&node, &http, &pending)?;

        let mut look = tokio::time::interval(CERTIFICATE_LOOK);
        let mut watch = Watch::new(&node);
        loop {
            let signal = tokio::select! {
                signal = signals.next() => signal,
                () = watch.tick() => continue,
                _ = look.tick() => {
                    if let Some(result) = certificate.as_ref().and_then(|c| c.reload_if_changed()) {
                        report_certificate(result);
                    }
                    continue;
                }
            };
            match signal {
                Signal::Stop => break,
                Signal::Reload => {
                    reload();
                    if let Some(certificate) = &certificate {
                        report_certificate(certificate.reload());
                    }
                }
            }
        }
        drain::run(&node, accepting, &pending).await;
        if let Some(events) = &node.events {
            let left = events.flush(EVENTS_GRACE).await;
            if left > 0 {
                log::warn!("{left} events were not delivered to hooks.events");
            }
        }
        for worker in workers {
            worker.stop();
        }
        Ok(())
    }

    /// Starts the workers, then accepts.
    fn serve(
        self,
        node: &Arc<Node>,
        http: &Arc<HttpState>,
        pending: &Arc<PendingConnections>,
    ) -> Result<(Accepting, Vec<Arbiter>), AppError> {
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
        let accepting = Accepting::start(self.listeners, links, pending.clone()).map_err(failed)?;
        Ok((accepting, workers))
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
