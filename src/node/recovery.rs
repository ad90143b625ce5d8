//! What a subscriber missed: reads a channel's history from where the subscriber was, and says
//! whether that is all of it. The same for every kind of client and every broker.

use std::{sync::Arc, time::Duration};

use super::Node;
use crate::{
    broker::{BrokerError, Fit, History, HistoryFilter},
    id::{Epoch, StreamPosition},
    publication::Item,
    registry::ChannelName,
};

/// From where a subscriber goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// From now.
    Now,
    /// Behind this offset of this stream; an empty name is any stream.
    Offset {
        /// The newest that was seen.
        offset: u64,
        /// The stream, as the client names it.
        epoch: String,
    },
    /// With the newest so many.
    Newest(usize),
    /// With the newest, unless this position is there already.
    Cached {
        /// The newest that was seen.
        offset: u64,
        /// The stream, as the client names it.
        epoch: String,
    },
}

impl Since {
    /// Stands for the position in a channel that keeps no history.
    pub(crate) const NOWHERE: &str = "-";

    /// The position in a channel that keeps no history.
    #[must_use]
    pub(crate) fn nowhere() -> Self {
        Self::Offset {
            offset: 0,
            epoch: Self::NOWHERE.to_string(),
        }
    }

    /// A position that no stream has: the client goes on from now, and is told that what came
    /// before is not known.
    #[must_use]
    pub(crate) fn foreign() -> Self {
        Self::Offset {
            offset: 0,
            epoch: "?".to_string(),
        }
    }

    /// Whether a client goes on in a channel that kept no history when it was there.
    #[must_use]
    pub(crate) fn is_nowhere(&self) -> bool {
        matches!(self, Self::Offset { epoch, .. } if epoch == Self::NOWHERE)
    }

    /// Behind a position.
    #[must_use]
    pub fn position(position: StreamPosition) -> Self {
        Self::Offset {
            offset: position.offset,
            epoch: position.epoch.to_string(),
        }
    }

    /// Reads `offset@epoch` or a number of newest messages.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some((offset, epoch)) = text.split_once('@') {
            let is_epoch = epoch.len() <= 64 && epoch.bytes().all(|byte| byte.is_ascii_graphic());
            return Some(Self::Offset {
                offset: offset.parse().ok().filter(|_| is_epoch)?,
                epoch: epoch.to_string(),
            });
        }
        text.parse().ok().map(Self::Newest)
    }
}

/// What there is.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// What was missed, in order.
    pub items: Vec<Arc<Item>>,
    /// The newest place: live publications follow it.
    pub top: StreamPosition,
    /// Nothing is missing between where the subscriber was and [`top`](Self::top).
    pub(crate) recovered: bool,
}

impl Recovery {
    /// Takes what it brings out of a bound that others share; beyond it, it brings nothing and is
    /// not recovered.
    pub(crate) fn keep_within(&mut self, left: &mut usize) {
        let weight = self.items.iter().map(|item| item.weight()).sum();
        match left.checked_sub(weight) {
            Some(rest) => *left = rest,
            None => {
                self.items.clear();
                self.recovered = false;
            }
        }
    }

    /// Nobody can go on from it: no place is told.
    pub(crate) fn hide_place(&mut self) {
        self.top = Self::nothing(true).top;
    }

    /// Of a channel that keeps nothing.
    #[must_use]
    pub fn nothing(recovered: bool) -> Self {
        Self {
            items: Vec::new(),
            top: StreamPosition {
                offset: 0,
                epoch: Epoch::NONE,
            },
            recovered,
        }
    }
}

/// What is to be read for one channel.
#[derive(Clone, Debug)]
pub(crate) struct RecoveryRequest {
    /// The position from which the client goes on.
    pub(crate) since: Since,
    /// The channel keeps history for so long; absent: it keeps none.
    pub(crate) keep: Option<Duration>,
}

impl RecoveryRequest {
    /// Whether the channel keeps nothing now and kept nothing when its client was there: nobody
    /// knows whether anything was missed.
    #[must_use]
    pub(crate) fn is_unknown(&self) -> bool {
        self.keep.is_none() && self.since.is_nowhere()
    }
}

impl Since {
    /// What is to be read of a channel for it; `keep`: a position that is told is kept so long.
    #[must_use]
    pub fn filter(&self, keep: Duration) -> HistoryFilter {
        let all = HistoryFilter {
            keep,
            ..HistoryFilter::default()
        };
        let newest = |count| HistoryFilter {
            limit: Some(count),
            reverse: true,
            fit: Fit::Part,
            ..all
        };
        match self {
            Self::Now => HistoryFilter {
                limit: Some(0),
                ..all
            },
            Self::Newest(count) => newest(*count),
            Self::Cached { .. } => newest(1),
            Self::Offset { offset, .. } => HistoryFilter {
                since: Some(*offset),
                fit: Fit::Whole,
                ..all
            },
        }
    }

    /// What [`filter`](Self::filter) has brought.
    #[must_use]
    pub fn recovery(&self, mut history: History) -> Recovery {
        let top = history.top;
        let recovered = match self {
            Self::Now => true,
            Self::Newest(_) => {
                history.items.reverse();
                true
            }
            Self::Cached { offset, epoch } => {
                let is_there = *offset == top.offset && Epoch::parse(epoch) == Some(top.epoch);
                let has_none = *offset == 0 && epoch.is_empty();
                if is_there {
                    history.items.clear();
                }
                // The newest makes up for whatever was missed; who was nowhere missed nothing.
                is_there || has_none || !history.items.is_empty()
            }
            Self::Offset { offset, epoch } => {
                let same_stream = epoch.is_empty() || Epoch::parse(epoch) == Some(top.epoch);
                let follows = match history.items.first() {
                    Some(first) => first.follows <= *offset,
                    None => *offset == top.offset,
                };
                same_stream && follows && !history.truncated
            }
        };
        if !recovered {
            history.items.clear();
        }
        Recovery {
            items: history.items,
            top,
            recovered,
        }
    }
}

/// Waits until what is published to the channels from now on reaches this node, then reads what was
/// missed of each. What they bring together keeps within `bytes_max`, in their order: a channel
/// that would bring more begins where it is now, and is not recovered. Nothing is read for a
/// channel without a request.
///
/// # Errors
/// The broker's, for all of them.
pub(crate) async fn recover_all<'a>(
    node: &Node,
    channels: impl Iterator<Item = (&'a ChannelName, Option<&'a RecoveryRequest>)> + Clone,
    bytes_max: usize,
) -> Result<Vec<Recovery>, BrokerError> {
    listening(node, channels.clone().map(|(channel, _)| channel)).await?;
    read_all(node, channels, bytes_max).await
}

/// Reads what was missed of each, as [`recover_all`] does, for channels that nobody here need
/// subscribe to.
///
/// # Errors
/// The broker's, for all of them.
pub(crate) async fn read_all<'a>(
    node: &Node,
    channels: impl Iterator<Item = (&'a ChannelName, Option<&'a RecoveryRequest>)> + Clone,
    bytes_max: usize,
) -> Result<Vec<Recovery>, BrokerError> {
    let reads = channels.clone().filter_map(|(channel, request)| {
        let RecoveryRequest { since, keep } = request?;
        Some((channel.clone(), since.filter((*keep)?)))
    });
    let mut histories = read(node, reads, bytes_max).await?.into_iter();
    let recoveries = channels.map(|(_, request)| match request {
        None => Ok(Recovery::nothing(false)),
        Some(RecoveryRequest { since, keep: None }) => {
            Ok(Recovery::nothing(!matches!(since, Since::Offset { .. })))
        }
        // A broker that answers for fewer than it was asked has not answered.
        Some(RecoveryRequest { since, .. }) => {
            let history = histories.next().ok_or(BrokerError::Unavailable)?;
            Ok(since.recovery(history))
        }
    });
    recoveries.collect()
}

/// Reads histories, under one bound. Most clients come with one channel, for which no list is made.
async fn read(
    node: &Node,
    mut reads: impl Iterator<Item = (ChannelName, HistoryFilter)>,
    bytes_max: usize,
) -> Result<Vec<History>, BrokerError> {
    let Some((channel, filter)) = reads.next() else {
        return Ok(Vec::new());
    };
    let Some(second) = reads.next() else {
        let history = node.broker.history(&channel, filter.within(bytes_max));
        return Ok(vec![history.await?]);
    };
    let several = [(channel, filter), second].into_iter().chain(reads);
    node.broker.histories(several.collect(), bytes_max).await
}

/// Waits until all of these are listened to; they are asked for together.
async fn listening<'a>(
    node: &Node,
    channels: impl Iterator<Item = &'a ChannelName>,
) -> Result<(), BrokerError> {
    let mut waiting = Vec::new();
    for channel in channels {
        match node.broker.listening(channel).now() {
            Ok(answer) => answer?,
            Err(later) => waiting.push(later),
        }
    }
    for later in waiting {
        later.await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::Payload;

    const TOP: u64 = 9;

    fn history(offsets: std::ops::RangeInclusive<u64>, epoch: Epoch, truncated: bool) -> History {
        let item = |offset| Arc::new(Item::new(Payload::Text("x".into()), offset));
        History {
            items: offsets.map(item).collect(),
            top: StreamPosition { offset: TOP, epoch },
            truncated,
        }
    }

    fn recovered(offset: u64, of: &str, history: History) -> (bool, usize) {
        let since = Since::Offset {
            offset,
            epoch: of.to_string(),
        };
        let recovery = since.recovery(history);
        assert_eq!(recovery.top.offset, TOP);
        (recovery.recovered, recovery.items.len())
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges)]
    fn only_what_follows_and_is_whole_is_recovered() {
        let epoch = Epoch::random();
        let of = epoch.to_string();
        let nothing = 1..=0;
        assert_eq!(recovered(6, &of, history(7..=9, epoch, false)), (true, 3));
        assert_eq!(
            recovered(6, "", history(7..=9, epoch, false)),
            (true, 3),
            "any stream"
        );
        assert_eq!(
            recovered(5, &of, history(7..=9, epoch, false)),
            (false, 0),
            "6 is gone"
        );
        assert_eq!(
            recovered(6, "b", history(7..=9, epoch, false)),
            (false, 0),
            "another"
        );
        assert_eq!(
            recovered(6, &of, history(nothing.clone(), epoch, true)),
            (false, 0)
        );
        assert_eq!(
            recovered(9, &of, history(nothing.clone(), epoch, false)),
            (true, 0)
        );
        assert_eq!(
            recovered(8, &of, history(nothing.clone(), epoch, false)),
            (false, 0)
        );
        assert_eq!(
            recovered(10, &of, history(nothing, epoch, false)),
            (false, 0),
            "ahead"
        );
    }

    #[test]
    fn in_a_stream_with_other_offsets_between_the_predecessor_counts() {
        let epoch = Epoch::random();
        let read = |follows| {
            let item = Item::new(Payload::Text("x".into()), TOP).following(follows);
            History {
                items: vec![Arc::new(item)],
                ..history(1..=1, epoch, false)
            }
        };
        assert_eq!(recovered(4, "", read(4)), (true, 1));
        assert_eq!(recovered(4, "", read(5)), (false, 0));
    }

    // With cache_recovery a client that came back got again what it had, and in a channel that kept
    // nothing any more it was told that it had recovered. Its position was not looked at.
    #[test]
    fn a_cache_brings_only_what_is_newer_and_says_whether_that_makes_up_for_what_was_missed() {
        let (epoch, other) = (Epoch::random(), Epoch::random());
        let read = |offset, of: String, items: usize| {
            let newest = history(TOP..=TOP, epoch, false);
            let kept = History {
                items: newest.items.iter().take(items).cloned().collect(),
                ..newest
            };
            let recovery = Since::Cached { offset, epoch: of }.recovery(kept);
            (recovery.recovered, recovery.items.len())
        };
        let (same, other) = (epoch.to_string(), other.to_string());
        for items in [0, 1] {
            assert_eq!(
                read(TOP, same.clone(), items),
                (true, 0),
                "it has the newest"
            );
            assert_eq!(
                read(0, String::new(), items),
                (true, items),
                "it had nothing"
            );
            for (offset, of) in [(8, &same), (0, &same), (10, &same), (TOP, &other)] {
                let expected = (items > 0, items);
                assert_eq!(read(offset, of.clone(), items), expected, "{offset}@{of}");
            }
        }
    }

    #[test]
    fn the_newest_come_in_order_and_as_many_as_fit() {
        let epoch = Epoch::random();
        let mut newest = history(7..=9, epoch, true);
        newest.items.reverse();
        let recovery = Since::Newest(5).recovery(newest);
        let offsets: Vec<u64> = recovery.items.iter().map(|item| item.offset).collect();
        assert_eq!((offsets, recovery.recovered), (vec![7, 8, 9], true));
    }
}
