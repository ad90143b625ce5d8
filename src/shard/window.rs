//! The send windows of a shard: what is sent to a channel waits here in one line, for as long as
//! its namespace says at most, and leaves together. Pure data, owned by the shard's state.
//!
//! The first after a quiet time does not wait. Bounds: what waits keeps its bytes in
//! `limits.shard_queue_bytes`; a line of several messages that has `window_bytes` leaves at once; a
//! channel has an entry for two windows at most after something has left. It must not know
//! sessions' outboxes, nor what a line looks like on the wire.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::BuildHasher as _,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::reservation::Reservation;
use crate::{
    config::{Channels, Keep, Namespace},
    connection::outbox::SharedPublication,
    publication::{Publication, Target},
    registry::{ChannelName, SessionKey, is_internal},
};

/// What each publication counts against `window_bytes` beside its message and its channel's name:
/// as much as the client protocol puts around them in JSON.
const MESSAGE_BYTES: usize = 64;

/// A publication that waits.
struct Waiting {
    publication: SharedPublication,
    bytes: usize,
    /// Its bytes in the shard's queue.
    _room: Reservation,
}

/// One channel's line, and when it ends.
struct WaitingLine {
    rules: Arc<Namespace>,
    /// By their numbers, which only grow.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    bytes: usize,
    /// Where publications replace others: the number of the one that waits, by its tag's value.
    newest: HashMap<Box<str>, u64>,
    end: Instant,
    /// When something left last.
    left: Instant,
    /// Sessions that get only what has this number or a greater one.
    from: HashMap<SessionKey, u64>,
}

/// What became of a publication.
pub(super) enum Admitted {
    /// It does not wait.
    AtOnce(Arc<Publication>),
    /// It waits until its channel's window ends.
    Waits {
        /// It has taken the place of an older one.
        replaced: bool,
    },
    /// It waits, and its line is to leave now: another as large would be too much for one frame.
    Full {
        /// The channel whose line that is.
        channel: ChannelName,
        /// It has taken the place of an older one.
        replaced: bool,
    },
}

/// A line that leaves.
pub(super) struct Departed {
    pub(super) channel: ChannelName,
    /// In their order, with their numbers.
    pub(super) publications: Vec<(u64, SharedPublication)>,
    /// Sessions that get only what has this number or a greater one.
    pub(super) from: HashMap<SessionKey, u64>,
    /// Bytes of one frame at most.
    pub(super) window_bytes: usize,
}

/// The lines of a shard.
pub(super) struct Windows {
    rules: Arc<Channels>,
    lines: HashMap<ChannelName, WaitingLine>,
    ends: BTreeSet<(Instant, ChannelName)>,
}

impl Windows {
    /// Nothing waits; which channels have a window, and of what length, the rules say.
    pub(super) fn new(rules: Arc<Channels>) -> Self {
        Self {
            rules,
            lines: HashMap::new(),
            ends: BTreeSet::new(),
        }
    }

    /// Takes a publication that came for this shard, with its room.
    pub(super) fn admit(
        &mut self,
        publication: Arc<Publication>,
        room: Reservation,
        now: Instant,
    ) -> Admitted {
        let channel = match publication.target() {
            Target::Channel(channel) if !is_internal(channel) => channel.clone(),
            _ => return Admitted::AtOnce(publication),
        };
        let Some(line) = self.lines.get_mut(&channel) else {
            let rules = self.rules.rules(&channel);
            if let Some(rules) = rules.filter(|rules| !rules.window.is_zero()).cloned() {
                self.begin(channel, rules, now);
            }
            return Admitted::AtOnce(publication);
        };
        if line.is_quiet(now) {
            // The timer has not come yet.
            let rules = line.rules.clone();
            self.ends.remove(&(line.end, channel.clone()));
            self.begin(channel, rules, now);
            return Admitted::AtOnce(publication);
        }
        let bytes = publication.message_bytes() + channel.len() + MESSAGE_BYTES;
        let replaced = line.push(publication, bytes, room);
        // What takes an older one's place leaves the line as long as it was. One alone is no more
        // than a message may be, and may still give way to a newer one.
        let next = if replaced { 0 } else { bytes };
        let is_full = line.waiting.len() > 1 && line.bytes + next > line.rules.window_bytes;
        match is_full {
            true => Admitted::Full { channel, replaced },
            false => Admitted::Waits { replaced },
        }
    }

    /// Something leaves a quiet channel: its window begins. The first one is shortened by up to
    /// half, so that channels which begin together do not end together for ever.
    fn begin(&mut self, channel: ChannelName, rules: Arc<Namespace>, now: Instant) {
        let share = (self.lines.hasher().hash_one(&channel) % 1024) as u32;
        let end = now + rules.window - (rules.window / 2) * share / 1024;
        self.ends.insert((end, channel.clone()));
        let line = WaitingLine {
            rules,
            waiting: BTreeMap::new(),
            next: 0,
            bytes: 0,
            newest: HashMap::new(),
            end,
            left: now,
            from: HashMap::new(),
        };
        self.lines.insert(channel, line);
    }

    /// The earliest end of a window.
    pub(super) fn first_end(&self) -> Option<Instant> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// The next line whose window has ended, until none is left. Channels that have become quiet
    /// are forgotten.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<Departed> {
        while let Some((end, channel)) = self.ends.first().cloned() {
            if end > now {
                return None;
            }
            let departed = self.leave(&channel, now);
            if departed.is_some() {
                return departed;
            }
        }
        None
    }

    /// The channels whose lines wait, whatever their time.
    pub(super) fn waiting(&self) -> Vec<ChannelName> {
        let lines = self.lines.iter();
        let waiting = lines.filter(|(_, line)| !line.waiting.is_empty());
        waiting.map(|(channel, _)| channel.clone()).collect()
    }

    /// Has a channel's line leave, and its next window begin; nothing if nothing waits. Where the
    /// window has ended and nothing has left for so long, the channel is quiet.
    pub(super) fn leave(&mut self, channel: &ChannelName, now: Instant) -> Option<Departed> {
        let line = self.lines.get_mut(channel)?;
        if line.waiting.is_empty() {
            if line.end <= now {
                self.ends.remove(&(line.end, channel.clone()));
                if line.is_quiet(now) {
                    self.lines.remove(channel);
                } else {
                    // Its share of the first window stays, or channels that are told something at
                    // once, and again before a window is over, would end together from then on.
                    line.end += line.rules.window;
                    self.ends.insert((line.end, channel.clone()));
                }
            }
            return None;
        }
        self.ends.remove(&(line.end, channel.clone()));
        line.left = now;
        line.end = now + line.rules.window;
        self.ends.insert((line.end, channel.clone()));
        line.bytes = 0;
        line.newest.clear();
        let waiting = std::mem::take(&mut line.waiting).into_iter();
        Some(Departed {
            channel: channel.clone(),
            publications: waiting
                .map(|(number, it)| (number, it.publication))
                .collect(),
            from: std::mem::take(&mut line.from),
            window_bytes: line.rules.window_bytes,
        })
    }

    /// A session has entered a channel: what waits there is not for it.
    pub(super) fn enter(&mut self, key: SessionKey, channel: &str) {
        if let Some(line) = self.lines.get_mut(channel)
            && !line.waiting.is_empty()
        {
            line.from.insert(key, line.next);
        }
    }

    /// What waits for a session in a channel, with its numbers; it is not for it any more.
    pub(super) fn take_for(
        &mut self,
        key: SessionKey,
        channel: &str,
    ) -> Option<(u64, Vec<(u64, SharedPublication)>)> {
        let line = self.lines.get_mut(channel)?;
        if line.waiting.is_empty() {
            return None;
        }
        let from = line.from.insert(key, line.next).unwrap_or(0);
        let waiting = line.waiting.iter();
        let waiting = waiting.map(|(number, it)| (*number, it.publication.clone()));
        Some((from, waiting.collect()))
    }

    /// A session has left a channel, which may have no member now.
    pub(super) fn left(&mut self, key: SessionKey, channel: &ChannelName, is_empty: bool) {
        if let Some(line) = self.lines.get_mut(channel) {
            line.from.remove(&key);
            if is_empty {
                self.ends.remove(&(line.end, channel.clone()));
                self.lines.remove(channel);
            }
        }
    }

    /// Whether anything is in a window.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl WaitingLine {
    /// Whether nothing waits and nothing has left within the last window.
    fn is_quiet(&self, now: Instant) -> bool {
        self.waiting.is_empty() && self.left + self.rules.window <= now
    }

    /// Takes a publication into the line; returns whether an older one gave way to it.
    fn push(&mut self, publication: Arc<Publication>, bytes: usize, mut room: Reservation) -> bool {
        room.keep_bytes_only();
        let number = self.next;
        self.next += 1;
        let before = match conflation_key(&self.rules.keep, &publication) {
            Some(key) => self.newest.insert(key.into(), number),
            None => None,
        };
        let before = before.and_then(|before| self.waiting.remove(&before));
        self.bytes += bytes;
        self.bytes -= before.as_ref().map_or(0, |before| before.bytes);
        let waiting = Waiting {
            publication: Rc::new(publication),
            bytes,
            _room: room,
        };
        self.waiting.insert(number, waiting);
        before.is_some()
    }
}

/// What a publication replaces others under; nothing where all are kept.
fn conflation_key<'a>(keep: &Keep, publication: &'a Publication) -> Option<&'a str> {
    let item = publication.item()?;
    match keep {
        Keep::All => None,
        Keep::Newest => Some(""),
        Keep::NewestBy(tag) => {
            let mut tags = item.tags.as_deref()?.iter();
            tags.find(|(name, _)| name == tag).map(|(_, value)| value)
        }
    }
}

/// The least time for which the shard's timer is set, so that the sessions get their turn.
pub(super) const TIMER_MIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
