//! A log on a machine, with an owner that keeps what was acknowledged, and its turns by hand.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use super::machine::SimulatedMachine;
use crate::{
    config::SyncPolicy,
    state::{StateError, log_store::LogStore, options::LogOptions, writer::Writer},
    store::{PushRecord, ReadReport, Record, SnapshotSource, Store as _, StoreError, Written},
};

/// The policy of most tests.
pub(super) const SECOND: SyncPolicy = SyncPolicy::Every(Duration::from_secs(1));
/// The file of a log's first segment.
pub(super) const FIRST: &str = "0000000001.log";

/// What became of each number that was appended: nothing yet, or what was said.
#[derive(Default)]
pub(super) struct Owner {
    pub(super) told: Mutex<BTreeMap<u64, Option<Result<(), StoreError>>>>,
    /// In the order of the answers.
    pub(super) order: Mutex<Vec<u64>>,
}

impl SnapshotSource for Owner {
    fn snapshot(&self) -> Box<dyn Iterator<Item = Vec<Record>> + Send + '_> {
        let numbers: Vec<u64> = self.kept();
        Box::new(numbers.into_iter().map(|number| vec![record(number)]))
    }
}

impl Owner {
    /// What was acknowledged.
    pub(super) fn kept(&self) -> Vec<u64> {
        let told = self.told.lock().unwrap();
        let kept = told.iter().filter(|(_, told)| **told == Some(Ok(())));
        kept.map(|(number, _)| *number).collect()
    }
}

pub(super) fn record(number: u64) -> Record {
    Record::Push(Box::new(PushRecord {
        entry: u128::from(number),
        seq: number,
        last: None,
    }))
}

pub(super) fn options(sync: SyncPolicy) -> LogOptions {
    LogOptions {
        segment_bytes: 2048,
        margin_bytes: 3000,
        reserve_bytes: 512,
        ..LogOptions::main(sync, 1 << 20, 1000, 1 << 20)
    }
}

/// One life of a process.
pub(super) struct Harness {
    pub(super) machine: Arc<SimulatedMachine>,
    pub(super) store: LogStore,
    pub(super) writer: Writer,
    pub(super) owner: Arc<Owner>,
    /// What was read at the start.
    pub(super) read: Vec<u64>,
    pub(super) report: ReadReport,
    pub(super) now: Instant,
}

impl Harness {
    pub(super) fn start(
        machine: &Arc<SimulatedMachine>,
        options: LogOptions,
    ) -> Result<Self, StateError> {
        let store = LogStore::new(machine.clone(), options, machine.boot());
        let mut read = Vec::new();
        let report = store.read(&mut |record| match record {
            Record::Push(push) => read.push(push.seq),
            other => panic!("{other:?}"),
        })?;
        let owner = Arc::new(Owner::default());
        owner
            .told
            .lock()
            .unwrap()
            .extend(read.iter().map(|number| (*number, Some(Ok(())))));
        let source: Arc<dyn SnapshotSource> = owner.clone();
        let writer = store.writer(vec![Arc::downgrade(&source) as Weak<dyn SnapshotSource>])?;
        let (machine, now) = (machine.clone(), Instant::now());
        Ok(Self {
            machine,
            store,
            writer,
            owner,
            read,
            report,
            now,
        })
    }

    /// Appends a number; whether it was taken.
    pub(super) fn append(&self, number: u64) -> Result<(), StoreError> {
        self.append_record(number, record(number))
    }

    pub(super) fn append_record(&self, number: u64, record: Record) -> Result<(), StoreError> {
        let owner = self.owner.clone();
        self.owner.told.lock().unwrap().insert(number, None);
        let told = move |result| {
            owner.told.lock().unwrap().insert(number, Some(result));
            owner.order.lock().unwrap().push(number);
        };
        let taken = self.store.append(record, Written::call(told));
        if let Err(error) = taken {
            self.owner
                .told
                .lock()
                .unwrap()
                .insert(number, Some(Err(error)));
        }
        taken
    }

    /// A turn of the writer, so much later that it tries again whatever did not work.
    pub(super) fn turn(&mut self) {
        self.now += Duration::from_secs(11);
        self.writer.turn(self.now, Duration::ZERO);
    }

    /// What the disk is asked to hold, and a turn; whether the disk has all that was acknowledged
    /// before.
    pub(super) fn sync(&mut self) -> bool {
        // Of what an earlier failure forgot nothing may be in the files yet.
        let was_whole = self.store.stats().is_whole;
        let has_synced = self.writer.syncer.sync();
        self.turn();
        was_whole && has_synced
    }

    /// What was told of a number.
    pub(super) fn told(&self, number: u64) -> Option<Result<(), StoreError>> {
        self.owner.told.lock().unwrap()[&number]
    }

    /// The life ends by itself.
    pub(super) fn end(mut self) {
        self.turn();
        self.turn();
        self.end_at_once();
    }

    /// The life ends by itself, before it came to do anything else.
    pub(super) fn end_at_once(mut self) {
        self.writer.queue.close();
        while self.writer.turn(self.now, Duration::ZERO) {}
        self.writer.end();
    }
}

/// A life that ends before its files are made small, with so many numbers.
pub(super) fn life(machine: &Arc<SimulatedMachine>, sync: SyncPolicy, numbers: u64) -> Harness {
    let mut harness = Harness::start(
        machine,
        LogOptions {
            margin_bytes: 1 << 20,
            ..options(sync)
        },
    );
    let harness = harness.as_mut().expect("a start");
    for number in 0..numbers {
        harness.append(number).expect("room");
        harness.turn();
    }
    let Ok(harness) = Harness::start(machine, options(sync)) else {
        panic!("a start")
    };
    harness
}

/// A life with the [`options`] of tests.
pub(super) fn start(machine: &Arc<SimulatedMachine>, sync: SyncPolicy) -> Harness {
    Harness::start(machine, options(sync)).expect("a start")
}
