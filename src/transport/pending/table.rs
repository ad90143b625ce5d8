//! The table of pending connections, plain data: who is there, since when, and who goes at a bound.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use super::evict::Evict;
use crate::metrics::CutReason;

/// Whom a connection is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum PeerKey {
    /// Trusted proxies and unix sockets, which have no bound of their own.
    Exempt,
    /// An address; IPv6 by its /64.
    Address(IpAddr),
}

/// A connection's place; later ones are greater.
pub(super) type Place = u64;

/// Who goes first: the key with most connections, among equals the one whose oldest is older.
/// Those that are exempt count as having none.
type Rank = (usize, Reverse<Place>, PeerKey);

/// See the module.
pub(super) struct PendingTable {
    max: usize,
    /// 0: no bound.
    per_address_max: usize,
    len: usize,
    by_key: HashMap<PeerKey, BTreeMap<Place, Arc<Evict>>>,
    /// One entry a key, so that the greatest is found without looking at all.
    ranks: BTreeSet<Rank>,
}

impl PendingTable {
    pub(super) fn new(max: usize, per_address_max: usize) -> Self {
        Self {
            max,
            per_address_max,
            len: 0,
            by_key: HashMap::new(),
            ranks: BTreeSet::new(),
        }
    }

    /// Connections in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes a connection in; at a bound the oldest is told to go, and the bound is returned.
    pub(super) fn enter(
        &mut self,
        key: PeerKey,
        place: Place,
        evict: Arc<Evict>,
    ) -> Option<CutReason> {
        let of_key = self.change(key, |group| {
            group.insert(place, evict);
            group.len()
        });
        let is_address = matches!(key, PeerKey::Address(_));
        if is_address && self.per_address_max > 0 && of_key > self.per_address_max {
            self.evict(key, CutReason::Address);
            return Some(CutReason::Address);
        }
        // The newcomer may be all that its address has, and would go before whoever is exempt.
        let goes = |&&(_, Reverse(oldest), _): &&Rank| oldest != place;
        if self.len > self.max
            && let Some(&(.., most)) = self.ranks.iter().rev().find(goes)
        {
            self.evict(most, CutReason::Total);
            return Some(CutReason::Total);
        }
        None
    }

    /// Lets a connection out; if it was told to go, that no longer holds.
    pub(super) fn leave(&mut self, key: PeerKey, place: Place, evict: &Evict) {
        self.change(key, |group| {
            group.remove(&place);
        });
        evict.take_back();
    }

    /// Tells all to look whether they are idle.
    pub(super) fn look(&self) {
        for evict in self.by_key.values().flat_map(BTreeMap::values) {
            evict.look();
        }
    }

    /// Tells the oldest of a key to go.
    fn evict(&mut self, key: PeerKey, why: CutReason) {
        self.change(key, |group| {
            if let Some((_, evict)) = group.pop_first() {
                evict.tell(why);
            }
        });
    }

    /// Changes the connections of a key, and keeps its rank and the count right.
    fn change<T>(
        &mut self,
        key: PeerKey,
        step: impl FnOnce(&mut BTreeMap<Place, Arc<Evict>>) -> T,
    ) -> T {
        let group = self.by_key.entry(key).or_default();
        if let Some(rank) = rank(key, group) {
            self.ranks.remove(&rank);
        }
        self.len -= group.len();
        let result = step(group);
        self.len += group.len();
        match rank(key, group) {
            Some(rank) => {
                self.ranks.insert(rank);
            }
            None => {
                self.by_key.remove(&key);
            }
        }
        result
    }
}

/// The rank of a key's connections; absent if there are none.
fn rank(key: PeerKey, group: &BTreeMap<Place, Arc<Evict>>) -> Option<Rank> {
    let (oldest, _) = group.first_key_value()?;
    let count = match key {
        PeerKey::Exempt => 0,
        PeerKey::Address(_) => group.len(),
    };
    Some((count, Reverse(*oldest), key))
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn address(text: &str) -> PeerKey {
        PeerKey::Address(text.parse().expect("an address"))
    }

    /// The places that were told to go since this was asked last, of those in the list.
    fn gone(list: &[(Place, Arc<Evict>)]) -> Vec<Place> {
        let mut context = Context::from_waker(Waker::noop());
        let told = list.iter().filter(|(_, evict)| {
            let is_told = std::pin::pin!(evict.told()).poll(&mut context).is_ready();
            evict.take_back();
            is_told
        });
        told.map(|(place, _)| *place).collect()
    }

    fn enter(
        table: &mut PendingTable,
        key: PeerKey,
        list: &mut Vec<(Place, Arc<Evict>)>,
    ) -> Option<CutReason> {
        let evict = Arc::<Evict>::default();
        let place = list.len() as Place;
        let cut = table.enter(key, place, evict.clone());
        list.push((place, evict));
        cut
    }

    #[test]
    fn an_address_at_its_bound_loses_its_own_oldest() {
        let (mut table, mut list) = (PendingTable::new(100, 2), Vec::new());
        assert_eq!(enter(&mut table, address("10.0.0.2"), &mut list), None);
        for _ in 0..2 {
            assert_eq!(enter(&mut table, address("10.0.0.1"), &mut list), None);
        }
        let cut = enter(&mut table, address("10.0.0.1"), &mut list);
        assert_eq!(cut, Some(CutReason::Address));
        assert_eq!(gone(&list), [1]);
        assert_eq!(table.len(), 3);
        // Who has brought a request by the time it is told stays.
        let cut = enter(&mut table, address("10.0.0.1"), &mut list);
        assert_eq!(cut, Some(CutReason::Address));
        table.leave(address("10.0.0.1"), 2, &list[2].1);
        assert!(gone(&list).is_empty());
        table.leave(address("10.0.0.1"), 3, &list[3].1);
        // Who left makes room.
        assert_eq!(enter(&mut table, address("10.0.0.1"), &mut list), None);
    }

    #[test]
    fn at_the_bound_of_all_the_address_with_most_loses_its_oldest() {
        let (mut table, mut list) = (PendingTable::new(4, 0), Vec::new());
        for from in ["10.0.0.9", "10.0.0.1", "10.0.0.1", "10.0.0.1"] {
            assert_eq!(enter(&mut table, address(from), &mut list), None);
        }
        let cut = enter(&mut table, address("10.0.0.5"), &mut list);
        assert_eq!(cut, Some(CutReason::Total));
        assert_eq!(gone(&list), [1]);
        // All have one but 10.0.0.1, until it too has only one: then the oldest of all goes.
        enter(&mut table, address("10.0.0.6"), &mut list);
        assert_eq!(gone(&list), [2]);
        enter(&mut table, address("10.0.0.7"), &mut list);
        assert_eq!(gone(&list), [0]);
        assert_eq!(table.len(), 4);
    }

    #[test]
    fn who_is_exempt_goes_only_when_nobody_else_is_there_but_the_newcomer() {
        let (mut table, mut list) = (PendingTable::new(2, 1), Vec::new());
        for _ in 0..2 {
            assert_eq!(enter(&mut table, PeerKey::Exempt, &mut list), None);
        }
        let cut = enter(&mut table, address("10.0.0.1"), &mut list);
        assert_eq!((cut, gone(&list)), (Some(CutReason::Total), vec![0]));
        let cut = enter(&mut table, PeerKey::Exempt, &mut list);
        assert_eq!((cut, gone(&list)), (Some(CutReason::Total), vec![2]));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn nothing_is_left_of_whom_left_twice() {
        let mut table = PendingTable::new(2, 2);
        let evict = Arc::<Evict>::default();
        let _ = table.enter(PeerKey::Exempt, 0, evict.clone());
        table.leave(PeerKey::Exempt, 0, &evict);
        table.leave(PeerKey::Exempt, 0, &evict);
        assert_eq!(table.len(), 0);
        assert!(table.by_key.is_empty() && table.ranks.is_empty());
    }
}
