//! What its shard has for a client: publications, which are queued under a policy and written at
//! the end of the shard's turn.

use std::{rc::Rc, time::Instant};

use super::{
    Connection, ConnectionPhase,
    outbox::{Pushed, SharedFrame, SharedPublication},
};
use crate::{close::Close, config::SlowPolicy, publication::Publication};

impl Connection {
    /// Queues a publication, or several that leave together, under a policy; absent: the node's.
    /// Publications that were dropped for it are given to `lost`. Returns whether the caller is to
    /// note this outbox for a flush at the end of its turn, which it is told once a turn.
    pub(crate) fn push(
        &self,
        shared: &Rc<SharedFrame>,
        policy: Option<SlowPolicy>,
        now: Instant,
        lost: impl FnOnce(Vec<SharedPublication>),
    ) -> bool {
        let mut inner = self.inner.borrow_mut();
        if inner.phase != ConnectionPhase::Open {
            return false;
        }
        let outbox = &self.shared.config.outbox;
        let policy = policy.unwrap_or(outbox.policy);
        match inner.outbox.push(shared.clone(), policy, outbox) {
            Pushed::Queued { dropped } => {
                if !dropped.is_empty() {
                    self.shared.stats.dropped.add(dropped.len() as u64);
                    lost(dropped);
                }
            }
            Pushed::Overflow => {
                self.shared.stats.slow_disconnects.add(1);
                // Who takes too little would never get to the Close behind all that waits.
                inner.outbox.discard_unsent(&self.shared.config.outbox);
                self.fail_inner(&mut inner, Close::SLOW, now);
            }
        }
        !self.dirty.replace(true)
    }

    /// A publication as its client takes it.
    #[must_use]
    pub(crate) fn encoded<'a>(&self, publication: &'a Publication) -> &'a [u8] {
        publication.frame(self.profile.form, &self.shared.config.outbox.compression)
    }
}
