//! What outlives the process, at its two ends: read before anyone is served, and closed behind the
//! last of them.

use std::{
    path::Path,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::error::AppError;
use crate::{
    broker::{
        fanout::Fanout,
        memory::{MemoryBounds, MemoryBroker, Restored},
    },
    config::Settings,
    server::entries::Entries,
    state::{State, StateError, StateOptions, history_bound},
    store::{Record, Source, Store},
    token::Tokens,
};

/// How long a process waits for the one that has `state.dir`, which may be about to end.
const WAIT: Duration = Duration::from_secs(1);

/// Who goes on where a process before ended.
pub(super) struct Kept {
    pub(super) state: Option<Arc<State>>,
    pub(super) broker: Arc<MemoryBroker>,
    pub(super) entries: Arc<Entries>,
}

/// Makes again what `state.dir` has; without one everything begins empty, and ends with the
/// process.
pub(super) fn restore(
    settings: &Settings,
    fanout: &Arc<Fanout>,
    tokens: &Tokens,
    takes_over: bool,
) -> Result<Kept, AppError> {
    let mut bounds = MemoryBounds {
        history_bytes_max: settings.limits.history_bytes,
        position_bytes_max: settings.limits.position_bytes,
        idempotency_bytes_max: settings.limits.idempotency_bytes,
        idempotency_ttl: settings.limits.idempotency_ttl,
    };
    let Some(dir) = &settings.state.dir else {
        return Ok(Kept {
            state: None,
            broker: Arc::new(MemoryBroker::new(fanout.clone(), bounds)),
            entries: Arc::default(),
        });
    };
    let (begun, options) = (Instant::now(), StateOptions::new(settings));
    let fitting = usize::try_from(history_bound(options.bytes_max)).unwrap_or(usize::MAX);
    bounds.history_bytes_max = bounds.history_bytes_max.min(fitting);
    let state = match takes_over {
        true => open_after_another(settings, dir, options)?,
        false => State::open(dir, options, WAIT)?,
    };

    let (mut restored, entries) = (Restored::default(), Entries::default());
    let report = state.log.read(&mut |record| {
        if let Some(other) = restored.take(record) {
            entries.take(other);
        }
    })?;
    let revocations = tokens.revocations();
    state.revocations.read(&mut |record| {
        if let Record::Revocation(revocation) = record {
            revocations.restore(*revocation);
        }
    })?;
    let store: Arc<dyn Store> = state.log.clone();
    let broker = MemoryBroker::restore(fanout.clone(), bounds, store.clone(), restored, report);
    let entries = Arc::new(entries.written_to(store));
    revocations.write_to(state.revocations.clone());

    let owner: Arc<dyn Source> = broker.clone();
    let of_entries: Arc<dyn Source> = entries.clone();
    let of_revocations: Arc<dyn Source> = revocations.clone();
    let sources: Vec<Weak<dyn Source>> = vec![Arc::downgrade(&owner), Arc::downgrade(&of_entries)];
    state.log.start(sources)?;
    state
        .revocations
        .start(vec![Arc::downgrade(&of_revocations)])?;
    broker.begin().map_err(AppError::NotKept)?;
    report_read(&broker, report.may_have_lost, begun);
    Ok(Kept {
        state: Some(Arc::new(state)),
        broker,
        entries,
    })
}

/// The process before this one has accepted nobody since it let this one take over, so whoever gives
/// up here serves nobody: it waits for as long as the other one takes.
fn open_after_another(
    settings: &Settings,
    dir: &Path,
    options: StateOptions,
) -> Result<State, StateError> {
    loop {
        match State::open(dir, options, settings.state.handover) {
            Err(error @ (StateError::Held { .. } | StateError::HeldByUnknown(_))) => {
                log::error!("nobody is accepted until the state is there: {error}");
            }
            opened => return opened,
        }
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
