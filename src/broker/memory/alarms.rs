//! When streams are to be looked at: one alarm each, at the time its oldest item expires or,
//! without items, its position does. Pure data.
//!
//! Streams that keep items, positions that outlived their items and positions of channels to which
//! nothing was published stand apart, so that what is thrown out first is found at once in each.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::stream::{ChannelStream, StreamStage};
use crate::registry::ChannelName;

/// The alarms of the streams under one lock.
#[derive(Default)]
pub(super) struct Alarms {
    by_stage: [BTreeSet<(Instant, ChannelName)>; 3],
    /// How many were taken out.
    #[cfg(test)]
    pub(super) looked_at: u64,
}

impl Alarms {
    fn of(&mut self, stage: StreamStage) -> &mut BTreeSet<(Instant, ChannelName)> {
        &mut self.by_stage[stage as usize]
    }

    /// The time of the first alarm.
    pub(super) fn first(&self, stage: StreamStage) -> Option<Instant> {
        let first = self.by_stage[stage as usize].first();
        first.map(|(at, _)| *at)
    }

    /// A time after all alarms, and after `at`.
    pub(super) fn behind_all(&self, stage: StreamStage, at: Instant) -> Instant {
        let last = self.by_stage[stage as usize].last();
        last.map_or(at, |(last, _)| at.max(*last)) + Duration::from_nanos(1)
    }

    /// Takes the first alarm out; its stream is to be [`set`](Self::set) again, or to go.
    pub(super) fn pop(&mut self, stage: StreamStage) -> Option<(Instant, ChannelName)> {
        #[cfg(test)]
        {
            self.looked_at += 1;
        }
        self.of(stage).pop_first()
    }

    /// Files the alarm of a stream that has none.
    pub(super) fn set(&mut self, name: ChannelName, stream: &mut ChannelStream, at: Instant) {
        (stream.filed, stream.alarm) = (stream.stage(), at);
        self.of(stream.filed).insert((at, name));
    }

    /// Files a stream anew if it has become another thing since it was filed.
    #[inline]
    pub(super) fn follow(&mut self, name: &ChannelName, stream: &mut ChannelStream) {
        if stream.filed != stream.stage() {
            self.of(stream.filed).remove(&(stream.alarm, name.clone()));
            self.set(name.clone(), stream, stream.ends_at());
        }
    }
}
