//! A session's presence in its channels, and what the backend is told of its coming and going: the same for every kind of
//! session. Owned by the session's actor; what it entered it leaves, at the latest when it is dropped. Bound: one entry a
//! channel of the session.

use std::{
    collections::HashMap,
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    close::Ending,
    connection::info::SessionInfo,
    hooks::{Event, now_ms},
    node::Node,
    protocol::ClientInfo,
    registry::ChannelName,
};

/// Runs a future to its end: now, if nothing in it waits, else beside everything else on this thread.
pub fn run(future: impl Future<Output = ()> + 'static) {
    let mut future = Box::pin(future);
    let mut now = Context::from_waker(Waker::noop());
    if pin!(&mut future).poll(&mut now).is_pending() {
        actix_rt::spawn(future);
    }
}

/// The answer of a future that does not wait; else the future, begun.
pub fn now_or_later<F: Future + Unpin>(mut future: F) -> Result<F::Output, F> {
    match pin!(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(future),
    }
}

struct PresenceEntry {
    info: Arc<ClientInfo>,
    presence: bool,
    announce: bool,
}

/// Where a session is present, and who it is there.
pub struct SessionPresence {
    node: Arc<Node>,
    session: Arc<SessionInfo>,
    user: String,
    conn_info: Bytes,
    channels: HashMap<ChannelName, PresenceEntry>,
    told: bool,
}

impl SessionPresence {
    /// Of a session that is nowhere yet.
    #[must_use]
    pub fn new(node: Arc<Node>, session: Arc<SessionInfo>) -> Self {
        Self {
            node,
            session,
            user: String::new(),
            conn_info: Bytes::new(),
            channels: HashMap::new(),
            told: false,
        }
    }

    /// Who the session is; tells the backend that it is there.
    pub fn begin(&mut self, user: &str, conn_info: Bytes) {
        self.user = user.to_string();
        self.conn_info = conn_info;
        if let Some(events) = &self.node.events {
            self.told = true;
            events.send(Event::Connected {
                time_ms: now_ms(),
                client: self.session.id.to_string(),
                user: self.user.clone(),
                transport: self.session.transport.hook_name(),
                endpoint: self.session.endpoint.to_string(),
                address: self.session.address,
            });
        }
    }

    /// Who the session is in a channel.
    #[must_use]
    pub fn info(&self, chan_info: Bytes) -> ClientInfo {
        ClientInfo {
            user: self.user.clone(),
            client: self.session.id.to_string(),
            conn_info: self.conn_info.clone(),
            chan_info,
        }
    }

    /// New public information; in presence from the next renewal on, in publications at once.
    pub fn set_conn_info(&mut self, conn_info: Bytes) {
        for attended in self.channels.values_mut() {
            Arc::make_mut(&mut attended.info).conn_info = conn_info.clone();
        }
        self.conn_info = conn_info;
    }

    /// Notes that the session is in a channel: with its presence there, and announced to others.
    pub fn enter(
        &mut self,
        channel: &ChannelName,
        chan_info: Bytes,
        presence: bool,
        announce: bool,
    ) {
        if let Some(events) = &self.node.events {
            events.send(Event::Subscribed {
                time_ms: now_ms(),
                client: self.session.id.to_string(),
                user: self.user.clone(),
                channel: channel.to_string(),
            });
        }
        if !presence && !announce && self.node.events.is_none() {
            return;
        }
        let info = Arc::new(self.info(chan_info));
        if presence {
            self.present(channel, &info);
        }
        if announce {
            self.announce(channel, true, &info);
        }
        let attended = PresenceEntry {
            info,
            presence,
            announce,
        };
        self.channels.insert(channel.clone(), attended);
    }

    /// The information of a session in a channel, as it was entered.
    #[must_use]
    pub fn entered(&self, channel: &str) -> Option<&Arc<ClientInfo>> {
        self.channels.get(channel).map(|attended| &attended.info)
    }

    /// Leaves a channel.
    pub fn leave(&mut self, channel: &ChannelName) {
        if let Some(attended) = self.channels.remove(channel) {
            self.left(channel, &attended);
        }
    }

    /// Renews every presence; to be called well within `limits.presence_ttl`.
    pub fn renew(&mut self) {
        for (channel, attended) in &self.channels {
            if attended.presence {
                self.present(channel, &attended.info);
            }
        }
    }

    /// How often to renew; absent: nothing needs it.
    #[must_use]
    pub fn renewal(&self) -> Option<Duration> {
        let any = self.channels.values().any(|attended| attended.presence);
        any.then(|| self.node.settings.limits.presence_ttl / 3)
    }

    /// Leaves everything.
    pub fn end(&mut self, ending: &Ending) {
        for (channel, attended) in std::mem::take(&mut self.channels) {
            self.left(&channel, &attended);
        }
        if let Some(events) = self
            .node
            .events
            .as_ref()
            .filter(|_| std::mem::take(&mut self.told))
        {
            events.send(Event::Disconnected {
                time_ms: now_ms(),
                client: self.session.id.to_string(),
                user: self.user.clone(),
                code: ending.code(),
                reason: ending.reason().to_string(),
                duration_ms: u64::try_from(self.session.started.elapsed().as_millis())
                    .unwrap_or(u64::MAX),
            });
        }
    }

    fn left(&self, channel: &ChannelName, attended: &PresenceEntry) {
        if attended.presence {
            let (broker, channel, id) =
                (self.node.broker.clone(), channel.clone(), self.session.id);
            run(async move {
                // Without an answer it expires by itself.
                let _ = broker.absent(&channel, id).await;
            });
        }
        if attended.announce {
            self.announce(channel, false, &attended.info);
        }
        if let Some(events) = &self.node.events {
            events.send(Event::Unsubscribed {
                time_ms: now_ms(),
                client: self.session.id.to_string(),
                user: self.user.clone(),
                channel: channel.to_string(),
            });
        }
    }

    fn present(&self, channel: &ChannelName, info: &Arc<ClientInfo>) {
        let ttl = self.node.settings.limits.presence_ttl;
        let (broker, channel, info) = (self.node.broker.clone(), channel.clone(), info.clone());
        let id = self.session.id;
        run(async move {
            // The next renewal tries again.
            let _ = broker.present(&channel, id, info, ttl).await;
        });
    }

    fn announce(&self, channel: &ChannelName, joined: bool, info: &Arc<ClientInfo>) {
        let (broker, channel, info) = (self.node.broker.clone(), channel.clone(), info.clone());
        run(async move {
            // Joins and leaves may be lost where there is no room; presence tells the truth.
            let _ = broker.announce(&channel, joined, info).await;
        });
    }
}
