//! What a broker holds in this process, and what had to go for lack of room.

/// Bytes as they are charged against the bounds, and counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of channels that keep publications (`limits.history_bytes`).
    pub history_bytes: usize,
    /// Of the positions of channels that keep none (`limits.position_bytes`).
    pub position_bytes: usize,
    /// Of idempotency keys (`limits.idempotency_bytes`).
    pub idempotency_bytes: usize,
    /// Publications thrown out before their time.
    pub(crate) evicted_publications: u64,
    /// Positions thrown out before their time.
    pub(crate) evicted_positions: u64,
}
