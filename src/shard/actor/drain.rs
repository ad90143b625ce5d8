//! The actor's part in a drain: a share of the sessions is closed at each step, by a timer, and
//! between full turns, where no timer rings.

use std::time::{Duration, Instant};

use actix::{AsyncContext as _, Context};

use super::ShardActor;
use crate::{
    connection::clock,
    registry::SessionKey,
    shard::drain::{Drain, DrainPlan},
};

/// How often a draining shard closes its next share of sessions.
const DRAIN_STEP: Duration = Duration::from_millis(20);

/// Sessions that a step of a drain closes at most; then the others of the worker have their turn.
const CLOSES_A_STEP: usize = 256;

impl ShardActor {
    /// Begins to close all sessions; what was accepted before goes out before any Close.
    pub(super) fn drain(&mut self, ctx: &mut Context<Self>, drain: Drain) {
        let close = drain.close.clone();
        let before = self.shard.state.borrow_mut().draining.replace(close);
        if before.is_some() && !drain.spread.is_zero() {
            return;
        }
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::LosesAtADrain) {
            self.turn.clear();
        }
        self.end_turn();
        self.end_all_windows();
        let state = self.shard.state.borrow();
        let sessions = state.sessions.iter();
        let keys = sessions
            .map(|(key, entry)| (key as SessionKey, entry.id()))
            .collect();
        drop(state);
        let now = clock::now();
        self.plan = Some(DrainPlan {
            started: now,
            drain,
            keys,
            closed: 0,
            next: None,
        });
        self.drain_step(ctx, now);
    }

    /// Closes sessions so that, at any moment, the share of closed ones is the share of the spread
    /// that passed.
    fn drain_step(&mut self, ctx: &mut Context<Self>, now: Instant) {
        let Some(mut plan) = self.plan.take() else {
            return;
        };
        if let Some((_, timer)) = plan.next.take() {
            ctx.cancel_future(timer);
        }
        let passed = now.saturating_duration_since(plan.started).as_secs_f64();
        let spread = plan.drain.spread.as_secs_f64();
        let share = if spread > 0.0 { passed / spread } else { 1.0 };
        let due = (share.min(1.0) * plan.keys.len() as f64).ceil() as usize;
        let due_now = due.min(plan.closed + CLOSES_A_STEP);
        let mut state = self.shard.state.borrow_mut();
        for &(key, id) in &plan.keys[plan.closed..due_now] {
            state.send_waiting(key);
            if let Some(entry) = state.entry(key).filter(|entry| entry.id() == id) {
                entry.connection.close(plan.drain.close.clone(), now);
                entry.connection.flush(now);
            }
        }
        drop(state);
        plan.closed = due_now;
        if plan.closed < plan.keys.len() {
            let pause = match due_now < due {
                true => Duration::from_millis(1),
                false => DRAIN_STEP,
            };
            let timer = ctx.run_later(pause, |shard, ctx| shard.drain_step(ctx, clock::now()));
            plan.next = Some((now + pause, timer));
            self.plan = Some(plan);
        }
    }

    /// Takes the next step where it is due.
    pub(super) fn drain_on(&mut self, ctx: &mut Context<Self>, now: Instant) {
        let next = self.plan.as_ref().and_then(|plan| plan.next);
        if next.is_some_and(|(at, _)| at <= now) {
            self.drain_step(ctx, now);
        }
    }
}
