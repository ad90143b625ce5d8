//! The memory broker of a process before, made again from its records.
//!
//! [`Restored`] takes the records in the order of the files, and holds what they come to: no more
//! than that process held, since what a record says is gone goes at once. Items whose time is over
//! stay away; a position is kept for its `history_ttl` from now on, so that clients of a quiet
//! channel find it. The bounds of now hold for what was kept under others.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use super::{
    Durable, MemoryBounds, MemoryBroker,
    end_notes::EndNotes,
    epochs::Epochs,
    locked,
    now::{Clock, Now},
    stream::{ChannelStream, Charge, HistoryEntry},
    stripe::Stripe,
};
use crate::{
    broker::{Version, fanout::Fanout},
    id::{Epoch, StreamPosition},
    publication::Item,
    registry::ChannelName,
    store::{self, HashSecret, ReadReport, Record, Store, StoreError, Written},
};

/// An item as far as it was read.
struct RestoredItem {
    /// In Unix milliseconds.
    expires_ms: u64,
    item: Arc<Item>,
    /// With which it was published; absent too where the channel's has all up to here.
    version: Option<Box<Version>>,
}

/// A channel as far as it was read.
struct RestoredChannel {
    top: StreamPosition,
    /// Items before this one are gone.
    first: u64,
    ttl: Duration,
    /// Of what is gone, and of a snapshot.
    version: Option<Box<Version>>,
    /// By their offsets.
    items: VecDeque<RestoredItem>,
}

impl RestoredChannel {
    fn new(epoch: Epoch) -> Self {
        Self {
            top: StreamPosition { offset: 0, epoch },
            first: 0,
            ttl: Duration::ZERO,
            version: None,
            items: VecDeque::new(),
        }
    }

    /// Items before `first` are gone.
    fn trim(&mut self, first: u64) {
        self.first = self.first.max(first);
        let first = self.first;
        while let Some(gone) = self.items.pop_front_if(|kept| kept.item.offset < first) {
            self.version = gone.version.or(self.version.take());
        }
    }

    /// Takes an item; whether there was one of its offset.
    fn insert(&mut self, entry: RestoredItem) -> bool {
        let offset = entry.item.offset;
        if offset < self.first {
            return false;
        }
        if self
            .items
            .back()
            .is_none_or(|last| last.item.offset < offset)
        {
            self.items.push_back(entry);
            return false;
        }
        // Of a snapshot, behind what was published meanwhile; or said again.
        match self
            .items
            .binary_search_by_key(&offset, |kept| kept.item.offset)
        {
            Ok(index) => {
                self.items[index] = entry;
                true
            }
            Err(index) => {
                self.items.insert(index, entry);
                false
            }
        }
    }

    /// Takes a position of a snapshot, which knows all that was published up to there, and nothing
    /// of what is behind it.
    fn be_at(&mut self, stream: store::StreamRecord) {
        self.top.offset = self.top.offset.max(stream.top.offset);
        self.ttl = stream.ttl;
        let known = self.items.iter_mut();
        for entry in known.take_while(|kept| kept.item.offset <= stream.top.offset) {
            entry.version = None;
        }
        self.version = stream.version;
        self.trim(stream.first);
    }

    /// The newest count of its publisher: that of its newest publication with one. What was in
    /// doubt and whose place was given anew has left none.
    fn take_version(&mut self) -> Option<Box<Version>> {
        let mut entries = self.items.iter_mut().rev();
        let newest = entries.find_map(|entry| entry.version.take());
        newest.or(self.version.take())
    }
}

/// What the records come to.
#[derive(Default)]
pub(crate) struct Restored {
    names: Option<(HashSecret, Epochs)>,
    channels: HashMap<ChannelName, RestoredChannel>,
    keys: HashMap<u128, store::KeyRecord>,
}

impl Restored {
    /// Takes a record; gives it back if it is another's.
    pub(crate) fn take(&mut self, record: Record) -> Option<Record> {
        match record {
            Record::Secret(secret) => self.rename(secret),
            Record::Publication(publication) => self.publication(publication),
            Record::Stream(stream) => {
                let channel = self.channel(stream.channel.clone(), stream.top.epoch);
                channel.be_at(stream);
            }
            Record::Item(kept) => {
                let channel = self.channel(kept.channel, kept.epoch);
                channel.insert(RestoredItem {
                    expires_ms: kept.expires_ms,
                    item: kept.item,
                    version: None,
                });
            }
            Record::Key(key) => {
                self.keys.insert(key.id, key);
            }
            Record::Removed { channel, until } => {
                let channel = self.channel(channel, until.epoch);
                channel.top.offset = channel.top.offset.max(until.offset);
                channel.trim(until.offset + 1);
            }
            Record::Ended {
                channel,
                epoch,
                count,
            } => self.end(&channel, epoch, count),
            Record::EndedShares(shares) => {
                if let Some((_, epochs)) = &self.names {
                    epochs.restore(&shares);
                }
            }
            other => return Some(other),
        }
        None
    }

    fn rename(&mut self, secret: HashSecret) {
        let Some((known, epochs)) = &mut self.names else {
            self.names = Some((secret, Epochs::new(secret.epochs)));
            return;
        };
        if known.epochs == secret.epochs {
            return;
        }
        *epochs = epochs.renewed(secret.epochs);
        *known = secret;
        for (name, channel) in &mut self.channels {
            channel.top.epoch = epochs.of(name);
        }
    }

    /// The channel of a stream; another stream of it is over.
    fn channel(&mut self, name: ChannelName, epoch: Epoch) -> &mut RestoredChannel {
        let channel = self
            .channels
            .entry(name)
            .or_insert_with(|| RestoredChannel::new(epoch));
        if channel.top.epoch != epoch {
            *channel = RestoredChannel::new(epoch);
        }
        channel
    }

    fn publication(&mut self, publication: store::PublicationRecord) {
        let place = StreamPosition {
            offset: publication.item.offset,
            epoch: publication.epoch,
        };
        let channel = self.channel(publication.channel, publication.epoch);
        channel.top.offset = channel.top.offset.max(publication.item.offset);
        channel.ttl = publication.ttl;
        let is_given_anew = channel.insert(RestoredItem {
            expires_ms: publication.expires_ms,
            item: publication.item,
            version: publication.version,
        });
        channel.trim(publication.first);
        if is_given_anew {
            // Whoever published the one before was told that it may not be in the files, and it was
            // not published: its key would keep a retry out. So seldom that all are looked at.
            self.keys.retain(|_, key| key.position != Some(place));
        }
        if let Some(key) = publication.key {
            self.keys.insert(key.id, *key);
        }
    }

    fn end(&mut self, name: &ChannelName, epoch: Epoch, count: Option<u32>) {
        match (&self.names, count) {
            (Some((_, epochs)), Some(count)) => epochs.restore_end(name, count),
            // Of files that say that there was one more.
            (Some((_, epochs)), None) => {
                epochs.end(name, epoch);
            }
            (None, _) => {}
        }
        if self
            .channels
            .get(name)
            .is_some_and(|channel| channel.top.epoch == epoch)
        {
            self.channels.remove(name);
        }
    }
}

impl MemoryBroker {
    /// A broker that goes on where the records ended, and writes its own to `store`. Where they may
    /// lack something that was acknowledged, every stream has a new epoch. [`begin`](Self::begin)
    /// comes next, once the store writes.
    #[must_use]
    pub(crate) fn restore(
        fanout: Arc<Fanout>,
        bounds: MemoryBounds,
        store: Arc<dyn Store>,
        mut restored: Restored,
        report: ReadReport,
    ) -> Arc<Self> {
        let is_renewed = restored.names.is_none() || report.may_have_lost;
        if is_renewed {
            let mut secret = HashSecret::random();
            if let Some((known, _)) = &restored.names {
                // Keys that were not lost go on being known.
                secret.keys = known.keys;
            }
            restored.rename(secret);
        }
        let names = restored.names.take();
        let (secret, epochs) = names.unwrap_or_else(|| {
            let secret = HashSecret::random();
            (secret, Epochs::new(secret.epochs))
        });
        let broker = Arc::new_cyclic(|this: &Weak<Self>| {
            let durable = Durable {
                end_notes: EndNotes::new(store.clone(), epochs.clone()),
                store,
                clock: Clock::since(report.newest_ms),
                secret,
                is_renewed,
                this: this.clone(),
                waiting: Arc::new(AtomicUsize::new(0)),
            };
            Self::with(fanout, bounds, secret, epochs, Some(durable))
        });
        broker.fill(restored, Clock::since(report.newest_ms).now());
        broker
    }

    /// Has what the names of this life are made of written, before anyone is answered.
    ///
    /// # Errors
    /// The store did not take the record.
    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        match &self.durable {
            Some(durable) if durable.is_renewed => {
                write(&*durable.store, Record::Secret(durable.secret))
            }
            _ => Ok(()),
        }
    }

    fn fill(&self, restored: Restored, now: Now) {
        for (name, channel) in restored.channels {
            let number = self.fanout.stripe_of(self.fanout.names().hashed(&name));
            locked(&self.stripes[number]).restore(name, channel, now);
        }
        let mut keys: Vec<_> = restored.keys.into_values().collect();
        // The order in which they go.
        keys.sort_unstable_by_key(|key| key.expires_ms);
        self.earlier.restore(&self.keys, keys.into_iter(), now);
        for stripe in &self.stripes {
            locked(stripe).ledger.note_first_end();
        }
        let mut before = usize::MAX;
        // Each round takes out a bounded number.
        while self.totals.history_bytes.load(Relaxed) < before {
            before = self.totals.history_bytes.load(Relaxed);
            self.make_room();
        }
    }
}

impl Stripe {
    fn restore(&mut self, name: ChannelName, mut channel: RestoredChannel, now: Now) {
        let mut stream = ChannelStream::new(channel.top.epoch, now.instant);
        stream.keep(channel.ttl, now.instant + channel.ttl);
        stream.top = channel.top.offset;
        stream.version = channel.take_version();
        for RestoredItem {
            expires_ms, item, ..
        } in channel.items
        {
            // By a clock that was ahead it might be kept for ever.
            let Some(left) = now.until(expires_ms) else {
                // What is older is not kept either: a history has no gap.
                stream.clear();
                continue;
            };
            if item.offset
                != stream
                    .items
                    .back()
                    .map_or(item.offset, |kept| kept.item.offset + 1)
            {
                // Between them something was lost: what is before the gap is no history.
                stream.clear();
            }
            // By a clock that was ahead it would be kept too long.
            let until = now.instant + left.min(channel.ttl);
            stream.push(HistoryEntry { until, item }, usize::MAX);
        }
        if stream
            .items
            .back()
            .is_some_and(|newest| newest.item.offset != stream.top)
        {
            stream.clear();
        }
        let ends_at = stream.ends_at();
        let mut stream = Box::new(stream);
        self.ledger.alarms.set(name.clone(), &mut stream, ends_at);
        let charge = stream.charge(&name);
        self.ledger.totals.change(Charge::default(), charge);
        let channel = self.streams.hashed(&name);
        self.streams
            .get_or_insert_with(channel, || (name.clone(), stream));
    }
}

/// Writes a record and waits for it; at a start only.
fn write(store: &dyn Store, record: Record) -> Result<(), StoreError> {
    let (sender, written) = mpsc::sync_channel(1);
    store.append(
        record,
        Written::call(move |outcome| {
            // The other end waits for exactly this.
            let _ = sender.send(outcome);
        }),
    )?;
    written.recv().unwrap_or(Err(StoreError::Closed))
}
