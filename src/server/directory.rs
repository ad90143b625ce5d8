//! Who is connected: every session of this node in the order of arrival, with counts by endpoint.
//! Pure data, owned by the `Server` actor; its size is bounded by `limits.sessions`.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
};

use super::search::{SLICE, ScanSessions, SessionSlice};
use crate::{connection::info::SessionInfo, id::SessionId};

/// Which sessions to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionFilter {
    /// Only sessions of this user.
    pub(crate) user: Option<String>,
    /// Only sessions from this address.
    pub(crate) address: Option<IpAddr>,
    /// Only sessions of this endpoint.
    pub(crate) endpoint: Option<String>,
    /// Continue behind this place; 0 begins at the oldest session.
    pub(crate) after: u64,
    /// At most this many.
    pub(crate) limit: usize,
}

impl SessionFilter {
    fn admits(&self, info: &SessionInfo) -> bool {
        self.user
            .as_deref()
            .is_none_or(|user| info.user() == Some(user))
            && self
                .address
                .is_none_or(|address| info.address == Some(address))
            && self
                .endpoint
                .as_deref()
                .is_none_or(|endpoint| &*info.endpoint == endpoint)
    }
}

/// A page of sessions.
#[derive(Debug)]
pub(crate) struct SessionPage {
    /// The sessions, oldest first.
    pub(crate) sessions: Vec<Arc<SessionInfo>>,
    /// Where the next page begins (`after`); absent on the last page.
    pub(crate) next: Option<u64>,
}

/// All sessions. Places count from 1 and are never given twice, so that paging neither skips nor
/// repeats one.
#[derive(Debug, Default)]
pub(super) struct Directory {
    places: u64,
    sessions: BTreeMap<u64, Arc<SessionInfo>>,
    by_id: HashMap<SessionId, u64>,
    by_endpoint: HashMap<Arc<str>, usize>,
}

impl Directory {
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn insert(&mut self, info: Arc<SessionInfo>) {
        self.places += 1;
        *self.by_endpoint.entry(info.endpoint.clone()).or_default() += 1;
        self.by_id.insert(info.id, self.places);
        self.sessions.insert(self.places, info);
    }

    /// Takes a session out; `None` if it is not there, so that leaving twice changes nothing.
    pub(super) fn remove(&mut self, id: SessionId) -> Option<Arc<SessionInfo>> {
        let place = self.by_id.remove(&id)?;
        let info = self.sessions.remove(&place)?;
        if let Some(count) = self.by_endpoint.get_mut(&info.endpoint) {
            *count -= 1;
            if *count == 0 {
                self.by_endpoint.remove(&info.endpoint);
            }
        }
        Some(info)
    }

    pub(super) fn find(&self, id: SessionId) -> Option<Arc<SessionInfo>> {
        self.sessions.get(self.by_id.get(&id)?).cloned()
    }

    pub(super) fn by_endpoint(&self) -> Vec<(Arc<str>, usize)> {
        let mut counts: Vec<_> = self
            .by_endpoint
            .iter()
            .map(|(path, &count)| (path.clone(), count))
            .collect();
        counts.sort_unstable();
        counts
    }

    pub(super) fn page(&self, filter: &SessionFilter) -> SessionPage {
        let mut rest = self
            .sessions
            .range(filter.after.saturating_add(1)..)
            .filter(|(_, info)| filter.admits(info));
        let mut page = SessionPage {
            sessions: Vec::new(),
            next: None,
        };
        let mut last = filter.after;
        for (&place, info) in rest.by_ref().take(filter.limit) {
            last = place;
            page.sessions.push(info.clone());
        }
        if rest.next().is_some() {
            page.next = Some(last);
        }
        page
    }

    /// Those of the next [`SLICE`] sessions that fit.
    pub(super) fn slice(&self, scan: &ScanSessions) -> SessionSlice {
        let mut rest = self.sessions.range(scan.after.saturating_add(1)..);
        let mut slice = SessionSlice::default();
        let mut last = scan.after;
        for (&place, info) in rest.by_ref().take(SLICE) {
            last = place;
            if scan.search.admits(info) {
                slice.sessions.push((place, info.clone()));
            }
        }
        slice.next = rest.next().map(|_| last);
        slice
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{
        connection::info::{Traffic, TransportKind},
        server::search::SessionSearch,
    };

    pub(in crate::server) fn session(endpoint: &str, address: &str) -> Arc<SessionInfo> {
        Arc::new(SessionInfo {
            id: SessionId::random(),
            user: std::sync::OnceLock::new(),
            protocol: None,
            address: address.parse().ok(),
            endpoint: endpoint.into(),
            words: None,
            transport: TransportKind::WebSocket,
            worker: 0,
            since_ms: 0,
            started: Instant::now(),
            traffic: Traffic::default(),
        })
    }

    #[test]
    fn pages_show_every_session_once_while_others_come_and_go() {
        let mut directory = Directory::default();
        let all: Vec<_> = (0..10).map(|_| session("/ws", "10.0.0.1")).collect();
        for info in &all {
            directory.insert(info.clone());
        }
        let mut filter = SessionFilter {
            limit: 4,
            ..SessionFilter::default()
        };
        let first = directory.page(&filter);
        directory.remove(all[0].id);
        directory.remove(all[5].id);
        directory.insert(session("/ws", "10.0.0.1"));
        filter.after = first.next.expect("a second page");
        let second = directory.page(&filter);
        let seen: Vec<_> = second.sessions.iter().map(|info| info.id).collect();
        assert_eq!(seen[..3], [all[4].id, all[6].id, all[7].id]);
        filter.after = second.next.expect("a third page");
        assert_eq!(directory.page(&filter).sessions.len(), 2);
        assert_eq!(directory.page(&filter).next, None);
    }

    #[test]
    fn filters_and_counts_agree_with_what_is_there() {
        let mut directory = Directory::default();
        let a = session("/a", "10.0.0.1");
        directory.insert(a.clone());
        directory.insert(session("/b", "10.0.0.2"));
        directory.insert(session("/b", "10.0.0.1"));
        let filter = SessionFilter {
            endpoint: Some("/b".into()),
            address: "10.0.0.1".parse().ok(),
            limit: 10,
            ..SessionFilter::default()
        };
        assert_eq!(directory.page(&filter).sessions.len(), 1);
        assert_eq!(
            directory.by_endpoint(),
            [("/a".into(), 1), ("/b".into(), 2)]
        );
        assert!(directory.remove(a.id).is_some());
        assert!(directory.remove(a.id).is_none(), "leaving twice");
        assert_eq!(directory.by_endpoint(), [("/b".into(), 2)]);
        assert_eq!(directory.len(), 2);
    }

    #[test]
    fn slices_go_through_all_of_them_and_look_at_no_more_than_so_many_at_a_time() {
        let mut directory = Directory::default();
        let all: Vec<_> = (0..SLICE * 2 + 10)
            .map(|n| session(if n % 2 == 0 { "/a" } else { "/b" }, "10.0.0.1"))
            .collect();
        for info in &all {
            directory.insert(info.clone());
        }
        let search = SessionSearch {
            endpoint: Some("/a".to_string()),
            ..SessionSearch::default()
        };
        let mut scan = ScanSessions {
            search: Arc::new(search),
            after: 0,
        };
        let (mut found, mut slices) = (Vec::new(), 0);
        loop {
            let slice = directory.slice(&scan);
            assert!(slice.sessions.len() <= SLICE / 2, "half of them fit");
            found.extend(slice.sessions.iter().map(|(_, info)| info.id));
            slices += 1;
            match slice.next {
                Some(next) => scan.after = next,
                None => break,
            }
        }
        let expected: Vec<_> = all.iter().step_by(2).map(|info| info.id).collect();
        assert_eq!((found, slices), (expected, 3));
    }
}
