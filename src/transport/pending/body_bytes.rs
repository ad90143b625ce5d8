//! The bytes of bodies that are on their way, plain data: whose they are, since when, and whose
//! connection goes at a bound. A body that comes whole at once is never in here.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    evict::Evict,
    table::{PeerKey, Place},
};
use crate::metrics::CutReason;

/// A body of which a part is here.
struct Part {
    bytes: usize,
    evict: Arc<Evict>,
}

/// The bodies of one key.
#[derive(Default)]
struct Group {
    bytes: usize,
    /// The oldest first.
    parts: BTreeMap<Place, Part>,
}

/// See the module. One body may exceed the bounds alone: its route bounds it.
pub(super) struct BodyBytes {
    max: usize,
    /// 0: no bound.
    per_address_max: usize,
    total: usize,
    by_key: HashMap<PeerKey, Group>,
    /// One entry a key, so that the greatest is found without looking at all. Those that are exempt
    /// count as having none.
    ranks: BTreeSet<(usize, PeerKey)>,
}

impl BodyBytes {
    pub(super) fn new(max: usize, per_address_max: usize) -> Self {
        Self {
            max,
            per_address_max,
            total: 0,
            by_key: HashMap::new(),
            ranks: BTreeSet::new(),
        }
    }

    /// Bytes of all of them.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// So many bytes of a body are here and the rest is waited for. While a bound is exceeded, the
    /// oldest others of whoever exceeds it are told to go; the bound of each is returned.
    pub(super) fn charge(
        &mut self,
        key: PeerKey,
        place: Place,
        bytes: usize,
        evict: &Arc<Evict>,
    ) -> Vec<CutReason> {
        self.change(key, |group| {
            let part = Part {
                bytes,
                evict: evict.clone(),
            };
            group.bytes += bytes;
            let before = group.parts.insert(place, part);
            group.bytes -= before.map_or(0, |part| part.bytes);
        });
        let mut cuts = Vec::new();
        if matches!(key, PeerKey::Address(_)) && self.per_address_max > 0 {
            while self.bytes_of(key) > self.per_address_max
                && self.evict(key, place, CutReason::AddressBodyBytes)
            {
                cuts.push(CutReason::AddressBodyBytes);
            }
        }
        while self.total > self.max {
            let goes = |&&(_, key): &&(usize, PeerKey)| self.has_another(key, place);
            let Some(&(_, most)) = self.ranks.iter().rev().find(goes) else {
                break;
            };
            self.evict(most, place, CutReason::TotalBodyBytes);
            cuts.push(CutReason::TotalBodyBytes);
        }
        cuts
    }

    /// A body is whole, or nobody waits for the rest.
    pub(super) fn release(&mut self, key: PeerKey, place: Place) {
        self.change(key, |group| {
            let part = group.parts.remove(&place);
            group.bytes -= part.map_or(0, |part| part.bytes);
        });
    }

    fn bytes_of(&self, key: PeerKey) -> usize {
        self.by_key.get(&key).map_or(0, |group| group.bytes)
    }

    /// Whether a key has another body than this one.
    fn has_another(&self, key: PeerKey, place: Place) -> bool {
        let group = self.by_key.get(&key);
        group.is_some_and(|group| group.parts.keys().any(|other| *other != place))
    }

    /// Tells the oldest of a key to go, but for the one that brought the bytes; whether there is
    /// one.
    fn evict(&mut self, key: PeerKey, newest: Place, why: CutReason) -> bool {
        let mut is_told = false;
        self.change(key, |group| {
            let oldest = group.parts.keys().copied().find(|place| *place != newest);
            let Some(part) = oldest.and_then(|place| group.parts.remove(&place)) else {
                return;
            };
            group.bytes -= part.bytes;
            part.evict.tell(why);
            is_told = true;
        });
        is_told
    }

    /// Changes the bodies of a key, and keeps its rank and the sum right.
    fn change(&mut self, key: PeerKey, step: impl FnOnce(&mut Group)) {
        let group = self.by_key.entry(key).or_default();
        self.ranks.remove(&rank(key, group));
        self.total -= group.bytes;
        step(group);
        self.total += group.bytes;
        if group.parts.is_empty() {
            self.by_key.remove(&key);
        } else {
            self.ranks.insert(rank(key, group));
        }
    }
}

fn rank(key: PeerKey, group: &Group) -> (usize, PeerKey) {
    match key {
        PeerKey::Exempt => (0, key),
        PeerKey::Address(_) => (group.bytes, key),
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn address(text: &str) -> PeerKey {
        PeerKey::Address(text.parse().expect("an address"))
    }

    /// Whether it was told to go since this was asked last.
    fn is_told(evict: &Evict) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let is_told = std::pin::pin!(evict.told()).poll(&mut context).is_ready();
        evict.take_back();
        is_told
    }

    fn evicts<const N: usize>() -> [Arc<Evict>; N] {
        std::array::from_fn(|_| Arc::default())
    }

    #[test]
    fn an_address_beyond_its_bytes_loses_its_oldest_bodies_and_never_the_newest() {
        let (mut bytes, all) = (BodyBytes::new(1000, 100), evicts::<4>());
        let one = address("10.0.0.1");
        assert_eq!(bytes.charge(address("10.0.0.2"), 0, 90, &all[0]), []);
        assert_eq!(bytes.charge(one, 1, 40, &all[1]), []);
        assert_eq!(bytes.charge(one, 2, 40, &all[2]), []);
        // It grows: its bytes are counted once.
        assert_eq!(bytes.charge(one, 2, 60, &all[2]), []);
        let cut = bytes.charge(one, 3, 90, &all[3]);
        assert_eq!(cut, [CutReason::AddressBodyBytes; 2]);
        let told: Vec<bool> = all.iter().map(|evict| is_told(evict)).collect();
        assert_eq!(told, [false, true, true, false]);
        // One body may exceed the bound alone.
        assert_eq!(bytes.charge(one, 3, 500, &all[3]), []);
        assert_eq!(bytes.total(), 590);
        bytes.release(one, 3);
        bytes.release(one, 3);
        bytes.release(one, 1);
        assert_eq!(bytes.total(), 90);
    }

    #[test]
    fn at_the_bound_of_all_the_address_with_most_bytes_goes_and_proxies_last() {
        let (mut bytes, all) = (BodyBytes::new(100, 0), evicts::<4>());
        assert_eq!(bytes.charge(PeerKey::Exempt, 0, 50, &all[0]), []);
        assert_eq!(bytes.charge(address("10.0.0.1"), 1, 10, &all[1]), []);
        assert_eq!(bytes.charge(address("10.0.0.2"), 2, 30, &all[2]), []);
        let cut = bytes.charge(address("10.0.0.3"), 3, 35, &all[3]);
        assert_eq!(cut, [CutReason::TotalBodyBytes]);
        let cut = bytes.charge(address("10.0.0.3"), 3, 60, &all[3]);
        assert_eq!(cut, [CutReason::TotalBodyBytes; 2]);
        let told: Vec<bool> = all.iter().map(|evict| is_told(evict)).collect();
        assert_eq!(told, [true, true, true, false]);
        bytes.release(address("10.0.0.3"), 3);
        assert_eq!(bytes.total(), 0);
        assert!(bytes.by_key.is_empty() && bytes.ranks.is_empty());
    }
}
