//! What the files are told of streams that have ended.
//!
//! A name of a stream comes of how many have ended in its share of the channels ([`Epochs`]), so a
//! count that the files lack would give a name again after a restart. Each end is noted with the
//! count that it made. Where that found no room, or was not written, its share is remembered, and
//! nothing more of any channel is handed to the store before the counts of all such shares are:
//! what is written in order is lost in order, so that whoever has a name in the files has its count
//! too. Bound: the shares, of which there are 65,536.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
};

use super::epochs::Epochs;
use crate::{
    id::Epoch,
    registry::ChannelName,
    store::{Record, Store, StoreError, Written},
};

/// Shares whose counts are in memory and may not be in the files.
#[derive(Default)]
struct OwedShares {
    shares: Mutex<BTreeSet<u32>>,
    /// Whether there are any: asked by each publication that is kept.
    is_any: AtomicBool,
}

impl OwedShares {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        // They are only added to and emptied.
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owe(&self, shares: impl IntoIterator<Item = u32>) {
        let mut owed = self.lock();
        owed.extend(shares);
        self.is_any.store(true, Release);
    }
}

/// Notes the ends of streams in a store.
#[derive(Clone)]
pub(super) struct EndNotes {
    store: Arc<dyn Store>,
    epochs: Epochs,
    owed: Arc<OwedShares>,
}

impl EndNotes {
    pub(super) fn new(store: Arc<dyn Store>, epochs: Epochs) -> Self {
        Self {
            store,
            epochs,
            owed: Arc::default(),
        }
    }

    /// Notes that a stream has ended, the `count`th of its share.
    pub(super) fn note(&self, channel: ChannelName, epoch: Epoch, (share, count): (u32, u32)) {
        let record = Record::Ended {
            channel,
            epoch,
            count: Some(count),
        };
        if self.append(record, [share]).is_err() {
            self.owed.owe([share]);
        }
    }

    /// Hands over what was owed; to be called before any other record.
    ///
    /// # Errors
    /// The store takes nothing, so nothing else may be handed to it either.
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        if !self.owed.is_any.load(Acquire) {
            return Ok(());
        }
        // Held until it is handed over: whoever finds nothing owed comes behind it.
        let mut owed = self.owed.lock();
        let counts = owed.iter().map(|share| (*share, self.epochs.count(*share)));
        self.append(Record::EndedShares(counts.collect()), owed.clone())?;
        owed.clear();
        self.owed.is_any.store(false, Release);
        Ok(())
    }

    /// Appends a record; where it is not written, the shares are owed.
    fn append(
        &self,
        record: Record,
        shares: impl IntoIterator<Item = u32> + Send + 'static,
    ) -> Result<(), StoreError> {
        let owed = self.owed.clone();
        let written = Written::call(move |outcome| {
            if outcome.is_err() {
                owed.owe(shares);
            }
        });
        self.store.append(record, written)
    }
}
