//! One publication's way into the outboxes of its receivers: who gets it, in which form, and who is
//! told that it missed something. Borrowed from the shard's state for one turn.

use std::time::Instant;

use slab::Slab;

use super::{
    SessionMessage,
    entry::SessionEntry,
    joined_line::JoinedLine,
    subscriber::{Subscriber, Verdict},
    user_channel::user_channel,
};
use crate::{
    config::SlowPolicy,
    connection::outbox::{BATCH_BYTES_MAX, SharedPublication},
    publication::{Compression, Delta, Publication, Target},
    registry::{Registry, SessionKey, Slot},
};

/// One publication's way to its receivers.
pub(super) struct Delivery<'a> {
    pub(super) registry: &'a Registry,
    pub(super) subscribers: &'a mut Slab<Subscriber>,
    pub(super) dirty: &'a mut Vec<SessionKey>,
    pub(super) now: Instant,
    pub(super) at_once: bool,
    pub(super) settings: DeliverySettings,
}

/// What is the same for all deliveries of a shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeliverySettings {
    /// See [`ShardSettings`](super::ShardSettings).
    pub(super) held_bytes_max: usize,
    pub(super) compression: Compression,
}

impl Delivery<'_> {
    /// Calls `offer` for each receiver that is here; `session` is the one that is meant, where it
    /// is one alone.
    #[inline(always)]
    pub(super) fn each_receiver(
        &mut self,
        sessions: &Slab<SessionEntry>,
        target: &Target,
        session: Option<SessionKey>,
        mut offer: impl FnMut(&mut Self, SessionKey, &SessionEntry, Slot),
    ) {
        let registry = self.registry;
        match target {
            Target::Everyone => {
                for (key, entry) in sessions {
                    offer(self, key as SessionKey, entry, Slot::NONE);
                }
            }
            Target::Channel(channel) => {
                for (key, slot) in registry.members(channel) {
                    offer(self, key, &sessions[key as usize], slot);
                }
            }
            Target::User(user) => {
                for (key, _) in registry.members(&user_channel(user)) {
                    offer(self, key, &sessions[key as usize], Slot::NONE);
                }
            }
            Target::Session(_) => {
                if let Some(key) = session {
                    offer(self, key, &sessions[key as usize], Slot::NONE);
                }
            }
        }
    }

    /// Offers it to one session, under its subscription's state.
    pub(super) fn push(
        &mut self,
        key: SessionKey,
        entry: &SessionEntry,
        slot: Slot,
        shared: &SharedPublication,
    ) {
        let line = [(0, shared.clone())];
        let mut line = JoinedLine::new(&line, BATCH_BYTES_MAX, self.settings.compression);
        self.push_line(key, entry, slot, &mut line);
    }

    /// Whether a session takes it, under its subscription's state, and how.
    #[inline(always)]
    fn offer(
        &mut self,
        key: SessionKey,
        entry: &SessionEntry,
        slot: Slot,
        shared: &SharedPublication,
    ) -> Option<(Delta, Option<SlowPolicy>)> {
        let excluded = shared.excludes(entry.id());
        let (delta, policy) = if slot == Slot::NONE {
            if excluded || shared.item().is_none() {
                return None;
            }
            (Delta::Off, None)
        } else {
            let subscriber = self.subscribers.get_mut(slot.0 as usize)?;
            match subscriber.take(shared, excluded, self.settings.held_bytes_max) {
                Verdict::Skip => return None,
                Verdict::Missed => {
                    entry.send(missed(shared));
                    return None;
                }
                Verdict::Deliver(delta) => (delta, subscriber.options().policy),
            }
        };
        if entry.plain && self.had_by_another_channel(key, shared) {
            return None;
        }
        Some((delta, policy))
    }

    /// Offers what leaves together to one session. It gets what has the line's number `from` or a
    /// greater one, and whatever its place in the stream says is next.
    pub(super) fn push_line(
        &mut self,
        key: SessionKey,
        entry: &SessionEntry,
        slot: Slot,
        line: &mut JoinedLine<'_>,
    ) {
        let connection = &entry.connection;
        let form = connection.profile().form;
        let (frames, policy) = match self.take_run(slot, line) {
            Some(policy) => (line.whole(form), policy),
            None => {
                let policy = self.choose(key, entry, slot, line);
                (line.chosen(form), policy)
            }
        };
        let (mut is_new, now) = (false, self.now);
        for frame in frames {
            #[cfg(feature = "planted-faults")]
            if crate::planted::strikes(crate::planted::Fault::DeliversTwice) {
                is_new |= connection.push(frame, policy, now, |_| {});
            }
            let lost = |lost: Vec<SharedPublication>| self.tell_lost(key, entry, &lost);
            is_new |= connection.push(frame, policy, now, lost);
        }
        if is_new && self.at_once {
            connection.flush(self.now);
        } else if is_new {
            self.dirty.push(key);
        }
    }

    /// Whether a session takes the whole line, which then costs one look instead of one for each
    /// publication; and under which policy.
    fn take_run(&mut self, slot: Slot, line: &JoinedLine<'_>) -> Option<Option<SlowPolicy>> {
        let run = line.run.as_ref()?;
        if slot == Slot::NONE {
            return (line.from == 0).then_some(None);
        }
        let subscriber = self.subscribers.get_mut(slot.0 as usize)?;
        let by_place = subscriber.options().positioned && run.places.is_some();
        let takes = (by_place || line.from == 0) && subscriber.take_run(run);
        takes.then(|| subscriber.options().policy)
    }

    /// Has a session choose among the publications of a line, one by one.
    fn choose(
        &mut self,
        key: SessionKey,
        entry: &SessionEntry,
        slot: Slot,
        line: &mut JoinedLine<'_>,
    ) -> Option<SlowPolicy> {
        let positioned = self.subscribers.get(slot.0 as usize);
        let positioned = positioned.is_some_and(|it| it.options().positioned);
        line.choice.clear();
        let mut policy = None;
        for (number, publication) in line.publications {
            let by_place = positioned && publication.offset() > 0;
            let is_for_it = by_place || *number >= line.from;
            let taken = is_for_it
                .then(|| self.offer(key, entry, slot, publication))
                .flatten();
            #[cfg(feature = "planted-faults")]
            let taken =
                taken.filter(|_| !crate::planted::strikes(crate::planted::Fault::SkipsAnOffset));
            if let Some((_, own)) = taken {
                policy = own;
            }
            line.choice.push(taken.map(|(delta, _)| delta));
        }
        policy
    }

    /// A message that was relayed into several channels reaches a plain client of more than one of
    /// them by the first.
    fn had_by_another_channel(&self, key: SessionKey, shared: &Publication) -> bool {
        let before = shared.group().into_iter().flatten();
        before
            .take_while(|name| ***name != *shared.channel())
            .any(|name| self.registry.slot(key, name).is_some())
    }

    fn tell_lost(&mut self, key: SessionKey, entry: &SessionEntry, lost: &[SharedPublication]) {
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
