//! What a message on a raw endpoint leads to: relayed to others, answered by a template or by the
//! backend. The same whether it came by WebSocket or by `/send`: [`Endpoint::on_message`] says
//! what, and whoever has the message does it. Nothing here keeps state; a relay waits at most
//! [`RELAY_PATIENCE`] for room.

use std::{sync::Arc, time::Duration};

use crate::{
    broker::{BrokerError, PublishRequest},
    close::Close,
    config::{HookFailureAction, OnMessage},
    hooks::{HookFailure, HookResult},
    id::SessionId,
    node::{Node, auth::AuthError, authorize::Action},
    publication::Payload,
    registry::ChannelName,
    session::{channel_request::ChannelRequest, raw::endpoint::Endpoint},
};

/// How long a relayed message waits for room in the shards, and how often it asks. Meanwhile its
/// sender is not read from; after it, the sender is told to come again (1013).
pub(crate) const RELAY_PATIENCE: Duration = Duration::from_secs(2);
const RELAY_RETRY: Duration = Duration::from_millis(5);

/// Who says something on an endpoint.
#[derive(Clone, Copy)]
pub(crate) struct MessageSender<'a> {
    /// To whom its messages are relayed: see [`audience_of`].
    pub(crate) audience: &'a Arc<[ChannelName]>,
    /// Its session, which is left out unless the endpoint relays to it too; absent where the
    /// message came by a request.
    pub(crate) session: Option<SessionId>,
}

/// What a message on an endpoint leads to, by its `on_message`.
#[must_use]
pub(crate) enum MessageOutcome<'a> {
    /// Nothing.
    Ignored,
    /// Its sender gets this.
    Reply(Payload),
    /// It is published, once in each channel of the audience.
    Relay(Vec<PublishRequest>),
    /// Its sender has channels and may speak in none of them: see [`no_audience`].
    NoAudience,
    /// The backend is asked, and this is done where it fails.
    AskBackend(Payload, &'a HookFailureAction),
}

impl Endpoint {
    /// What a message of a client's leads to. Nothing is done yet.
    pub(crate) fn on_message(
        &self,
        node: &Node,
        sender: MessageSender<'_>,
        message: Payload,
    ) -> MessageOutcome<'_> {
        match &self.settings.on_message {
            OnMessage::Ignore => MessageOutcome::Ignored,
            OnMessage::Echo => MessageOutcome::Reply(message),
            OnMessage::Reply(template) => {
                let filled = fill_message(template, message.as_bytes());
                MessageOutcome::Reply(match message {
                    Payload::Text(_) => Payload::guess(filled.into()),
                    Payload::Binary(_) => Payload::Binary(filled.into()),
                })
            }
            OnMessage::Relay { .. } if sender.audience.is_empty() => MessageOutcome::NoAudience,
            OnMessage::Relay { relay_self } => {
                let exclude = sender.session.filter(|_| !relay_self);
                let requests = relay_requests(node, sender.audience, &message, exclude);
                MessageOutcome::Relay(requests)
            }
            OnMessage::Hook { on_failure } => MessageOutcome::AskBackend(message, on_failure),
        }
    }
}

/// Why a client that has no audience may not speak; `channel` is the first that it has.
#[must_use]
pub(crate) fn no_audience(node: &Node, channel: Option<&ChannelName>) -> AuthError {
    match channel {
        Some(channel) => node.denial(Action::Publish, channel),
        None => {
            let close = Close::PERMISSION_DENIED.because("the session is in no channel");
            AuthError::Disconnected(close)
        }
    }
}

/// To whom a client's messages are relayed: its channels, as far as it may publish there, or
/// everyone on the path if it has none. Empty where it has channels and may speak in none of them.
#[must_use]
pub(crate) fn audience_of(endpoint: &Endpoint, channels: &[ChannelRequest]) -> Arc<[ChannelName]> {
    if channels.is_empty() {
        return endpoint.group().into_iter().cloned().collect();
    }
    let open = channels.iter().filter(|request| request.publishes);
    open.map(|request| request.channel.clone()).collect()
}

/// A relayed message as it is published: to every channel of the sender's.
#[must_use]
pub(super) fn relay_requests(
    node: &Node,
    audience: &Arc<[ChannelName]>,
    payload: &Payload,
    exclude: Option<SessionId>,
) -> Vec<PublishRequest> {
    let requests = audience.iter().map(|channel| {
        let mut request = node.unchecked_publish_request(channel, payload.clone());
        request.exclude = exclude.into_iter().collect();
        request
    });
    let mut requests: Vec<_> = requests.collect();
    let group = group_of(audience, &requests);
    for request in requests.iter_mut().filter(|request| !request.hides_place) {
        request.group.clone_from(&group);
    }
    requests
}

/// Channels of which a client of several takes the message once. One whose window may leave it out
/// is none of them: it cannot stand for the others, nor they for it.
fn group_of(
    audience: &Arc<[ChannelName]>,
    requests: &[PublishRequest],
) -> Option<Arc<[ChannelName]>> {
    if requests.iter().all(|request| !request.hides_place) {
        return (audience.len() > 1).then(|| audience.clone());
    }
    let all = audience.iter().zip(requests);
    let group: Vec<_> = all
        .filter(|(_, request)| !request.hides_place)
        .map(|(channel, _)| channel.clone())
        .collect();
    (group.len() > 1).then(|| group.into())
}

/// Publishes all at once, asking again for those for which there was no room or no broker, until
/// patience ends. What may have been published is not published again.
///
/// # Errors
/// Not all of it was published; whether some may have been that is not known to be.
pub(crate) async fn publish_patiently(
    node: Arc<Node>,
    mut requests: Vec<PublishRequest>,
) -> Result<(), BrokerError> {
    let by = tokio::time::Instant::now() + RELAY_PATIENCE;
    let mut doubtful = None;
    loop {
        let results = node.publish_all(requests.clone()).await;
        let mut refused = None;
        let mut again = Vec::new();
        for (request, result) in requests.into_iter().zip(results) {
            match result {
                Ok(_) => {}
                Err(error) if error.is_harmless() => {
                    refused = Some(error);
                    again.push(request);
                }
                Err(error) => doubtful = Some(error),
            }
        }
        if again.is_empty() || tokio::time::Instant::now() >= by {
            return doubtful.or(refused).map_or(Ok(()), Err);
        }
        tokio::time::sleep(RELAY_RETRY).await;
        requests = again;
    }
}

/// What the sender of a message gets for the backend's answer.
///
/// # Errors
/// The close that the backend asks for, or [`Close::BACKEND_FAILED`] where it failed and the
/// endpoint closes then.
pub(crate) fn answer_messages(
    answer: HookResult<Vec<Payload>>,
    on_failure: &HookFailureAction,
) -> Result<Vec<Payload>, Close> {
    match (answer, on_failure) {
        (Ok(messages), _) => Ok(messages),
        (Err(HookFailure::Disconnect { code, reason }), _) => Err(Close::new(code, reason)),
        (Err(_), HookFailureAction::Reply(text)) => Ok(vec![Payload::Text(text.as_str().into())]),
        (Err(_), HookFailureAction::Close) => Err(Close::BACKEND_FAILED),
    }
}

/// Puts `message` in place of every `{message}`; bytes stay bytes, so binary messages survive.
#[must_use]
pub(super) fn fill_message(template: &str, message: &[u8]) -> Vec<u8> {
    let mut reply = Vec::with_capacity(template.len() + message.len());
    for (index, part) in template.split("{message}").enumerate() {
        if index > 0 {
            reply.extend_from_slice(message);
        }
        reply.extend_from_slice(part.as_bytes());
    }
    reply
}
