//! Room in a shard's mailbox: taken before a publication is sent there, given back by drop.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// What waits in a shard's mailbox.
#[derive(Debug, Default)]
pub(super) struct QueueCredit {
    pub(super) publications: AtomicUsize,
    pub(super) bytes: AtomicUsize,
}

/// Room for one publication in one shard's mailbox. It travels with the publication and is given
/// back when it is dropped: when the shard takes the publication, or on any other path.
#[derive(Debug)]
pub struct Reservation {
    pub(super) credit: Arc<QueueCredit>,
    pub(super) bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.credit.publications.fetch_sub(1, Relaxed);
        self.credit.bytes.fetch_sub(self.bytes, Relaxed);
    }
}
