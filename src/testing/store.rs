//! A store in memory that writes when it is told to, or by a thread of its own, and can fail.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use crate::store::{Record, Store, StoreError, Written};

#[derive(Default)]
struct StoreState {
    written: Vec<Record>,
    queue: VecDeque<(Record, Written)>,
    refusal: Option<StoreError>,
    /// What was written last is being told.
    is_writing: bool,
}

/// A store in memory that writes when a test says so.
#[derive(Default)]
pub(crate) struct ScriptedStore {
    state: Mutex<StoreState>,
    changed: Condvar,
}

impl ScriptedStore {
    fn state(&self) -> MutexGuard<'_, StoreState> {
        self.state.lock().expect("no test panics under it")
    }

    /// One that writes by itself, on a thread that ends with it.
    pub(crate) fn writing() -> Arc<Self> {
        let store = Arc::new(Self::default());
        let weak = Arc::downgrade(&store);
        std::thread::spawn(move || {
            while let Some(store) = weak.upgrade() {
                if store.write(usize::MAX) == 0 {
                    // Short, since nobody tells it of its end.
                    store.wait(Duration::from_millis(20), |state| state.queue.is_empty());
                }
            }
        });
        store
    }

    /// Writes at most so many of what waits; how many it were.
    pub(crate) fn write(&self, number: usize) -> usize {
        for done in 0..number {
            let written = {
                let mut state = self.state();
                let Some((record, written)) = state.queue.pop_front() else {
                    return done;
                };
                state.written.push(record);
                state.is_writing = true;
                written
            };
            Written::tell(std::iter::once(written), Ok(()));
            self.state().is_writing = false;
            self.changed.notify_all();
        }
        number
    }

    /// Writes nothing of what waits and takes nothing meanwhile.
    pub(crate) fn fail(&self, error: StoreError) {
        let failing: Vec<_> = {
            let mut state = self.state();
            state.refusal = Some(error);
            state.queue.drain(..).collect()
        };
        Written::tell(failing.into_iter().map(|(_, written)| written), Err(error));
        self.state().refusal = None;
    }

    /// Takes nothing, or something again.
    pub(crate) fn refuse(&self, refusal: Option<StoreError>) {
        self.state().refusal = refusal;
    }

    /// Waits until nothing waits.
    pub(crate) fn settle(&self) {
        self.wait(Duration::from_secs(10), |state| {
            !state.queue.is_empty() || state.is_writing
        });
        assert!(self.state().queue.is_empty(), "nobody writes");
    }

    /// Waits while something is so, or until its time is over.
    fn wait(&self, time: Duration, is_so: impl Fn(&StoreState) -> bool) {
        let state = self.state();
        let waited = self
            .changed
            .wait_timeout_while(state, time, |state| is_so(state));
        drop(waited);
    }

    /// What is written, and what waits.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        let state = self.state();
        (state.written.len(), state.queue.len())
    }

    /// What waits to be written.
    pub(crate) fn waiting(&self) -> Vec<Record> {
        let state = self.state();
        state
            .queue
            .iter()
            .map(|(record, _)| record.clone())
            .collect()
    }

    /// What a process after this one reads.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.state().written.clone()
    }
}

impl Store for ScriptedStore {
    fn append(&self, record: Record, written: Written) -> Result<(), StoreError> {
        let mut state = self.state();
        match state.refusal {
            Some(error) => Err(error),
            None => {
                state.queue.push_back((record, written));
                self.changed.notify_all();
                Ok(())
            }
        }
    }
}
