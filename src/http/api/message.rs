//! `publish`, `broadcast` and `send`: messages to channels, users, sessions and everyone, and the
//! raw publish of shells.
//!
//! Each publication takes one from its key's rate. What the broker refuses is error 100, temporary;
//! only where its message says so may it have been published all the same.

use std::sync::Arc;

use serde::Serialize;

use super::{
    answer::{self, ApiResult, DONE},
    call::ApiCall,
    form, request as r,
};
use crate::{
    broker::{BrokerError, BrokerFuture, PublishRequest, PublishResult, Version},
    config::Namespace,
    http::position::PublishPosition,
    id::SessionId,
    protocol::{ReplyError, Tags},
    publication::{Payload, Target},
    registry::ChannelName,
};

/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 256;
/// Longest name of a publisher's count, in bytes.
const VERSION_EPOCH_BYTES_MAX: usize = 256;
/// Sessions that one publication can leave out: each receiver is compared with all of them.
const EXCLUDED_MAX: usize = 1000;
/// Channels of one broadcast.
pub(super) const BROADCAST_MAX: usize = 10_000;

/// What is published, but for the channel.
struct PublishBody {
    payload: Payload,
    keep: bool,
    delta: bool,
    tags: Option<Arc<Tags>>,
    idempotency_key: Option<Box<str>>,
    version: Option<Box<Version>>,
    exclude: Box<[SessionId]>,
}

impl PublishBody {
    fn read(request: r::MessageFields) -> Result<Self, ReplyError> {
        let key = request.idempotency_key;
        if key.len() > KEY_BYTES_MAX || request.version_epoch.len() > VERSION_EPOCH_BYTES_MAX {
            return Err(answer::bad_request(
                "bad request: a key of at most 256 bytes is expected".to_string(),
            ));
        }
        Ok(Self {
            payload: form::payload(request.data, &request.b64data)?,
            keep: !request.skip_history,
            delta: request.delta,
            tags: (!request.tags.is_empty()).then(|| Arc::new(request.tags.into())),
            idempotency_key: (!key.is_empty()).then(|| key.into()),
            version: (request.version > 0).then(|| {
                Box::new(Version {
                    number: request.version,
                    epoch: request.version_epoch,
                })
            }),
            exclude: form::clients(&request.exclude, EXCLUDED_MAX)?,
        })
    }

    fn publish_request(
        &self,
        call: &ApiCall<'_>,
        channel: &ChannelName,
        rules: &Namespace,
    ) -> PublishRequest {
        let mut request = call
            .node
            .publish_request(channel, rules, self.payload.clone());
        if !self.keep {
            request.history = None;
        }
        request.delta |= self.delta;
        request.tags.clone_from(&self.tags);
        request.idempotency_key = self.idempotency_key.clone().map(Into::into);
        request.version.clone_from(&self.version);
        request.exclude.clone_from(&self.exclude);
        request
    }

    /// The publication for a channel, if the channel and the key's rate let it.
    fn admitted(&self, call: &ApiCall<'_>, channel: &str) -> Result<PublishRequest, ReplyError> {
        let (channel, rules) = call.channel(channel)?;
        take_from_rate(call)?;
        Ok(self.publish_request(call, &channel, rules))
    }
}

/// Takes one publication from the rate of the call's key.
fn take_from_rate(call: &ApiCall<'_>) -> Result<(), ReplyError> {
    match call.node.charge_api(call.caller) {
        true => Ok(()),
        false => Err(ReplyError::TOO_MANY_REQUESTS),
    }
}

async fn publish_within_rate(
    call: &ApiCall<'_>,
    request: PublishRequest,
) -> Result<PublishResult, ReplyError> {
    take_from_rate(call)?;
    Ok(call.node.publish(request).await?)
}

/// `publish`.
pub(super) async fn publish(call: &ApiCall<'_>, request: r::Publish) -> ApiResult {
    published(begin_publish(call, request)?.await)
}

/// `publish`, which has its place when this returns.
pub(super) fn begin_publish(
    call: &ApiCall<'_>,
    request: r::Publish,
) -> Result<BrokerFuture<PublishResult>, ReplyError> {
    let (channel, fields) = request.split();
    let request = PublishBody::read(fields)?.admitted(call, &channel)?;
    Ok(call.node.publish(request))
}

/// What `publish` answers.
pub(super) fn published(result: Result<PublishResult, BrokerError>) -> ApiResult {
    answer::result(&PublishPosition::of(&result?))
}

/// `broadcast`: one answer a channel, in their order.
pub(super) async fn broadcast(call: &ApiCall<'_>, request: r::Broadcast) -> ApiResult {
    let (channels, fields) = request.split();
    if channels.is_empty() {
        return Err(answer::bad_request(
            "bad request: channels are missing".to_string(),
        ));
    }
    if channels.len() > BROADCAST_MAX {
        return Err(ReplyError::LIMIT_EXCEEDED);
    }
    let message = PublishBody::read(fields)?;
    // All are on their way before any answer is awaited: ten thousand channels are not ten thousand
    // round trips.
    let mut turns = Vec::with_capacity(channels.len().div_ceil(call.turn()));
    for turn in channels.chunks(call.turn()) {
        let mut requests = Vec::with_capacity(turn.len());
        let admitted: Vec<Result<(), ReplyError>> = turn
            .iter()
            .map(|channel| {
                message
                    .admitted(call, channel)
                    .map(|one| requests.push(one))
            })
            .collect();
        turns.push((admitted, call.node.publish_all(requests)));
        tokio::task::yield_now().await;
    }
    let mut answers = Vec::with_capacity(channels.len());
    for (admitted, publishing) in turns {
        let mut published = publishing.await.into_iter();
        let turn = admitted.into_iter().map(|admitted| {
            admitted?;
            // One for each that was admitted, in their order.
            self::published(published.next().unwrap_or(Err(BrokerError::Doubtful)))
        });
        answers.extend(turn.map(|answer| ("result", answer)));
    }
    Ok(format!(
        "{{\"responses\":{}}}",
        answer::list(answers.into_iter())
    ))
}

/// `send`: to a user, a session or everyone, without a channel.
pub(super) async fn send(call: &ApiCall<'_>, request: r::Send) -> ApiResult {
    let one = |word: &str| answer::bad_request(format!("bad request: {word}"));
    let target = match (request.user.as_str(), request.client.as_str(), request.all) {
        ("", "", true) => Target::Everyone,
        ("", client, false) if !client.is_empty() => {
            let client = SessionId::parse(client);
            Target::Session(client.ok_or_else(|| one("client is no client id"))?)
        }
        (user, "", false) if !user.is_empty() => Target::User(user.into()),
        _ => return Err(one("exactly one of user, client and all is expected")),
    };
    let payload = form::payload(request.data, &request.b64data)?;
    publish_within_rate(call, PublishRequest::new(target, payload)).await?;
    Ok(DONE.to_string())
}

/// What a raw publish answers.
#[derive(Serialize)]
pub(super) struct PublishResponse {
    #[serde(flatten)]
    position: PublishPosition<'static>,
    delivered: usize,
}

/// The raw publish: a message and its key, nothing else. Answers how many received it on this node.
pub(super) async fn publish_raw(
    call: &ApiCall<'_>,
    channel: &str,
    payload: Payload,
    idempotency_key: Option<&str>,
) -> Result<(PublishResponse, usize), ReplyError> {
    let key = idempotency_key.filter(|key| !key.is_empty());
    if key.is_some_and(|key| key.len() > KEY_BYTES_MAX) {
        return Err(answer::bad_request(
            "bad request: Idempotency-Key of at most 256 bytes is expected".to_string(),
        ));
    }
    let (channel, rules) = call.channel(channel)?;
    let mut request = call.node.publish_request(&channel, rules, payload);
    request.idempotency_key = key.map(Into::into);
    let published = publish_within_rate(call, request).await?;
    let receipt = PublishResponse {
        position: PublishPosition::of(&published),
        delivered: published.delivered,
    };
    Ok((receipt, published.delivered))
}
