//! Idempotency keys that were used, with the place that their publications got. Pure data but for
//! the counts, which all locks share.
//!
//! Each is held for `limits.idempotency_ttl`, none is forgotten before; what has no room in
//! `limits.idempotency_bytes` is refused instead ([`KeyBounds::take`]). A key is known by a hash of
//! 128 bits of channel and key, so that one costs [`KEY_BYTES`](bounds::KEY_BYTES) however long
//! both are.

mod bounds;
mod earlier;
mod table;
#[cfg(test)]
mod tests;

use std::{hash::Hasher as _, sync::Arc, time::Instant};

use siphasher::sip128::Hasher128 as _;

use self::table::{KEYS_A_TURN, KeyTable, Used, placed};
pub(super) use self::{
    bounds::{KeyBounds, KeyRoom},
    earlier::EarlierKeys,
    table::KeyId,
};
use super::now::Now;
use crate::{
    broker::{BrokerError, IdempotencyKey, KeyOwner},
    id::StreamPosition,
    store::Record,
};

/// The keys under one lock.
pub(super) struct IdempotencyKeys {
    bounds: Arc<KeyBounds>,
    earlier: Arc<EarlierKeys>,
    used: KeyTable,
}

/// The key of a request, and whose it is.
pub(super) struct AskedKey {
    pub(super) id: KeyId,
    pub(super) owner: Option<KeyOwner>,
}

/// A key that has its room, and whose publication is not committed yet.
pub(super) struct ReservedKey {
    pub(super) id: KeyId,
    /// Given back with the key, or when it was not published after all.
    pub(super) room: KeyRoom,
}

impl IdempotencyKeys {
    pub(super) fn new(bounds: Arc<KeyBounds>, earlier: Arc<EarlierKeys>) -> Self {
        Self {
            bounds,
            earlier,
            used: KeyTable::default(),
        }
    }

    /// How a key of a channel is known.
    pub(super) fn id(&self, channel: &str, key: &IdempotencyKey) -> KeyId {
        let mut hasher = self.bounds.hasher();
        hasher.write(channel.as_bytes());
        // Neither has a byte that is not in UTF-8.
        hasher.write(&[0xff]);
        hasher.write(key.text.as_bytes());
        KeyId(hasher.finish128().as_u128())
    }

    /// The place that a key's publication got; absent: the key is new.
    pub(super) fn get(&self, key: KeyId, now: Instant) -> Option<Option<StreamPosition>> {
        let used = self.used.get(key, now);
        used.or_else(|| self.earlier.get(key, now))
    }

    /// Room for a key that is new.
    ///
    /// # Errors
    /// The keys of all, or those of the owner, have all the room that they may have.
    pub(super) fn take(&self, owner: Option<&KeyOwner>) -> Result<KeyRoom, BrokerError> {
        self.bounds.take(owner)
    }

    /// The same for the key of a publication, if it has one.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) fn room(&self, key: Option<AskedKey>) -> Result<Option<ReservedKey>, BrokerError> {
        let key = key.map(|AskedKey { id, owner }| {
            let room = self.take(owner.as_ref())?;
            Ok(ReservedKey { id, room })
        });
        key.transpose()
    }

    /// Notes a key that was used now, until `end`.
    pub(super) fn insert(
        &mut self,
        key: ReservedKey,
        position: Option<StreamPosition>,
        now: Instant,
        end: Instant,
    ) {
        if self.used.holds(key.id) {
            // Its time is over. Each key goes once, so that this costs no more than they did.
            self.used.let_go(usize::MAX, now);
        }
        self.used.insert(Used {
            id: key.id,
            end,
            position: placed(position),
            room: key.room,
        });
    }

    /// Lets go of keys whose time is over, a bounded number of them.
    pub(super) fn expire(&mut self, now: Instant) {
        self.used.let_go(KEYS_A_TURN, now);
    }

    /// The keys whose time is not over, for a snapshot.
    pub(super) fn records(&self, now: Now) -> impl Iterator<Item = Record> {
        self.used.records(now).map(Record::Key)
    }
}
