//! The actor of a shard: the turns of its mailbox, the tick of its wheel, and the drain.

mod windows;

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture};

use super::{
    Selector, ServerCommand, SessionMessage, Shard, begin::Begin, joined_line::Numbered,
    reservation::Reservation,
};
use crate::{
    close::{Close, Ending},
    connection::{TimerId, clock},
    heartbeat::TICK,
    id::SessionId,
    publication::Publication,
    registry::{ChannelName, SessionKey},
};

/// Publications that a busy mailbox delivers before the outboxes are written, so that a stream of
/// them cannot keep the writing waiting.
const PUBLICATIONS_A_TURN: usize = 64;

/// The same bound in deliveries, for publications with many receivers.
const DELIVERIES_A_TURN: usize = 16 * 1024;

/// What goes to the receivers of the publication before it counts as one of so many deliveries: it
/// leaves in the same write, which is nearly all that a delivery takes.
const JOINED_DELIVERIES: usize = 32;

/// How often a draining shard closes its next share of sessions.
const DRAIN_STEP: Duration = Duration::from_millis(20);

/// Sessions that a step of a drain closes at most; then the others of the worker have their turn.
const CLOSES_A_STEP: usize = 256;

/// A publication to deliver.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Deliver {
    pub(super) publication: Arc<Publication>,
    /// Given back when the publication leaves the mailbox.
    pub(super) room: Reservation,
}

/// The members of a channel that count its offsets have missed something that cannot be brought.
/// Bound: sent only in place of a publication that was on its way before this shard listened, and
/// found no room when it came.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Missed(pub(super) ChannelName);

#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

/// Close all sessions, spread evenly over a time.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Drain {
    /// Over how long; said again, only a spread of 0 counts: whoever is left ends now.
    pub(crate) spread: Duration,
    /// With which code and reason.
    pub(crate) close: Close,
}

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
}

impl ShardActor {
    /// Starts the actor of a shard on this thread.
    pub(super) fn start_for(shard: Rc<Shard>) -> Addr<Self> {
        Self {
            shard,
            turn: Vec::new(),
            deliveries: 0,
            ticked: clock::now(),
            due: Vec::new(),
            waited: 0,
            armed: None,
        }
        .start()
    }

    fn end_turn(&mut self) {
        self.deliveries = 0;
        self.waited = 0;
        self.shard.deliver_all(&mut self.turn);
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

    /// Ends a turn that is full. A mailbox that others fill as fast as it is emptied would keep
    /// this thread to itself: the actor's context goes on with it until it is empty. So the
    /// sessions get their turn here, and the wheel and the windows their ticks, which the context
    /// would only look at afterwards.
    fn end_full_turn(&mut self, ctx: &mut Context<Self>) {
        self.end_turn();
        let now = clock::now();
        if now.saturating_duration_since(self.ticked) >= TICK {
            self.on_tick(now);
        }
        if self.armed.is_some_and(|(at, _)| at <= now) {
            self.end_windows(ctx);
        }
        ctx.wait(tokio::task::yield_now().into_actor(self));
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

    /// Closes sessions so that, at any moment, the share of closed ones is the share of the spread
    /// that passed.
    fn drain_step(&mut self, ctx: &mut Context<Self>, mut plan: DrainPlan) {
        let now = clock::now();
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
            ctx.run_later(pause, move |shard, ctx| shard.drain_step(ctx, plan));
        }
    }
}

/// Ends the turn once the mailbox is empty; finds nothing to do if the turn was full before.
fn flush_soon(ctx: &mut Context<ShardActor>) {
    #[cfg(feature = "planted-faults")]
    if crate::planted::is(crate::planted::Fault::LosesAtADrain) {
        // So that something waits when the drain comes.
        ctx.notify_later(Flush, crate::planted::LATE);
        return;
    }
    ctx.notify(Flush);
}

struct DrainPlan {
    started: Instant,
    drain: Drain,
    keys: Vec<(SessionKey, SessionId)>,
    closed: usize,
}

impl Actor for ShardActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, |shard, _| shard.on_tick(clock::now()));
    }
}

impl Handler<Deliver> for ShardActor {
    type Result = ();

    fn handle(&mut self, Deliver { publication, room }: Deliver, ctx: &mut Self::Context) {
        let Some(publication) = self.admit(publication, room, ctx) else {
            if self.waited == PUBLICATIONS_A_TURN {
                self.end_full_turn(ctx);
            }
            return;
        };
        if self.turn.is_empty() {
            flush_soon(ctx);
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
        if is_full {
            self.end_full_turn(ctx);
        }
    }
}

impl Handler<Begin> for ShardActor {
    type Result = ();

    fn handle(&mut self, begin: Begin, _: &mut Self::Context) {
        #[cfg(feature = "planted-faults")]
        let others = self.of_others(&begin.channel);
        // What came before it in the mailbox goes out before it.
        self.end_turn();
        #[cfg(feature = "planted-faults")]
        self.turn.extend(others);
        let mut state = self.shard.state.borrow_mut();
        state.begin(begin.key, &begin.channel, begin.pending);
    }
}

impl Handler<Missed> for ShardActor {
    type Result = ();

    fn handle(&mut self, Missed(channel): Missed, _: &mut Self::Context) {
        #[cfg(feature = "planted-faults")]
        let others = self.of_others(&channel);
        // What came before it in the mailbox goes out before it.
        self.end_turn();
        #[cfg(feature = "planted-faults")]
        self.turn.extend(others);
        self.end_window(&channel);
        self.shard.state.borrow_mut().tell_missed(&channel);
    }
}

impl Handler<Flush> for ShardActor {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Self::Context) {
        self.end_turn();
    }
}

impl Handler<Drain> for ShardActor {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Self::Context) {
        let close = drain.close.clone();
        if self
            .shard
            .state
            .borrow_mut()
            .draining
            .replace(close)
            .is_some()
            && !drain.spread.is_zero()
        {
            return;
        }
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::LosesAtADrain) {
            self.turn.clear();
        }
        // What was accepted before goes out before any Close.
        self.end_turn();
        self.end_all_windows();
        let state = self.shard.state.borrow();
        let sessions = state.sessions.iter();
        let keys = sessions
            .map(|(key, entry)| (key as SessionKey, entry.id()))
            .collect();
        drop(state);
        let plan = DrainPlan {
            started: clock::now(),
            drain,
            keys,
            closed: 0,
        };
        self.drain_step(ctx, plan);
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

    fn handle(&mut self, disconnect: Disconnect, _: &mut Self::Context) -> bool {
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
        _: &mut Self::Context,
    ) -> usize {
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
    }
}
