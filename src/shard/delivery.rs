//! One publication's way into the outboxes of its receivers: who gets it, in which form, and who is
//! told that it missed something. Borrowed from the shard's state for one turn.

use std::time::Instant;

use slab::Slab;

use super::{
    SessionMessage,
    entry::Entry,
    joined_line::JoinedLine,
    subscriber::{Subscriber, Verdict},
};
use crate::{
    config::SlowPolicy,
    connection::{
        PushOptions,
        outbox::{Part, SharedPublication},
    },
    publication::{Delta, Publication},
    registry::{Registry, SessionKey, Slot},
};

/// One publication's way to its receivers.
pub(super) struct Delivery<'a> {
    pub(super) registry: &'a Registry,
    pub(super) subscribers: &'a mut Slab<Subscriber>,
    pub(super) dirty: &'a mut Vec<SessionKey>,
    pub(super) now: Instant,
    pub(super) at_once: bool,
    pub(super) held_bytes_max: usize,
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
        self.offer((key, slot), entry, shared, |this, delta, policy| {
            #[cfg(feature = "planted-faults")]
            if crate::planted::strikes(crate::planted::Fault::SkipsAnOffset) {
                return;
            }
            let form = match delta {
                Delta::Off => connection.profile().form,
                _ => connection.profile().form.with_delta(delta),
            };
            let (now, at_once) = (this.now, this.at_once);
            #[cfg(feature = "planted-faults")]
            if crate::planted::strikes(crate::planted::Fault::DeliversTwice) {
                connection.push(shared, PushOptions { form, policy }, now, |_| {});
            }
            let lost = |lost: Vec<SharedPublication>| this.tell_lost(key, entry, &lost);
            if !connection.push(shared, PushOptions { form, policy }, now, lost) {
                return;
            }
            if at_once {
                connection.flush(now);
            } else {
                this.dirty.push(key);
            }
        });
    }

    /// Has a session take it, under its subscription's state; `take` is told how.
    #[inline(always)]
    fn offer(
        &mut self,
        (key, slot): (SessionKey, Slot),
        entry: &Entry,
        shared: &SharedPublication,
        take: impl FnOnce(&mut Self, Delta, Option<SlowPolicy>),
    ) {
        let excluded = shared.excludes(entry.id());
        let (delta, policy) = if slot == Slot::NONE {
            if excluded || shared.item().is_none() {
                return;
            }
            (Delta::Off, None)
        } else {
            let Some(subscriber) = self.subscribers.get_mut(slot.0 as usize) else {
                return;
            };
            match subscriber.take(shared, excluded, self.held_bytes_max) {
                Verdict::Skip => return,
                Verdict::Missed => return entry.send(missed(shared)),
                Verdict::Deliver(delta) => (delta, subscriber.options().policy),
            }
        };
        if entry.plain && self.had_by_another_channel(key, shared) {
            return;
        }
        take(self, delta, policy);
    }

    /// Offers what leaves together to one session. It gets what has the line's number `from` or a
    /// greater one, and whatever its place in the stream says is next.
    pub(super) fn push_line(
        &mut self,
        key: SessionKey,
        entry: &Entry,
        slot: Slot,
        line: &mut JoinedLine<'_>,
    ) {
        let positioned = self.subscribers.get(slot.0 as usize);
        let positioned = positioned.is_some_and(|it| it.options().positioned);
        line.choice.clear();
        let mut policy = None;
        for (number, publication) in line.publications {
            let by_place = positioned && publication.offset() > 0;
            let is_for_it = by_place || *number >= line.from;
            let mut taken = None;
            if is_for_it {
                self.offer((key, slot), entry, publication, |_, delta, own| {
                    (taken, policy) = (Some(delta), own);
                });
            }
            line.choice.push(taken);
        }
        let connection = &entry.connection;
        let (mut is_new, now) = (false, self.now);
        for part in line.parts(connection.profile().form) {
            let lost = |lost: Vec<SharedPublication>| self.tell_lost(key, entry, &lost);
            is_new |= match part {
                Part::One(publication, form) => {
                    let options = PushOptions {
                        form: *form,
                        policy,
                    };
                    connection.push(publication, options, now, lost)
                }
                Part::Several(batch) => connection.push_joined(batch, policy, now, lost),
            };
        }
        if is_new && self.at_once {
            connection.flush(self.now);
        } else if is_new {
            self.dirty.push(key);
        }
    }

    /// A message that was relayed into several channels reaches a plain client of more than one of
    /// them by the first.
    fn had_by_another_channel(&self, key: SessionKey, shared: &Publication) -> bool {
        let before = shared.group().into_iter().flatten();
        before
            .take_while(|name| ***name != *shared.channel())
            .any(|name| self.registry.slot(key, name).is_some())
    }

    fn tell_lost(&mut self, key: SessionKey, entry: &Entry, lost: &[SharedPublication]) {
        for publication in lost {
            let subscriber = self
                .registry
                .slot(key, publication.channel())
                .and_then(|slot| self.subscribers.get_mut(slot.0 as usize));
            if subscriber.is_some_and(|subscriber| subscriber.lose() == Verdict::Missed) {
                entry.send(missed(publication));
            }
        }
    }
}

fn missed(publication: &Publication) -> SessionMessage {
    SessionMessage::Missed(publication.channel().into())
}
