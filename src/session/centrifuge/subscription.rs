//! A subscription of the protocol from its granting to its end, and what the client is told of it: pure data.

use std::{borrow::Cow, sync::Arc};

use crate::{
    config::Namespace,
    fossil,
    node::{
        auth::seconds_until,
        authorize::Grant,
        recovery::{RecoveryRequest, Since},
    },
    protocol::{Encoding, Payload, SubscribeRequest, SubscribeResult},
    registry::ChannelName,
    session::{
        subscribe::{ChannelSubscription, RecoveredSubscription},
        user::PresenceOptions,
    },
    shard::SubscribeOptions,
};

/// How long beyond its end a token that the client renews is still good: the client renews it when it ends.
pub(super) const GRACE_SECS: u64 = 25;

/// A client's flag: a subscription that cannot be recovered is refused instead of begun anew (protocol page, part 5).
const FLAG_REQUIRE_RECOVERY: i64 = 2;

/// A channel of this session.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    pub(super) generation: u64,
    /// The client has been told that it is subscribed.
    pub(super) live: bool,
    /// The server made it.
    pub(super) server_side: bool,
    /// A token renews it.
    pub(super) by_token: bool,
    /// When it ends unless renewed, in Unix seconds.
    pub(super) expire_at: Option<u64>,
    /// The backend is being asked whether it goes on.
    pub(super) asking: bool,
    /// What the backend allows beside, by the words of `allow.*`.
    pub(super) allow: Vec<String>,
}

impl Subscription {
    /// When something is to be done about its end, in Unix seconds; absent: never, or it is being done.
    pub(super) fn end(&self) -> Option<u64> {
        let grace = if self.by_token { GRACE_SECS } else { 0 };
        let at = self.expire_at.filter(|_| self.live && !self.asking)?;
        Some(at.saturating_add(grace))
    }
}

/// A subscription that was granted; its client is not told yet.
pub(super) struct PendingSubscription {
    pub(super) channel: ChannelName,
    pub(super) grant: Grant,
    rules: Arc<Namespace>,
    options: SubscribeOptions,
    recoverable: bool,
    /// The client asked to recover, from this offset.
    recovering: bool,
    offset: u64,
    flag: i64,
}

impl PendingSubscription {
    /// What a client asked for, under the rules of the channel and what was granted.
    pub(super) fn new(
        channel: ChannelName,
        rules: Arc<Namespace>,
        grant: Grant,
        request: &SubscribeRequest,
    ) -> Self {
        let kept = rules.history_size > 0;
        let forced = grant.overrides.force_recovery.unwrap_or(rules.recovery);
        let recoverable = kept && (forced || request.recoverable || rules.cache_recovery);
        let asks = request.positioned || request.recover;
        let positioned =
            recoverable || (kept && (asks || grant.overrides.force_positioning == Some(true)));
        let asks_join_leave =
            request.join_leave || grant.overrides.force_push_join_leave == Some(true);
        let options = SubscribeOptions {
            positioned,
            join_leave: rules.join_leave && asks_join_leave,
            delta: positioned && rules.delta && request.delta == "fossil",
            policy: rules.slow_policy,
        };
        Self {
            channel,
            grant,
            rules,
            options,
            recoverable,
            recovering: request.recover && positioned,
            offset: request.offset,
            flag: request.flag,
        }
    }

    /// What the session subscribes to; `epoch` is the stream that the client names.
    pub(super) fn wanted(&self, epoch: &str) -> ChannelSubscription {
        let since = match (self.recovering, self.rules.cache_recovery) {
            (_, true) => Since::Newest(1),
            (true, false) => Since::Offset {
                offset: self.offset,
                epoch: epoch.to_string(),
            },
            (false, false) => Since::Now,
        };
        let overrides = &self.grant.overrides;
        ChannelSubscription {
            channel: self.channel.clone(),
            options: self.options,
            recover: self.options.positioned.then_some(RecoveryRequest {
                since,
                keep: Some(self.rules.history_ttl),
            }),
            presence: PresenceOptions {
                chan_info: self.grant.info.clone(),
                presence: overrides.presence.unwrap_or(self.rules.presence),
                announce: overrides.join_leave.unwrap_or(self.rules.join_leave),
            },
        }
    }

    /// The one of several that was recovered.
    pub(super) fn find<'a>(pending: &'a [Self], it: &RecoveredSubscription) -> Option<&'a Self> {
        let channel = &it.subscription.channel;
        pending.iter().find(|pending| pending.channel == *channel)
    }

    /// Whether the client wants it only with all that it missed, and some is lost.
    pub(super) fn is_unrecoverable(&self, it: &RecoveredSubscription) -> bool {
        self.flag & FLAG_REQUIRE_RECOVERY != 0 && self.recovering && !it.recovery.recovered
    }

    /// What the client is told.
    pub(super) fn told<'a>(
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
pub(super) struct ToldSubscription<'a> {
    pending: &'a PendingSubscription,
    recovered: &'a RecoveredSubscription,
    epoch: String,
    /// Of what is replayed, for a subscription with deltas: the payload, and whether it is a patch.
    payloads: Vec<(Vec<u8>, bool)>,
}

impl ToldSubscription<'_> {
    pub(super) fn channel(&self) -> &ChannelName {
        &self.pending.channel
    }

    pub(super) fn result(&self) -> SubscribeResult<'_> {
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
            result.ttl = pending.grant.expire_at.map_or(0, seconds_until);
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
            result.publications = recovery.items.iter().map(|item| item.as_pub()).collect();
            let publications = result.publications.iter_mut();
            for (publication, (payload, delta)) in publications.zip(&self.payloads) {
                publication.data = Payload::Stringed(payload);
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
