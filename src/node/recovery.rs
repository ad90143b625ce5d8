//! What a subscriber missed: reads a channel's history from where the subscriber was, and says whether that is all of it.
//! The same for every kind of client and every broker.

use std::{sync::Arc, time::Duration};

use super::Node;
use crate::{
    broker::{BrokerError, HistoryFilter},
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
}

impl Since {
    /// Stands for the position in a channel that keeps no history.
    pub const NOWHERE: &str = "-";

    /// The position in a channel that keeps no history.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::Offset {
            offset: 0,
            epoch: Self::NOWHERE.to_string(),
        }
    }

    /// Whether a client goes on in a channel that kept no history when it was there.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
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
    pub fn parse(text: &str) -> Option<Self> {
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
    pub recovered: bool,
}

impl Recovery {
    /// Bytes that it brings.
    fn weight(&self) -> usize {
        self.items.iter().map(|item| item.weight()).sum()
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
pub struct RecoveryRequest {
    /// From where.
    pub since: Since,
    /// The channel keeps history for so long; absent: it keeps none.
    pub keep: Option<Duration>,
}

impl RecoveryRequest {
    /// Whether the channel keeps nothing now and kept nothing when its client was there: nobody knows whether anything
    /// was missed.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.keep.is_none() && self.since.is_nowhere()
    }
}

/// Reads what was missed of each channel, in their order, together within `bytes_max`: a channel beyond it begins where
/// it is now, and is not recovered. Nothing is read for a channel without a request.
///
/// # Errors
/// The broker's.
pub async fn recover_all<'a>(
    node: &Node,
    channels: impl Iterator<Item = (&'a ChannelName, Option<&'a RecoveryRequest>)>,
    bytes_max: usize,
) -> Result<Vec<Recovery>, BrokerError> {
    let mut left = bytes_max;
    let mut recoveries = Vec::new();
    for (channel, request) in channels {
        let recovery = match request {
            None => Recovery::nothing(false),
            Some(RecoveryRequest { since, keep: None }) => {
                Recovery::nothing(!matches!(since, Since::Offset { .. }))
            }
            Some(RecoveryRequest {
                since,
                keep: Some(keep),
            }) => recover(node, channel, since, *keep, left).await?,
        };
        left = left.saturating_sub(recovery.weight());
        recoveries.push(recovery);
    }
    Ok(recoveries)
}

/// Reads what was missed. More than `bytes_max` is not recovered: it would only run into the bound of the outbox.
///
/// # Errors
/// The broker's.
async fn recover(
    node: &Node,
    channel: &ChannelName,
    since: &Since,
    keep: Duration,
    bytes_max: usize,
) -> Result<Recovery, BrokerError> {
    let query = |since: Option<u64>, limit: Option<usize>, reverse: bool| HistoryFilter {
        since,
        limit,
        reverse,
        keep,
    };
    match since {
        Since::Now => {
            let history = node.history(channel, query(None, Some(0), false)).await?;
            Ok(Recovery {
                items: Vec::new(),
                top: history.top,
                recovered: true,
            })
        }
        Since::Newest(count) => {
            let history = node
                .history(channel, query(None, Some(*count), true))
                .await?;
            let mut items = history.items;
            let mut bytes = 0;
            let fit = items.iter().take_while(|item| {
                bytes += item.weight();
                bytes <= bytes_max
            });
            let fit = fit.count();
            items.truncate(fit);
            items.reverse();
            Ok(Recovery {
                items,
                top: history.top,
                recovered: true,
            })
        }
        Since::Offset { offset, epoch } => {
            let history = node
                .history(channel, query(Some(*offset), None, false))
                .await?;
            let top = history.top;
            let same_stream = epoch.is_empty() || Epoch::parse(epoch) == Some(top.epoch);
            let follows = match history.items.first() {
                Some(first) => first.offset == offset.saturating_add(1),
                None => *offset == top.offset,
            };
            let bytes: usize = history.items.iter().map(|item| item.weight()).sum();
            let recovered = same_stream && follows && bytes <= bytes_max;
            Ok(Recovery {
                items: if recovered { history.items } else { Vec::new() },
                top,
                recovered,
            })
        }
    }
}
