//! The commands of a connected client beside subscribing: publish, presence, history, rpc and send.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;

use super::{
    client_session::{ClientSession, Task},
    replies::TellsClient,
};
use crate::{
    broker::{BrokerError, Fit, HistoryFilter, PublishResult},
    close::Close,
    config::Namespace,
    id::Epoch,
    node::{
        auth::AuthError,
        authorize::{
            Action, Permission,
            publish::{ClientMessage, ClientPublication, Publisher},
        },
    },
    protocol::{ClientInfo, Encoding, HistoryRequest, PayloadRef, Push, Reply, ReplyError},
    publication::Payload,
    registry::ChannelName,
};

impl ClientSession<'_> {
    /// What may be done in a channel, or the answer why not.
    fn permitted(
        &self,
        id: u32,
        action: Action,
        channel: &str,
    ) -> Option<(Arc<Namespace>, Permission)> {
        if channel.is_empty() {
            self.end(Close::BAD_REQUEST.because("a channel is needed"));
            return None;
        }
        let subscription = self
            .client
            .subscriptions
            .get(channel)
            .filter(|known| known.live);
        let allow = subscription.map(|known| known.allow.as_slice());
        let node = &self.context.node;
        match node.authorize(action, channel, &self.client.identity, allow) {
            Ok((rules, permission)) => Some((rules.clone(), permission)),
            Err(error) => {
                self.error(id, &error);
                None
            }
        }
    }

    /// What a client publishes: JSON as it came; from Protobuf, text where it is text.
    fn payload(&self, data: Bytes) -> Payload {
        match (self.transport.encoding, ByteString::try_from(data.clone())) {
            (Encoding::Json, Ok(text)) => Payload::Text(text),
            _ => Payload::guess(data),
        }
    }

    pub(super) fn publish(&mut self, id: u32, channel: &str, data: Bytes, ctx: &mut Task) {
        let Some((rules, permission)) = self.permitted(id, Action::Publish, channel) else {
            return;
        };
        if data.is_empty() {
            return self.error(id, &ReplyError::BAD_REQUEST);
        }
        let user = &self.client.user;
        user.announce(self.context);
        let info = match user.info_in(channel) {
            Some(info) => info.clone(),
            None => Arc::new(user.client_info(self.context, Bytes::new())),
        };
        let message = ClientMessage {
            channel: channel.into(),
            payload: self.payload(data),
            publisher: Publisher {
                info,
                address: self.context.connection.info().address,
                idempotency_key: None,
                as_bytes: false,
            },
        };
        let awaited = match message.under(&rules, permission) {
            ClientPublication::Ready(request) => {
                // Its place is taken now, so that one client's publications keep their order.
                let published = self.context.node.publish(request);
                return self.on_answer(ctx, published, move |session, published, _| {
                    session.answer_publish(id, published);
                });
            }
            ClientPublication::AskHook(awaited) => awaited,
        };
        let (node, user_context) = (self.context.node.clone(), self.user_context());
        let publishing = async move {
            let request = awaited.ask(&node, &user_context).await?;
            Ok(node.publish(request).await)
        };
        self.later(ctx, publishing, move |session, result, _| match result {
            Ok(published) => session.answer_publish(id, published),
            Err(error) => session.refuse(id, &error),
        });
    }

    fn answer_publish(&self, id: u32, published: Result<PublishResult, BrokerError>) {
        match published {
            Ok(_) => self.reply(id, &Reply::Publish),
            Err(error) => self.error(id, &error.into()),
        }
    }

    pub(super) fn presence(&mut self, id: u32, channel: &str, ctx: &mut Task) {
        let Some((rules, _)) = self.permitted(id, Action::Presence, channel) else {
            return;
        };
        if !rules.presence {
            return self.error(id, &ReplyError::NOT_AVAILABLE);
        }
        let asking = self.context.node.presence(&channel.into());
        self.on_answer(ctx, asking, move |session, present, _| match present {
            Ok(present) => {
                let shown: Vec<(String, ClientInfo)> = present
                    .into_iter()
                    .map(|(client, info)| (client.to_string(), (*info).clone()))
                    .collect();
                session.reply(id, &Reply::Presence(&shown));
            }
            Err(refused) => session.error(id, &refused.into()),
        });
    }

    pub(super) fn presence_stats(&mut self, id: u32, channel: &str, ctx: &mut Task) {
        let Some((rules, _)) = self.permitted(id, Action::Presence, channel) else {
            return;
        };
        if !rules.presence {
            return self.error(id, &ReplyError::NOT_AVAILABLE);
        }
        let asking = self.context.node.presence_stats(&channel.into());
        self.on_answer(ctx, asking, move |session, stats, _| match stats {
            Ok(stats) => session.reply(
                id,
                &Reply::PresenceStats {
                    num_clients: u32::try_from(stats.clients).unwrap_or(u32::MAX),
                    num_users: u32::try_from(stats.users).unwrap_or(u32::MAX),
                },
            ),
            Err(refused) => session.error(id, &refused.into()),
        });
    }

    pub(super) fn history(&mut self, id: u32, request: HistoryRequest, ctx: &mut Task) {
        let Some((rules, _)) = self.permitted(id, Action::History, &request.channel) else {
            return;
        };
        if rules.history_size == 0 {
            return self.error(id, &ReplyError::NOT_AVAILABLE);
        }
        let query = HistoryFilter {
            since: request.since.as_ref().map(|since| since.offset),
            limit: usize::try_from(request.limit).ok(),
            reverse: request.reverse,
            // One answer must leave room in the outbox; the rest is for the next page.
            bytes_max: self.context.node.settings.limits.recovery_bytes(),
            fit: Fit::Page,
            // Whoever only reads is told a position, but nothing hangs on it.
            keep: Duration::ZERO,
        };
        let channel = ChannelName::from(&*request.channel);
        let reading = self.context.node.history(&channel, query);
        self.on_answer(ctx, reading, move |session, history, _| {
            let history = match history {
                Ok(history) => history,
                Err(refused) => return session.error(id, &refused.into()),
            };
            let asked = request
                .since
                .as_ref()
                .map_or("", |since| since.epoch.as_str());
            if !asked.is_empty() && Epoch::parse(asked) != Some(history.top.epoch) {
                return session.error(id, &ReplyError::UNRECOVERABLE_POSITION);
            }
            let publications = history.items.iter().map(|item| item.as_pub()).collect();
            session.reply(
                id,
                &Reply::History {
                    publications,
                    epoch: &history.top.epoch.to_string(),
                    offset: history.top.offset,
                },
            );
        });
    }

    pub(super) fn rpc(&mut self, id: u32, method: String, data: Bytes, ctx: &mut Task) {
        if self.context.node.settings.hooks.rpc.is_none() {
            return self.error(id, &ReplyError::NOT_AVAILABLE);
        }
        let (node, user_context) = (self.context.node.clone(), self.user_context());
        let calling = async move { node.hooks.rpc(&user_context, &method, data).await };
        self.later(ctx, calling, move |session, answer, _| match answer {
            Ok(data) => session.reply(id, &Reply::Rpc { data }),
            Err(failure) => session.refuse(id, &AuthError::from(failure)),
        });
    }

    /// A message without an answer of its own goes to the backend that answers raw endpoints; what
    /// it says is pushed.
    pub(super) fn send(&mut self, data: Bytes, ctx: &mut Task) {
        if self.context.node.settings.hooks.message.is_none() {
            return self.end(Close::NOT_AVAILABLE.because("no hooks.message is set"));
        }
        let (node, user_context, payload) = (
            self.context.node.clone(),
            self.user_context(),
            self.payload(data),
        );
        let path = self.context.connection.info().endpoint.clone();
        let sending = async move { node.hooks.message(&user_context, &path, payload).await };
        self.later(ctx, sending, move |session, answer, _| match answer {
            Ok(messages) => {
                for message in messages {
                    let item = crate::publication::Item::new(message, 0);
                    session.push(
                        "",
                        &Push::Message {
                            data: item.as_json(),
                        },
                    );
                }
            }
            Err(failure) => match AuthError::from(failure).reply_error() {
                Err(close) => session.end(close),
                Ok(error) => {
                    let text = format!(
                        "{{\"error\":{{\"code\":{},\"message\":{}}}}}",
                        error.code,
                        serde_json::Value::from(&*error.message)
                    );
                    let data = PayloadRef::Json(text.as_bytes());
                    session.push("", &Push::Message { data });
                }
            },
        });
    }
}
