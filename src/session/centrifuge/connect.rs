//! The connect command: who the client is, or why it may not come in.

use std::{sync::Arc, time::Instant};

use actix::AsyncContext;

use super::{
    Centrifuge, ClientPhase, KnownClient, replies::TellsClient, subscriptions::Subscriptions,
};
use crate::{
    close::Close,
    connection::info::cut,
    hooks::{ConnectHookRequest, HookContext},
    metrics::Limited,
    node::{
        Node,
        auth::{AuthError, Identity},
        control::NamedSelector,
        rate_limit::RateLimiter,
    },
    protocol::{ConnectRequest, SubscribeRequest},
    session::{ConnectedUser, Session, SessionContext, TaskContext},
    shard::ServerCommand,
};

/// Bytes of a client's name and version that are kept (protocol page, part 3).
const NAME_BYTES_MAX: usize = 16;
const VERSION_BYTES_MAX: usize = 64;

impl KnownClient {
    fn new(context: &SessionContext, user: ConnectedUser, identity: Identity) -> Self {
        let limits = &context.node.settings.limits;
        let (rate, burst) = (limits.messages_per_second, limits.messages_burst());
        let mut rate_limiter = RateLimiter::new(rate, burst, Instant::now());
        rate_limiter.set_user(Some(user.permit.clone()));
        Self {
            user,
            identity,
            identified: Instant::now(),
            subscriptions: Subscriptions::default(),
            generation: 0,
            rate_limiter,
            subscriptions_timer: None,
        }
    }
}

impl Session<Centrifuge> {
    pub(super) fn connect(
        &mut self,
        id: u32,
        request: ConnectRequest,
        token: Option<String>,
        ctx: &mut TaskContext<Self>,
    ) {
        let subscriptions_max = self.context.node.settings.limits.subscriptions;
        if request.subs.len() > subscriptions_max {
            self.context.node.metrics.limited(Limited::Subscriptions);
            return self.end(Close::CHANNEL_LIMIT.because("too many subscriptions"));
        }
        if let Some(error) = request
            .subs
            .values()
            .find_map(SubscribeRequest::unsupported)
        {
            return self.refuse_connect(id, &AuthError::Refused(error), ctx);
        }
        self.protocol.phase = ClientPhase::Authenticating {
            backlog: Box::default(),
        };
        self.add_headers(&request);
        let token = match request.token.is_empty() {
            true => token,
            false => Some(request.token.clone()),
        };
        let node = self.context.node.clone();
        let info = self.context.connection.info();
        let Centrifuge {
            transport, headers, ..
        } = &self.protocol;
        let hook_context = transport.hook_context(info, headers);
        let asking = authenticate(node, hook_context, token, request.clone());
        self.later(ctx, asking, move |session, answer, ctx| match answer {
            Ok(identity) => session.on_identity(id, request, identity, ctx),
            Err(why) => session.refuse_connect(id, &why, ctx),
        });
    }

    /// Headers of the client's connect command, as far as the backend is shown them. What came with
    /// the request was set or seen by a proxy: a client's word does not replace it.
    fn add_headers(&mut self, request: &ConnectRequest) {
        let mut headers = Vec::new();
        for (name, value) in &request.headers {
            let known = self.protocol.headers.iter().chain(&headers);
            let is_known = known
                .into_iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name));
            if self.context.node.hooks.passes(name) && !is_known {
                headers.push((name.to_ascii_lowercase(), value.clone()));
            }
        }
        if !headers.is_empty() {
            let known = self.protocol.headers.iter().cloned();
            self.protocol.headers = known.chain(headers).collect();
        }
    }

    fn on_identity(
        &mut self,
        id: u32,
        request: ConnectRequest,
        identity: Identity,
        ctx: &mut TaskContext<Self>,
    ) {
        let context = &self.context;
        let user = match ConnectedUser::admit(context, &identity) {
            Ok(user) => user,
            Err(close) => return self.end(close),
        };
        let personal = context.node.settings.client.personal_channel.as_ref();
        let is_single = personal.is_some_and(|personal| personal.single_connection);
        let name = is_single.then(|| Arc::from(identity.user.as_str()));
        let client = Box::new(KnownClient::new(context, user, identity));
        let identified = client.identified;
        self.protocol.phase =
            match std::mem::replace(&mut self.protocol.phase, ClientPhase::Refused) {
                ClientPhase::Authenticating { backlog } => {
                    ClientPhase::Welcoming { client, backlog }
                }
                other => other,
            };
        let Some(name) = name.filter(|name: &Arc<str>| !name.is_empty()) else {
            return self.begin_subscriptions(id, &request, ctx);
        };
        let ending = end_older_sessions(self.context.node.clone(), name, identified);
        self.later(ctx, ending, move |session, (), ctx| {
            session.begin_subscriptions(id, &request, ctx);
        });
    }

    fn refuse_connect(&mut self, id: u32, why: &AuthError, ctx: &mut TaskContext<Self>) {
        let answer = why.reply_error();
        // The line of a session's end has all but what the client is not told.
        if answer.is_ok() || why.has_detail() {
            self.tell_refused("connect refused", why);
        }
        let error = match answer {
            Ok(error) => error,
            Err(close) => return self.end(close),
        };
        if self.protocol.transport.unidirectional {
            // There is no reply: the same as a disconnect, which says whether to come back.
            return self.end(why.close());
        }
        self.error(id, &error);
        let before = std::mem::replace(&mut self.protocol.phase, ClientPhase::Refused);
        let patience = self.context.node.settings.client.connect_timeout;
        ctx.run_later(patience, Self::end_if_not_connected);
        if let ClientPhase::Authenticating { backlog } = before {
            self.run_backlog(backlog.commands, ctx);
        }
    }
}

/// Ends every older session of a user, of whatever kind.
async fn end_older_sessions(node: Arc<Node>, user: Arc<str>, than: Instant) {
    let close = Close::CONNECTION_LIMIT.because("the user has come by another one");
    let command = ServerCommand::DisconnectOlder { than, close };
    node.command(&NamedSelector::user(&user), command).await;
}

/// Who a client is: by its token, by the backend, or nobody in particular.
async fn authenticate(
    node: Arc<Node>,
    hook_context: HookContext,
    token: Option<String>,
    request: ConnectRequest,
) -> Result<Identity, AuthError> {
    // Where clients need a token, or the backend is asked, the administrator's page comes in too.
    let admin = token
        .as_deref()
        .and_then(|token| node.authenticate_admin(token));
    if let Some(identity) = admin {
        return identity;
    }
    let asked: Vec<String> = request.subs.keys().cloned().collect();
    let hook = node.settings.hooks.connect.is_some();
    let hook = hook.then(|| ConnectHookRequest {
        context: &hook_context,
        data: request.data,
        name: cut(&request.name, NAME_BYTES_MAX),
        version: cut(&request.version, VERSION_BYTES_MAX),
        channels: &asked,
    });
    node.authenticate(token.as_deref(), hook).await
}
