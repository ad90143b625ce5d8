//! What is noted of the streams under one lock, beside them: when each is to be looked at, and what
//! it is charged. Pure data, `now` is always a parameter.
//!
//! What a stream is charged is counted before and after each change of it, in one place
//! ([`Totals::change`]), so that the sums cannot drift from what the streams say.

use std::{sync::Arc, time::Instant};

use super::{
    alarms::Alarms,
    epochs::Epochs,
    place::{CommitContext, Placed},
    stream::{ChannelStream, Charge, StreamStage},
    totals::Totals,
};
use crate::{
    broker::{
        PublishResult,
        by_name::{ByName, Hashed},
    },
    registry::ChannelName,
};

/// The streams under one lock.
pub(super) type Streams = ByName<Box<ChannelStream>>;

/// What is noted of them.
pub(super) struct Ledger {
    pub(super) alarms: Alarms,
    pub(super) epochs: Epochs,
    pub(super) totals: Arc<Totals>,
    /// Which of the locks it is.
    pub(super) number: usize,
}

impl Ledger {
    /// The stream of a channel, which begins where there is none; its position is kept until then.
    pub(super) fn begun<'a>(
        &mut self,
        streams: &'a mut Streams,
        channel: Hashed<'_>,
        keep_until: Instant,
    ) -> (&'a ChannelName, &'a mut ChannelStream) {
        let (name, stream) = streams.get_or_insert_with(channel, || {
            let name = channel.name.clone();
            let mut begun = Box::new(ChannelStream::new(self.epochs.of(&name), keep_until));
            self.alarms.set(name.clone(), &mut begun, keep_until);
            self.totals.change(Charge::default(), begun.charge(&name));
            (name, begun)
        });
        (name, stream)
    }

    /// Changes a stream, and charges it for what it has become.
    pub(super) fn change<R>(
        &mut self,
        name: &ChannelName,
        stream: &mut ChannelStream,
        change: impl FnOnce(&mut ChannelStream) -> R,
    ) -> R {
        let before = stream.charge(name);
        let result = change(stream);
        self.totals.change(before, stream.charge(name));
        result
    }

    /// The second step of a publication, in its stream if it has one.
    #[inline]
    pub(super) fn commit(
        &mut self,
        placed: Placed,
        channel: &ChannelName,
        stream: Option<&mut ChannelStream>,
        context: CommitContext<'_>,
    ) -> PublishResult {
        // One that is not kept leaves its stream as it was.
        let Some(stream) = stream else {
            return placed.commit(channel, None, context);
        };
        let result = self.change(channel, stream, |stream| {
            placed.commit(channel, Some(stream), context)
        });
        if stream.filed != stream.stage() {
            self.alarms.follow(channel, stream);
            self.note_first_end();
        }
        result
    }

    /// Tells those who look for what is first to go.
    pub(super) fn note_first_end(&self) {
        let first = self.alarms.first(StreamStage::Kept);
        self.totals.note_first_end(self.number, first);
    }
}
