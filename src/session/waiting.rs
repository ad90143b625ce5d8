//! How a session waits for others: the backend, the broker, or its own turn. What is answered at
//! once is answered in the same turn; else nothing more is read from its client once as many
//! answers are waited for as may be.

use std::future::Future;

use actix::{ActorFutureExt, AsyncContext, WrapFuture};

use super::{Protocol, Session, TaskContext, ready::now_or_later};
use crate::broker::{BrokerError, BrokerFuture};

impl<P: Protocol> Session<P> {
    /// Does `then` with what a future gives: at once if nothing in it waits, else when it is there.
    /// As many answers as [`Protocol::pending_max`] says may be waited for before nothing more
    /// is read from the client; who has ended meanwhile hears none.
    pub(crate) fn later<T: 'static>(
        &mut self,
        ctx: &mut TaskContext<Self>,
        future: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, T, &mut TaskContext<Self>) + 'static,
    ) {
        match now_or_later(Box::pin(future)) {
            Ok(value) => then(self, value, ctx),
            Err(future) => self.wait(ctx, future, then),
        }
    }

    /// The same for an answer of the broker: one that is here allocates nothing.
    pub(crate) fn on_answer<T: Send + 'static>(
        &mut self,
        ctx: &mut TaskContext<Self>,
        answer: BrokerFuture<T>,
        then: impl FnOnce(&mut Self, Result<T, BrokerError>, &mut TaskContext<Self>) + 'static,
    ) {
        match answer.now() {
            Ok(answer) => then(self, answer, ctx),
            Err(later) => self.wait(ctx, later, then),
        }
    }

    fn wait<T: 'static>(
        &mut self,
        ctx: &mut TaskContext<Self>,
        future: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, T, &mut TaskContext<Self>) + 'static,
    ) {
        self.context.pending += 1;
        self.pause_reads();
        ctx.spawn(future.into_actor(self).map(|value, session, ctx| {
            session.context.pending -= 1;
            // Before what comes next, which may ask whether there is room for more.
            session.pause_reads();
            if !session.context.has_ended() {
                then(session, value, ctx);
                session.context.membership.flush();
            }
            session.pause_reads();
        }));
    }

    /// Pauses reading while as many answers are waited for as may be or the turn is spent, and goes
    /// on with it otherwise. The connection reads nothing meanwhile, but pings; commands of the
    /// server are heard as ever.
    pub(crate) fn pause_reads(&self) {
        let is_resting = self.context.turn.is_resting();
        let waits = self.is_waiting() || is_resting;
        self.context.connection.set_resting(is_resting);
        self.context.connection.set_waiting(waits);
    }

    /// Whether as many answers are waited for as may be.
    pub(crate) fn is_waiting(&self) -> bool {
        self.context.pending as usize >= P::pending_max(self)
    }
}
