//! Messages that wait together leave in one WebSocket frame, where the protocol above allows it.
//! What is joined is copied once for its client and can no longer be dropped by a policy, so it is
//! bounded, and joined only when it is about to be written.

use super::{Frame, FrameKind, FrameStore, Outbox, OutboxConfig};
use crate::codec::{self, Opcode};

/// Messages that share one frame at most.
pub(super) const BATCH_MESSAGES_MAX: usize = 64;
/// Bytes of messages that share one frame at most: what is joined is copied once for its client.
pub(crate) const BATCH_BYTES_MAX: usize = 64 * 1024;

/// The payload of a whole unmasked frame (RFC 6455 §5.2).
fn message_in(frame: &[u8]) -> &[u8] {
    let head = match frame.get(1) {
        Some(127) => 10,
        Some(126) => 4,
        _ => 2,
    };
    frame.get(head..).unwrap_or_default()
}

impl Frame {
    /// Whether it can share a WebSocket frame with others: a whole data message that is not
    /// compressed (RFC 6455 §5.2: FIN, no reserved bits, opcode 1 or 2).
    fn can_share(&self) -> bool {
        let batch = match self {
            Self::Own { kind, .. } => matches!(kind, FrameKind::Batch { .. }),
            Self::Shared(shared) => shared.publications().len() > 1,
        };
        !batch && matches!(self.bytes().first(), Some(0x81 | 0x82))
    }
}

impl Outbox {
    /// Joins the messages at the front, at most [`BATCH_MESSAGES_MAX`] and [`BATCH_BYTES_MAX`],
    /// into one frame, with `separator` between them; called before writing. `left` sees each
    /// frame whose message is in it now.
    pub(crate) fn join_front(
        &mut self,
        separator: &[u8],
        config: &OutboxConfig,
        mut left: impl FnMut(&Frame),
    ) {
        if self.written > 0 {
            return;
        }
        let FrameStore::Many(frames) = &mut self.store else {
            return;
        };
        let (mut count, mut bytes) = (0, 0);
        for frame in frames.iter().take(BATCH_MESSAGES_MAX) {
            let len = frame.bytes().len();
            if !frame.can_share() || bytes + len > BATCH_BYTES_MAX {
                break;
            }
            count += 1;
            bytes += len;
        }
        if count < 2 {
            return;
        }
        let (mut opcode, mut messages, mut reply_cost) = (Opcode::Text, 0, 0);
        let mut joined = Vec::with_capacity(bytes);
        for frame in frames.drain(..count) {
            let whole = frame.bytes();
            if whole.first() == Some(&0x82) {
                opcode = Opcode::Binary;
            }
            if !joined.is_empty() {
                joined.extend_from_slice(separator);
            }
            joined.extend_from_slice(message_in(whole));
            self.bytes -= whole.len();
            self.cost -= whole.len() + config.frame_overhead;
            reply_cost += frame.reply_cost(whole.len(), config.frame_overhead);
            messages += u32::from(!matches!(
                frame,
                Frame::Own {
                    kind: FrameKind::Ping,
                    ..
                }
            ));
            left(&frame);
        }
        let bytes = codec::encode(opcode, &joined);
        self.bytes += bytes.len();
        self.cost += bytes.len() + config.frame_overhead;
        let kind = FrameKind::Batch {
            messages,
            reply_cost: reply_cost as u32,
        };
        frames.push_front(Frame::Own { bytes, kind });
    }
}
