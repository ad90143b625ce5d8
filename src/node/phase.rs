//! Where a node is between running and gone. Part of the node's state, moved on by what runs the
//! drain (`app::drain`), read by whoever lets sessions in. It only goes forward.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A stage in the life of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It listens, and has not all that it needs to answer for its channels: `/ready` says 503.
    Starting,
    /// It serves.
    Running,
    /// It serves, and `/ready` says 503, so that load balancers turn away.
    Draining,
    /// Another process accepts, on the same listeners. Whoever this one has accepted is served, and
    /// each answer is the last of its connection.
    HandingOver,
    /// New sessions are refused, and those that are there are closed one by one.
    Closed,
    /// The other process has the state too. A session that begins here is sent there at once, and
    /// what would change something is refused.
    HandedOver,
}

/// The node's phase, shared by all threads.
#[derive(Debug, Default)]
pub(crate) struct PhaseCell(AtomicU8);

impl PhaseCell {
    /// The phase now.
    pub(crate) fn get(&self) -> Phase {
        match self.0.load(Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Running,
            2 => Phase::Draining,
            3 => Phase::HandingOver,
            4 => Phase::Closed,
            _ => Phase::HandedOver,
        }
    }

    /// Goes on to a later phase; an earlier one changes nothing.
    pub(crate) fn advance(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_read_as_it_was_set_and_never_goes_back() {
        let cell = PhaseCell::default();
        assert_eq!(cell.get(), Phase::Starting);
        for phase in [
            Phase::Running,
            Phase::Draining,
            Phase::HandingOver,
            Phase::Closed,
            Phase::HandedOver,
        ] {
            cell.advance(phase);
            assert_eq!(cell.get(), phase);
        }
        cell.advance(Phase::Draining);
        assert_eq!(cell.get(), Phase::HandedOver);
    }
}
