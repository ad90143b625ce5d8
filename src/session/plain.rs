//! What the sessions of plain clients have in common: [`Raw`](super::raw::Raw) and
//! [`Stream`](super::stream::Stream). Their channels are settled by the request, they can renew
//! nothing, and the server can put them into channels, take them out, and say how long they go on.
//! Bound: their channels, `limits.subscriptions`.

use std::collections::HashMap;

use bytes::Bytes;

use super::{
    ConnectedUser, Protocol, Session, TaskContext,
    channel_request::ChannelRequest,
    expiry::{Expiring, Refreshed, Term},
    presence::PresenceOptions,
    subscribe::ChannelSubscription,
};
use crate::{
    hooks::UserContext,
    node::recovery::{Recovery, Since},
    publication::{Content, Payload, Publication, Target},
    registry::ChannelName,
    shard::ServerCommand,
    subscription::ServerSubscription,
};

/// Channels that end, with when they do, in Unix seconds.
type ChannelEnds = HashMap<ChannelName, u64>;

/// The user of a plain session, and when the session ends.
pub(crate) struct PlainUser {
    pub(super) user: ConnectedUser,
    /// When the first of its channels ends, in Unix seconds: the client cannot be told, so its
    /// session ends with it.
    channel_ends: Option<Box<ChannelEnds>>,
}

impl PlainUser {
    pub(super) fn new(user: ConnectedUser) -> Self {
        Self {
            user,
            channel_ends: None,
        }
    }

    /// When the session ends, in Unix seconds; absent: never.
    fn expire_at(&self) -> Option<u64> {
        let channels = self.channel_ends.iter().flat_map(|ends| ends.values());
        channels.copied().chain(self.user.expire_at).min()
    }

    /// When a channel ends, in Unix seconds; absent: never.
    fn set_channel_end(&mut self, channel: &ChannelName, at: Option<u64>) {
        match at {
            Some(at) => {
                let ends = self.channel_ends.get_or_insert_default();
                ends.insert(channel.clone(), at);
            }
            None => {
                if let Some(ends) = &mut self.channel_ends {
                    ends.remove(channel);
                }
            }
        }
    }
}

/// A protocol for clients without one.
pub(crate) trait PlainProtocol: Protocol {
    /// The user, unless the session was refused.
    fn plain_user(&mut self) -> Option<&mut PlainUser>;

    /// The server has put the session into a channel.
    fn on_entered(_session: &mut Session<Self>, _channel: &ChannelName) {}

    /// The server has put the session into a channel, and what it missed there was brought.
    fn on_brought(_session: &mut Session<Self>, _channel: &ChannelName, _recovery: &Recovery) {}

    /// The server has taken the session out of a channel.
    fn on_left(_session: &mut Session<Self>, _channel: &ChannelName) {}
}

/// Their clients renew nothing and cannot be told, and the backend is not asked.
impl<P: PlainProtocol> Expiring for P {
    fn term(&mut self) -> Term {
        Term {
            at: self.plain_user().and_then(|plain| plain.expire_at()),
            ..Term::NEVER
        }
    }

    fn asks_for(_: &mut Session<Self>) -> Option<UserContext> {
        None
    }

    fn on_refreshed(_: &mut Session<Self>, _: Bytes) {}
}

impl<P: PlainProtocol> Session<P> {
    /// Enters channels of which everything is delivered as it comes. Answers those whose history is
    /// to be read first.
    pub(super) fn enter_plain(&mut self, channels: &[ChannelRequest]) -> Vec<ChannelSubscription> {
        let mut to_recover = Vec::new();
        for request in channels {
            if let Some(plain) = self.protocol.plain_user() {
                plain.set_channel_end(&request.channel, request.expire_at);
            }
            if request.is_plain() {
                self.join(&request.channel, request.presence_options());
            } else {
                to_recover.push(request.subscription());
            }
        }
        to_recover
    }

    /// Joins a channel that needs no history; false if the session was in it already.
    fn join(&mut self, channel: &ChannelName, presence: PresenceOptions) -> bool {
        let joined = self.context.membership.join(channel);
        if joined && let Some(plain) = self.protocol.plain_user() {
            plain.user.enter(&self.context, channel, presence);
        }
        joined
    }

    /// Does what the server wants of a plain session.
    pub(super) fn on_plain_command(
        &mut self,
        command: &ServerCommand,
        ctx: &mut TaskContext<Self>,
    ) {
        match command {
            ServerCommand::Subscribe(subscription) => self.on_subscribe(subscription, ctx),
            ServerCommand::Unsubscribe { channel, .. } => {
                if self.context.membership.unsubscribe(channel) {
                    if let Some(plain) = self.protocol.plain_user() {
                        plain.user.leave_channel(&self.context, channel);
                        plain.set_channel_end(channel, None);
                    }
                    self.watch_expiry(ctx);
                    P::on_left(self, channel);
                }
            }
            ServerCommand::Refresh {
                expire_at, info, ..
            } => self.refresh_identity(Refreshed::by_server(*expire_at, info.as_ref()), ctx),
            // The session has ended it all before.
            ServerCommand::Disconnect(_) | ServerCommand::DisconnectOlder { .. } => {}
        }
    }

    /// Puts the session into a channel; beyond its bound it is left out, which is counted and
    /// logged, since a plain client cannot be told. Who is there already has the new end.
    fn on_subscribe(&mut self, given: &ServerSubscription, ctx: &mut TaskContext<Self>) {
        let Some(granted) = self.context.node.given_channel(given) else {
            return;
        };
        let channel = granted.channel.clone();
        let is_new = !self.context.membership.is_member(&channel);
        if is_new && !self.context.has_room_for_channel() {
            return;
        }
        let since = given.recover_since.map_or(Since::Now, Since::position);
        let request = ChannelRequest::granted(granted, since, false);
        if let Some(plain) = self.protocol.plain_user() {
            plain.set_channel_end(&channel, request.expire_at);
        }
        self.watch_expiry(ctx);
        if !is_new {
            return;
        }
        if request.is_plain() {
            self.join(&channel, request.presence_options());
            self.bring_data(&channel, &given.data);
            return P::on_entered(self, &channel);
        }
        let (subscription, data) = (request.subscription(), given.data.clone());
        let recovers = given.recover_since.is_some();
        self.subscribe(vec![subscription], ctx, move |session, recovered, ctx| {
            let Ok([it]) = recovered else {
                session.on_not_entered(&channel, ctx);
                return false;
            };
            session.bring_data(&channel, &data);
            session.bring_items(&channel, &it.recovery);
            if recovers {
                P::on_brought(session, &channel, &it.recovery);
            }
            P::on_entered(session, &channel);
            true
        });
    }

    fn on_not_entered(&mut self, channel: &ChannelName, ctx: &mut TaskContext<Self>) {
        self.context.tell_not_entered(channel);
        if let Some(plain) = self.protocol.plain_user() {
            plain.set_channel_end(channel, None);
        }
        self.watch_expiry(ctx);
    }

    /// What the server gives the client with a channel comes as a message of it.
    fn bring_data(&self, channel: &ChannelName, data: &Bytes) {
        if !data.is_empty() {
            let target = Target::Channel(channel.clone());
            let message = Publication::message(target, Payload::guess(data.clone()));
            self.context.membership.push(message);
        }
    }

    /// What was missed comes as if it came now.
    fn bring_items(&self, channel: &ChannelName, recovery: &Recovery) {
        for item in &recovery.items {
            let target = Target::Channel(channel.clone());
            let publication = Publication::new(target, Content::Item(item.clone()));
            let publication = publication.in_stream(recovery.top.epoch, None);
            self.context.membership.push(publication);
        }
    }
}
