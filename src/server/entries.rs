//! How far the entries of `[[push]]` and `[[poll]]` are, so that a restart goes on there: the last
//! `{seq}`, and what was published last where the channel's history still holds it.
//!
//! One for the node, shared by the server and the polls; a store writes what is noted. An entry is
//! known by a hash of its settings: changed settings begin anew. Bounds: one record an entry of the
//! settings of now, and those of before until the next start.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use ring::digest::{SHA256, digest};
use tokio::sync::oneshot;

use crate::{
    broker::{Broker, HistoryFilter},
    id::StreamPosition,
    registry::ChannelName,
    store::{PollRecord, PushRecord, Record, SnapshotSource, Store, Written},
};

/// The entries, by their hash.
#[derive(Default)]
pub(crate) struct Entries {
    /// Where they outlive the process; set before any of them runs.
    store: OnceLock<Arc<dyn Store>>,
    known: Mutex<Known>,
    /// Another process runs them from here on.
    is_stopped: AtomicBool,
}

#[derive(Default)]
struct Known {
    pushes: HashMap<u128, PushRecord>,
    polls: HashMap<u128, PollRecord>,
}

/// 128 bits of SHA-256: of what an entry is, or of what it published.
#[must_use]
pub(crate) fn hash(parts: &[&[u8]]) -> u128 {
    let mut whole = Vec::new();
    for part in parts {
        // With their lengths, so that no two lists are of the same bytes.
        whole.extend_from_slice(&(part.len() as u64).to_le_bytes());
        whole.extend_from_slice(part);
    }
    let digest = digest(&SHA256, &whole);
    let bytes = digest.as_ref().first_chunk();
    bytes.map_or(0, |bytes| u128::from_le_bytes(*bytes))
}

impl Entries {
    /// From now on what is noted is written there. Once, before any of them runs.
    pub(crate) fn write_to(&self, store: Arc<dyn Store>) {
        // A second one would come from nobody.
        let _ = self.store.set(store);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Entries are only replaced as a whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pushes and polls do nothing any more: another process runs them.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Relaxed);
    }

    /// Whether they do nothing any more.
    #[must_use]
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Relaxed)
    }

    /// Takes a record of a process before; gives it back if it is another's.
    pub(crate) fn take(&self, record: Record) -> Option<Record> {
        match record {
            Record::Push(push) => self.known().pushes.insert(push.entry, *push).map(|_| ()),
            Record::Poll(poll) => self.known().polls.insert(poll.entry, *poll).map(|_| ()),
            other => return Some(other),
        };
        None
    }

    /// How far a push is.
    #[must_use]
    pub(crate) fn push(&self, entry: u128) -> Option<PushRecord> {
        self.known().pushes.get(&entry).cloned()
    }

    /// What a poll saw last.
    #[must_use]
    pub(crate) fn poll(&self, entry: u128) -> Option<PollRecord> {
        self.known().polls.get(&entry).cloned()
    }

    /// Notes how far a push is. The answer says whether that is written, once it is known; absent
    /// where nothing outlives the process.
    pub(crate) fn note_push(&self, push: PushRecord) -> Option<oneshot::Receiver<bool>> {
        let store = self.store.get()?;
        let record = Record::Push(Box::new(push.clone()));
        self.known().pushes.insert(push.entry, push);
        let (sender, written) = oneshot::channel();
        // Not taken, the sender is dropped, which says no as well.
        let _ = store.append(
            record,
            Written::call(move |outcome| {
                let _ = sender.send(outcome.is_ok());
            }),
        );
        Some(written)
    }

    /// Notes what a poll saw last. Nobody waits for it: without it the next answer publishes.
    pub(crate) fn note_poll(&self, poll: PollRecord) {
        if let Some(store) = self.store.get() {
            store.note(Record::Poll(Box::new(poll.clone())));
            self.known().polls.insert(poll.entry, poll);
        }
    }
}

/// Whether a channel's history still holds the publication of this place.
pub(crate) async fn is_kept(
    broker: Arc<dyn Broker>,
    channel: ChannelName,
    place: StreamPosition,
) -> bool {
    let filter = HistoryFilter {
        since: place.offset.checked_sub(1),
        limit: Some(1),
        ..HistoryFilter::default()
    };
    let history = broker.history(&channel, filter).await;
    history.is_ok_and(|history| {
        let first = history.items.first().map(|item| item.offset);
        history.top.epoch == place.epoch && first == Some(place.offset)
    })
}

impl SnapshotSource for Entries {
    fn snapshot(&self) -> Box<dyn Iterator<Item = Vec<Record>> + Send + '_> {
        let known = self.known();
        let pushes = known.pushes.values().cloned();
        let polls = known.polls.values().cloned();
        let mut all: Vec<_> = pushes.map(|push| Record::Push(Box::new(push))).collect();
        all.extend(polls.map(|poll| Record::Poll(Box::new(poll))));
        Box::new(std::iter::once(all))
    }
}
