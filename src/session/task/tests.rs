use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Wake, Waker},
};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, WrapFuture, dev::Mailbox};
use tokio::sync::oneshot;

use super::*;

/// An actor that notes what happened to it.
#[derive(Clone, Default)]
struct Noting(Rc<RefCell<Vec<&'static str>>>);

impl Actor for Noting {
    type Context = TaskContext<Self>;
}

struct Harness {
    actor: Noting,
    context: TaskContext<Noting>,
    /// The address is none without it.
    _mailbox: Mailbox<Noting>,
}

impl Harness {
    fn new() -> Self {
        let mailbox = Mailbox::default();
        Self {
            actor: Noting::default(),
            context: TaskContext::new(mailbox.address().downgrade()),
            _mailbox: mailbox,
        }
    }

    /// A future that waits for the sender, and notes `word` then.
    fn wait_for(&mut self, word: &'static str) -> (oneshot::Sender<()>, SpawnHandle) {
        let (sender, receiver) = oneshot::channel::<()>();
        let waiting = receiver.into_actor(&self.actor);
        let handle = self.context.spawn(waiting.map(move |_, actor, _| {
            actor.0.borrow_mut().push(word);
        }));
        (sender, handle)
    }

    fn poll(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        self.context.poll_spawned(&mut self.actor, &mut cx);
    }

    fn notes(&self) -> Vec<&'static str> {
        self.actor.0.take()
    }
}

#[test]
fn a_session_that_waits_for_nothing_holds_no_place_for_futures() {
    let mut harness = Harness::new();
    let (sender, _) = harness.wait_for("a");
    harness.poll();
    assert!(harness.context.spawned.is_some());
    sender.send(()).expect("it waits");
    harness.poll();
    assert_eq!(harness.notes(), ["a"]);
    assert!(harness.context.spawned.is_none());
    assert!(size_of::<TaskContext<Noting>>() <= 32);
}

#[test]
fn what_a_future_spawns_is_polled_in_the_same_poll() {
    let mut harness = Harness::new();
    let first = async {}.into_actor(&harness.actor);
    harness.context.spawn(first.map(|(), actor, context| {
        actor.0.borrow_mut().push("first");
        let second = async {}.into_actor(actor);
        context.spawn(second.map(|(), actor, _| actor.0.borrow_mut().push("second")));
    }));
    harness.poll();
    assert_eq!(harness.notes(), ["first", "second"]);
}

#[test]
fn futures_can_cancel_others_and_themselves_while_they_are_polled() {
    let mut harness = Harness::new();
    let (before, first) = harness.wait_for("before");
    let own = Rc::new(RefCell::new(None));
    let cancelling = {
        let own = own.clone();
        async {}
            .into_actor(&harness.actor)
            .map(move |(), actor: &mut Noting, context| {
                context.cancel_future(first);
                context.cancel_future(own.take().expect("a handle"));
                actor.0.borrow_mut().push("cancelled");
            })
    };
    own.replace(Some(harness.context.spawn(cancelling)));
    let (behind, _) = harness.wait_for("behind");
    behind.send(()).expect("it waits");
    harness.poll();
    assert_eq!(harness.notes(), ["cancelled", "behind"]);
    assert!(before.send(()).is_err(), "it was dropped");
    harness.poll();
    assert_eq!(harness.notes(), [""; 0]);
}

#[test]
fn who_stops_hears_no_more_of_what_it_waited_for() {
    let mut harness = Harness::new();
    let stopping = async {}.into_actor(&harness.actor);
    let stopping = stopping.map(|(), _: &mut Noting, context: &mut TaskContext<Noting>| {
        context.stop();
    });
    harness.context.spawn(stopping);
    let (behind, _) = harness.wait_for("behind");
    behind.send(()).expect("it waits");
    harness.poll();
    assert_eq!(harness.notes(), [""; 0]);
    assert!(harness.context.waiting(), "nothing is heard by the mailbox");
}

/// How often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A session that hears so many messages and then wants no more.
#[derive(Default)]
struct Hearing {
    heard: usize,
    wants: usize,
    is_paused: Rc<Cell<bool>>,
}

impl Actor for Hearing {
    type Context = TaskContext<Self>;
}

impl StreamHandler<Inbound> for Hearing {
    fn handle(&mut self, _: Inbound, _: &mut Self::Context) {
        self.heard += 1;
        self.is_paused.set(self.heard >= self.wants);
    }
}

impl ReadsSocket for Hearing {
    fn pauses_reading(&self) -> bool {
        self.is_paused.get()
    }
}

/// A socket on which there is always more, and whether its reader was asked while it pauses.
struct Endless {
    is_paused: Rc<Cell<bool>>,
    was_asked: Rc<Cell<bool>>,
}

impl Stream for Endless {
    type Item = Inbound;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Inbound>> {
        if self.is_paused.get() {
            self.was_asked.set(true);
            return Poll::Pending;
        }
        Poll::Ready(Some(Inbound::Unheard(1)))
    }
}

/// One poll of a session that wants so many messages: how many it heard, how often it woke itself,
/// and whether its reader was asked while it pauses.
fn heard_in_a_poll(wants: usize) -> (usize, usize, bool) {
    let (mailbox, was_asked) = (Mailbox::default(), Rc::new(Cell::new(false)));
    let session = Hearing {
        wants,
        ..Hearing::default()
    };
    let mut task = SessionTask {
        context: TaskContext::new(mailbox.address().downgrade()),
        mailbox,
        reader: Some(Endless {
            is_paused: session.is_paused.clone(),
            was_asked: was_asked.clone(),
        }),
        session,
    };
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let polled = Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    (task.session.heard, woken.0.load(Relaxed), was_asked.get())
}

#[test]
fn a_session_hears_a_few_messages_a_poll_and_comes_back_for_more() {
    assert_eq!(heard_in_a_poll(usize::MAX), (INBOUND_MAX, 1, false));
    assert_eq!(heard_in_a_poll(3), (3, 0, true));
}

// One whose turn was spent by the last message of a poll woke itself: its rest was over before the
// sockets and timers of the others were looked at.
#[test]
fn a_session_that_rests_from_the_last_message_of_a_poll_on_does_not_wake_itself() {
    assert_eq!(heard_in_a_poll(INBOUND_MAX), (INBOUND_MAX, 0, true));
}
