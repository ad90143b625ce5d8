//! What the main thread does while the node serves: sees to signals, certificates, threads and a
//! hand-over, and lets those in who wait for the state on disk once that is there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    drain::Reason, error::AppError, handover::Handover, start::Later, state::Opening,
    successor::Launch,
};
use crate::{
    liveness::{PULSE_INTERVAL, Pulse},
    node::{Node, phase::Phase},
    server::{RunPushes, poll::Poller},
    signals::{Signal, Signals},
    state::StateDir,
    supervisor,
    transport::{
        accept::Accepting,
        tls::{Certificate, TlsError},
    },
};

/// How often certificate files are looked at.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(10);

/// What the main thread does while the node serves.
pub(super) struct Running<'a> {
    pub(super) node: &'a Arc<Node>,
    pub(super) certificate: Option<&'a Certificate>,
    pub(super) launch: &'a Launch,
    /// The state that the node serves without until it is there.
    pub(super) opening: Option<Opening>,
    /// What begins with the state.
    pub(super) pollers: Vec<Poller>,
}

/// Begins to read the state that comes later, for those who may come from now on.
///
/// # Errors
/// There is no thread.
pub(super) fn begin(node: &Node, later: Option<Later>) -> Result<Option<Opening>, AppError> {
    let (Some(later), Some(dir)) = (later, &node.settings.state.dir) else {
        return Ok(None);
    };
    node.gate.begin();
    let opening = later.restoring.begin(dir, later.broker);
    opening
        .map(Some)
        .map_err(|error| AppError::Io("reading the state", error))
}

impl Running<'_> {
    /// Sees to all of it until the node has to go.
    ///
    /// # Errors
    /// It cannot have its state.
    pub(super) async fn until_end(
        mut self,
        accepting: &Accepting,
        signals: &mut Signals,
        reload: impl Fn(),
    ) -> Result<Reason, AppError> {
        let mut look = tokio::time::interval(CERTIFICATE_LOOK);
        let mut watch = Watch::new(self.node);
        let mut handover = Handover::new(self.node, accepting, self.launch);
        let mut opening = self.opening.take();
        if opening.is_none() {
            self.serve().await;
        }
        loop {
            let signal = tokio::select! {
                signal = signals.next() => signal,
                ready = handover.next() => match handover.finish(ready).await {
                    true => return Ok(Reason::HandedOver),
                    false => continue,
                },
                state = next(&mut opening) => {
                    self.node.have_state(Some(state?));
                    self.serve().await;
                    handover.catch_up();
                    continue;
                }
                () = self.node.drain_asked() => Signal::Stop,
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
                    return Ok(Reason::Stop);
                }
                Signal::HandOver => handover.begin(),
                Signal::Reload => self.reload(&reload),
            }
        }
    }

    /// The node has all that it needs: pushes and polls begin.
    async fn serve(&mut self) {
        // It ends with the process only.
        let _ = self.node.server.send(RunPushes).await;
        for poller in self.pollers.drain(..) {
            actix_rt::spawn(poller.run());
        }
        self.node.advance(Phase::Running);
        supervisor::ready();
    }

    fn reload(&self, reload: &impl Fn()) {
        // Before that the supervisor has not been told that the node is ready.
        let is_running = self.node.phase() >= Phase::Running;
        if is_running {
            supervisor::reloading();
        }
        reload();
        if let Some(certificate) = self.certificate {
            report_certificate(certificate.reload());
        }
        if is_running {
            supervisor::ready();
        }
    }
}

/// Waits for the state that is read; for ever where none is.
async fn next(opening: &mut Option<Opening>) -> Result<Arc<StateDir>, AppError> {
    match opening {
        Some(opening) => opening.next().await,
        None => std::future::pending().await,
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
