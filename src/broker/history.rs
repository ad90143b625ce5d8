//! What a reader asks of a channel's history, and what it gets.

use std::{sync::Arc, time::Duration};

use crate::{id::StreamPosition, publication::Item};

/// What a read does when the publications reach its bound in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// Stops there, but gives one publication at least: whoever reads page by page gets on.
    #[default]
    Page,
    /// Stops there, be it before the first: who reads several shares the bound.
    Part,
    /// Gives none: all of them, or what the reader is after is lost.
    Whole,
}

/// Which part of a history to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Only what is newer than this offset (older, with `reverse`); absent: from the oldest kept
    /// (the newest, with `reverse`).
    pub since: Option<u64>,
    /// At most so many; absent: all that are kept; 0: only the position.
    pub limit: Option<usize>,
    /// Whether it is read from the newest to the oldest.
    pub reverse: bool,
    /// At most so many bytes, by [`Item::weight`].
    pub bytes_max: usize,
    /// What becomes of it if there are more.
    pub fit: Fit,
    /// A stream that is read is kept so long after, even if it is empty: its position was told to
    /// someone.
    pub keep: Duration,
}

impl Default for HistoryFilter {
    /// All that is kept.
    fn default() -> Self {
        Self {
            since: None,
            limit: None,
            reverse: false,
            bytes_max: usize::MAX,
            fit: Fit::Page,
            keep: Duration::ZERO,
        }
    }
}

/// A part of a history.
#[derive(Clone, Debug)]
pub struct History {
    /// The publications, in order.
    pub(crate) items: Vec<Arc<Item>>,
    /// The newest place of the stream.
    pub top: StreamPosition,
    /// There were more than `bytes_max` let through.
    pub(crate) truncated: bool,
}

impl HistoryFilter {
    /// The same as one of several reads, for which so many bytes are left.
    #[must_use]
    pub fn within(self, bytes_max: usize) -> Self {
        Self {
            bytes_max: self.bytes_max.min(bytes_max),
            fit: match self.fit {
                Fit::Page => Fit::Part,
                fit => fit,
            },
            ..self
        }
    }

    /// Takes what this filter's limits let through of publications that are already those since its
    /// offset, in its order.
    pub(crate) fn take<'a>(
        &self,
        items: impl Iterator<Item = &'a Arc<Item>>,
        top: StreamPosition,
    ) -> History {
        let items = items.take(self.limit.unwrap_or(usize::MAX));
        let mut taken = Vec::with_capacity(items.size_hint().0);
        let (mut bytes, mut truncated) = (0usize, false);
        for item in items {
            bytes = bytes.saturating_add(item.weight());
            let is_first_of_page = self.fit == Fit::Page && taken.is_empty();
            if bytes > self.bytes_max && !is_first_of_page {
                truncated = true;
                break;
            }
            taken.push(item.clone());
        }
        if truncated && self.fit == Fit::Whole {
            taken.clear();
        }
        History {
            items: taken,
            top,
            truncated,
        }
    }
}

impl History {
    /// Bytes of its publications.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        self.items.iter().map(|item| item.weight()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Epoch, publication::Payload};

    #[test]
    fn a_read_stops_at_its_bytes_and_says_so() {
        let items: Vec<_> = (1..=3)
            .map(|offset| Arc::new(Item::new(Payload::Text("x".into()), offset)))
            .collect();
        let one = items[0].weight();
        let top = StreamPosition {
            offset: 3,
            epoch: Epoch::NONE,
        };
        let read = |fit, bytes_max, limit| {
            let filter = HistoryFilter {
                fit,
                bytes_max,
                limit,
                ..HistoryFilter::default()
            };
            let history = filter.take(items.iter(), top);
            (history.items.len(), history.truncated)
        };
        for fit in [Fit::Page, Fit::Part, Fit::Whole] {
            assert_eq!(read(fit, 3 * one, None), (3, false), "{fit:?}");
            assert_eq!(read(fit, 2 * one, Some(2)), (2, false), "{fit:?}");
            assert_eq!(read(fit, 0, Some(0)), (0, false), "{fit:?}");
        }
        assert_eq!(read(Fit::Page, 2 * one, None), (2, true));
        assert_eq!(read(Fit::Part, 2 * one, None), (2, true));
        assert_eq!(read(Fit::Whole, 2 * one, None), (0, true));
        assert_eq!(read(Fit::Page, one - 1, None), (1, true));
        assert_eq!(read(Fit::Part, one - 1, None), (0, true));
    }
}
