//! A subscription between entering the registry and going live: the history that is read for it, and what its client is told.

use std::{borrow::Cow, sync::Arc};

use super::grant::Grant;
use crate::{
    broker::Refused,
    config::Namespace,
    fossil,
    hub::{
        Hub,
        identity::seconds_until,
        replay::{Replay, Since, replay},
    },
    id::Position,
    protocol::{Encoding, Payload, SubscribeResult},
    registry::ChannelName,
    shard::Wishes,
};

/// A subscription that has entered the registry and waits for its history.
pub(super) struct Entered {
    pub(super) channel: ChannelName,
    pub(super) rules: Arc<Namespace>,
    pub(super) wishes: Wishes,
    pub(super) recoverable: bool,
    /// The client asked to recover.
    pub(super) recovering: bool,
    pub(super) offset: u64,
    pub(super) since: Option<Since>,
    pub(super) grant: Grant,
}

/// The same, with its history.
pub(super) struct Begun {
    pub(super) entered: Entered,
    pub(super) replay: Result<Replay, Refused>,
}

impl Entered {
    /// Reads what the client is to be told.
    pub(super) async fn read(self, hub: &Hub, bytes_max: usize) -> Begun {
        let replay = match &self.since {
            None => Ok(Replay::nothing(false)),
            Some(since) => {
                let keep = self.rules.history_ttl;
                replay(&*hub.broker, &self.channel, since, keep, bytes_max).await
            }
        };
        Begun {
            entered: self,
            replay,
        }
    }
}

impl Begun {
    /// Bytes that it brings.
    pub(super) fn weight(&self) -> usize {
        let items = self.replay.iter().flat_map(|replay| &replay.items);
        items.map(|item| item.weight()).sum()
    }

    pub(super) fn channel(&self) -> &ChannelName {
        &self.entered.channel
    }

    pub(super) fn epoch(&self) -> String {
        let positioned = self
            .replay
            .as_ref()
            .ok()
            .filter(|_| self.entered.wishes.positioned);
        positioned.map_or(String::new(), |replay| replay.top.epoch.to_string())
    }

    /// The payloads of what is replayed, for a subscription with deltas: the first whole, each other as a patch where that is
    /// shorter. Empty where there are none.
    pub(super) fn payloads(&self, encoding: Encoding) -> Vec<(Vec<u8>, bool)> {
        let Some(replay) = self
            .replay
            .as_ref()
            .ok()
            .filter(|_| self.entered.wishes.delta)
        else {
            return Vec::new();
        };
        let mut payloads = Vec::with_capacity(replay.items.len());
        let mut previous: Option<Cow<'_, [u8]>> = None;
        for item in &replay.items {
            let whole = item.delta_bytes(encoding);
            let patch = previous
                .map(|previous| fossil::create(&previous, &whole))
                .filter(|patch| patch.len() < whole.len());
            payloads.push(match patch {
                Some(patch) => (patch, true),
                None => (whole.to_vec(), false),
            });
            previous = Some(whole);
        }
        payloads
    }

    /// What the client is told.
    pub(super) fn result<'a>(
        &'a self,
        epoch: &'a str,
        payloads: &'a [(Vec<u8>, bool)],
    ) -> SubscribeResult<'a> {
        let entered = &self.entered;
        let mut result = SubscribeResult {
            expires: entered.grant.expire_at.is_some() && entered.grant.by_token,
            data: entered.grant.data.clone(),
            was_recovering: entered.recovering,
            ..SubscribeResult::default()
        };
        if result.expires {
            result.ttl = entered.grant.expire_at.map_or(0, seconds_until);
        }
        if let Ok(replay) = &self.replay
            && entered.wishes.positioned
        {
            result.positioned = true;
            result.recoverable = entered.recoverable;
            result.epoch = epoch;
            result.recovered = entered.recovering && replay.recovered;
            result.delta = entered.wishes.delta;
            // The client counts on from here as it takes what is replayed.
            result.offset = match result.recovered && !entered.rules.cache_recovery {
                true => entered.offset,
                false => replay.top.offset,
            };
            result.publications = replay.items.iter().map(|item| item.as_pub()).collect();
            for (publication, (payload, delta)) in result.publications.iter_mut().zip(payloads) {
                publication.data = Payload::Stringed(payload);
                publication.delta = *delta;
            }
        }
        result
    }

    /// The broker had no room to answer.
    pub(super) fn is_refused(&self) -> bool {
        self.replay.is_err()
    }

    pub(super) fn missed_what_it_must_not(&self, flag: i64) -> bool {
        let lost = self.replay.as_ref().is_ok_and(|replay| !replay.recovered);
        flag & 2 != 0 && self.entered.recovering && lost
    }

    pub(super) fn top(&self) -> Option<(Position, bool)> {
        let replay = self.replay.as_ref().ok()?;
        Some((replay.top, !replay.items.is_empty()))
    }
}
