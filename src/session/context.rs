//! What a plain session has in the node, whatever carries it: its place in the shard, its presence, its place among its user's
//! sessions and under the limits. Owned by the session's actor; it is left exactly once, at the latest when it is dropped. Its
//! bound is that of the session's channels. It must not know what the session's messages look like.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{channel_request::ChannelRequest, presence::SessionPresence};
use crate::{
    admission::Permit,
    close::{Close, Ending},
    connection::Connection,
    node::{
        Node,
        auth::{Identity, seconds_until},
        rate_limit::UserPermit,
    },
    registry::ChannelName,
    server::{Closed, Opened},
    shard::{Membership, ServerCommand, SessionMessage, Shard, SubscribeOptions},
};

/// The place.
pub struct SessionContext {
    node: Arc<Node>,
    connection: Rc<Connection>,
    membership: Membership,
    presence: SessionPresence,
    expire_at: Option<u64>,
    _user: Option<UserPermit>,
    /// Given back when the session is gone.
    _permit: Permit,
}

impl SessionContext {
    /// Takes a place in the shard for a session that nobody has come to yet. `once`: its client takes a message that goes to
    /// several of its channels from the first of them only.
    #[must_use]
    pub fn begin(
        node: &Arc<Node>,
        shard: &Rc<Shard>,
        connection: Rc<Connection>,
        once: bool,
        user: Option<UserPermit>,
        permit: Permit,
    ) -> Self {
        let info = connection.info().clone();
        let membership = shard.join(connection.clone(), once);
        node.server.do_send(Opened(info.clone()));
        Self {
            node: node.clone(),
            presence: SessionPresence::new(node.clone(), info),
            connection,
            membership,
            expire_at: None,
            _user: user,
            _permit: permit,
        }
    }

    /// What all sessions share.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Where its messages go.
    #[must_use]
    pub fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Its membership of the shard.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Says who it is, to the backend too.
    pub fn identify(&mut self, identity: &Identity) {
        self.expire_at = identity.expire_at;
        self.membership.enter_user(&identity.user);
        // Orders reach it from here on; what was ordered while it was being found out who it is has passed it by.
        if self.node.tokens.revocations().is_blocked(&identity.user) {
            self.connection.close(Close::BLOCKED, Instant::now());
        }
        self.presence.begin(&identity.user, identity.info.clone());
    }

    /// Enters channels. Returns those whose past is to be read before they go live.
    pub fn enter(
        &mut self,
        channels: Vec<(ChannelName, ChannelRequest)>,
    ) -> Vec<(ChannelName, ChannelRequest)> {
        let mut requests = Vec::new();
        for (channel, resume) in channels {
            self.expire_at = [self.expire_at, resume.expire_at]
                .into_iter()
                .flatten()
                .min();
            let entered = if resume.is_plain() {
                self.membership.join(&channel)
            } else {
                let options = SubscribeOptions {
                    positioned: resume.is_kept(),
                    policy: resume.policy,
                    ..SubscribeOptions::default()
                };
                self.membership.subscribe(&channel, options)
            };
            if entered {
                let (presence, announce) = (resume.presence, resume.announce);
                self.presence
                    .enter(&channel, Bytes::new(), presence, announce);
                if !resume.is_plain() {
                    requests.push((channel, resume));
                }
            }
        }
        requests
    }

    /// Does what others want of the session.
    pub fn on_server_command(&mut self, notice: &SessionMessage) {
        let now = Instant::now();
        match notice {
            SessionMessage::Missed(_) => self.connection.close(Close::INSUFFICIENT_STATE, now),
            SessionMessage::Gone => self.connection.end(Ending::Lost),
            SessionMessage::ServerCommand(command) => match &**command {
                ServerCommand::Disconnect(close) => self.connection.close(close.clone(), now),
                ServerCommand::Subscribe(subscription) => {
                    let channel: ChannelName = subscription.channel.as_str().into();
                    if self.membership.join(&channel) {
                        let info = subscription.info.clone();
                        self.presence.enter(&channel, info, false, false);
                    }
                }
                ServerCommand::Unsubscribe { channel, .. } => {
                    if self.membership.unsubscribe(channel) {
                        self.presence.leave(channel);
                    }
                }
                ServerCommand::Refresh { expired: true, .. } => return self.expire(),
                // Its timer is set; a plain client cannot be told of a new one.
                ServerCommand::Refresh { .. } => {}
            },
        }
        self.membership.flush();
    }

    /// How long its identity still counts; absent: without end.
    #[must_use]
    pub fn expiry(&self) -> Option<Duration> {
        self.expire_at
            .map(|at| Duration::from_secs(seconds_until(at).into()))
    }

    /// Its identity is over.
    pub fn expire(&self) {
        let close = Close::EXPIRED;
        self.connection.close(close, Instant::now());
        self.membership.flush();
    }

    /// How often [`renew`](Self::renew) is to be called; absent: nothing needs it.
    #[must_use]
    pub fn renewal(&self) -> Option<Duration> {
        self.presence.renewal()
    }

    /// Renews its presence.
    pub fn renew(&mut self) {
        self.presence.renew();
    }

    /// Leaves every table; later calls do nothing.
    pub fn leave(&mut self) {
        if self.membership.leave() {
            let ending = if std::thread::panicking() {
                Ending::ByServer(Close::INTERNAL)
            } else {
                self.connection.ending().unwrap_or(Ending::Lost)
            };
            self.presence.end(&ending);
            self.node.server.do_send(Closed {
                session: self.connection.info().id,
                ending,
            });
        }
    }
}

impl Drop for SessionContext {
    fn drop(&mut self) {
        self.leave();
    }
}
