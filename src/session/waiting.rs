//! How a session waits for others: the backend, the broker, or its own turn. What is answered at
//! once is answered in the same turn; else nothing more is read from its client once as many
//! answers are waited for as may be.

use std::future::Future;

use actix::{ActorFuture, ActorFutureExt, AsyncContext, fut::wrap_future};

use super::{Protocol, Session, SessionContext, TaskContext, ready::now_or_later};

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
            Err(future) => {
                let pending_max = P::pending_max(self);
                self.context.begin_to_wait(pending_max);
                ctx.spawn(answered(future, then));
            }
        }
    }

    /// Pauses reading while as many answers are waited for as may be or the turn is spent, and goes
    /// on with it otherwise.
    pub(crate) fn pause_reads(&self) {
        self.context.pause_reads(P::pending_max(self));
    }
}

impl SessionContext {
    /// One more answer is waited for.
    pub(super) fn begin_to_wait(&mut self, pending_max: usize) {
        self.pending += 1;
        self.pause_reads(pending_max);
    }

    /// Whether as many answers are waited for as may be.
    pub(super) fn is_waiting(&self, pending_max: usize) -> bool {
        self.pending as usize >= pending_max
    }

    /// As [`Session::pause_reads`]. The connection reads nothing meanwhile, but pings; commands of
    /// the server are heard as ever.
    fn pause_reads(&self, pending_max: usize) {
        let is_resting = self.turn.is_resting();
        let waits = self.is_waiting(pending_max) || is_resting;
        self.connection.set_resting(is_resting);
        self.connection.set_waiting(waits);
    }
}

/// What is spawned for an answer that is waited for: the session goes on with it when it is there.
pub(super) fn answered<P: Protocol, T: 'static>(
    future: impl Future<Output = T> + 'static,
    then: impl FnOnce(&mut Session<P>, T, &mut TaskContext<Session<P>>) + 'static,
) -> impl ActorFuture<Session<P>, Output = ()> + 'static {
    let future = wrap_future::<_, Session<P>>(future);
    future.map(
        |value, session: &mut Session<P>, ctx: &mut TaskContext<Session<P>>| {
            session.context.pending -= 1;
            // Before what comes next, which may ask whether there is room for more.
            session.pause_reads();
            if !session.context.has_ended() {
                then(session, value, ctx);
                session.context.membership.flush();
            }
            session.pause_reads();
        },
    )
}
