use std::{
    cell::RefCell,
    rc::Rc,
    task::{Context, Waker},
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
