//! A session whose [turn](super::turn) is spent rests: it reads nothing, and what is left of its
//! work waits, until its worker has looked at everyone else. Bound: one rest of a session at a
//! time.

use actix::{ActorFutureExt, AsyncContext, WrapFuture};

use super::{Protocol, Session, TaskContext, turn::Turn};

impl<P: Protocol> Session<P> {
    /// Lets the others of the worker have their turn if this one is spent. To be called at the end
    /// of whatever spends it.
    pub(super) fn rest_if_spent(&mut self, ctx: &mut TaskContext<Self>) {
        if !self.context.turn.begin_rest() {
            return;
        }
        self.context.connection.count_turn_spent();
        self.pause_reads();
        // The runtime looks at the sockets and timers of all before it comes back.
        let others = tokio::task::yield_now().into_actor(self);
        ctx.spawn(others.map(|(), session, ctx| session.begin_turn(ctx)));
    }

    fn begin_turn(&mut self, ctx: &mut TaskContext<Self>) {
        self.context.turn = Turn::new(&self.context.node.settings);
        if !self.context.has_ended() {
            P::on_turn(self, ctx);
            self.context.membership.flush();
        }
        self.rest_if_spent(ctx);
        self.pause_reads();
    }
}
