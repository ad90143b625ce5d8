//! What administrators look for: sessions and channels, sorted, a page at a time.
//!
//! A search goes through all of them, a slice in each turn: of the `Server` actor's thread for
//! sessions, of the caller's worker for channels, which stand under 64 locks. It keeps no more than
//! twice the pages up to the one that is wanted.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::Node;
use crate::{
    broker::fanout::STRIPES,
    connection::info::SessionInfo,
    id::SessionId,
    registry::ChannelName,
    server::search::{ScanSessions, SessionSearch},
    shard::{InChannel, SessionState, StatesOf},
};

/// What something is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SortKey {
    /// A number.
    Number(u64),
    /// A text, by its bytes.
    Text(Box<str>),
}

/// Which of what was found is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The largest first.
    pub(crate) descending: bool,
    /// Those before are left out.
    pub(crate) offset: usize,
    /// At most so many.
    pub(crate) limit: usize,
}

/// A page of what was found.
#[derive(Debug)]
pub(crate) struct Found<T> {
    /// Those on the asked page, at most its limit.
    pub(crate) page: Vec<T>,
    /// All that fit.
    pub(crate) matched: u64,
}

/// Collects what is found, and keeps what may be on the page.
struct Collector<T> {
    page: Page,
    kept: Vec<(SortKey, u64, T)>,
    matched: u64,
}

impl<T> Collector<T> {
    fn new(page: Page) -> Self {
        Self {
            page,
            kept: Vec::new(),
            matched: 0,
        }
    }

    /// `place` orders what has the same key.
    fn add(&mut self, key: SortKey, place: u64, found: T) {
        self.matched += 1;
        self.kept.push((key, place, found));
        let wanted = self.page.offset + self.page.limit;
        if self.kept.len() >= wanted.saturating_mul(2).max(64) && wanted < self.kept.len() {
            let descending = self.page.descending;
            self.kept
                .select_nth_unstable_by(wanted, |a, b| compare(a, b, descending));
            self.kept.truncate(wanted);
        }
    }

    fn found(mut self) -> Found<T> {
        let Page {
            descending,
            offset,
            limit,
        } = self.page;
        self.kept.sort_unstable_by(|a, b| compare(a, b, descending));
        let page = self.kept.into_iter().skip(offset).take(limit);
        Found {
            page: page.map(|(_, _, found)| found).collect(),
            matched: self.matched,
        }
    }
}

fn compare<T>(a: &(SortKey, u64, T), b: &(SortKey, u64, T), descending: bool) -> Ordering {
    let order = (&a.0, a.1).cmp(&(&b.0, b.1));
    if descending { order.reverse() } else { order }
}

impl Node {
    /// The sessions that fit, and are in this channel where one is given; absent while the node
    /// ends.
    pub(crate) async fn search_sessions(
        &self,
        search: SessionSearch,
        channel: Option<ChannelName>,
        key: impl Fn(u64, &SessionInfo) -> SortKey,
        page: Page,
    ) -> Option<Found<Arc<SessionInfo>>> {
        let search = Arc::new(search);
        let mut collector = Collector::new(page);
        let mut after = 0;
        loop {
            let scan = ScanSessions {
                search: search.clone(),
                after,
            };
            let mut slice = self.server.send(scan).await.ok()?;
            if let Some(channel) = &channel {
                let ids = slice.sessions.iter().map(|(_, info)| info.id).collect();
                let there = self.in_channel(channel, ids).await;
                slice.sessions.retain(|(_, info)| there.contains(&info.id));
            }
            for (place, info) in slice.sessions {
                collector.add(key(place, &info), place, info);
            }
            match slice.next {
                Some(next) => after = next,
                None => return Some(collector.found()),
            }
        }
    }

    /// Which of these sessions are in a channel.
    async fn in_channel(&self, channel: &ChannelName, ids: Arc<[SessionId]>) -> HashSet<SessionId> {
        let mut there = HashSet::new();
        if ids.is_empty() {
            return there;
        }
        for shard in self.shards.all() {
            let asked = InChannel {
                channel: channel.clone(),
                sessions: ids.clone(),
            };
            there.extend(shard.addr().send(asked).await.unwrap_or_default());
        }
        there
    }

    /// How these sessions are now; those that have ended are left out.
    pub(crate) async fn states_of(
        &self,
        sessions: &[Arc<SessionInfo>],
    ) -> HashMap<SessionId, SessionState> {
        let mut states = HashMap::new();
        for (worker, shard) in self.shards.all().iter().enumerate() {
            let here = sessions
                .iter()
                .filter(|info| info.worker as usize == worker);
            let ids: Arc<[SessionId]> = here.map(|info| info.id).collect();
            if !ids.is_empty() {
                let answer = shard.addr().send(StatesOf(ids)).await;
                states.extend(answer.unwrap_or_default());
            }
        }
        states
    }

    /// The channels with a subscriber on this node whose name `admits`, with their subscribers.
    pub(crate) async fn search_channels(
        &self,
        admits: impl Fn(&str) -> bool,
        key: impl Fn(&ChannelName, usize) -> SortKey,
        page: Page,
    ) -> Found<(ChannelName, usize)> {
        let mut collector = Collector::new(page);
        for stripe in 0..STRIPES {
            let mut place = 0;
            for (name, members) in self.fanout.list_stripe(stripe, &admits) {
                place += 1;
                collector.add(key(&name, members), place, (name, members));
            }
            // The others of this worker have their turn.
            tokio::task::yield_now().await;
        }
        collector.found()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: Page, numbers: impl Iterator<Item = u64>) -> (Vec<u64>, u64) {
        let mut collector = Collector::new(page);
        for (place, number) in numbers.enumerate() {
            collector.add(SortKey::Number(number), place as u64, number);
            let bound = ((page.offset + page.limit) * 2).max(64);
            assert!(
                collector.kept.len() <= bound,
                "it keeps no more than it needs"
            );
        }
        let Found { page, matched } = collector.found();
        (page, matched)
    }

    // What is thrown away on the way must never be on the page that is wanted.
    #[test]
    fn a_page_has_what_a_sort_of_all_would_have_there() {
        let all: Vec<u64> = (0..10_007).map(|n| n * 7919 % 10_007).collect();
        for (offset, limit) in [
            (0, 1),
            (0, 50),
            (37, 50),
            (9_990, 10),
            (9_990, 100),
            (20_000, 5),
        ] {
            for descending in [false, true] {
                let page = Page {
                    descending,
                    offset,
                    limit,
                };
                let mut sorted = all.clone();
                sorted.sort_unstable();
                if descending {
                    sorted.reverse();
                }
                let expected: Vec<u64> = sorted.into_iter().skip(offset).take(limit).collect();
                assert_eq!(found(page, all.iter().copied()), (expected, 10_007));
            }
        }
    }

    #[test]
    fn the_same_keys_keep_the_order_of_their_places() {
        let page = Page {
            descending: false,
            offset: 0,
            limit: 3,
        };
        let mut collector = Collector::new(page);
        for place in [3, 1, 2, 4] {
            collector.add(SortKey::Text("same".into()), place, place);
        }
        assert_eq!(collector.found().page, [1, 2, 3]);
    }
}
