//! The room for idempotency keys: `limits.idempotency_bytes` for all, a share of it for the keys of
//! clients, and a share for each of them. Pure data but for the counts, which all locks share.

use std::{
    collections::HashMap,
    hash::{Hash as _, Hasher as _},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use siphasher::sip128::SipHasher13;

use crate::broker::{BrokerError, KeyOwner};

/// What a key is charged: its entries in the line and the index, with the room that both keep free,
/// and its owner's count.
pub(super) const KEY_BYTES: usize = 144;
/// The share of all bytes that the keys of clients may take.
const CLIENTS_SHARE: usize = 2;
/// The share of all bytes that one client's keys may take.
const OWNER_SHARE: usize = 100;

/// Room for owners that is not worth a copy to give back.
const OWNERS_ROOM_MIN: usize = 64;

/// The room for keys, and who takes it.
pub(in crate::broker::memory) struct KeyBounds {
    bytes_max: usize,
    all: AtomicUsize,
    clients: AtomicUsize,
    owners: Mutex<HashMap<OwnerId, usize>>,
    /// Keyed by a secret, so that nobody makes two keys of one name.
    hasher: SipHasher13,
}

/// Names who is charged; 0 for the server's API. Two clients of one name would share their room.
pub(in crate::broker::memory) type OwnerId = u64;
const API: OwnerId = 0;

/// Room for one key; given back when the key goes, or when it was not published after all.
pub(in crate::broker::memory) struct KeyRoom {
    bounds: Arc<KeyBounds>,
    owner: OwnerId,
}

impl KeyBounds {
    /// `limits.idempotency_bytes`, and the secret that names keys.
    pub(in crate::broker::memory) fn new(bytes_max: usize, secret: u128) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            all: AtomicUsize::new(0),
            clients: AtomicUsize::new(0),
            owners: Mutex::default(),
            hasher: SipHasher13::new_with_key(&secret.to_le_bytes()),
        })
    }

    /// By which keys are named.
    pub(super) fn hasher(&self) -> SipHasher13 {
        self.hasher
    }

    /// Bytes of all keys.
    pub(in crate::broker::memory) fn bytes(&self) -> usize {
        self.all.load(Relaxed)
    }

    /// Takes room for a key.
    ///
    /// # Errors
    /// The keys of all, or those of its owner, have all the room that they may have.
    pub(in crate::broker::memory) fn take(
        self: &Arc<Self>,
        owner: Option<&KeyOwner>,
    ) -> Result<KeyRoom, BrokerError> {
        self.take_for(owner.map_or(API, |owner| self.owner_id(owner)))
    }

    /// The same for whoever is known by a hash, as a store knows owners.
    pub(in crate::broker::memory) fn take_for(
        self: &Arc<Self>,
        owner: OwnerId,
    ) -> Result<KeyRoom, BrokerError> {
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

    pub(super) fn owners(&self) -> MutexGuard<'_, HashMap<OwnerId, usize>> {
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
                let (len, capacity) = (owners.len(), owners.capacity());
                if capacity > OWNERS_ROOM_MIN && len * 4 < capacity {
                    owners.shrink_to(len * 2);
                }
            }
        }
    }
}

impl KeyRoom {
    /// Who is charged for it, as the store keeps it.
    pub(in crate::broker::memory) fn owner(&self) -> OwnerId {
        self.owner
    }
}
