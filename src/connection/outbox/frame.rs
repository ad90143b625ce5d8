//! A frame that waits: what it is, and what it is charged as.

use std::rc::Rc;

use bytes::Bytes;

use super::shared_frame::{SharedFrame, SharedPublication};

/// What is charged for each frame that waits, beside its bytes: its place in the queue and what it
/// keeps alive on the heap. Without it, a bound of 1 MiB in messages of one byte would hold more
/// than 100 MB.
pub const FRAME_OVERHEAD: usize = 256;

/// What a frame of a session's own is, which decides how it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The answer to the handshake, in front of all frames; no message, and never dropped.
    Head,
    /// A data message: an answer to what the client sent, or the greeting.
    Reply,
    /// An answer to a ping; bounded like replies, but no message.
    Pong,
    /// The server's ping; its leaving starts the wait for life.
    Ping,
    /// The last frame of a connection.
    Close,
    /// Several messages that left the queue to go out in one frame.
    Batch {
        /// Data messages among them.
        messages: u32,
        /// What its replies were charged, until it has left.
        reply_cost: u32,
    },
}

/// One complete frame of the wire.
#[derive(Debug)]
pub enum Frame {
    /// Encoded for this session alone.
    Own {
        /// The frame as it goes on the wire.
        bytes: Bytes,
        /// What it is.
        kind: FrameKind,
    },
    /// One of many receivers' share in a publication, or in several that leave together.
    Shared(Rc<SharedFrame>),
}

impl Frame {
    /// The frame as it goes on the wire.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Own { bytes, .. } => bytes,
            Self::Shared(shared) => shared.bytes(),
        }
    }

    /// Publications that it carries.
    pub(crate) fn publications(&self) -> &[SharedPublication] {
        match self {
            Self::Own { .. } => &[],
            Self::Shared(shared) => shared.publications(),
        }
    }

    /// Messages that it is charged for.
    pub(super) fn messages(&self) -> usize {
        match self {
            Self::Own { .. } => 1,
            Self::Shared(shared) => shared.publications().len(),
        }
    }

    pub(super) fn is_head(&self) -> bool {
        matches!(
            self,
            Self::Own {
                kind: FrameKind::Head,
                ..
            }
        )
    }

    #[cfg(test)]
    pub(super) fn is_publication(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// What it is charged as a reply, at this length and with this overhead of a frame.
    pub(super) fn reply_cost(&self, len: usize, overhead: usize) -> usize {
        match self {
            Self::Own {
                kind: FrameKind::Reply | FrameKind::Pong,
                ..
            } => len + overhead,
            Self::Own {
                kind: FrameKind::Batch { reply_cost, .. },
                ..
            } => *reply_cost as usize,
            _ => 0,
        }
    }
}
