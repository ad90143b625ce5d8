//! One publication's way into the outboxes of its receivers: who gets it, in which form, and who is told that it missed something.
//! Borrowed for one turn from the shard, whose registry and seats it reads.

use std::time::Instant;

use slab::Slab;

use super::{Entry, SessionMessage, Shard, subscriber::Verdict};
use crate::{
    connection::outbox::SharedPublication,
    publication::{Delta, Publication},
    registry::{Registry, SessionKey, Slot},
};

/// One publication's way to its receivers.
pub(super) struct Delivery<'a> {
    pub(super) shard: &'a Shard,
    pub(super) registry: &'a Registry,
    pub(super) sessions: &'a Slab<Entry>,
    pub(super) now: Instant,
    pub(super) at_once: bool,
}

impl Delivery<'_> {
    /// Offers it to one session, under its subscription's state.
    pub(super) fn push(
        &mut self,
        key: SessionKey,
        entry: &Entry,
        slot: Slot,
        shared: &SharedPublication,
    ) {
        let connection = &entry.connection;
        let excluded = shared.excludes(connection.info().id);
        let (delta, policy) = if slot == Slot::NONE {
            if excluded || shared.item().is_none() {
                return;
            }
            (Delta::Off, None)
        } else {
            let mut subscribers = self.shard.subscribers.borrow_mut();
            let Some(subscriber) = subscribers.get_mut(slot.0 as usize) else {
                return;
            };
            match subscriber.take(shared, excluded, self.shard.held_bytes_max) {
                Verdict::Skip => return,
                Verdict::Missed => return entry.send(missed(shared)),
                Verdict::Deliver(delta) => (delta, subscriber.options().policy),
            }
        };
        if entry.plain && self.had_by_another_channel(key, shared) {
            return;
        }
        let form = match delta {
            Delta::Off => connection.profile().form,
            _ => connection.profile().form.with_delta(delta),
        };
        let lost = |lost: Vec<SharedPublication>| self.tell_lost(key, &lost);
        if !connection.push(shared, form, policy, self.now, lost) {
            return;
        }
        if self.at_once {
            connection.flush(self.now);
        } else {
            self.shard.dirty.borrow_mut().push(key);
        }
    }

    /// A message that was relayed into several channels reaches a plain client of more than one of them by the first.
    fn had_by_another_channel(&self, key: SessionKey, shared: &Publication) -> bool {
        let before = shared.group().into_iter().flatten();
        before
            .take_while(|name| ***name != *shared.channel())
            .any(|name| self.registry.slot(key, name).is_some())
    }

    fn tell_lost(&self, key: SessionKey, lost: &[SharedPublication]) {
        let mut subscribers = self.shard.subscribers.borrow_mut();
        for publication in lost {
            let subscriber = self
                .registry
                .slot(key, publication.channel())
                .and_then(|slot| subscribers.get_mut(slot.0 as usize));
            if subscriber.is_some_and(|subscriber| subscriber.lose() == Verdict::Missed) {
                self.sessions[key as usize].send(missed(publication));
            }
        }
    }
}

fn missed(publication: &Publication) -> SessionMessage {
    SessionMessage::Missed(publication.channel().into())
}
