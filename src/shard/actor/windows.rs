//! The actor's part in the send windows: what waits and what does not, when lines leave, and the
//! one timer that is armed for the earliest end. Bounds: lines that end together leave in turns of
//! [`DELIVERIES_A_TURN`], and the timer rings every [`TIMER_MIN`] at most.

use std::sync::Arc;

use actix::{AsyncContext, Context};

use super::{DELIVERIES_A_TURN, ShardActor};
use crate::{
    connection::clock,
    publication::Publication,
    registry::ChannelName,
    shard::{
        reservation::Reservation,
        window::{Admitted, Departed, TIMER_MIN, Windows},
    },
};

impl ShardActor {
    /// Puts a publication into its channel's window, where that has one; gives it back where it
    /// does not wait.
    pub(super) fn admit(
        &mut self,
        publication: Arc<Publication>,
        room: Reservation,
        ctx: &mut Context<Self>,
    ) -> Option<Arc<Publication>> {
        let mut state = self.shard.state.borrow_mut();
        let Some(windows) = &mut state.windows else {
            return Some(publication);
        };
        let now = clock::now();
        let admitted = windows.admit(publication, room, now);
        drop(state);
        let stats = &self.shard.shared.stats;
        let full = match admitted {
            Admitted::AtOnce(publication) => {
                self.arm(ctx);
                return Some(publication);
            }
            Admitted::Waits { replaced } => {
                stats.window_replaced.add(replaced.into());
                None
            }
            Admitted::Full { channel, replaced } => {
                stats.window_replaced.add(replaced.into());
                stats.window_early.add(1);
                Some(channel)
            }
        };
        self.waited += 1;
        if let Some(channel) = full {
            self.end_window(&channel);
            self.arm(ctx);
        }
        None
    }

    /// Has what waits in a channel leave before its time, behind what came before it.
    pub(super) fn end_window(&mut self, channel: &ChannelName) {
        let line = self.windows(|windows| windows.leave(channel, clock::now()));
        if let Some(line) = line {
            self.end_turn();
            self.shard.deliver_line(&line, true);
        }
    }

    /// Has the lines leave whose windows have ended, for as long as a turn takes.
    pub(super) fn end_windows(&mut self, ctx: &mut Context<Self>) {
        if let Some((_, timer)) = self.armed.take() {
            ctx.cancel_future(timer);
        }
        self.end_turn();
        let (now, mut left) = (clock::now(), DELIVERIES_A_TURN);
        let mut line = self.windows(|windows| windows.next_due(now));
        while let Some(this) = line {
            left = left.saturating_sub(self.shard.deliveries_of(&this));
            line = match left {
                0 => None,
                _ => self.windows(|windows| windows.next_due(now)),
            };
            // A single line is written receiver by receiver, as a single publication is.
            let is_only = line.is_none() && left > 0;
            self.shard.deliver_line(&this, is_only);
        }
        self.shard.state.borrow_mut().flush();
        self.arm(ctx);
    }

    /// Has all lines leave.
    pub(super) fn end_all_windows(&mut self) {
        let state = self.shard.state.borrow();
        let waiting = state.windows.as_ref().map(|windows| windows.waiting());
        drop(state);
        for channel in waiting.into_iter().flatten() {
            if let Some(line) = self.windows(|windows| windows.leave(&channel, clock::now())) {
                self.shard.deliver_line(&line, false);
            }
        }
        self.shard.state.borrow_mut().flush();
    }

    fn windows(&self, ask: impl FnOnce(&mut Windows) -> Option<Departed>) -> Option<Departed> {
        self.shard
            .state
            .borrow_mut()
            .windows
            .as_deref_mut()
            .and_then(ask)
    }

    /// Sets the one timer for the earliest end of the windows under way, unless it rings before.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let state = self.shard.state.borrow();
        let first = state
            .windows
            .as_ref()
            .and_then(|windows| windows.first_end());
        drop(state);
        let Some(first) = first else { return };
        match self.armed {
            Some((at, _)) if at <= first => return,
            Some((_, timer)) => {
                ctx.cancel_future(timer);
            }
            None => {}
        }
        let left = first.saturating_duration_since(clock::now()).max(TIMER_MIN);
        let timer = ctx.run_later(left, |shard, ctx| {
            shard.armed = None;
            shard.end_windows(ctx);
        });
        self.armed = Some((first, timer));
    }
}
