//! The connect command: who the client is, and what it has from the start.

use std::{sync::Arc, time::Instant};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::{ClientSession, Stage, recovered::RecoveredSubscription};
use crate::{
    close::Close,
    connection::info::cut,
    hooks::HookContext,
    metrics::Limited,
    node::{
        Action, Node, Permission,
        auth::{AuthError, ConnectHookRequest, Identity, seconds_until},
    },
    protocol::{ConnectRequest, ConnectResult, Outcome, Push, ReplyError},
    session::presence::now_or_later,
    shard::ServerSubscription,
};

/// The server's version, as clients are told.
pub(super) const VERSION: &str = concat!("fanfare ", env!("CARGO_PKG_VERSION"));

/// Bytes of a client's name and version that are kept (protocol page, part 3).
const NAME_BYTES_MAX: usize = 16;
const VERSION_BYTES_MAX: usize = 64;

impl ClientSession {
    pub(super) fn connect(&mut self, id: u32, request: ConnectRequest, ctx: &mut Context<Self>) {
        self.stage = Stage::Connecting;
        let token = match request.token.is_empty() {
            true => self.token.take(),
            false => Some(request.token.clone()),
        };
        let mut headers = (*self.hook_context.headers).clone();
        for (name, value) in &request.headers {
            // What came with the request was set or seen by a proxy: a client's word does not replace it.
            let is_known = headers
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name));
            if self.node.hooks.passes(name) && !is_known {
                headers.push((name.to_ascii_lowercase(), value.clone()));
            }
        }
        self.hook_context.headers = Arc::new(headers);
        let asking = identify(
            self.node.clone(),
            self.hook_context.clone(),
            token,
            request.clone(),
        );
        match now_or_later(Box::pin(asking)) {
            Ok(answer) => self.identified(id, &request, answer, ctx),
            Err(asking) => {
                // Nothing else of this client matters until it is known who it is.
                self.connection.set_busy(true);
                ctx.wait(asking.into_actor(self).map(move |answer, session, ctx| {
                    session.connection.set_busy(false);
                    session.identified(id, &request, answer, ctx);
                    session.membership.flush();
                }));
            }
        }
    }

    fn identified(
        &mut self,
        id: u32,
        request: &ConnectRequest,
        answer: Result<Identity, AuthError>,
        ctx: &mut Context<Self>,
    ) {
        let identity = match answer {
            Ok(identity) => identity,
            Err(why) => return self.refuse_connect(id, &why, ctx),
        };
        let Some(permit) = self.node.users.enter(&identity.user, Instant::now()) else {
            self.node.metrics.limited(Limited::SessionsPerUser);
            return self.end(Close::CONNECTION_LIMIT.because("too many sessions of this user"));
        };
        self.rate_limiter.set_user(Some(permit));
        if !identity.user.is_empty() {
            let _ = self
                .connection
                .info()
                .user
                .set(identity.user.as_str().into());
        }
        self.hook_context.user.clone_from(&identity.user);
        self.hook_context.meta = identity.meta.clone();
        self.membership.enter_user(&identity.user);
        // Orders reach it from here on; what was ordered while it was being found out who it is has passed it by.
        if self.node.tokens.revocations().is_blocked(&identity.user) {
            return self.end(Close::BLOCKED);
        }
        self.presence.begin(&identity.user, identity.info.clone());
        self.identity = identity;
        let granted = self.granted(request);
        let count = granted.len();
        if count > self.node.settings.limits.subscriptions {
            self.node.metrics.limited(Limited::Subscriptions);
            return self.end(Close::CHANNEL_LIMIT.because("too many subscriptions"));
        }
        // All subscriptions are entered before any history is read, and the welcome tells them all.
        let mut entered = Vec::new();
        for subscription in granted {
            let asked = request.subs.get(&subscription.channel).cloned();
            if let Some(begin) = self.enter_server_side(&subscription, asked) {
                entered.push(begin);
            }
        }
        let (node, mut left) = (self.node.clone(), self.recovery_left());
        let reading = async move {
            let mut begun = Vec::new();
            for begin in entered {
                let begin = begin.read(&node, left).await;
                left = left.saturating_sub(begin.weight());
                begun.push(begin);
            }
            begun
        };
        match now_or_later(Box::pin(reading)) {
            Ok(begun) => self.welcome(id, begun, ctx),
            Err(reading) => {
                ctx.wait(reading.into_actor(self).map(move |begun, session, ctx| {
                    session.welcome(id, begun, ctx);
                    session.membership.flush();
                }));
            }
        }
    }

    fn refuse_connect(&mut self, id: u32, why: &AuthError, ctx: &mut Context<Self>) {
        log::info!(
            "session {} may not connect: {why:?}",
            self.connection.info().id
        );
        let error = match why {
            AuthError::Expired => ReplyError::TOKEN_EXPIRED,
            AuthError::Invalid(_) => return self.end(Close::INVALID_TOKEN),
            AuthError::Missing => {
                return self.end(Close::BAD_REQUEST.because("a token is needed, none came"));
            }
            AuthError::Disconnected(close) => return self.end(close.clone()),
            AuthError::Refused {
                code,
                message,
                temporary,
            } => ReplyError {
                code: *code,
                message: message.clone().into(),
                temporary: *temporary,
            },
            AuthError::Unavailable(_) => ReplyError::INTERNAL,
        };
        if self.way.one_way {
            // There is no reply: the same as a disconnect, which says whether to come back.
            return self.end(match why {
                AuthError::Expired => Close::TOKEN_EXPIRED,
                other => other.close(),
            });
        }
        self.error(id, &error);
        self.stage = Stage::Refused;
        let patience = self.node.settings.client.connect_timeout;
        ctx.run_later(patience, |session, _| {
            session.end(Close::STALE);
            session.membership.flush();
        });
        self.run_backlog(ctx);
    }

    /// Subscriptions that the client has from the start: what its identity brings, and, of what it asks for beside, what it may
    /// have anyway.
    fn granted(&self, request: &ConnectRequest) -> Vec<ServerSubscription> {
        let mut granted = self.identity.subscriptions.clone();
        for channel in request.subs.keys() {
            let known = granted.iter().any(|given| given.channel == *channel);
            let permitted = || {
                self.node.rules(channel).is_ok_and(|rules| {
                    let identity = &self.identity;
                    self.node
                        .permission(Action::Subscribe, channel, rules, identity, false)
                        == Permission::Granted
                })
            };
            if !known && permitted() {
                granted.push(ServerSubscription {
                    channel: channel.clone(),
                    ..ServerSubscription::default()
                });
            }
        }
        granted
    }

    fn welcome(&mut self, id: u32, begun: Vec<RecoveredSubscription>, ctx: &mut Context<Self>) {
        if begun.iter().any(RecoveredSubscription::is_refused) {
            return self.end(Close::SERVER_ERROR.because("the history cannot be read"));
        }
        self.stage = Stage::Connected;
        self.connection.set_welcomed();
        let epochs: Vec<String> = begun.iter().map(RecoveredSubscription::epoch).collect();
        let datas: Vec<_> = begun
            .iter()
            .map(|begun| begun.payloads(self.way.encoding))
            .collect();
        let subs = begun
            .iter()
            .zip(&epochs)
            .zip(&datas)
            .map(|((begun, epoch), datas)| {
                (begun.channel().to_string(), begun.result(epoch, datas))
            })
            .collect();
        let ping = self
            .node
            .settings
            .heartbeat
            .ping_interval
            .as_secs_f64()
            .ceil() as u32;
        let expires = self.identity.by_token && self.identity.expire_at.is_some();
        let result = ConnectResult {
            client: self.connection.info().id.to_string(),
            version: VERSION.to_string(),
            expires: expires && !self.way.one_way,
            ttl: self
                .identity
                .expire_at
                .filter(|_| expires)
                .map_or(0, seconds_until),
            data: self.identity.data.clone(),
            subs,
            ping,
            pong: !self.way.one_way,
            session: self
                .place
                .as_ref()
                .map_or(String::new(), |place| place.name().to_string()),
            node: match self.place {
                Some(_) => self.node.node_id.clone(),
                None => String::new(),
            },
            time: 0,
        };
        if self.way.one_way {
            self.push("", &Push::Connect(result));
        } else {
            self.reply(id, &Outcome::Connect(result));
        }
        for begun in begun {
            self.go_live(begun, ctx);
        }
        self.watch_expiry(ctx);
        self.run_backlog(ctx);
    }

    /// What came behind the connect in the same frame.
    fn run_backlog(&mut self, ctx: &mut Context<Self>) {
        while let Some(command) = self.backlog.pop_front() {
            if self.connection.ending().is_some() {
                self.backlog.clear();
                return;
            }
            self.on_command(command, ctx);
        }
    }
}

/// Who a client is: by its token, by the backend, or nobody in particular.
async fn identify(
    node: Arc<Node>,
    hook_context: HookContext,
    token: Option<String>,
    request: ConnectRequest,
) -> Result<Identity, AuthError> {
    let asked: Vec<String> = request.subs.keys().cloned().collect();
    if let Some(token) = token.filter(|_| node.tokens.is_configured()) {
        return node.authenticate_token(&token).await;
    }
    if node.settings.hooks.connect.is_some() {
        let connect_request = ConnectHookRequest {
            data: request.data,
            name: cut(&request.name, NAME_BYTES_MAX),
            version: cut(&request.version, VERSION_BYTES_MAX),
            channels: &asked,
        };
        return node.authenticate_hook(&hook_context, connect_request).await;
    }
    if node.settings.client.anonymous {
        Ok(Identity::default())
    } else {
        Err(AuthError::Missing)
    }
}
