//! The task that a session runs in, and what its handlers get as actix's context.
//!
//! A session has one mailbox, one reader at most, and futures that it waits for now and then. What
//! it holds for that while it waits for nothing is three pointers and a number: the futures have a
//! list that is there only while there are any. actix's own [`Context`](actix::Context) keeps
//! places for five futures and two handles inline, twice, and a box around the reader; see decision
//! 17. Owned by the runtime of the worker, which polls it until the session is to stop.
//!
//! Order of a poll: the mailbox, then the reader, at most [`INBOUND_MAX`] messages of it, then every
//! future, those included that are spawned meanwhile. Bounds: of the mailbox those of its senders,
//! see [`SessionMessage`](crate::shard::SessionMessage); of the futures what the session may wait
//! for ([`Protocol::pending_max`]), one rest, and its timers.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use actix::{
    Actor, ActorContext, ActorFuture, ActorState, Addr, AsyncContext, Handler, Message,
    SpawnHandle, StreamHandler, WeakAddr,
    dev::{Envelope, Mailbox, OneshotSender, ToEnvelope},
};
use futures_core::Stream;

use super::{Protocol, Session};
use crate::connection::reader::Reader;

/// Messages of the socket that are heard in one poll; then the others of the worker have theirs.
const INBOUND_MAX: usize = 16;

/// A session with what it runs on.
pub(super) struct SessionTask<P: Protocol> {
    context: TaskContext<Session<P>>,
    session: Session<P>,
    mailbox: Mailbox<Session<P>>,
    /// Absent where the session's frames are taken by the body of an HTTP answer, and at its end.
    reader: Option<Reader>,
}

impl<P: Protocol> SessionTask<P> {
    /// Runs the session that `begin` makes, on this thread; nothing else happens here meanwhile.
    pub(super) fn spawn(
        reader: Option<Reader>,
        begin: impl FnOnce(&mut TaskContext<Session<P>>) -> Session<P>,
    ) -> Addr<Session<P>> {
        let mailbox = Mailbox::default();
        let address = mailbox.address();
        let mut context = TaskContext::new(address.downgrade());
        let session = begin(&mut context);
        actix_rt::spawn(Self {
            context,
            session,
            mailbox,
            reader,
        });
        address
    }

    fn poll_reader(&mut self, cx: &mut Context<'_>) {
        let (session, context) = (&mut self.session, &mut self.context);
        for _ in 0..INBOUND_MAX {
            let Some(reader) = self.reader.as_mut().filter(|_| !context.stops) else {
                return;
            };
            match Pin::new(reader).poll_next(cx) {
                Poll::Ready(Some(inbound)) => StreamHandler::handle(session, inbound, context),
                Poll::Ready(None) => {
                    self.reader = None;
                    session.finished(context);
                }
                Poll::Pending => return,
            }
        }
        cx.waker().wake_by_ref();
    }
}

impl<P: Protocol> Future for SessionTask<P> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.mailbox.poll(&mut this.session, &mut this.context, cx);
        this.poll_reader(cx);
        this.context.poll_spawned(&mut this.session, cx);
        match this.context.stops {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

/// What a session's handlers have of actix: its address, its futures, and its end. Its task ends
/// when it is stopped, whoever still has its address. [`Actor::started`] and what belongs to it is
/// not called: a session begins with its protocol and leaves when it is dropped.
pub(crate) struct TaskContext<A: Actor<Context = Self>> {
    /// Weak, since the mailbox is the task's.
    address: WeakAddr<A>,
    /// Without room while there are none.
    spawned: Vec<Spawned<A>>,
    /// Of the future that was spawned last; none is given twice.
    last: SpawnHandle,
    /// No input is heard any more, and the task ends.
    stops: bool,
}

struct Spawned<A> {
    handle: SpawnHandle,
    slot: Slot<A>,
}

/// A spawned future. Places do not move while the futures are polled, so that each can spawn and
/// cancel.
enum Slot<A> {
    Waiting(Pin<Box<dyn ActorFuture<A, Output = ()>>>),
    /// It is taken out, to be polled.
    Polled,
    /// It is done or cancelled; the place goes with the end of the poll.
    Over,
}

impl<A: Actor<Context = Self>> TaskContext<A> {
    fn new(address: WeakAddr<A>) -> Self {
        Self {
            address,
            spawned: Vec::new(),
            last: SpawnHandle::default(),
            stops: false,
        }
    }

    fn poll_spawned(&mut self, actor: &mut A, cx: &mut Context<'_>) {
        let mut index = 0;
        while index < self.spawned.len() && !self.stops {
            let slot = &mut self.spawned[index].slot;
            if let Slot::Waiting(mut future) = std::mem::replace(slot, Slot::Polled) {
                let polled = future.as_mut().poll(actor, self, cx);
                let slot = &mut self.spawned[index].slot;
                let goes_on = polled.is_pending() && matches!(slot, Slot::Polled);
                *slot = match goes_on {
                    true => Slot::Waiting(future),
                    false => Slot::Over,
                };
            } else {
                *slot = Slot::Over;
            }
            index += 1;
        }
        if index > 0 {
            self.spawned.retain(|it| !matches!(it.slot, Slot::Over));
            if self.spawned.is_empty() {
                self.spawned = Vec::new();
            }
        }
    }
}

impl<A: Actor<Context = Self>> ActorContext for TaskContext<A> {
    fn stop(&mut self) {
        self.stops = true;
    }

    fn terminate(&mut self) {
        self.stops = true;
    }

    fn state(&self) -> ActorState {
        match self.stops {
            true => ActorState::Stopped,
            false => ActorState::Running,
        }
    }
}

impl<A: Actor<Context = Self>> AsyncContext<A> for TaskContext<A> {
    fn address(&self) -> Addr<A> {
        let address = self.address.upgrade();
        // Only behind the end of its task a session has no mailbox; what is sent then goes nowhere.
        address.unwrap_or_else(|| Mailbox::default().address())
    }

    fn spawn<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.last = self.last.next();
        self.spawned.push(Spawned {
            handle: self.last,
            slot: Slot::Waiting(Box::pin(future)),
        });
        self.last
    }

    /// As [`spawn`](Self::spawn): nothing keeps a session from hearing the server. What it does not
    /// read meanwhile, [`Session::later`] says.
    fn wait<F>(&mut self, future: F)
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.spawn(future);
    }

    /// Whether no input is heard any more.
    fn waiting(&self) -> bool {
        self.stops
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        let known = self.spawned.iter_mut().find(|it| it.handle == handle);
        if let Some(spawned) = known {
            spawned.slot = Slot::Over;
            return true;
        }
        false
    }
}

impl<A, M> ToEnvelope<A, M> for TaskContext<A>
where
    A: Actor<Context = Self> + Handler<M>,
    M: Message<Result: Send> + Send + 'static,
{
    fn pack(message: M, answer: Option<OneshotSender<M::Result>>) -> Envelope<A> {
        Envelope::new(message, answer)
    }
}

#[cfg(test)]
mod tests;
