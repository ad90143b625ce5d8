//! The welcome: what a client has from the start is entered, it is told that it is connected, and
//! what waited for that is done.

use std::collections::VecDeque;

use actix::AsyncContext;

use super::{
    Centrifuge, ClientPhase,
    client_session::{ClientSession, Task},
    replies::TellsClient,
    subscription::PendingSubscription,
};
use crate::{
    broker::BrokerError,
    node::auth::AuthError,
    protocol::{Command, ConnectRequest, ConnectResult, Push, Reply},
    session::{
        Session,
        subscribe::{ChannelSubscription, RecoveredSubscription},
    },
    unix_time::{ttl_until, unix_now},
};

/// The server's version, as clients are told.
pub(super) const VERSION: &str = concat!("fanfare ", env!("CARGO_PKG_VERSION"));

impl Session<Centrifuge> {
    /// Enters what the client has from the start, so that it can be told all of it.
    pub(super) fn begin_subscriptions(
        &mut self,
        id: u32,
        request: &ConnectRequest,
        ctx: &mut Task,
    ) {
        let Some(mut session) = self.client_session() else {
            return;
        };
        let (pending, channels) = match session.initial_subscriptions(request) {
            Ok(initial) => initial,
            Err(error) => return self.end(error.close()),
        };
        self.subscribe(channels, ctx, move |session, recovered, ctx| {
            session.welcome(id, &pending, recovered, ctx)
        });
    }

    /// Tells the client that it is connected, and all that it has from the start.
    fn welcome(
        &mut self,
        id: u32,
        pending: &[PendingSubscription],
        recovered: Result<&[RecoveredSubscription], BrokerError>,
        ctx: &mut Task,
    ) -> bool {
        let recovered = match recovered {
            Ok(recovered) => recovered,
            // As a raw client is told: what it needs is away, and it is to come again.
            Err(error) => {
                self.end(error.close());
                return false;
            }
        };
        let Some(welcome) = self.connect_result() else {
            return false;
        };
        self.context.connection.set_welcomed();
        let encoding = self.protocol.transport.encoding;
        let now = unix_now();
        let told: Vec<_> = recovered
            .iter()
            .filter_map(|it| Some(PendingSubscription::find(pending, it)?.told(it, encoding)))
            .collect();
        let result = ConnectResult {
            subs: told
                .iter()
                .map(|told| (told.channel().to_string(), told.result(now)))
                .collect(),
            ..welcome
        };
        if self.protocol.transport.unidirectional {
            self.push("", &Push::Connect(result));
        } else {
            self.reply(id, &Reply::Connect(result));
        }
        if let Some(mut session) = self.client_session() {
            let told = recovered.iter();
            for pending in told.filter_map(|it| PendingSubscription::find(pending, it)) {
                session.on_subscribed(pending, ctx);
            }
        }
        self.watch_expiry(ctx);
        true
    }

    /// The client was told that it is connected, and its subscriptions are live: from here on it
    /// may do what it may, and what waited for that is done.
    pub(super) fn on_welcomed(&mut self, ctx: &mut Task) {
        let before = std::mem::replace(&mut self.protocol.phase, ClientPhase::Refused);
        let ClientPhase::Welcoming { client, backlog } = before else {
            self.protocol.phase = before;
            return;
        };
        self.protocol.phase = ClientPhase::Connected(client);
        ctx.cancel_future(self.protocol.patience);
        for command in &backlog.server_commands {
            self.on_server_command(command, ctx);
        }
        self.run_backlog(backlog.commands, ctx);
    }

    /// The welcome without its subscriptions, once it is known who the client is.
    fn connect_result(&self) -> Option<ConnectResult<'static>> {
        let client = self.protocol.phase.client()?;
        let node = &self.context.node;
        let both_ways = !self.protocol.transport.unidirectional;
        let expire_at = client.user.expire_at.filter(|_| client.identity.by_token);
        // Who has WebSocket's own pings is told of none.
        let ping = match self.protocol.transport.frame_pings {
            false => node.settings.heartbeat.ping_interval.as_secs_f64().ceil() as u32,
            true => 0,
        };
        let session = self.protocol.emulation.as_ref();
        let emulated = session.filter(|_| both_ways);
        Some(ConnectResult {
            client: self.context.connection.info().id.to_string(),
            version: VERSION.to_string(),
            expires: expire_at.is_some() && both_ways,
            ttl: expire_at.map_or(0, ttl_until),
            data: client.identity.data.clone(),
            subs: Vec::new(),
            ping,
            pong: both_ways && ping > 0,
            session: session.map_or(String::new(), |guard| guard.name().to_string()),
            node: emulated.map_or(String::new(), |_| node.node_id.clone()),
            time: 0,
        })
    }

    /// What came behind the connect in the same frame.
    pub(super) fn run_backlog(&mut self, backlog: VecDeque<Command>, ctx: &mut Task) {
        for command in backlog {
            if self.context.has_ended() {
                return;
            }
            self.on_client_command(command, ctx);
        }
    }
}

impl ClientSession<'_> {
    /// What the client has from the start. All of it is entered before any history is read, and the
    /// welcome tells it all.
    fn initial_subscriptions(
        &mut self,
        request: &ConnectRequest,
    ) -> Result<(Vec<PendingSubscription>, Vec<ChannelSubscription>), AuthError> {
        let asked = request.subs.keys();
        let node = &self.context.node;
        let given = node.initial_subscriptions(&self.client.identity, asked)?;
        let initial = given.iter().filter_map(|subscription| {
            let asked = request.subs.get(&subscription.channel).cloned();
            self.server_side(subscription, asked)
        });
        Ok(initial.unzip())
    }
}
