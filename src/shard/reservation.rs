//! Room in a shard's inbox: taken before a publication is put there, given back by drop.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// What waits in a shard's inbox.
#[derive(Debug, Default)]
pub(super) struct QueueCredit {
    pub(super) publications: AtomicUsize,
    pub(super) bytes: AtomicUsize,
}

/// Room for one publication in one shard's inbox. It travels with the publication and is given
/// back when it is dropped: when the shard takes the publication, or on any other path.
#[derive(Debug)]
pub struct Reservation {
    pub(super) credit: Arc<QueueCredit>,
    pub(super) bytes: usize,
    /// Whether the publication counts beside its bytes.
    pub(super) counts: bool,
}

impl Reservation {
    /// The publication has left the inbox and goes on waiting in this shard: its bytes keep their
    /// place.
    pub(super) fn keep_bytes_only(&mut self) {
        if std::mem::take(&mut self.counts) {
            self.credit.publications.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.keep_bytes_only();
        self.credit.bytes.fetch_sub(self.bytes, Relaxed);
    }
}
