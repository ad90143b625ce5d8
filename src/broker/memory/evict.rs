//! What goes: what has expired, and what is thrown out to keep within the bounds.
//!
//! Who publishes throws out publications, those first that expire first, and pays for it: each step
//! takes one, or finds an alarm behind its stream, which a publication before it has left so. The
//! store's thread does so too, where the files have no room for all of them. Who
//! reads throws out positions of channels to which nothing was published, which are good all the
//! same ([`Epochs`](super::epochs)), and does two steps for each position that it adds.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::{
    MemoryBroker, locked,
    stream::{ChannelStream, StreamStage},
    stripe::{HasMembers, Stripe},
};
use crate::registry::ChannelName;

/// Alarms looked at in one call of [`Stripe::expire`], so that the lock is never held long.
const ALARMS_A_TURN: usize = 1024;
/// No alarm comes back sooner: what expires in between waits for it.
const ALARM_MIN: Duration = Duration::from_secs(1);
/// How often a stream without items, but with listeners, is looked at.
const MEMBERS_ALARM: Duration = Duration::from_secs(60);
/// Alarms that may be found behind their streams while room is made for one publication. Each
/// of them was left so by another publication.
const LATE_ALARMS_A_TURN: usize = 256;
/// Positions looked at for each one that is added: more than one, so that they come down again.
const POSITIONS_A_STEP: usize = 2;

impl MemoryBroker {
    /// Keeps all histories together under their bound: what is next to expire, wherever it is, goes
    /// first.
    pub(super) fn make_room(&self) {
        self.shrink_histories(self.history_bytes_max);
    }

    /// Brings all histories together down to so many bytes; stops before where too many alarms are
    /// behind their streams.
    pub(super) fn shrink_histories(&self, bytes: usize) {
        let mut late = 0;
        while self.totals.history_bytes.load(Relaxed) > bytes
            && late < LATE_ALARMS_A_TURN
            && let Some(stripe) = self.totals.first_to_end()
        {
            let mut stripe = locked(&self.stripes[stripe]);
            if !stripe.throw_out_item(&|channel| self.fanout.has_members(channel)) {
                late += 1;
            }
        }
    }
}

impl Stripe {
    /// Lets go of what has expired.
    pub(super) fn expire(&mut self, now: Instant, has_members: HasMembers<'_>) {
        self.keys.expire(now);
        for stage in [StreamStage::Kept, StreamStage::Emptied, StreamStage::Unused] {
            for _ in 0..ALARMS_A_TURN {
                if self.ledger.alarms.first(stage).is_none_or(|at| at > now) {
                    break;
                }
                let Some((_, name)) = self.ledger.alarms.pop(stage) else {
                    break;
                };
                match stage {
                    StreamStage::Kept => self.expire_items(name, now, has_members),
                    _ => self.expire_position(name, now, has_members),
                }
            }
        }
        self.ledger.note_first_end();
    }

    fn expire_items(&mut self, name: ChannelName, now: Instant, has_members: HasMembers<'_>) {
        let channel = self.streams.hashed(&name);
        let Some((_, stream)) = self.streams.get_mut(channel) else {
            return;
        };
        self.ledger.change(&name, stream, |stream| stream.trim(now));
        let is_empty = stream.items.is_empty();
        let next = stream.ends_at().max(now + ALARM_MIN);
        self.ledger.alarms.set(name, stream, next);
        if is_empty {
            self.throw_out_positions(true, has_members);
        }
    }

    fn expire_position(&mut self, name: ChannelName, now: Instant, has_members: HasMembers<'_>) {
        let channel = self.streams.hashed(&name);
        let Some((_, stream)) = self.streams.get_mut(channel) else {
            return;
        };
        if stream.keep_until > now {
            let next = stream.keep_until.max(now + ALARM_MIN);
            self.ledger.alarms.set(name, stream, next);
        } else if self.waiting.of(channel, Some(stream)).is_some() || has_members(&name) {
            self.ledger.alarms.set(name, stream, now + MEMBERS_ALARM);
        } else {
            self.drop_stream(&name);
        }
    }

    /// Takes one step to make room for publications: the item goes that expires first. False if
    /// the alarm was behind and nothing went.
    pub(super) fn throw_out_item(&mut self, has_members: HasMembers<'_>) -> bool {
        let Some((at, name)) = self.ledger.alarms.pop(StreamStage::Kept) else {
            self.ledger.note_first_end();
            return false;
        };
        let channel = self.streams.hashed(&name);
        let Some((_, stream)) = self.streams.get_mut(channel) else {
            return false;
        };
        let is_due = stream.ends_at() <= at;
        if is_due {
            self.ledger.change(&name, stream, ChannelStream::pop);
            self.ledger
                .totals
                .evicted_publications
                .fetch_add(1, Relaxed);
        }
        let (next, is_empty) = (stream.ends_at(), stream.items.is_empty());
        self.ledger.alarms.set(name, stream, next);
        if is_empty {
            self.throw_out_positions(true, has_members);
        }
        self.ledger.note_first_end();
        is_due
    }

    /// A position was added: as long as they are too many, some that nobody listens to go, those
    /// of unused channels first. Only publishing throws out others.
    pub(super) fn throw_out_positions(&mut self, publishing: bool, has_members: HasMembers<'_>) {
        let mut stage = StreamStage::Unused;
        for _ in 0..POSITIONS_A_STEP {
            if self.ledger.totals.position_bytes.load(Relaxed) <= self.position_bytes_max {
                return;
            }
            let first = self.ledger.alarms.pop(stage);
            let Some((at, name)) = first.or_else(|| {
                stage = StreamStage::Emptied;
                publishing.then(|| self.ledger.alarms.pop(stage)).flatten()
            }) else {
                return;
            };
            let channel = self.streams.hashed(&name);
            match self.streams.get_mut(channel) {
                // Its members' number is bounded, and with it what this costs. Behind all others,
                // so that the next step finds another.
                Some((_, stream))
                    if self.waiting.of(channel, Some(&**stream)).is_some()
                        || has_members(&name) =>
                {
                    let at = self.ledger.alarms.behind_all(stage, at);
                    self.ledger.alarms.set(name, stream, at);
                    if publishing {
                        stage = StreamStage::Emptied;
                    }
                }
                _ => {
                    self.drop_stream(&name);
                    self.ledger.totals.evicted_positions.fetch_add(1, Relaxed);
                }
            }
        }
    }
}
