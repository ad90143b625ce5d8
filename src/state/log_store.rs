//! A log as its users hold it: opened, read, started, written to, closed. Its two threads, the
//! writer and the one that syncs, run from start to close.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak, atomic::Ordering::Relaxed},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    disk::Disk,
    options::{LogOptions, StateError},
    queue::Queue,
    read::{FoundLog, read},
    segments::Segments,
    stats::{Counters, StateStats},
    sync::Syncer,
    writer::{Writer, WriterParts},
};
use crate::{
    config::SyncPolicy,
    liveness::Pulse,
    logger,
    store::{ReadReport, Record, SnapshotSource, Store, StoreError, Written},
};

/// How long a turn of the writer waits where nothing is to be done.
const IDLE: Duration = Duration::from_secs(1);

/// A log of records in a directory that this process has.
pub struct LogStore {
    disk: Arc<dyn Disk>,
    options: LogOptions,
    boot: u128,
    queue: Arc<Queue>,
    syncer: Arc<Syncer>,
    counters: Arc<Counters>,
    /// That the writer's thread still goes round.
    pulse: Arc<Pulse>,
    /// What was read, until it is started.
    reading: Mutex<Option<FoundLog>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl LogStore {
    /// Of a directory that this process has the lock of; `boot` names the run of the machine.
    pub(super) fn new(disk: Arc<dyn Disk>, options: LogOptions, boot: u128) -> Self {
        Self {
            queue: Arc::new(Queue::new(options.queue, options.queue_bytes)),
            syncer: Arc::new(Syncer::new(disk.clone(), options.sync)),
            counters: Arc::default(),
            pulse: Arc::default(),
            reading: Mutex::default(),
            threads: Mutex::default(),
            disk,
            options,
            boot,
        }
    }

    /// Reads everything that is kept, in the order in which it was appended. Once, before
    /// [`start`](Self::start).
    ///
    /// # Errors
    /// The files cannot be read, or are of a newer format.
    pub(crate) fn read(&self, each: &mut dyn FnMut(Record)) -> Result<ReadReport, StateError> {
        let reading = read(&*self.disk, &self.options, self.boot, each)?;
        let report = reading.report;
        let damaged = reading.segments.iter().filter(|found| found.is_damaged);
        self.counters
            .damaged
            .fetch_add(damaged.count() as u64, Relaxed);
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
        Ok(report)
    }

    /// Begins to write: what was appended before waits in the queue. `sources` are what all of it
    /// can be made again from; where there are none, or one of them is gone, the files only grow.
    ///
    /// # Errors
    /// The files cannot be written, or a thread cannot be started.
    pub(crate) fn start(&self, sources: Vec<Weak<dyn SnapshotSource>>) -> Result<(), StateError> {
        let mut writer = self.writer(sources)?;
        let failed = || StateError::io("starting a thread for", ".");
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let pulse = self.pulse.clone();
        let thread = Builder::new().name("state".into()).spawn(move || {
            whole(|| {
                while writer.turn(Instant::now(), IDLE) {
                    pulse.beat(Instant::now());
                }
                writer.end();
                pulse.end();
            });
        });
        threads.push(thread.map_err(failed())?);
        // Where the writer syncs itself nobody else may: the system tells of a failure only once.
        if self.options.sync != SyncPolicy::Always {
            let (syncer, queue) = (self.syncer.clone(), self.queue.clone());
            let thread = Builder::new().name("state-sync".into());
            let thread = thread.spawn(move || whole(|| syncer.run(|| queue.call())));
            threads.push(thread.map_err(failed())?);
        }
        Ok(())
    }

    /// The writer, with its first segment begun.
    pub(super) fn writer(
        &self,
        sources: Vec<Weak<dyn SnapshotSource>>,
    ) -> Result<Writer, StateError> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = match reading.take() {
            Some(reading) => reading,
            None => read(&*self.disk, &self.options, self.boot, &mut |_| {})?,
        };
        let segments = Segments::new(
            self.disk.clone(),
            self.syncer.clone(),
            self.options.clone(),
            self.boot,
            &reading,
        );
        let failed =
            |error| StateError::io("writing to", self.options.segment(segments.next()))(error);
        segments.settle(&reading.empty).map_err(failed)?;
        let parts = WriterParts {
            queue: self.queue.clone(),
            syncer: self.syncer.clone(),
            counters: self.counters.clone(),
            pulse: self.pulse.clone(),
        };
        let mut writer = Writer::new(segments, parts, sources);
        let started: io::Result<()> = writer.start(Instant::now());
        let failed = StateError::io("writing to", format!("{}*.log", self.options.prefix));
        started.map_err(failed)?;
        Ok(writer)
    }

    /// Takes no more, writes what waits, has the disk hold it, and says in the files that this life
    /// ended as a whole. Returns when that is done.
    pub(crate) fn close(&self) {
        self.queue.close();
        let threads = &mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // The last who holds it may be one whom the writer tells; it ends once it has.
            if thread.thread().id() != std::thread::current().id() {
                // A panic there has ended the process.
                let _ = thread.join();
            }
            // The first is the writer, behind whose last sync there is nothing.
            self.syncer.end();
        }
    }

    /// The sign of life of the thread that writes, which begins with [`start`](Self::start).
    pub(super) fn pulse(&self) -> Arc<Pulse> {
        self.pulse.beat(Instant::now());
        self.pulse.clone()
    }

    /// How it is now.
    #[must_use]
    pub(crate) fn stats(&self) -> StateStats {
        let now = Instant::now();
        let queue = self.queue.stats(now);
        let counters = &self.counters;
        StateStats {
            queue: queue.records as u64,
            queue_bytes: queue.bytes as u64,
            write_wait: queue.wait,
            sync_age: self.syncer.age(now),
            bytes: counters.bytes.load(Relaxed),
            segments: counters.segments.load(Relaxed),
            snapshots: counters.snapshots.load(Relaxed),
            failed_writes: counters.failed_writes.load(Relaxed),
            damaged: counters.damaged.load(Relaxed),
            is_writable: queue.is_open,
            is_whole: !counters.has_lost.load(Relaxed),
        }
    }

    /// Whether a new record would be taken now, as far as is known.
    #[cfg(test)]
    pub(super) fn is_writable(&self) -> bool {
        self.queue.intake() == super::queue::Intake::Open
    }
}

impl Store for LogStore {
    fn append(&self, record: Record, written: Written) -> Result<(), StoreError> {
        self.queue.push(record, written)
    }
}

impl Drop for LogStore {
    fn drop(&mut self) {
        self.close();
    }
}

/// Runs a thread of the log; the process ends with it if it panics, since it would else go on
/// without writing.
fn whole(run: impl FnOnce()) {
    let run = std::panic::AssertUnwindSafe(run);
    if std::panic::catch_unwind(run).is_err() {
        logger::abort(format_args!("the thread that writes the state panicked"));
    }
}
