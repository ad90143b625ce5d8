//! A subscription between entering the registry and going live: the history that is read for it, and what its client is told.

use std::{borrow::Cow, sync::Arc};

use super::grant::Grant;
use crate::{
    broker::BrokerError,
    config::Namespace,
    fossil,
    id::StreamPosition,
    node::{
        Node,
        auth::seconds_until,
        recovery::{Recovery, Since, recovery},
    },
    protocol::{Encoding, Payload, SubscribeResult},
    registry::ChannelName,
    shard::SubscribeOptions,
};

/// A subscription that has entered the registry and waits for its history.
pub(super) struct PendingSubscription {
    pub(super) channel: ChannelName,
    pub(super) rules: Arc<Namespace>,
    pub(super) options: SubscribeOptions,
    pub(super) recoverable: bool,
    /// The client asked to recover.
    pub(super) recovering: bool,
    pub(super) offset: u64,
    pub(super) since: Option<Since>,
    pub(super) grant: Grant,
}

/// The same, with its history.
pub(super) struct RecoveredSubscription {
    pub(super) entered: PendingSubscription,
    pub(super) recovery: Result<Recovery, BrokerError>,
}

impl PendingSubscription {
    /// Reads what the client is to be told.
    pub(super) async fn read(self, node: &Node, bytes_max: usize) -> RecoveredSubscription {
        let recovery = match &self.since {
            None => Ok(Recovery::nothing(false)),
            Some(since) => {
                let keep = self.rules.history_ttl;
                recovery(&*node.broker, &self.channel, since, keep, bytes_max).await
            }
        };
        RecoveredSubscription {
            entered: self,
            recovery,
        }
    }
}

impl RecoveredSubscription {
    /// Bytes that it brings.
    pub(super) fn weight(&self) -> usize {
        let items = self.recovery.iter().flat_map(|recovery| &recovery.items);
        items.map(|item| item.weight()).sum()
    }

    pub(super) fn channel(&self) -> &ChannelName {
        &self.entered.channel
    }

    pub(super) fn epoch(&self) -> String {
        let positioned = self
            .recovery
            .as_ref()
            .ok()
            .filter(|_| self.entered.options.positioned);
        positioned.map_or(String::new(), |recovery| recovery.top.epoch.to_string())
    }

    /// The payloads of what is replayed, for a subscription with deltas: the first whole, each other as a patch where that is
    /// shorter. Empty where there are none.
    pub(super) fn payloads(&self, encoding: Encoding) -> Vec<(Vec<u8>, bool)> {
        let Some(recovery) = self
            .recovery
            .as_ref()
            .ok()
            .filter(|_| self.entered.options.delta)
        else {
            return Vec::new();
        };
        let mut payloads = Vec::with_capacity(recovery.items.len());
        let mut previous: Option<Cow<'_, [u8]>> = None;
        for item in &recovery.items {
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
        if let Ok(recovery) = &self.recovery
            && entered.options.positioned
        {
            result.positioned = true;
            result.recoverable = entered.recoverable;
            result.epoch = epoch;
            result.recovered = entered.recovering && recovery.recovered;
            result.delta = entered.options.delta;
            // The client counts on from here as it takes what is replayed.
            result.offset = match result.recovered && !entered.rules.cache_recovery {
                true => entered.offset,
                false => recovery.top.offset,
            };
            result.publications = recovery.items.iter().map(|item| item.as_pub()).collect();
            for (publication, (payload, delta)) in result.publications.iter_mut().zip(payloads) {
                publication.data = Payload::Stringed(payload);
                publication.delta = *delta;
            }
        }
        result
    }

    /// The broker had no room to answer.
    pub(super) fn is_refused(&self) -> bool {
        self.recovery.is_err()
    }

    pub(super) fn is_unrecoverable(&self, flag: i64) -> bool {
        let lost = self
            .recovery
            .as_ref()
            .is_ok_and(|recovery| !recovery.recovered);
        flag & 2 != 0 && self.entered.recovering && lost
    }

    pub(super) fn top(&self) -> Option<(StreamPosition, bool)> {
        let recovery = self.recovery.as_ref().ok()?;
        Some((recovery.top, !recovery.items.is_empty()))
    }
}
