//! A subscription of the protocol from its granting to its end, and what the client is told of it:
//! pure data.

use std::{borrow::Cow, sync::Arc};

use crate::{
    config::Namespace,
    fossil,
    node::{
        authorize::Grant,
        recovery::{RecoveryRequest, Since},
    },
    protocol::{Encoding, PayloadRef, SubscribeRequest, SubscribeResult},
    registry::ChannelName,
    session::{
        presence::PresenceOptions,
        subscribe::{ChannelSubscription, RecoveredSubscription},
    },
    shard::SubscribeOptions,
    unix_time::ttl_at,
};

/// A client's flag: a subscription that cannot be recovered is refused instead of begun anew
/// (protocol page, part 5).
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
    /// Seconds that it holds beyond that, since the client renews it then.
    pub(super) grace: u64,
    /// The backend is being asked whether it goes on.
    pub(super) asking: bool,
    /// What the backend allows beside, by the words of `allow.*`.
    pub(super) allow: Vec<String>,
}

impl Subscription {
    /// When something is to be done about its end, in Unix seconds; absent: never, or it is being
    /// done.
    pub(super) fn end(&self) -> Option<u64> {
        let at = self.expire_at.filter(|_| self.live && !self.asking)?;
        Some(at.saturating_add(self.grace))
    }
}

/// A subscription that was granted; its client is not told yet.
pub(super) struct PendingSubscription {
    pub(super) channel: ChannelName,
    /// Which of the channel's subscriptions, one after the other, it is.
    pub(super) generation: u64,
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
        (channel, generation): (ChannelName, u64),
        rules: Arc<Namespace>,
        grant: Grant,
        request: &SubscribeRequest,
    ) -> Self {
        let kept = rules.history_size > 0 && !rules.conflates();
        let forced = grant.overrides.force_recovery.unwrap_or(rules.recovery);
        let recoverable = kept && (forced || request.recoverable || rules.cache_recovery);
        let asks = request.positioned || request.recover;
        let positioned =
            recoverable || (kept && (asks || grant.overrides.force_positioning == Some(true)));
        let overrides = &grant.overrides;
        let announces = overrides.join_leave.unwrap_or(rules.join_leave);
        let forced = overrides
            .force_push_join_leave
            .unwrap_or(rules.force_push_join_leave);
        let options = SubscribeOptions {
            positioned,
            // Other subscribers may be announced where this one is not.
            join_leave: forced || (announces && request.join_leave),
            delta: positioned && rules.delta && request.delta == "fossil",
            policy: rules.slow_policy,
            conflated: rules.conflates(),
        };
        Self {
            channel,
            generation,
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
            (true, true) => Since::Cached {
                offset: self.offset,
                epoch: epoch.to_string(),
            },
            (false, true) => Since::Newest(1),
            (true, false) => Since::Offset {
                offset: self.offset,
                epoch: epoch.to_string(),
            },
            (false, false) => Since::Now,
        };
        let overrides = &self.grant.overrides;
        // What is newest is read without a position to go on from, too.
        let is_cached = self.rules.conflates() && self.rules.cache_recovery;
        ChannelSubscription {
            channel: self.channel.clone(),
            options: self.options,
            recover: (self.options.positioned || is_cached).then_some(RecoveryRequest {
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
    /// Of what is replayed, for a subscription with deltas: the payload, and whether it is a
    /// patch.
    payloads: Vec<(Vec<u8>, bool)>,
}

impl ToldSubscription<'_> {
    pub(super) fn channel(&self) -> &ChannelName {
        &self.pending.channel
    }

    /// At a time in Unix seconds.
    pub(super) fn result(&self, now: u64) -> SubscribeResult<'_> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{Epoch, StreamPosition},
        node::{authorize::GRACE_SECS, recovery::Recovery},
        publication::{Item, Payload as Message},
        subscription::SubscriptionOverrides,
    };

    fn kept() -> Namespace {
        Namespace {
            history_size: 10,
            ..Namespace::default()
        }
    }

    fn pending(rules: Namespace, request: &SubscribeRequest) -> PendingSubscription {
        PendingSubscription::new(("c".into(), 1), rules.into(), Grant::default(), request)
    }

    fn since(pending: &PendingSubscription) -> Option<Since> {
        pending.wanted("ab").recover.map(|request| request.since)
    }

    fn recovering() -> SubscribeRequest {
        SubscribeRequest {
            recover: true,
            offset: 5,
            ..SubscribeRequest::default()
        }
    }

    fn recovered(pending: &PendingSubscription, items: &[u64]) -> RecoveredSubscription {
        let item = |offset: &u64| Arc::new(Item::new(Message::Text("x".into()), *offset));
        RecoveredSubscription::for_test(
            pending.wanted("ab"),
            Recovery {
                items: items.iter().map(item).collect(),
                top: StreamPosition {
                    offset: 7,
                    epoch: Epoch::random(),
                },
                recovered: !items.is_empty(),
            },
        )
    }

    #[test]
    fn what_is_read_depends_on_what_the_channel_keeps_and_the_client_asks() {
        let asks_nothing = SubscribeRequest::default();
        assert_eq!(
            since(&pending(Namespace::default(), &recovering())),
            None,
            "nothing is kept"
        );
        assert_eq!(
            since(&pending(kept(), &asks_nothing)),
            None,
            "and nobody asks"
        );
        let positioned = SubscribeRequest {
            positioned: true,
            ..SubscribeRequest::default()
        };
        assert_eq!(since(&pending(kept(), &positioned)), Some(Since::Now));
        let from = Since::Offset {
            offset: 5,
            epoch: "ab".to_string(),
        };
        assert_eq!(since(&pending(kept(), &recovering())), Some(from));
        let cache = Namespace {
            cache_recovery: true,
            ..kept()
        };
        assert_eq!(
            since(&pending(cache.clone(), &asks_nothing)),
            Some(Since::Newest(1))
        );
        let cached = Since::Cached {
            offset: 5,
            epoch: "ab".to_string(),
        };
        assert_eq!(since(&pending(cache, &recovering())), Some(cached));
        let forced = Namespace {
            recovery: true,
            ..kept()
        };
        assert_eq!(since(&pending(forced, &asks_nothing)), Some(Since::Now));
    }

    // Only who asked got joins and leaves, whatever the backend said. A namespace could not turn
    // them on for everyone, and an override counted only where the namespace announced anyway.
    #[test]
    fn joins_and_leaves_go_to_who_asks_for_them_and_to_whom_they_are_forced_on() {
        let told = |announces: bool, forces: bool, overrides: SubscriptionOverrides, asks: bool| {
            let rules = Namespace {
                join_leave: announces,
                force_push_join_leave: forces,
                ..Namespace::default()
            };
            let grant = Grant {
                overrides,
                ..Grant::default()
            };
            let request = SubscribeRequest {
                join_leave: asks,
                ..SubscribeRequest::default()
            };
            let pending = PendingSubscription::new(("c".into(), 1), rules.into(), grant, &request);
            pending.wanted("").options.join_leave
        };
        let none = SubscriptionOverrides::default();
        let force = |value| SubscriptionOverrides {
            force_push_join_leave: Some(value),
            ..none
        };
        let announce = SubscriptionOverrides {
            join_leave: Some(true),
            ..none
        };
        for (announces, forces, overrides, asks, expected) in [
            (false, false, none, true, false),
            (true, false, none, false, false),
            (true, false, none, true, true),
            (true, true, none, false, true),
            (true, true, force(false), false, false),
            (true, true, force(false), true, true),
            (true, false, force(true), false, true),
            (false, false, force(true), false, true),
            (false, false, announce, true, true),
        ] {
            let found = told(announces, forces, overrides, asks);
            assert_eq!(found, expected, "{announces} {forces} {overrides:?} {asks}");
        }
    }

    #[test]
    fn who_recovers_counts_on_from_where_it_was() {
        let pending = pending(kept(), &recovering());
        let it = recovered(&pending, &[6, 7]);
        let told = pending.told(&it, Encoding::Json);
        let result = told.result(0);
        assert!(result.recovered && result.was_recovering && result.positioned);
        assert_eq!((result.offset, result.publications.len()), (5, 2));
    }

    #[test]
    fn who_missed_something_begins_where_the_channel_is_unless_it_wants_all_or_nothing() {
        let request = SubscribeRequest {
            flag: FLAG_REQUIRE_RECOVERY,
            ..recovering()
        };
        let (any, all) = (pending(kept(), &recovering()), pending(kept(), &request));
        let it = recovered(&any, &[]);
        assert!(!any.is_unrecoverable(&it) && all.is_unrecoverable(&it));
        let told = any.told(&it, Encoding::Json);
        assert_eq!(
            (told.result(0).recovered, told.result(0).offset),
            (false, 7)
        );
    }

    #[test]
    fn a_subscription_ends_after_the_grace_of_its_token_and_not_while_the_backend_is_asked() {
        let mut known = Subscription {
            expire_at: Some(100),
            ..Subscription::default()
        };
        assert_eq!(known.end(), None, "its client does not know of it yet");
        known.live = true;
        assert_eq!(known.end(), Some(100));
        known.grace = GRACE_SECS;
        assert_eq!(known.end(), Some(100 + GRACE_SECS));
        known.asking = true;
        assert_eq!(known.end(), None);
    }
}
