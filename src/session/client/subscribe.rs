//! Subscriptions: the client's own and those that the server makes. One way for both: enter the registry held back, read the
//! history, tell the client, go live.

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use actix::Context;
use bytes::Bytes;

use super::ClientSession;
use crate::{
    broker::Refused,
    close::Close,
    config::Namespace,
    fossil,
    hooks::Caller,
    hub::{
        Action, Hub, Permission,
        identity::{Identity, NoIdentity, seconds_until},
        replay::{Replay, Since, replay},
    },
    id::Position,
    metrics::Limited,
    protocol::{Encoding, Outcome, Payload, Push, ReplyError, SubscribeRequest, SubscribeResult},
    registry::ChannelName,
    shard::{Overrides, ServerSubscription, Wishes},
    token::TokenError,
};

/// A channel of this session.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) serial: u64,
    /// The client has been told that it is subscribed.
    pub(super) live: bool,
    /// The server made it.
    pub(super) server_side: bool,
    /// A token renews it.
    pub(super) by_token: bool,
    /// When it ends unless renewed, in Unix seconds.
    pub(super) expire_at: Option<u64>,
    /// What the backend allows beside, by the words of `allow.*`.
    pub(super) allow: Vec<String>,
}

/// What whoever decided about a subscription said of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Grant {
    info: Bytes,
    data: Bytes,
    expire_at: Option<u64>,
    overrides: Overrides,
    by_token: bool,
    allow: Vec<String>,
}

/// Why a subscription is refused.
pub(super) enum Refusal {
    Error(ReplyError),
    Close(Close),
}

impl From<NoIdentity> for Refusal {
    fn from(why: NoIdentity) -> Self {
        match why {
            NoIdentity::Refused {
                code,
                message,
                temporary,
            } => Self::Error(ReplyError {
                code,
                message: message.into(),
                temporary,
            }),
            NoIdentity::Disconnected(close) => Self::Close(close),
            NoIdentity::Expired => Self::Error(ReplyError::TOKEN_EXPIRED),
            NoIdentity::Unavailable(_) => Self::Error(ReplyError::INTERNAL),
            NoIdentity::Invalid(_) | NoIdentity::Missing => {
                Self::Error(ReplyError::PERMISSION_DENIED)
            }
        }
    }
}

/// A subscription that has entered the registry and waits for its history.
pub(super) struct Entered {
    channel: ChannelName,
    rules: Arc<Namespace>,
    wishes: Wishes,
    recoverable: bool,
    /// The client asked to recover.
    recovering: bool,
    offset: u64,
    since: Option<Since>,
    grant: Grant,
}

/// The same, with its history.
pub(super) struct Begun {
    entered: Entered,
    replay: Result<Replay, Refused>,
}

impl Entered {
    /// Reads what the client is to be told.
    pub(super) async fn read(self, hub: &Hub) -> Begun {
        let replay = match &self.since {
            None => Ok(Replay::nothing(false)),
            Some(since) => {
                let (keep, bytes_max) =
                    (self.rules.history_ttl, hub.settings.limits.recovery_bytes());
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
    fn is_refused(&self) -> bool {
        self.replay.is_err()
    }

    fn missed_what_it_must_not(&self, flag: i64) -> bool {
        let lost = self.replay.as_ref().is_ok_and(|replay| !replay.recovered);
        flag & 2 != 0 && self.entered.recovering && lost
    }

    fn top(&self) -> Option<(Position, bool)> {
        let replay = self.replay.as_ref().ok()?;
        Some((replay.top, !replay.items.is_empty()))
    }
}

impl ClientSession {
    pub(super) fn subscribe(
        &mut self,
        id: u32,
        request: SubscribeRequest,
        ctx: &mut Context<Self>,
    ) {
        if request.channel.is_empty() {
            return self.end(Close::new(3501, "bad request: a channel is needed"));
        }
        let channel: ChannelName = request.channel.as_str().into();
        if self.subscriptions.contains_key(&channel) {
            return self.error(id, &ReplyError::ALREADY_SUBSCRIBED);
        }
        if self.subscriptions.len() >= self.hub.settings.limits.subscriptions {
            self.hub.metrics.limited(Limited::Subscriptions);
            return self.error(id, &ReplyError::LIMIT_EXCEEDED);
        }
        let rules = match self.hub.rules(&channel) {
            Ok(rules) => rules.clone(),
            Err(error) => return self.error(id, &error),
        };
        let serial = self.reserve(&channel, false);
        let deciding = decide(
            self.hub.clone(),
            rules.clone(),
            self.identity.clone(),
            self.caller.clone(),
            request.clone(),
        );
        self.later(ctx, deciding, move |session, decision, ctx| {
            if !session.is_current(&channel, serial) {
                // Unsubscribed meanwhile.
                return session.error(id, &ReplyError::PERMISSION_DENIED);
            }
            match decision {
                Ok(grant) => session.begin(id, request, channel, rules, grant, ctx),
                Err(refusal) => {
                    session.subscriptions.remove(&channel);
                    match refusal {
                        Refusal::Error(error) => session.error(id, &error),
                        Refusal::Close(close) => session.end(close),
                    }
                }
            }
        });
    }

    fn reserve(&mut self, channel: &ChannelName, server_side: bool) -> u64 {
        self.serial += 1;
        let subscription = Subscription {
            serial: self.serial,
            live: false,
            server_side,
            by_token: false,
            expire_at: None,
            allow: Vec::new(),
        };
        self.subscriptions.insert(channel.clone(), subscription);
        self.serial
    }

    pub(super) fn is_current(&self, channel: &str, serial: u64) -> bool {
        self.subscriptions
            .get(channel)
            .is_some_and(|known| known.serial == serial)
    }

    fn begin(
        &mut self,
        id: u32,
        request: SubscribeRequest,
        channel: ChannelName,
        rules: Arc<Namespace>,
        grant: Grant,
        ctx: &mut Context<Self>,
    ) {
        let serial = self.serial_of(&channel);
        let flag = request.flag;
        let entered = self.enter(channel.clone(), rules, grant, &request);
        let hub = self.hub.clone();
        let reading = async move { entered.read(&hub).await };
        self.later(ctx, reading, move |session, begun, ctx| {
            if !session.is_current(&channel, serial) {
                return session.error(id, &ReplyError::PERMISSION_DENIED);
            }
            if begun.is_refused() {
                session.drop_subscription(&channel);
                return session.error(id, &ReplyError::INTERNAL);
            }
            if begun.missed_what_it_must_not(flag) {
                session.drop_subscription(&channel);
                return session.error(id, &ReplyError::UNRECOVERABLE_POSITION);
            }
            let (epoch, payloads) = (begun.epoch(), begun.payloads(session.way.encoding));
            session.reply(id, &Outcome::Subscribe(begun.result(&epoch, &payloads)));
            session.go_live(begun, ctx);
        });
    }

    fn serial_of(&self, channel: &str) -> u64 {
        self.subscriptions
            .get(channel)
            .map_or(0, |known| known.serial)
    }

    /// Enters the registry, held back.
    fn enter(
        &mut self,
        channel: ChannelName,
        rules: Arc<Namespace>,
        grant: Grant,
        request: &SubscribeRequest,
    ) -> Entered {
        let kept = rules.history_size > 0;
        let forced = grant.overrides.force_recovery.unwrap_or(rules.recovery);
        let recoverable = kept && (forced || request.recoverable || rules.cache_recovery);
        let asks = request.positioned || request.recover;
        let positioned =
            recoverable || (kept && (asks || grant.overrides.force_positioning == Some(true)));
        let asks_join_leave =
            request.join_leave || grant.overrides.force_push_join_leave == Some(true);
        let wishes = Wishes {
            positioned,
            join_leave: rules.join_leave && asks_join_leave,
            delta: positioned && rules.delta && request.delta == "fossil",
            policy: rules.slow_policy,
        };
        let recovering = request.recover && positioned;
        let from = Since::Offset {
            offset: request.offset,
            epoch: request.epoch.clone(),
        };
        let since = positioned.then(|| match (recovering, rules.cache_recovery) {
            (true, false) => from,
            (_, true) => Since::Newest(1),
            (false, false) => Since::Now,
        });
        self.membership.subscribe(&channel, wishes);
        Entered {
            channel,
            rules,
            wishes,
            recoverable,
            recovering,
            offset: request.offset,
            since,
            grant,
        }
    }

    /// The client knows: publications flow from here on.
    pub(super) fn go_live(&mut self, begun: Begun, ctx: &mut Context<Self>) {
        let Some((top, primed)) = begun.top() else {
            return self.drop_subscription(begun.channel());
        };
        let Entered {
            channel,
            rules,
            grant,
            ..
        } = begun.entered;
        self.membership.go_live(&channel, top, primed);
        let Some(subscription) = self.subscriptions.get_mut(&channel) else {
            return;
        };
        subscription.live = true;
        subscription.by_token = grant.by_token;
        subscription.expire_at = grant.expire_at;
        subscription.allow = grant.allow;
        let serial = subscription.serial;
        let presence = grant.overrides.presence.unwrap_or(rules.presence);
        let announce = grant.overrides.join_leave.unwrap_or(rules.join_leave);
        let renewed_before = self.attendance.renewal().is_some();
        self.attendance
            .enter(&channel, grant.info, presence, announce);
        if !renewed_before {
            self.renew_presence(ctx);
        }
        if let Some(at) = grant.expire_at {
            self.watch_subscription(channel, serial, at, ctx);
        }
    }

    /// A subscription that the server makes with the connect; `asked` is what the client said of it.
    pub(super) fn enter_server_side(
        &mut self,
        given: &ServerSubscription,
        asked: Option<SubscribeRequest>,
    ) -> Option<Entered> {
        let channel: ChannelName = given.channel.as_str().into();
        let rules = match self.hub.rules(&channel) {
            Ok(rules) => rules.clone(),
            Err(error) => {
                log::warn!("a session was to be subscribed to {channel}: {error}");
                return None;
            }
        };
        if self.subscriptions.contains_key(&channel) {
            return None;
        }
        self.reserve(&channel, true);
        let mut request = asked.unwrap_or_default();
        if let Some(position) = given.recover_since {
            request.recover = true;
            request.offset = position.offset;
            request.epoch = position.epoch.to_string();
        }
        let grant = Grant {
            info: given.info.clone(),
            data: given.data.clone(),
            expire_at: given.expire_at,
            overrides: given.overrides,
            by_token: false,
            allow: Vec::new(),
        };
        Some(self.enter(channel, rules, grant, &request))
    }

    /// A subscription that the server makes later on; the client is told by a push.
    pub(super) fn subscribe_by_order(
        &mut self,
        given: &ServerSubscription,
        ctx: &mut Context<Self>,
    ) {
        let Some(entered) = self.enter_server_side(given, None) else {
            return;
        };
        let (channel, hub) = (entered.channel.clone(), self.hub.clone());
        let serial = self.serial_of(&channel);
        let reading = async move { entered.read(&hub).await };
        self.later(ctx, reading, move |session, begun, ctx| {
            if !session.is_current(&channel, serial) {
                return;
            }
            let (epoch, payloads) = (begun.epoch(), begun.payloads(session.way.encoding));
            let result = begun.result(&epoch, &payloads);
            session.push(
                &channel,
                &Push::Subscribe {
                    recoverable: result.recoverable,
                    epoch: result.epoch,
                    offset: result.offset,
                    positioned: result.positioned,
                    data: result.data.clone(),
                },
            );
            // What was missed comes as if it came now.
            for publication in result.publications {
                session.push(&channel, &Push::Pub(publication));
            }
            session.go_live(begun, ctx);
        });
    }

    pub(super) fn unsubscribe(&mut self, id: u32, channel: &str) {
        if channel.is_empty() {
            return self.end(Close::new(3501, "bad request: a channel is needed"));
        }
        self.drop_subscription(&channel.into());
        self.reply(id, &Outcome::Unsubscribe);
    }

    /// Leaves a channel; the client has been told or asked for it.
    pub(super) fn drop_subscription(&mut self, channel: &ChannelName) {
        if self.subscriptions.remove(channel).is_some() {
            self.membership.unsubscribe(channel);
            self.attendance.leave(channel);
        }
    }
}

/// Whether a client may subscribe: by a token of its own for the channel, by the rules, or by the backend.
async fn decide(
    hub: Arc<Hub>,
    rules: Arc<Namespace>,
    identity: Identity,
    caller: Caller,
    request: SubscribeRequest,
) -> Result<Grant, Refusal> {
    let SubscribeRequest {
        channel,
        token,
        data,
        ..
    } = request;
    if !token.is_empty() && rules.allow_subscribe.token && hub.tokens.is_configured() {
        return by_token(&hub, &identity.user, &caller.client, &channel, &token).await;
    }
    match hub.permission(Action::Subscribe, &channel, &rules, &identity, false) {
        Permission::Granted => Ok(Grant::default()),
        Permission::Denied => Err(Refusal::Error(ReplyError::PERMISSION_DENIED)),
        Permission::AskHook => {
            let answer = hub.hooks.subscribe(&caller, &channel, &token, data).await;
            let answer = answer.map_err(|failure| Refusal::from(NoIdentity::from(failure)))?;
            Ok(Grant {
                info: answer.info,
                data: answer.data,
                expire_at: answer.expire_at,
                overrides: answer.overrides.into(),
                by_token: false,
                allow: answer.allow,
            })
        }
    }
}

/// What a subscription token grants.
pub(super) async fn by_token(
    hub: &Hub,
    user: &str,
    client: &str,
    channel: &str,
    token: &str,
) -> Result<Grant, Refusal> {
    let claims = match hub.tokens.subscription(token, SystemTime::now()).await {
        Ok(claims) => claims,
        Err(TokenError::Expired | TokenError::Invalidated) => {
            return Err(Refusal::Error(ReplyError::TOKEN_EXPIRED));
        }
        Err(error) => {
            log::info!("a token for {channel} is refused: {error}");
            return Err(Refusal::Error(ReplyError::PERMISSION_DENIED));
        }
    };
    let other_client = claims.client.as_deref().is_some_and(|of| of != client);
    if claims.channel != channel || claims.user != user || other_client {
        return Err(Refusal::Close(Close::new(
            3500,
            "invalid token: it is for another",
        )));
    }
    Ok(Grant {
        info: claims.info,
        data: Bytes::new(),
        expire_at: claims.expire_at,
        overrides: claims.overrides.into(),
        by_token: true,
        allow: Vec::new(),
    })
}

impl Grant {
    pub(super) fn expire_at(&self) -> Option<u64> {
        self.expire_at
    }
}
