//! The task that a session runs in, and what its handlers get as actix's context.
//!
//! A session has one mailbox, one reader at most, and futures that it waits for now and then. The
//! futures have a list that is there only while there are any. actix's own
//! [`Context`](actix::Context) keeps places for five futures and two handles inline, twice, and a
//! box around the reader; see decision 17. Owned by the runtime of the worker, which polls it until
//! the session is to stop.
//!
//! Order of a poll: the mailbox, then the reader, at most [`INBOUND_MAX`] messages of it, then
//! every future, those included that are spawned meanwhile. Bounds: of the mailbox those of its
//! senders, see [`SessionMessage`](crate::shard::SessionMessage); of the futures what the session
//! may wait for ([`pending_max`](super::Protocol::pending_max)), one rest, and its timers.

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

use crate::connection::reader::{Inbound, Reader};

/// Messages of the socket that are heard in one poll; then the others of the worker have theirs.
const INBOUND_MAX: usize = 16;

/// An actor that a [`SessionTask`] runs.
pub(super) trait ReadsSocket:
    Actor<Context = TaskContext<Self>> + StreamHandler<Inbound>
{
    /// Whether its reader reads nothing now.
    fn pauses_reading(&self) -> bool;
}

/// A session with what it runs on.
pub(super) struct SessionTask<A: Actor<Context = TaskContext<A>>, R = Reader> {
    context: TaskContext<A>,
    session: A,
    mailbox: Mailbox<A>,
    /// Absent where the session's frames are taken by the body of an HTTP answer, and at its end.
    reader: Option<R>,
}

impl<A, R> SessionTask<A, R>
where
    A: ReadsSocket,
    R: Stream<Item = Inbound> + Unpin + 'static,
{
    /// Runs the session that `begin` makes, on this thread; nothing else happens here meanwhile.
    pub(super) fn spawn(
        reader: Option<R>,
        begin: impl FnOnce(&mut TaskContext<A>) -> A,
    ) -> Addr<A> {
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
        for heard in 0.. {
            // One that is not to be read says so itself, and is not to be looked at before it is: a
            // session that rests would be back before the others had their turn.
            if heard >= INBOUND_MAX && !session.pauses_reading() {
                break;
            }
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

impl<A, R> Future for SessionTask<A, R>
where
    A: ReadsSocket,
    R: Stream<Item = Inbound> + Unpin + 'static,
{
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
    /// Absent while there are none.
    spawned: Option<Box<Futures<A>>>,
    /// Of the future that was spawned last; none is given twice.
    last: SpawnHandle,
    /// No input is heard any more, and the task ends.
    stops: bool,
}

struct Futures<A>(Vec<Spawned<A>>);

struct Spawned<A> {
    handle: SpawnHandle,
    slot: FutureSlot<A>,
}

/// A spawned future. Places do not move while the futures are polled, so that each can spawn and
/// cancel.
enum FutureSlot<A> {
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
            spawned: None,
            last: SpawnHandle::default(),
            stops: false,
        }
    }

    fn slot(&mut self, index: usize) -> Option<&mut FutureSlot<A>> {
        let Futures(spawned) = self.spawned.as_deref_mut()?;
        spawned.get_mut(index).map(|it| &mut it.slot)
    }

    fn poll_spawned(&mut self, actor: &mut A, cx: &mut Context<'_>) {
        let mut index = 0;
        while !self.stops
            && let Some(slot) = self.slot(index)
        {
            if let FutureSlot::Waiting(mut future) = std::mem::replace(slot, FutureSlot::Polled) {
                let polled = future.as_mut().poll(actor, self, cx);
                // It may have been cancelled meanwhile, by itself too.
                let slot = self.slot(index);
                if let Some(slot) = slot.filter(|slot| matches!(slot, FutureSlot::Polled)) {
                    *slot = match polled {
                        Poll::Pending => FutureSlot::Waiting(future),
                        Poll::Ready(()) => FutureSlot::Over,
                    };
                }
            } else {
                *slot = FutureSlot::Over;
            }
            index += 1;
        }
        if let Some(Futures(spawned)) = self.spawned.as_deref_mut() {
            spawned.retain(|it| !matches!(it.slot, FutureSlot::Over));
            if spawned.is_empty() {
                self.spawned = None;
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
        let none = || Box::new(Futures(Vec::with_capacity(1)));
        let Futures(spawned) = &mut **self.spawned.get_or_insert_with(none);
        spawned.push(Spawned {
            handle: self.last,
            slot: FutureSlot::Waiting(Box::pin(future)),
        });
        self.last
    }

    /// As [`spawn`](Self::spawn): nothing keeps a session from hearing the server. What it does not
    /// read meanwhile, [`Session::later`](super::Session::later) says.
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
        let mut spawned = self.spawned.iter_mut().flat_map(|futures| &mut futures.0);
        let known = spawned.find(|it| it.handle == handle);
        if let Some(known) = known {
            known.slot = FutureSlot::Over;
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
