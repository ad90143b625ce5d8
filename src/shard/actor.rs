//! The actor of a shard: the turns of its inbox, the tick of its wheel, and the drain.

mod drain;
mod windows;

use std::{collections::VecDeque, rc::Rc, sync::Arc, time::Instant};

use actix::{
    Actor, ActorFutureExt as _, Addr, AsyncContext, Context, Handler, Message, SpawnHandle,
    WrapFuture,
};

use super::{
    Selector, ServerCommand, SessionMessage, Shard,
    begin::Begin,
    drain::{Drain, DrainPlan},
    inbox::{Incoming, KEPT_ROOM, Wake},
    joined_line::Numbered,
    reservation::Reservation,
};
use crate::{
    close::{Close, Ending},
    connection::{TimerId, clock},
    heartbeat::TICK,
    id::SessionId,
    publication::Publication,
    registry::ChannelName,
};

/// Publications that a busy inbox delivers before the outboxes are written, so that a stream of
/// them cannot keep the writing waiting.
pub(super) const PUBLICATIONS_A_TURN: usize = 64;

/// The same bound in deliveries, for publications with many receivers.
const DELIVERIES_A_TURN: usize = 16 * 1024;

/// What goes to the receivers of the publication before it counts as one of so many deliveries: it
/// leaves in the same write, which is nearly all that a delivery takes.
const JOINED_DELIVERIES: usize = 32;

#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

/// Cut whatever is left, without a word.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct Terminate;

/// Close one session, wherever it is; shards that do not hold it do nothing.
#[derive(Message, Clone)]
#[rtype(result = "bool")]
pub struct Disconnect {
    /// The session that ends, if it is here.
    pub(crate) session: SessionId,
    /// With which code and reason.
    pub(crate) close: Close,
}

/// A command to sessions, wherever they are; answers how many of this shard heard it.
#[derive(Message, Clone)]
#[rtype(result = "usize")]
pub struct SendCommand {
    /// The sessions that hear it.
    pub(crate) selector: Selector,
    /// What each of them is told; they share it.
    pub(crate) command: Arc<ServerCommand>,
}

/// The actor through which other threads reach a shard.
pub struct ShardActor {
    pub(super) shard: Rc<Shard>,
    /// What was taken out of the inbox and has not had its turn.
    taken: VecDeque<Incoming>,
    /// Publications of this turn; at most [`PUBLICATIONS_A_TURN`].
    turn: Vec<Numbered>,
    /// Deliveries that they make.
    deliveries: usize,
    /// When the wheel was last looked at.
    ticked: Instant,
    due: Vec<TimerId>,
    /// Publications that this turn put into windows.
    waited: usize,
    /// The timer of the windows, and when it rings.
    armed: Option<(Instant, SpawnHandle)>,
    /// A [`Flush`] is on its way.
    flush_comes: bool,
    /// Whom a drain has still to close.
    plan: Option<DrainPlan>,
}

impl ShardActor {
    /// Starts the actor of a shard on this thread.
    pub(super) fn start_for(shard: Rc<Shard>) -> Addr<Self> {
        Self {
            shard,
            taken: VecDeque::new(),
            turn: Vec::new(),
            deliveries: 0,
            ticked: clock::now(),
            due: Vec::new(),
            waited: 0,
            armed: None,
            flush_comes: false,
            plan: None,
        }
        .start()
    }

    /// Ends the turn once inbox and mailbox are empty; finds nothing to do if it was full before.
    fn flush_soon(&mut self, ctx: &mut Context<Self>) {
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::LosesAtADrain) {
            // So that something waits when the drain comes.
            ctx.notify_later(Flush, crate::planted::LATE);
            return;
        }
        if !std::mem::replace(&mut self.flush_comes, true) {
            ctx.notify(Flush);
        }
    }

    fn end_turn(&mut self) {
        self.deliveries = 0;
        self.waited = 0;
        self.shard.deliver_all(&mut self.turn);
    }

    /// Takes what is in the inbox into turns.
    fn take_in(&mut self, ctx: &mut Context<Self>) {
        self.shard.inbox.take(&mut self.taken);
        self.take_rest(ctx);
    }

    /// Takes what was in the inbox into turns. Where one is full, the rest comes behind the turns
    /// of the sessions, and before anything else that is in the mailbox.
    fn take_rest(&mut self, ctx: &mut Context<Self>) {
        // First, so that they work beside this one; and each time that others have had their turn.
        self.shard.owed.pay();
        while let Some(incoming) = self.taken.pop_front() {
            match incoming {
                Incoming::Begin(begin) => self.begin(&begin),
                Incoming::Drain(drain) => self.drain(ctx, drain),
                Incoming::Missed(channel) => self.tell_missed(&channel),
                Incoming::Publication(publication, room) => {
                    if self.add(publication, room, ctx) {
                        return self.end_full_turn(ctx);
                    }
                }
            }
        }
        self.taken.shrink_to(KEPT_ROOM);
    }

    /// Adds a publication to the turn; whether that is full.
    fn add(
        &mut self,
        publication: Arc<Publication>,
        room: Reservation,
        ctx: &mut Context<Self>,
    ) -> bool {
        let Some(publication) = self.admit(publication, room, ctx) else {
            return self.waited == PUBLICATIONS_A_TURN;
        };
        if self.turn.is_empty() {
            self.flush_soon(ctx);
        }
        let receivers = self.shard.state.borrow().receivers(&publication);
        let last = self.turn.last();
        let is_joined = last.is_some_and(|(_, last)| last.target() == publication.target());
        self.deliveries += match is_joined {
            true => receivers / JOINED_DELIVERIES,
            false => receivers,
        };
        self.turn.push((0, Rc::new(publication)));
        let is_full =
            self.turn.len() == PUBLICATIONS_A_TURN || self.deliveries >= DELIVERIES_A_TURN;
        #[cfg(feature = "planted-faults")]
        let is_full = is_full && !crate::planted::is(crate::planted::Fault::LosesAtADrain);
        is_full
    }

    fn begin(&mut self, begin: &Begin) {
        self.end_turn_before(&begin.channel);
        let mut state = self.shard.state.borrow_mut();
        state.begin(begin.key, &begin.channel, begin.pending);
    }

    fn tell_missed(&mut self, channel: &ChannelName) {
        self.end_turn_before(channel);
        self.end_window(channel);
        self.shard.state.borrow_mut().tell_missed(channel);
    }

    /// What came before a mark in the inbox goes out before it.
    fn end_turn_before(&mut self, _channel: &ChannelName) {
        #[cfg(feature = "planted-faults")]
        let others = self.of_others(_channel);
        self.end_turn();
        #[cfg(feature = "planted-faults")]
        self.turn.extend(others);
    }

    /// What waits of other channels, taken out of the turn, where a loss is planted at the drain:
    /// so many sessions begin that nothing would wait by then.
    #[cfg(feature = "planted-faults")]
    fn of_others(&mut self, channel: &ChannelName) -> Vec<Numbered> {
        let is_planted = crate::planted::is(crate::planted::Fault::LosesAtADrain);
        let is_other = |(_, publication): &mut Numbered| match publication.target() {
            crate::publication::Target::Channel(name) => is_planted && name != channel,
            _ => false,
        };
        self.turn.extract_if(.., is_other).collect()
    }

    /// Ends a turn that is full. An inbox that others fill as fast as it is emptied would keep this
    /// thread to itself: the actor's context goes on with its mailbox until that is empty. So the
    /// sessions get their turn here, and the wheel, the windows and a drain their ticks, which the
    /// context would only look at afterwards.
    fn end_full_turn(&mut self, ctx: &mut Context<Self>) {
        self.end_turn();
        let now = clock::now();
        if now.saturating_duration_since(self.ticked) >= TICK {
            self.on_tick(now);
        }
        if self.armed.is_some_and(|(at, _)| at <= now) {
            self.end_windows(ctx);
        }
        self.drain_on(ctx, now);
        let others = tokio::task::yield_now().into_actor(self);
        ctx.wait(others.map(|(), shard, ctx| shard.take_rest(ctx)));
    }

    fn on_tick(&mut self, now: Instant) {
        self.ticked = now;
        self.shard.shared.stats.pulse.beat(now);
        let mut due = std::mem::take(&mut self.due);
        self.shard.shared.expire(now, &mut due);
        let state = self.shard.state.borrow();
        for (key, number) in due.drain(..) {
            if let Some(entry) = state.entry(key) {
                entry.connection.on_timer(number, now);
            }
        }
        drop(state);
        self.due = due;
    }
}

impl Actor for ShardActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, |shard, _| shard.on_tick(clock::now()));
    }
}

impl Handler<Wake> for ShardActor {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Self::Context) {
        self.take_in(ctx);
    }
}

impl Handler<Flush> for ShardActor {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Self::Context) {
        self.flush_comes = false;
        self.end_turn();
    }
}

impl Handler<Drain> for ShardActor {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Self::Context) {
        self.shard.inbox.push(Incoming::Drain(drain));
        self.take_in(ctx);
    }
}

impl Handler<Terminate> for ShardActor {
    type Result = ();

    fn handle(&mut self, _: Terminate, _: &mut Self::Context) {
        for (_, entry) in &self.shard.state.borrow().sessions {
            entry.connection.end(Ending::ByServer(Close::RESTART));
        }
    }
}

impl Handler<Disconnect> for ShardActor {
    type Result = bool;

    fn handle(&mut self, disconnect: Disconnect, ctx: &mut Self::Context) -> bool {
        // Whoever asks for it may have been answered what is in the inbox still.
        self.take_in(ctx);
        self.end_turn();
        let mut state = self.shard.state.borrow_mut();
        if let Some(key) = state.key_of(disconnect.session) {
            state.send_waiting(key);
        }
        let found = state.find(disconnect.session);
        if let Some((_, entry)) = found {
            let now = clock::now();
            entry.connection.close(disconnect.close, now);
            entry.connection.flush(now);
        }
        found.is_some()
    }
}

impl Handler<SendCommand> for ShardActor {
    type Result = usize;

    fn handle(
        &mut self,
        SendCommand { selector, command }: SendCommand,
        ctx: &mut Self::Context,
    ) -> usize {
        // Whoever asks for it may have been answered what is in the inbox still.
        self.take_in(ctx);
        let state = self.shard.state.borrow();
        let entries = state.select(&selector);
        for entry in &entries {
            entry.send(SessionMessage::Command(command.clone()));
        }
        entries.len()
    }
}

impl Drop for ShardActor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            crate::logger::abort(format_args!("shard {} panicked", self.shard.id));
        }
        self.shard.inbox.close();
        self.shard.owed.pay();
    }
}
