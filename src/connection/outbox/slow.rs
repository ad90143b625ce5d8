//! What gives way where a client takes less than it is sent, as `slow.policy` says. Only whole
//! publications of which nothing is written yet ever do. Owned by the [`Outbox`].

use std::collections::VecDeque;

use super::{Frame, FrameStore, Outbox, OutboxConfig, Pushed, SharedPublication};
use crate::config::SlowPolicy;

impl Outbox {
    /// What a policy does where `cost` more would be over the bound.
    #[cold]
    pub(super) fn overflow(
        &mut self,
        incoming: &[SharedPublication],
        cost: usize,
        policy: SlowPolicy,
        config: &OutboxConfig,
    ) -> Pushed {
        let dropped = match policy {
            SlowPolicy::Disconnect => return Pushed::Overflow,
            SlowPolicy::DropOldest => self.make_room(cost, config),
            SlowPolicy::Latest => {
                let mut dropped = self.keep_latest(incoming, config);
                dropped.append(&mut self.make_room(cost, config));
                dropped
            }
        };
        Pushed::Queued { dropped }
    }

    /// Drops the oldest publications until `cost` more fits, or until none is left to drop.
    fn make_room(&mut self, cost: usize, config: &OutboxConfig) -> Vec<SharedPublication> {
        let mut over = (self.cost + cost).saturating_sub(config.bytes_max);
        self.drop_publications(config, |cost| {
            let drop = over > 0;
            over = over.saturating_sub(cost);
            drop
        })
    }

    /// Keeps, of every channel, only the newest publication; of `incoming`'s channel none.
    fn keep_latest(
        &mut self,
        incoming: &[SharedPublication],
        config: &OutboxConfig,
    ) -> Vec<SharedPublication> {
        let mut kept: Vec<SharedPublication> = Vec::new();
        let mut stale: Vec<bool> = Vec::new();
        let movable = self.iter().skip(usize::from(self.written > 0));
        let frames: Vec<&Frame> = movable.collect();
        for frame in frames.into_iter().rev() {
            let Some(publication) = stream_of(frame.publications()) else {
                continue;
            };
            let old = stream_of(incoming).is_some_and(|newer| publication.same_stream(newer))
                || kept.iter().any(|newer| newer.same_stream(publication));
            stale.push(old);
            if !old {
                kept.push(publication.clone());
            }
        }
        self.drop_publications(config, |_| stale.pop().unwrap_or(false))
    }

    /// Asks `drop` of every publication of which nothing is written yet, oldest first.
    fn drop_publications(
        &mut self,
        config: &OutboxConfig,
        mut drop: impl FnMut(usize) -> bool,
    ) -> Vec<SharedPublication> {
        let partly = self.written > 0;
        let mut dropped = Vec::new();
        self.retain(config, |index, frame| {
            let publications = frame.publications();
            if publications.is_empty() {
                return true;
            }
            let len = frame.bytes().len();
            if index == 0 && partly {
                return true;
            }
            let gone = drop(len + config.frame_overhead * frame.messages());
            if gone {
                dropped.extend_from_slice(publications);
            }
            !gone
        });
        dropped
    }

    pub(super) fn retain(
        &mut self,
        config: &OutboxConfig,
        mut keep: impl FnMut(usize, &Frame) -> bool,
    ) {
        let mut frames = match std::mem::take(&mut self.store) {
            FrameStore::Empty => return,
            FrameStore::One(frame) => VecDeque::from([frame]),
            FrameStore::Many(frames) => frames,
        };
        let mut index = 0;
        let (mut bytes, mut cost, mut replies) = (0, 0, 0);
        frames.retain(|frame| {
            let keep = keep(index, frame);
            if keep {
                let len = frame.bytes().len();
                bytes += len;
                cost += len + config.frame_overhead * frame.messages();
                replies += frame.reply_cost(len, config.frame_overhead);
            }
            index += 1;
            keep
        });
        self.bytes = bytes.saturating_sub(self.written);
        self.cost = cost.saturating_sub(self.written);
        self.reply_cost = replies;
        self.store = match frames.len() {
            0 => FrameStore::Empty,
            _ => FrameStore::Many(frames),
        };
    }
}

/// Of publications that leave together, one that says whose channel they are of: one that a newer
/// one can make stale, where there is one.
fn stream_of(publications: &[SharedPublication]) -> Option<&SharedPublication> {
    let mut newest = publications.iter().rev();
    let item = newest.find(|publication| publication.item().is_some());
    item.or(publications.last())
}
