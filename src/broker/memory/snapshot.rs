//! What the memory broker holds, as records that make it again: for a store whose files have grown.
//!
//! One lock at a time, and one channel under it, so that no publisher waits longer than for the
//! items of one channel to be counted. What is placed and not committed is not looked at: its own
//! record is behind this one, or was before it.

use std::sync::atomic::Ordering::Relaxed;

use super::{MemoryBroker, locked, now::Now, stream::ChannelStream, stripe::Stripe};
use crate::{
    registry::ChannelName,
    store::{KeptItem, Record, SnapshotSource, StreamRecord},
};

impl SnapshotSource for MemoryBroker {
    fn snapshot(&self) -> Box<dyn Iterator<Item = Vec<Record>> + Send + '_> {
        Box::new(BrokerSnapshot {
            broker: self,
            channels: Vec::new(),
            next: None,
        })
    }

    fn charged_bytes(&self) -> usize {
        self.totals.history_bytes.load(Relaxed)
    }

    fn evict(&self, bytes: usize) -> Option<usize> {
        let before = self.totals.history_bytes.load(Relaxed);
        self.totals.first_to_end().filter(|_| before > 0)?;
        self.shrink_histories(before.saturating_sub(bytes));
        Some(before.saturating_sub(self.totals.history_bytes.load(Relaxed)))
    }
}

struct BrokerSnapshot<'a> {
    broker: &'a MemoryBroker,
    /// Of the lock before the next.
    channels: Vec<(usize, ChannelName)>,
    /// The lock to be looked at next; absent: what is under none of them.
    next: Option<usize>,
}

impl Iterator for BrokerSnapshot<'_> {
    type Item = Vec<Record>;

    fn next(&mut self) -> Option<Vec<Record>> {
        let now = self.broker.durable.as_ref()?.clock.now();
        if let Some((number, channel)) = self.channels.pop() {
            return Some(locked(&self.broker.stripes[number]).channel_records(&channel, now));
        }
        let Some(number) = self.next else {
            self.next = Some(0);
            return Some(self.broker.names_and_earlier_keys(now));
        };
        let stripe = locked(self.broker.stripes.get(number)?);
        self.next = Some(number + 1);
        let names = stripe.streams.iter().map(|(name, _)| name.clone());
        self.channels.extend(names.map(|name| (number, name)));
        Some(stripe.keys.records(now).collect())
    }
}

impl MemoryBroker {
    fn names_and_earlier_keys(&self, now: Now) -> Vec<Record> {
        let secret = self.durable.as_ref().map(|durable| durable.secret);
        let mut records: Vec<_> = secret.map(Record::Secret).into_iter().collect();
        records.push(Record::EndedShares(self.epochs.ended()));
        records.extend(self.earlier.records(now));
        records
    }
}

impl Stripe {
    /// A channel's position and items. An unused position can be made again without.
    fn channel_records(&self, name: &ChannelName, now: Now) -> Vec<Record> {
        let found = self.streams.get(self.streams.hashed(name));
        let Some((_, stream)) = found.filter(|(_, stream)| stream.top > 0) else {
            return Vec::new();
        };
        let mut records = Vec::with_capacity(1 + stream.items.len());
        records.push(stream_record(name, stream));
        let items = stream.items.iter().filter(|kept| kept.until > now.instant);
        records.extend(items.map(|kept| {
            Record::Item(KeptItem {
                channel: name.clone(),
                epoch: stream.epoch,
                item: kept.item.clone(),
                expires_ms: now.unix_of(kept.until),
            })
        }));
        records
    }
}

fn stream_record(name: &ChannelName, stream: &ChannelStream) -> Record {
    Record::Stream(StreamRecord {
        channel: name.clone(),
        top: stream.position(),
        first: stream.first(),
        ttl: stream.ttl,
        version: stream.version.clone(),
    })
}
