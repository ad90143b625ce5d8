//! Idempotency keys that were used, with the place that their publications got. Pure data but for
//! the counts, which all locks share.
//!
//! Each is held for `limits.idempotency_ttl`, none is forgotten before; what has no room in
//! `limits.idempotency_bytes` is refused instead ([`KeyBounds::take`]). A key is known by a hash of
//! 128 bits of channel and key, so that one costs [`KEY_BYTES`] however long both are.

use std::{
    collections::{HashMap, VecDeque},
    hash::{Hash as _, Hasher as _},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::now::Now;
use crate::{
    broker::{BrokerError, IdempotencyKey, KeyOwner},
    id::{Epoch, StreamPosition},
    store::{self, Record},
};

/// Keys that are let go of in one call of [`Keys::expire`].
const KEYS_A_TURN: usize = 1024;
/// What a key is charged: its entries in the map and the queue, with the room that both keep free,
/// and its owner's count.
pub(super) const KEY_BYTES: usize = 208;
/// The share of all bytes that the keys of clients may take.
const CLIENTS_SHARE: usize = 2;
/// The share of all bytes that one client's keys may take.
const OWNER_SHARE: usize = 100;

/// The room for keys, and who takes it.
pub(super) struct KeyBounds {
    bytes_max: usize,
    all: AtomicUsize,
    clients: AtomicUsize,
    owners: Mutex<HashMap<OwnerId, usize>>,
    /// Keyed by a secret, so that nobody makes two keys of one name.
    hasher: SipHasher13,
}

/// Names who is charged; 0 for the server's API. Two clients of one name would share their room.
pub(super) type OwnerId = u64;
const API: OwnerId = 0;

/// Room for one key; given back when the key goes, or when it was not published after all.
pub(super) struct KeyRoom {
    bounds: Arc<KeyBounds>,
    owner: OwnerId,
}

impl KeyBounds {
    /// `limits.idempotency_bytes`, and the secret that names keys.
    pub(super) fn new(bytes_max: usize, secret: u128) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            all: AtomicUsize::new(0),
            clients: AtomicUsize::new(0),
            owners: Mutex::default(),
            hasher: SipHasher13::new_with_key(&secret.to_le_bytes()),
        })
    }

    /// Bytes of all keys.
    pub(super) fn bytes(&self) -> usize {
        self.all.load(Relaxed)
    }

    /// Takes room for a key.
    ///
    /// # Errors
    /// There is none, for all or for its owner.
    pub(super) fn take(self: &Arc<Self>, owner: Option<&KeyOwner>) -> Result<KeyRoom, BrokerError> {
        self.take_for(owner.map_or(API, |owner| self.owner_id(owner)))
    }

    /// The same for whoever is known by a hash, as a store knows owners.
    pub(super) fn take_for(self: &Arc<Self>, owner: OwnerId) -> Result<KeyRoom, BrokerError> {
        let refusal = match owner {
            API => BrokerError::KeysFull,
            _ => BrokerError::TooManyKeys,
        };
        if !charge(&self.all, self.bytes_max) {
            return Err(refusal);
        }
        if owner != API && !self.charge_client(owner) {
            self.all.fetch_sub(KEY_BYTES, Relaxed);
            return Err(refusal);
        }
        Ok(KeyRoom {
            bounds: self.clone(),
            owner,
        })
    }

    fn owner_id(&self, owner: &KeyOwner) -> OwnerId {
        let mut hasher = self.hasher;
        owner.hash(&mut hasher);
        hasher.finish().max(1)
    }

    fn charge_client(&self, owner: OwnerId) -> bool {
        if !charge(&self.clients, self.bytes_max / CLIENTS_SHARE) {
            return false;
        }
        let mut owners = self.owners();
        let bytes = owners.entry(owner).or_default();
        if *bytes + KEY_BYTES <= self.bytes_max / OWNER_SHARE {
            *bytes += KEY_BYTES;
            return true;
        }
        if *bytes == 0 {
            owners.remove(&owner);
        }
        self.clients.fetch_sub(KEY_BYTES, Relaxed);
        false
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<OwnerId, usize>> {
        // No step on the map panics half way.
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a key to a sum of bytes if it stays within `max`.
fn charge(sum: &AtomicUsize, max: usize) -> bool {
    let more = |now: usize| Some(now + KEY_BYTES).filter(|sum| *sum <= max);
    sum.fetch_update(Relaxed, Relaxed, more).is_ok()
}

impl Drop for KeyRoom {
    fn drop(&mut self) {
        let bounds = &self.bounds;
        bounds.all.fetch_sub(KEY_BYTES, Relaxed);
        if self.owner == API {
            return;
        }
        bounds.clients.fetch_sub(KEY_BYTES, Relaxed);
        let mut owners = bounds.owners();
        if let Some(bytes) = owners.get_mut(&self.owner) {
            *bytes -= KEY_BYTES;
            if *bytes == 0 {
                owners.remove(&self.owner);
            }
        }
    }
}

impl KeyRoom {
    /// Whose it is.
    pub(super) fn owner(&self) -> OwnerId {
        self.owner
    }
}

/// A key as it is known: a hash of channel and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyId(pub(super) u128);

struct Used {
    end: Instant,
    /// Of the publication; without an epoch where the channel keeps no history.
    position: StreamPosition,
    /// Given back with the entry.
    room: KeyRoom,
}

/// Keys with their ends.
#[derive(Default)]
struct Table {
    known: HashMap<KeyId, Used>,
    /// In the order of their end, since all are kept equally long.
    order: VecDeque<KeyId>,
}

impl Table {
    fn get(&self, key: KeyId, now: Instant) -> Option<Option<StreamPosition>> {
        let used = self.known.get(&key).filter(|used| used.end > now)?;
        Some(Some(used.position).filter(|position| !position.epoch.is_none()))
    }

    fn insert(&mut self, key: KeyId, used: Used) {
        self.known.insert(key, used);
        self.order.push_back(key);
    }

    fn let_go(&mut self, keys_max: usize, now: Instant) {
        for _ in 0..keys_max {
            let Some(key) = self.order.front() else {
                break;
            };
            if self.known.get(key).is_some_and(|used| used.end > now) {
                break;
            }
            self.known.remove(key);
            self.order.pop_front();
        }
        let (len, capacity) = (self.known.len(), self.known.capacity());
        if capacity > 1024 && len * 8 < capacity {
            self.known.shrink_to_fit();
            self.order.shrink_to_fit();
        }
    }

    fn records(&self, now: Now) -> impl Iterator<Item = store::Key> {
        let counting = self
            .known
            .iter()
            .filter(move |(_, used)| used.end > now.instant);
        counting.map(move |(id, used)| store::Key {
            id: id.0,
            owner: used.room.owner,
            expires_ms: now.unix_of(used.end),
            position: Some(used.position).filter(|position| !position.epoch.is_none()),
        })
    }
}

/// The keys of the process before, under no channel's lock, since a key does not tell its channel.
/// Empty from their last end on, and where nothing outlives a process.
#[derive(Default)]
pub(super) struct EarlierKeys {
    table: Mutex<Table>,
    count: AtomicUsize,
}

impl EarlierKeys {
    fn table(&self) -> MutexGuard<'_, Table> {
        // No step on the table panics half way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes those that still count, in the order of their ends.
    pub(super) fn restore(
        &self,
        bounds: &Arc<KeyBounds>,
        keys: impl Iterator<Item = store::Key>,
        now: Now,
    ) {
        let mut table = self.table();
        for (key, left) in keys.filter_map(|key| Some((key, now.until(key.expires_ms)?))) {
            // The bounds of now may be narrower: the first to end are forgotten before their time.
            let Ok(room) = bounds.take_for(key.owner) else {
                continue;
            };
            let used = Used {
                end: now.instant + left,
                position: placed(key.position),
                room,
            };
            table.insert(KeyId(key.id), used);
        }
        self.count.store(table.known.len(), Relaxed);
    }

    fn get(&self, key: KeyId, now: Instant) -> Option<Option<StreamPosition>> {
        match self.count.load(Relaxed) {
            0 => None,
            _ => self.table().get(key, now),
        }
    }

    /// Lets go of those whose time is over, a bounded number of them.
    pub(super) fn expire(&self, now: Instant) {
        if self.count.load(Relaxed) > 0 {
            let mut table = self.table();
            table.let_go(KEYS_A_TURN, now);
            self.count.store(table.known.len(), Relaxed);
        }
    }

    /// Those that count.
    pub(super) fn records(&self, now: Now) -> Vec<Record> {
        self.table().records(now).map(Record::Key).collect()
    }
}

/// How an entry has a place, or that there is none.
fn placed(position: Option<StreamPosition>) -> StreamPosition {
    position.unwrap_or(StreamPosition {
        offset: 0,
        epoch: Epoch::NONE,
    })
}

/// The keys under one lock.
pub(super) struct Keys {
    bounds: Arc<KeyBounds>,
    earlier: Arc<EarlierKeys>,
    used: Table,
}

impl Keys {
    pub(super) fn new(bounds: Arc<KeyBounds>, earlier: Arc<EarlierKeys>) -> Self {
        Self {
            bounds,
            earlier,
            used: Table::default(),
        }
    }

    /// How a key of a channel is known.
    pub(super) fn id(&self, channel: &str, key: &IdempotencyKey) -> KeyId {
        let mut hasher = self.bounds.hasher;
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
    /// There is none.
    pub(super) fn take(&self, owner: Option<&KeyOwner>) -> Result<KeyRoom, BrokerError> {
        self.bounds.take(owner)
    }

    /// Notes a key that was used now, until `end`.
    pub(super) fn insert(
        &mut self,
        key: KeyId,
        position: Option<StreamPosition>,
        (now, end): (Instant, Instant),
        room: KeyRoom,
    ) {
        if self.used.known.contains_key(&key) {
            // Its time is over. Each key goes once, so that this costs no more than they did.
            self.used.let_go(usize::MAX, now);
        }
        let used = Used {
            end,
            position: placed(position),
            room,
        };
        self.used.insert(key, used);
    }

    /// Lets go of keys whose time is over, a bounded number of them.
    pub(super) fn expire(&mut self, now: Instant) {
        self.used.let_go(KEYS_A_TURN, now);
    }

    /// Those that count.
    pub(super) fn records(&self, now: Now) -> impl Iterator<Item = Record> {
        self.used.records(now).map(Record::Key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TTL: Duration = Duration::from_secs(300);

    fn client(name: &str) -> Option<KeyOwner> {
        Some(KeyOwner::User(name.into()))
    }

    fn used(keys: &mut Keys, text: &str, owner: Option<&KeyOwner>, now: Instant) -> bool {
        let key = keys.id("news", &text.into());
        if keys.get(key, now).is_some() {
            return true;
        }
        let room = keys.take(owner);
        if let Ok(room) = room {
            keys.insert(key, None, (now, now + TTL), room);
            return true;
        }
        false
    }

    // Beyond 16,384 keys of a channel the oldest was forgotten before its time, and a publication
    // went out twice. A key is held for its time, or it is refused.
    #[test]
    fn a_key_is_held_for_its_time_and_what_has_no_room_is_refused() {
        let (start, bounds) = (Instant::now(), KeyBounds::new(20_000 * KEY_BYTES, 7));
        let mut keys = Keys::new(bounds.clone(), Arc::default());
        for number in 0..20_000 {
            assert!(used(&mut keys, &number.to_string(), None, start));
        }
        assert!(!used(&mut keys, "one more", None, start));
        assert_eq!(keys.take(None).err(), Some(BrokerError::KeysFull));
        let late = start + TTL - Duration::from_millis(1);
        keys.expire(late);
        for number in 0..20_000 {
            let key = keys.id("news", &number.to_string().as_str().into());
            assert!(keys.get(key, late).is_some(), "{number}");
        }
        let over = start + TTL;
        let key = keys.id("news", &"0".into());
        assert_eq!(keys.get(key, over), None, "expired, though not let go yet");
        for _ in 0..=20_000 / KEYS_A_TURN {
            keys.expire(over);
        }
        assert_eq!((bounds.bytes(), keys.used.known.capacity()), (0, 0));
    }

    // A client that brings keys must not take the room of others, nor that of the API.
    #[test]
    fn clients_have_half_of_the_room_and_one_of_them_a_hundredth() {
        let (now, bounds) = (Instant::now(), KeyBounds::new(1000 * KEY_BYTES, 7));
        let mut keys = Keys::new(bounds.clone(), Arc::default());
        let mut taken = |owner: Option<KeyOwner>, name: &str| {
            let all = 0..2000;
            let took = all.filter(|n| used(&mut keys, &format!("{name}{n}"), owner.as_ref(), now));
            took.count()
        };
        assert_eq!(taken(client("42"), "a"), 10);
        assert_eq!(taken(Some(KeyOwner::Address(None)), "b"), 10);
        let others = (0..100).map(|n| taken(client(&format!("u{n}")), &format!("{n}-")));
        assert_eq!(
            others.sum::<usize>(),
            480,
            "half of all, with the first two"
        );
        assert_eq!(taken(None, "api"), 500);
        assert_eq!(bounds.bytes(), 1000 * KEY_BYTES);
        assert_eq!(
            keys.take(client("new").as_ref()).err(),
            Some(BrokerError::TooManyKeys)
        );
        drop(keys);
        assert_eq!(bounds.bytes(), 0);
        assert!(
            bounds.owners().is_empty(),
            "nobody is remembered for nothing"
        );
    }

    #[test]
    fn a_key_that_expired_can_be_used_anew() {
        let (start, bounds) = (Instant::now(), KeyBounds::new(100 * KEY_BYTES, 7));
        let mut keys = Keys::new(bounds.clone(), Arc::default());
        for round in 0..3 {
            let now = start + TTL * round;
            assert!(used(&mut keys, "k", None, now));
            let key = keys.id("news", &"k".into());
            assert!(keys.get(key, now).is_some());
            assert_eq!(bounds.bytes(), KEY_BYTES, "one key, {round}");
        }
    }
}
