//! Idempotency keys that were used, with the place that their publications got. Pure data; bounded
//! by [`KEYS_MAX`], beyond which the oldest is forgotten before its time.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use crate::{broker::fanout::STRIPES, id::StreamPosition};

/// Keys that are let go of in one call of [`Keys::expire`].
const KEYS_A_TURN: usize = 1024;

/// Keys of publications that were published, with the place they got.
#[derive(Default)]
pub(super) struct Keys {
    known: HashMap<Box<str>, Option<StreamPosition>>,
    /// In the order of their end, since all are kept equally long.
    ends: VecDeque<(Instant, Box<str>)>,
}

/// Idempotency keys that are remembered; beyond them the oldest are forgotten before their time.
const KEYS_MAX: usize = 1 << 20;

/// Keys under one lock.
const A_STRIPE: usize = KEYS_MAX / STRIPES;

impl Keys {
    fn joined(channel: &str, key: &str) -> Box<str> {
        // No channel name holds a space, so no two pairs are joined alike.
        format!("{channel} {key}").into()
    }

    /// The place that a key's publication got; absent: the key is new.
    pub(super) fn get(
        &self,
        channel: &str,
        key: &str,
        now: Instant,
    ) -> Option<Option<StreamPosition>> {
        if self.ends.back().is_none_or(|(end, _)| *end <= now) {
            return None;
        }
        self.known.get(&Self::joined(channel, key)).copied()
    }

    pub(super) fn insert(
        &mut self,
        channel: &str,
        key: Box<str>,
        place: Option<StreamPosition>,
        end: Instant,
    ) {
        let joined = Self::joined(channel, &key);
        if self.ends.len() >= A_STRIPE
            && let Some((_, oldest)) = self.ends.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(joined.clone(), place);
        self.ends.push_back((end, joined));
    }

    pub(super) fn expire(&mut self, now: Instant) {
        for _ in 0..KEYS_A_TURN {
            if self.ends.front().is_none_or(|(end, _)| *end > now) {
                return;
            }
            if let Some((_, key)) = self.ends.pop_front() {
                self.known.remove(&key);
            }
        }
    }
}
