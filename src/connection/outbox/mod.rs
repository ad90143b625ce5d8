//! The frames that wait for one client: a byte-bounded queue, pure data, owned by its
//! [`Connection`](super::Connection).
//!
//! Bound: `limits.outbox_bytes`, checked whenever a publication is pushed. What is over it is
//! settled by `slow.policy`; only whole publications are ever dropped, never a reply, a control
//! frame or what is partly written. Replies are bounded by their session, which stops reading while
//! they fill half of the bound. An empty queue holds no heap, and neither does a queue of one
//! frame, which is nearly all there ever are.

mod batch;
mod frame;
mod shared_frame;
mod slow;

use std::{collections::VecDeque, io::IoSlice, rc::Rc};

use bytes::Bytes;

pub(crate) use self::batch::BATCH_BYTES_MAX;
pub use self::{
    frame::{FRAME_OVERHEAD, Frame, FrameKind},
    shared_frame::{SharedFrame, SharedPublication},
};
use crate::{config::SlowPolicy, publication::Compression};

/// What became of a pushed publication.
#[derive(Debug)]
pub enum Pushed {
    /// It waits; others were dropped for it.
    Queued {
        /// Publications dropped to make room.
        dropped: Vec<SharedPublication>,
    },
    /// There is no room, and the policy is to disconnect.
    Overflow,
}

#[derive(Debug, Default)]
enum FrameStore {
    #[default]
    Empty,
    One(Frame),
    Many(VecDeque<Frame>),
}

/// How a queue is bounded; the same for all sessions of a shard.
#[derive(Clone, Copy, Debug)]
pub struct OutboxConfig {
    /// `limits.outbox_bytes`.
    pub bytes_max: usize,
    /// What a frame that waits costs beside its bytes; see [`FRAME_OVERHEAD`].
    pub frame_overhead: usize,
    /// `slow.policy`.
    pub policy: SlowPolicy,
    /// How publications are compressed.
    pub compression: Compression,
}

/// Frames that wait for one client, within [`OutboxConfig`].
#[derive(Debug, Default)]
pub struct Outbox {
    store: FrameStore,
    /// Bytes of the first frame that are written already.
    written: usize,
    /// Bytes that are not written yet.
    bytes: usize,
    /// What the waiting frames are charged against the bound: bytes that are not written yet, and
    /// each frame's overhead.
    cost: usize,
    /// Of this, what replies are charged; a partly written reply counts in full until it has left.
    reply_cost: usize,
}

impl Outbox {
    /// Whether nothing waits.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.store, FrameStore::Empty)
    }

    /// Messages that wait, and control frames.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.iter().map(Frame::messages).sum()
    }

    /// Bytes that wait.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What waits is charged against the bound.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// What waiting replies are charged against the bound.
    #[must_use]
    pub(crate) fn reply_cost(&self) -> usize {
        self.reply_cost
    }

    /// Appends a frame of the session's own; never refused.
    pub(crate) fn push_own(&mut self, bytes: Bytes, kind: FrameKind, config: &OutboxConfig) {
        let cost = bytes.len() + config.frame_overhead;
        self.bytes += bytes.len();
        self.cost += cost;
        if matches!(kind, FrameKind::Reply | FrameKind::Pong) {
            self.reply_cost += cost;
        }
        self.append(Frame::Own { bytes, kind });
    }

    /// Appends a publication, or several that leave together and count as so many messages, making
    /// room as the policy says. One message may exceed the bound where no other publication waits.
    pub fn push(
        &mut self,
        shared: Rc<SharedFrame>,
        policy: SlowPolicy,
        config: &OutboxConfig,
    ) -> Pushed {
        let len = shared.bytes().len();
        let cost = len + shared.publications().len() * config.frame_overhead;
        let mut dropped = Vec::new();
        if self.cost + cost > config.bytes_max && !self.is_empty() {
            match self.overflow(shared.publications(), cost, policy, config) {
                Pushed::Overflow => return Pushed::Overflow,
                Pushed::Queued { dropped: others } => dropped = others,
            }
        }
        self.bytes += len;
        self.cost += cost;
        self.append(Frame::Shared(shared));
        Pushed::Queued { dropped }
    }

    /// Drops every frame of which nothing is written yet, but not the answer to the handshake,
    /// without which no Close can be read.
    pub(crate) fn discard_unsent(&mut self, config: &OutboxConfig) {
        let keep = usize::from(self.written > 0);
        self.retain(config, |index, frame| index < keep || frame.is_head());
    }

    /// What is to be written next, where that is a single frame, as it nearly always is.
    #[must_use]
    pub fn single(&self) -> Option<&[u8]> {
        match &self.store {
            FrameStore::One(frame) => Some(&frame.bytes()[self.written..]),
            _ => None,
        }
    }

    /// Fills `slices` with what is to be written next; returns how many it filled.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for frame in self.iter().take(slices.len()) {
            let mut bytes = frame.bytes();
            if filled == 0 {
                bytes = &bytes[self.written..];
            }
            slices[filled] = IoSlice::new(bytes);
            filled += 1;
        }
        filled
    }

    /// Notes that `n` bytes were written; `gone` sees each frame that has left with them.
    pub fn advance(
        &mut self,
        mut n: usize,
        config: &OutboxConfig,
        mut gone: impl FnMut(&Frame, usize),
    ) {
        debug_assert!(n <= self.bytes, "more written than there was");
        self.bytes -= n;
        self.cost -= n;
        while let Some(first) = self.front() {
            let len = first.bytes().len();
            let rest = len - self.written;
            if n < rest {
                self.written += n;
                return;
            }
            n -= rest;
            self.written = 0;
            if let Some(frame) = self.take_front() {
                self.cost -= config.frame_overhead * frame.messages();
                self.reply_cost -= frame.reply_cost(len, config.frame_overhead);
                gone(&frame, len);
            }
        }
    }

    /// Takes the first frame out, for a connection that is not written here but asked for what
    /// waits.
    pub(crate) fn take(&mut self, config: &OutboxConfig) -> Option<Frame> {
        debug_assert_eq!(self.written, 0, "what is taken is taken whole");
        let frame = self.take_front()?;
        let len = frame.bytes().len();
        self.bytes -= len;
        self.cost -= len + config.frame_overhead * frame.messages();
        self.reply_cost -= frame.reply_cost(len, config.frame_overhead);
        Some(frame)
    }

    fn iter(&self) -> impl Iterator<Item = &Frame> {
        let (one, many) = match &self.store {
            FrameStore::Empty => (None, None),
            FrameStore::One(frame) => (Some(frame), None),
            FrameStore::Many(frames) => (None, Some(frames.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn front(&self) -> Option<&Frame> {
        match &self.store {
            FrameStore::Empty => None,
            FrameStore::One(frame) => Some(frame),
            FrameStore::Many(frames) => frames.front(),
        }
    }

    fn take_front(&mut self) -> Option<Frame> {
        match &mut self.store {
            FrameStore::Many(frames) if frames.len() > 1 => frames.pop_front(),
            _ => match std::mem::take(&mut self.store) {
                FrameStore::Empty => None,
                FrameStore::One(frame) => Some(frame),
                FrameStore::Many(mut frames) => frames.pop_front(),
            },
        }
    }

    #[inline(always)]
    fn append(&mut self, frame: Frame) {
        if let FrameStore::Empty = self.store {
            // It has nothing to drop, which is not asked here for each delivery.
            std::mem::forget(std::mem::replace(&mut self.store, FrameStore::One(frame)));
        } else {
            self.append_behind(frame);
        }
    }

    /// Behind what waits.
    #[inline(never)]
    fn append_behind(&mut self, frame: Frame) {
        match std::mem::take(&mut self.store) {
            FrameStore::Empty => self.store = FrameStore::One(frame),
            FrameStore::One(first) => self.store = FrameStore::Many(VecDeque::from([first, frame])),
            FrameStore::Many(mut frames) => {
                frames.push_back(frame);
                self.store = FrameStore::Many(frames);
            }
        }
    }

    /// Publications that wait.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn publications(&self) -> usize {
        self.iter().filter(|frame| frame.is_publication()).count()
    }
}

#[cfg(test)]
mod tests;
