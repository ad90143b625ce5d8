//! What one worker counts. Every number has exactly one writer, its worker's thread.

use std::sync::Arc;

use super::{count::Count, delays::Delays};
use crate::liveness::Pulse;

/// What one worker counts.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// That its thread still goes round.
    pub(crate) pulse: Arc<Pulse>,
    /// Sessions of this worker that have not ended.
    pub(crate) sessions: Count,
    /// Channels with a member on this worker, the server's own left out.
    pub(crate) channels: Count,
    /// Data messages received (text and binary).
    pub(crate) messages_in: Count,
    /// Data messages written (replies and publications).
    pub messages_out: Count,
    /// Bytes received from WebSocket connections.
    pub(crate) bytes_in: Count,
    /// Bytes written to WebSocket connections.
    pub(crate) bytes_out: Count,
    /// Sessions ended because they took less than they were sent (3008) or nothing at all (3009).
    pub(crate) slow_disconnects: Count,
    /// Publications dropped for slow clients by `drop_oldest` and `latest`.
    pub(crate) dropped: Count,
    /// Lines of channels that left together at the end of their window, or before it.
    pub(crate) window_batches: Count,
    /// Those of them that left before it, since they had as many bytes as may leave together.
    pub(crate) window_early: Count,
    /// Publications that gave way to newer ones while they waited in a window.
    pub(crate) window_replaced: Count,
    /// Sessions ended because no life came after a ping (3012).
    pub(crate) no_pong: Count,
    /// Turns of sessions and connections that were spent: others went first.
    pub(crate) turns_spent: Count,
    /// Publication accepted to written.
    pub(crate) delays: Delays,
}
