//! One session's subscription of a channel, as delivery sees it: what it has had, and what comes
//! next. Pure data.
//!
//! A subscriber enters held back: publications wait here while its history is read. Then it goes
//! live from a position, what waited is merged by offset, and from there on each publication must
//! follow what was had before. Bounds while held: [`HELD_MAX`] publications, and `limits.
//! recovery_bytes` of them; beyond either the subscription is broken, as it is by any gap, and its
//! session is told to have it begun anew.

use super::joined_line::Run;
use crate::{
    config::SlowPolicy,
    connection::outbox::SharedPublication,
    id::StreamPosition,
    publication::{Content, Delta, Item, Lineage, Publication},
};

/// Publications that wait while a history is read.
const HELD_MAX: usize = 4096;

/// What a subscription asks of delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Offsets must follow each other.
    pub positioned: bool,
    /// Joins and leaves are told.
    pub join_leave: bool,
    /// Publications come as deltas where that is shorter.
    pub delta: bool,
    /// What happens to this channel's publications when the client is slow; absent: the node's
    /// policy.
    pub policy: Option<SlowPolicy>,
    /// Publications may give way to newer ones, so offsets tell only what the client had when it
    /// went live.
    pub conflated: bool,
}

#[derive(Debug)]
enum State {
    /// The history is being read.
    Held {
        waiting: Vec<SharedPublication>,
        bytes: usize,
    },
    /// Had everything up to here.
    Live {
        position: StreamPosition,
        /// Of the newest that came by delivery; absent: that was not delivered, or only what has
        /// none.
        lineage: Option<Lineage>,
    },
    /// Something was missed; nothing more is delivered.
    Broken,
}

/// What to do with a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: it waits, the client has had it or is not to, or the subscription is broken.
    Skip,
    /// Deliver it, in this form where the session has deltas.
    Deliver(Delta),
    /// Something was missed: tell the session, once.
    Missed,
}

/// Tells subscriptions of one session and channel apart that came one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionId(pub(super) u32);

/// What a subscription has had, and whether more may come. Owned by the shard's state.
#[derive(Debug)]
pub(super) struct Subscriber {
    id: SubscriptionId,
    options: SubscribeOptions,
    state: State,
    /// The client has the publication before the next one, so that a patch makes sense to it.
    primed: bool,
}

impl Subscriber {
    /// A subscription that is held back.
    #[must_use]
    pub(crate) fn held(id: SubscriptionId, options: SubscribeOptions) -> Self {
        Self {
            id,
            options,
            state: State::Held {
                waiting: Vec::new(),
                bytes: 0,
            },
            primed: false,
        }
    }

    /// Which subscription it is.
    #[must_use]
    pub(crate) fn id(&self) -> SubscriptionId {
        self.id
    }

    /// What its session asked for when it subscribed.
    #[must_use]
    pub(crate) fn options(&self) -> SubscribeOptions {
        self.options
    }

    /// Goes live: the client has had everything up to `position`. Returns what waited, to be
    /// offered anew. `primed`: the publication at `position` itself was given to the client.
    pub(crate) fn go_live(
        &mut self,
        position: StreamPosition,
        primed: bool,
    ) -> Vec<SharedPublication> {
        let live = State::Live {
            position,
            lineage: None,
        };
        match std::mem::replace(&mut self.state, live) {
            State::Held { waiting, .. } => {
                self.primed = primed;
                waiting
            }
            broken_or_live => {
                self.state = broken_or_live;
                Vec::new()
            }
        }
    }

    /// A publication that was queued for the client was dropped again.
    pub(crate) fn lose(&mut self) -> Verdict {
        self.primed = false;
        if self.options.positioned {
            self.miss()
        } else {
            Verdict::Skip
        }
    }

    fn miss(&mut self) -> Verdict {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Broken => Verdict::Skip,
            State::Held { .. } | State::Live { .. } => Verdict::Missed,
        }
    }

    /// Says what to do with a publication. `excluded`: the session is left out of it, but its place
    /// in the stream moves on. `held_bytes_max`: what may wait here.
    #[inline(always)]
    pub(crate) fn take(
        &mut self,
        publication: &SharedPublication,
        excluded: bool,
        held_bytes_max: usize,
    ) -> Verdict {
        match (&mut self.state, publication.content()) {
            (State::Broken, _) => Verdict::Skip,
            (State::Live { .. }, Content::Join(_) | Content::Leave(_))
                if self.options.join_leave =>
            {
                Verdict::Deliver(Delta::Off)
            }
            // Who is there when a subscription begins is told by presence.
            (_, Content::Join(_) | Content::Leave(_)) => Verdict::Skip,
            (State::Held { waiting, bytes }, Content::Item(_)) => {
                *bytes = bytes.saturating_add(publication.weight());
                // A single one may exceed the bound in bytes, as it may in an empty inbox.
                let fits = waiting.is_empty() || *bytes <= held_bytes_max;
                if waiting.len() == HELD_MAX || !fits {
                    return self.miss();
                }
                waiting.push(publication.clone());
                Verdict::Skip
            }
            (State::Live { position, lineage }, Content::Item(item)) => {
                if self.options.positioned {
                    match follow(position, lineage, publication, item) {
                        Next::Old => return Verdict::Skip,
                        Next::Gap => return self.miss(),
                        Next::Follows => {}
                    }
                }
                let is_known = self.options.conflated
                    && (1..=position.offset).contains(&item.offset)
                    && publication.epoch() == position.epoch;
                if is_known {
                    return Verdict::Skip;
                }
                let delta = match (self.options.delta, self.primed) {
                    (false, _) => Delta::Off,
                    (true, true) if publication.offset() > 0 => Delta::Patch,
                    (true, _) => Delta::Full,
                };
                // What has no place in the stream is nobody's predecessor there.
                self.primed = publication.offset() > 0 && !excluded;
                if excluded {
                    Verdict::Skip
                } else {
                    Verdict::Deliver(delta)
                }
            }
        }
    }

    /// Takes messages that follow each other without a gap, all at once: false if they do not
    /// follow what was had, or if it takes a look at each of them.
    pub(super) fn take_run(&mut self, run: &Run) -> bool {
        let State::Live { position, lineage } = &mut self.state else {
            return false;
        };
        if self.options.delta {
            return false;
        }
        if let Some(places) = run.places.filter(|_| self.options.positioned) {
            let follows = places.epoch == position.epoch
                && places.first > position.offset
                && places.follows <= position.offset;
            if !follows {
                return false;
            }
            position.offset = places.last;
            *lineage = Some(places.lineage);
        }
        self.primed = run.places.is_some();
        true
    }
}

enum Next {
    Old,
    Follows,
    Gap,
}

/// Moves a position on if nothing is missing between it and the publication.
fn follow(
    position: &mut StreamPosition,
    lineage: &mut Option<Lineage>,
    publication: &Publication,
    item: &Item,
) -> Next {
    if item.offset == 0 {
        return Next::Follows;
    }
    if publication.epoch() != position.epoch {
        return Next::Gap;
    }
    if item.offset <= position.offset {
        // Of another lineage it is no duplicate: an offset was given anew, and what had it before
        // is lost.
        let is_known = lineage.is_none_or(|lineage| lineage == publication.lineage());
        return if is_known { Next::Old } else { Next::Gap };
    }
    if item.follows > position.offset {
        return Next::Gap;
    }
    position.offset = item.offset;
    *lineage = Some(publication.lineage());
    Next::Follows
}

#[cfg(test)]
mod tests;
