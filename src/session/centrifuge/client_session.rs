//! A client that is known, in its session: all that its commands are done with. What needs an
//! identity takes a [`ClientSession`], which only [`Session::client_session`] makes, where there is
//! one; so none of it can be called before.
//!
//! It borrows the session for as long as something is done at once. What waits for an answer gets a
//! new one when that is there, if the session goes on.

use std::future::Future;

use actix::AsyncContext;

use super::{Centrifuge, KnownClient, replies::TellsClient, transport::ClientTransport};
use crate::{
    broker::{BrokerError, BrokerFuture},
    hooks::{PassedHeaders, UserContext},
    session::{
        ConnectedUser, Protocol, Session, SessionContext, TaskContext,
        ready::now_or_later,
        subscribe::{ChannelSubscription, RecoveredSubscription, SubscribingSession, enter},
        waiting::answered,
    },
};

/// What a session of the protocol has of actix.
pub(super) type Task = TaskContext<Session<Centrifuge>>;

/// A client that is known, in its session: see the module.
pub(super) struct ClientSession<'a> {
    pub(super) context: &'a mut SessionContext,
    pub(super) transport: ClientTransport,
    pub(super) client: &'a mut KnownClient,
    headers: &'a PassedHeaders,
    /// Answers that may be waited for.
    pending_max: usize,
}

impl Session<Centrifuge> {
    /// The client with its session, once it is known who it is.
    pub(super) fn client_session(&mut self) -> Option<ClientSession<'_>> {
        let pending_max = Centrifuge::pending_max(self);
        let Centrifuge {
            transport,
            headers,
            phase,
            ..
        } = &mut self.protocol;
        Some(ClientSession {
            client: phase.client_mut()?,
            context: &mut self.context,
            transport: *transport,
            headers,
            pending_max,
        })
    }
}

impl ClientSession<'_> {
    /// As [`Session::later`].
    pub(super) fn later<T: 'static>(
        &mut self,
        ctx: &mut Task,
        future: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut ClientSession<'_>, T, &mut Task) + 'static,
    ) {
        match now_or_later(Box::pin(future)) {
            Ok(value) => then(self, value, ctx),
            Err(future) => self.wait(ctx, future, then),
        }
    }

    /// The same for an answer of the broker: one that is here allocates nothing.
    pub(super) fn on_answer<T: Send + 'static>(
        &mut self,
        ctx: &mut Task,
        answer: BrokerFuture<T>,
        then: impl FnOnce(&mut ClientSession<'_>, Result<T, BrokerError>, &mut Task) + 'static,
    ) {
        match answer.now() {
            Ok(answer) => then(self, answer, ctx),
            Err(later) => self.wait(ctx, later, then),
        }
    }

    fn wait<T: 'static>(
        &mut self,
        ctx: &mut Task,
        future: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut ClientSession<'_>, T, &mut Task) + 'static,
    ) {
        self.context.begin_to_wait(self.pending_max);
        let then = |session: &mut Session<Centrifuge>, value: T, ctx: &mut Task| {
            if let Some(mut session) = session.client_session() {
                then(&mut session, value, ctx);
            }
        };
        ctx.spawn(answered(future, then));
    }

    /// Whether as many answers are waited for as may be.
    pub(super) fn is_waiting(&self) -> bool {
        self.context.is_waiting(self.pending_max)
    }

    /// As [`Session::subscribe`]: the same way into channels, of a client that is welcomed already,
    /// so that nothing waits for its going live.
    pub(super) fn subscribe(
        &mut self,
        channels: Vec<ChannelSubscription>,
        ctx: &mut Task,
        tell: impl FnOnce(
            &mut ClientSession<'_>,
            Result<&[RecoveredSubscription], BrokerError>,
            &mut Task,
        ) -> bool
        + 'static,
    ) {
        let reading = enter(self.context, channels);
        self.later(ctx, reading, move |session, read, ctx| {
            read.settle(session, |session, recovered| tell(session, recovered, ctx));
        });
    }

    /// On whose behalf the backend is asked: made where it is, since most sessions never ask.
    pub(super) fn user_context(&self) -> UserContext {
        let info = self.context.connection.info();
        let hook_context = self.transport.hook_context(info, self.headers);
        UserContext::of(&self.client.identity, hook_context)
    }
}

impl SubscribingSession for ClientSession<'_> {
    fn parts(&mut self) -> (&SessionContext, Option<&mut ConnectedUser>) {
        (&*self.context, Some(&mut self.client.user))
    }
}

impl TellsClient for ClientSession<'_> {
    fn context(&self) -> &SessionContext {
        self.context
    }

    fn transport(&self) -> ClientTransport {
        self.transport
    }
}

impl TellsClient for Session<Centrifuge> {
    fn context(&self) -> &SessionContext {
        &self.context
    }

    fn transport(&self) -> ClientTransport {
        self.protocol.transport
    }
}
