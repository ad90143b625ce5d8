//! What a client is told of a subscription, whether as a reply, with its welcome or as a push: pure
//! data.

use std::borrow::Cow;

use super::PendingSubscription;
use crate::{
    fossil,
    protocol::{Encoding, PayloadRef, SubscribeResult},
    registry::ChannelName,
    session::subscribe::RecoveredSubscription,
    unix_time::ttl_at,
};

impl PendingSubscription {
    /// What the client is told.
    pub(in crate::session::centrifuge) fn told<'a>(
        &'a self,
        it: &'a RecoveredSubscription,
        encoding: Encoding,
    ) -> ToldSubscription<'a> {
        let positioned = self.options.positioned;
        ToldSubscription {
            pending: self,
            recovered: it,
            epoch: match positioned {
                true => it.recovery.top.epoch.to_string(),
                false => String::new(),
            },
            payloads: match self.options.delta {
                true => delta_payloads(it, encoding),
                false => Vec::new(),
            },
        }
    }
}

/// What a client is told of a subscription; holds what the answer borrows.
pub(in crate::session::centrifuge) struct ToldSubscription<'a> {
    pending: &'a PendingSubscription,
    recovered: &'a RecoveredSubscription,
    epoch: String,
    /// Of what is replayed, for a subscription with deltas: the payload, and whether it is a
    /// patch.
    payloads: Vec<(Vec<u8>, bool)>,
}

impl ToldSubscription<'_> {
    pub(in crate::session::centrifuge) fn channel(&self) -> &ChannelName {
        &self.pending.key.channel
    }

    /// At a time in Unix seconds.
    pub(in crate::session::centrifuge) fn result(&self, now: u64) -> SubscribeResult<'_> {
        let Self {
            pending, recovered, ..
        } = self;
        let recovery = &recovered.recovery;
        let mut result = SubscribeResult {
            expires: pending.grant.expire_at.is_some() && pending.grant.by_token,
            data: pending.grant.data.clone(),
            was_recovering: pending.recovering,
            ..SubscribeResult::default()
        };
        if result.expires {
            result.ttl = pending.grant.expire_at.map_or(0, |at| ttl_at(at, now));
        }
        if pending.options.positioned {
            result.positioned = true;
            result.recoverable = pending.recoverable;
            result.epoch = &self.epoch;
            result.recovered = pending.recovering && recovery.recovered;
            result.delta = pending.options.delta;
            // The client counts on from here as it takes what is replayed.
            result.offset = match result.recovered && !pending.rules.cache_recovery {
                true => pending.offset,
                false => recovery.top.offset,
            };
        }
        result.publications = recovery.items.iter().map(|item| item.as_pub()).collect();
        if pending.options.delta {
            let publications = result.publications.iter_mut();
            for (publication, (payload, delta)) in publications.zip(&self.payloads) {
                publication.data = PayloadRef::Stringed(payload);
                publication.delta = *delta;
            }
        }
        result
    }
}

/// The first payload whole, each other as a patch where that is shorter.
fn delta_payloads(it: &RecoveredSubscription, encoding: Encoding) -> Vec<(Vec<u8>, bool)> {
    let items = &it.recovery.items;
    let mut payloads = Vec::with_capacity(items.len());
    let mut previous: Option<Cow<'_, [u8]>> = None;
    for item in items {
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
