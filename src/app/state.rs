//! What outlives the process, at its start: made again from `state.dir` before anyone is served, or
//! while a process that was started with listening sockets holds whoever needs it.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::Builder,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::error::AppError;
use crate::{
    broker::{
        Late,
        fanout::Fanout,
        memory::{MemoryBounds, MemoryBroker, Restored},
    },
    config::Settings,
    metrics::Metrics,
    server::entries::Entries,
    state::{StateDir, StateError, StateOptions, history_bound},
    store::{Record, SnapshotSource, Store},
    token::Revocations,
};

/// How long a process waits for the one that has `state.dir`, which may be about to end.
const WAIT: Duration = Duration::from_secs(1);
/// How long one that waits for as long as it takes does so before it looks whether it is to go on.
const STEP: Duration = Duration::from_millis(200);

/// Who goes on where a process before ended.
pub(super) struct RestoredState {
    pub(super) state: Arc<StateDir>,
    pub(super) broker: Arc<MemoryBroker>,
}

/// What of the node is made again, and by which settings.
pub(super) struct Restoring {
    pub(super) settings: Arc<Settings>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) fanout: Arc<Fanout>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) entries: Arc<Entries>,
}

/// How much the broker may keep.
pub(super) fn bounds(settings: &Settings) -> MemoryBounds {
    let mut bounds = MemoryBounds {
        history_bytes_max: settings.limits.history_bytes,
        position_bytes_max: settings.limits.position_bytes,
        idempotency_bytes_max: settings.limits.idempotency_bytes,
        idempotency_ttl: settings.limits.idempotency_ttl,
    };
    if settings.state.dir.is_some() {
        let fitting = history_bound(StateOptions::new(settings).bytes_max);
        let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
        bounds.history_bytes_max = bounds.history_bytes_max.min(fitting);
    }
    bounds
}

/// Looks whether the state could be had while the process before this one has it, which goes on
/// serving where it could not.
///
/// # Errors
/// It could not.
pub(super) fn look(settings: &Settings) -> Result<(), StateError> {
    match &settings.state.dir {
        Some(dir) => StateDir::look(dir, StateOptions::new(settings)),
        None => Ok(()),
    }
}

impl Restoring {
    /// Takes the directory, which another process may have for a moment, and reads it.
    ///
    /// # Errors
    /// It cannot be had, read or written.
    pub(super) fn read(&self, dir: &Path) -> Result<RestoredState, AppError> {
        let begun = Instant::now();
        let state = StateDir::open(dir, StateOptions::new(&self.settings), WAIT)?;
        self.restore(state, begun)
    }

    /// Does the same on a thread of its own, for however long another process has the directory.
    ///
    /// # Errors
    /// There is no thread.
    pub(super) fn begin(self, dir: &Path, into: Arc<Late<MemoryBroker>>) -> io::Result<Opening> {
        let (sender, kept) = oneshot::channel();
        let is_given_up = Arc::<AtomicBool>::default();
        let (dir, given_up) = (dir.to_path_buf(), is_given_up.clone());
        Builder::new().name("state-read".into()).spawn(move || {
            let begun = Instant::now();
            let kept = match self.open_after_another(&dir, &given_up) {
                Ok(Some(state)) => self.restore(state, begun),
                // Nobody waits for it.
                Ok(None) => return,
                Err(error) => Err(error.into()),
            };
            // A process that ends meanwhile lets go of it with this.
            let _ = sender.send(kept);
        })?;
        Ok(Opening {
            kept: Some(kept),
            into,
            is_given_up,
        })
    }

    /// Whoever gives up here serves nobody, so it waits for as long as the other process takes.
    fn open_after_another(
        &self,
        dir: &Path,
        is_given_up: &AtomicBool,
    ) -> Result<Option<StateDir>, StateError> {
        let (options, limit) = (
            StateOptions::new(&self.settings),
            self.settings.state.handover,
        );
        let mut told = Instant::now();
        while !is_given_up.load(Relaxed) {
            match StateDir::open(dir, options, STEP) {
                Err(error @ (StateError::Held { .. } | StateError::HeldByUnknown(_))) => {
                    if told.elapsed() >= limit.max(WAIT) {
                        told = Instant::now();
                        log::error!(
                            "whoever needs the state is refused until it is there: {error}"
                        );
                    }
                }
                opened => return opened.map(Some),
            }
        }
        Ok(None)
    }

    fn restore(&self, state: StateDir, begun: Instant) -> Result<RestoredState, AppError> {
        let (entries, revocations) = (&self.entries, &self.revocations);
        let mut restored = Restored::default();
        let report = state.log.read(&mut |record| {
            if let Some(other) = restored.take(record) {
                entries.take(other);
            }
        })?;
        state.revocations.read(&mut |record| {
            if let Record::Revocation(revocation) = record {
                revocations.restore(*revocation);
            }
        })?;
        let store: Arc<dyn Store> = state.log.clone();
        let (fanout, bounds) = (self.fanout.clone(), bounds(&self.settings));
        let broker = MemoryBroker::restore(fanout, bounds, store.clone(), restored, report);
        entries.write_to(store);
        revocations.write_to(state.revocations.clone());

        let owner: Arc<dyn SnapshotSource> = broker.clone();
        let of_entries: Arc<dyn SnapshotSource> = entries.clone();
        let of_revocations: Arc<dyn SnapshotSource> = revocations.clone();
        let sources: Vec<Weak<dyn SnapshotSource>> =
            vec![Arc::downgrade(&owner), Arc::downgrade(&of_entries)];
        state.watched_by(&self.metrics.liveness);
        state.log.start(sources)?;
        state
            .revocations
            .start(vec![Arc::downgrade(&of_revocations)])?;
        broker.begin().map_err(AppError::NotKept)?;
        report_read(&broker, report.may_have_lost, begun);
        Ok(RestoredState {
            state: Arc::new(state),
            broker,
        })
    }
}

/// The state, while it is waited for and read. Dropped, it is waited for no more.
pub(super) struct Opening {
    kept: Option<oneshot::Receiver<Result<RestoredState, AppError>>>,
    /// Where the broker goes.
    into: Arc<Late<MemoryBroker>>,
    is_given_up: Arc<AtomicBool>,
}

impl Opening {
    /// Waits until it is there, and the broker in its place; then for ever. Loses nothing when it
    /// is dropped.
    pub(super) async fn next(&mut self) -> Result<Arc<StateDir>, AppError> {
        let Some(kept) = &mut self.kept else {
            return std::future::pending().await;
        };
        let kept = kept.await;
        self.kept = None;
        // It says nothing only where it panicked.
        let panicked = |_| AppError::Io("reading the state", io::ErrorKind::BrokenPipe.into());
        let RestoredState { state, broker } = kept.map_err(panicked)??;
        self.into.set(broker);
        Ok(state)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.is_given_up.store(true, Relaxed);
    }
}

fn report_read(broker: &MemoryBroker, may_have_lost: bool, begun: Instant) {
    if may_have_lost {
        log::warn!(
            "the end before this start may have lost what was acknowledged: every channel with \
             history has a new epoch, and clients are told recovered: false"
        );
    }
    let usage = crate::broker::Broker::usage(broker).unwrap_or_default();
    log::info!(
        history_bytes = usage.history_bytes,
        position_bytes = usage.position_bytes,
        duration:% = format_args!("{:.3}s", begun.elapsed().as_secs_f64());
        "state read"
    );
}
