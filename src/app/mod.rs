//! The process: everything of one server, from bound listeners to a drained end.
//!
//! [`App::bind`] takes what can fail at the start (addresses, certificates, descriptors),
//! [`App::run`] serves until a signal says otherwise. Signals are ours: a hand-over releases
//! actix-server's guard of the connection, so that its workers believe themselves idle and would
//! take the sessions down with them.

mod drain;
mod error;
mod start;

use std::{io, sync::Arc, time::Duration};

pub use self::error::AppError;
use crate::{
    config::Settings,
    http::{self, HttpState},
    node::Node,
    signals::{Signal, Signals},
    transport::{
        listener::{self, Closer, Listener, SocketOptions},
        tls::{Certificate, TlsError},
    },
};

/// How often certificate files are looked at.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(10);
/// Descriptors that are not sessions: listeners, files, runtimes, HTTP connections.
const DESCRIPTORS_BESIDE_SESSIONS: u64 = 1024;
/// How long the last events may take at the end of a drain.
const EVENTS_GRACE: Duration = Duration::from_secs(5);
/// actix-server's own limit on connections of a worker must not stand in the way of ours; after a
/// hand-over it does not even count them.
const CONNECTIONS_A_WORKER: usize = 1 << 20;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Drained after a first signal.
    Drained,
    /// Ended at once by a second signal.
    Aborted,
}

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
        raise_descriptor_limit(settings.limits.sessions as u64);
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

    /// Serves until told to stop, then drains. `reload` is called on SIGHUP, for what the process
    /// itself can take up anew (its log filter); certificates are seen to here. Must be called in
    /// an actix `System`.
    ///
    /// # Errors
    /// What the system refuses at the start.
    pub async fn run(self, mut signals: Signals, reload: impl Fn()) -> Result<Outcome, AppError> {
        let settings = self.settings.clone();
        let certificate = self.certificate.clone();
        let closers: Vec<Closer> = self
            .listeners
            .iter()
            .map(Listener::closer)
            .collect::<io::Result<_>>()
            .map_err(|error| AppError::Io("listeners", error))?;
        let node = start::node(&settings)?;
        let http = Arc::new(HttpState::new(&settings, start::polls(&node)?));
        let server = self.serve(&node, &http)?;
        let handle = server.handle();
        let serving = actix_rt::spawn(server);

        let mut look = tokio::time::interval(CERTIFICATE_LOOK);
        loop {
            let signal = tokio::select! {
                signal = signals.next() => signal,
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
        // Called when it is time: the handle sends its command at once, not when it is awaited.
        let pause = async || handle.pause().await;
        let draining = drain::run(&node, pause, closers);
        let stop_now = async { while signals.next().await != Signal::Stop {} };
        tokio::select! {
            _ = draining => {}
            () = stop_now => {
                log::warn!("second signal: ending at once");
                return Ok(Outcome::Aborted);
            }
        }
        if let Some(events) = &node.events {
            let left = events.flush(EVENTS_GRACE).await;
            if left > 0 {
                log::warn!("{left} events were not delivered to hooks.events");
            }
        }
        handle.stop(false).await;
        let _ = serving.await;
        Ok(Outcome::Drained)
    }

    fn serve(
        self,
        node: &Arc<Node>,
        http: &Arc<HttpState>,
    ) -> Result<actix_server::Server, AppError> {
        let failed = |error| AppError::Io("starting to serve", error);
        let tls_config = match &self.certificate {
            Some(certificate) => Some(Arc::new(certificate.server_config()?)),
            None => None,
        };
        let tuning = SocketOptions::new(&self.settings);
        let mut builder = actix_server::Server::build()
            .workers(self.settings.workers)
            .max_concurrent_connections(CONNECTIONS_A_WORKER)
            .disable_signals();
        for listener in self.listeners {
            let (node, http) = (node.clone(), http.clone());
            let make_app = move || {
                let (node, http) = (node.clone(), http.clone());
                actix_web::App::new().configure(move |app| http::configure(&node, &http, app))
            };
            builder = listener::serve(builder, listener, tls_config.clone(), tuning, make_app)
                .map_err(failed)?;
        }
        Ok(builder.run())
    }
}

fn report_certificate(result: Result<(), TlsError>) {
    match result {
        Ok(()) => log::info!("the TLS certificate was taken up anew"),
        Err(error) => log::error!("the TLS certificate stays as it was: {error}"),
    }
}

/// Every session is a descriptor. Raises the soft limit as far as the sessions need and the hard
/// limit allows.
fn raise_descriptor_limit(sessions: u64) {
    let needed = sessions.saturating_add(DESCRIPTORS_BESIDE_SESSIONS);
    match rlimit::increase_nofile_limit(needed) {
        Ok(limit) if limit < needed => log::warn!(
            "only {limit} file descriptors can be open, which is less than limits.sessions = {sessions} needs; raise \
             the hard limit (ulimit -Hn, LimitNOFILE= in systemd) or lower limits.sessions"
        ),
        Ok(_) => {}
        Err(error) => log::warn!("the limit on file descriptors cannot be raised: {error}"),
    }
}
