//! Answers on their way from the store's thread to those who wait for them.
//!
//! Waking another thread is a call of the system and may be a change of threads, which together
//! cost more than a publication. So what was asked for together is answered together ([`Answers`]),
//! and of all answers that a batch of the store has made whole, each thread is told once: they are
//! laid into its mailbox, and one task there wakes those who wait, without leaving the thread. A
//! mailbox holds no more than what waits, which the store's queue bounds.

use std::{
    cell::RefCell,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use tokio::{runtime::Handle, sync::Notify};

use crate::broker::{BrokerError, PublishResult};

pub(super) type Outcome = Result<PublishResult, BrokerError>;

/// The outcomes of several requests, in their order, once the last of them is there.
pub(super) struct Answers(Arc<Shared>);

/// What has its place among some answers, and is told once. Dropped untold, it may have happened:
/// whoever would say so is gone with the process.
pub(super) struct Caller {
    shared: Arc<Shared>,
    index: usize,
    is_told: bool,
}

struct Shared {
    state: Mutex<State>,
    /// Of the thread that asked; dangling where that has no runtime.
    mailbox: Weak<Mailbox>,
}

struct State {
    outcomes: Vec<Outcome>,
    /// How many are to come.
    left: usize,
    waker: Option<Waker>,
}

impl Answers {
    /// To `number` requests of the calling thread. What no caller is made for remains `Doubtful`.
    pub(super) fn to(number: usize) -> Self {
        let state = State {
            outcomes: vec![Err(BrokerError::Doubtful); number],
            left: 0,
            waker: None,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            mailbox: Mailbox::of_this_thread(),
        }))
    }

    /// Who is told the outcome of one of them.
    pub(super) fn caller(&self, index: usize) -> Caller {
        self.0.state().left += 1;
        Caller {
            shared: self.0.clone(),
            index,
            is_told: false,
        }
    }

    /// Has one of them be known already.
    pub(super) fn know(&self, index: usize, outcome: Outcome) {
        self.0.state().outcomes[index] = outcome;
    }
}

impl Future for Answers {
    type Output = Vec<Outcome>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state();
        if state.left == 0 {
            return Poll::Ready(std::mem::take(&mut state.outcomes));
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No step on it panics in the middle, but for an index, which is its maker's.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes one; whom to wake if it was the last.
    fn tell(&self, index: usize, outcome: Outcome) -> Option<Waker> {
        let mut state = self.state();
        if let Some(place) = state.outcomes.get_mut(index) {
            *place = outcome;
        }
        state.left -= 1;
        match state.left {
            0 => state.waker.take(),
            _ => None,
        }
    }
}

impl Caller {
    /// Tells the outcome; whom it makes whole is told by [`Wakes::send`].
    pub(super) fn tell(mut self, outcome: Outcome, wakes: &mut Wakes) {
        self.is_told = true;
        if let Some(waker) = self.shared.tell(self.index, outcome) {
            wakes.add(&self.shared.mailbox, waker);
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if !self.is_told
            && let Some(waker) = self.shared.tell(self.index, Err(BrokerError::Doubtful))
        {
            waker.wake();
        }
    }
}

/// Who is to be woken on a thread. Its task owns it, and ends with the thread's runtime; who waits
/// then waits no more, so what is put in behind that is for nobody.
#[derive(Default)]
struct Mailbox {
    wakers: Mutex<Vec<Waker>>,
    more: Notify,
}

thread_local! {
    static MAILBOX: RefCell<Weak<Mailbox>> = const { RefCell::new(Weak::new()) };
}

impl Mailbox {
    /// Of the calling thread; a new one for a new runtime.
    fn of_this_thread() -> Weak<Self> {
        MAILBOX.with_borrow_mut(|known| {
            if known.strong_count() == 0 {
                *known = Self::begin();
            }
            known.clone()
        })
    }

    fn begin() -> Weak<Self> {
        let Ok(runtime) = Handle::try_current() else {
            return Weak::new();
        };
        let mailbox = Arc::new(Self::default());
        let weak = Arc::downgrade(&mailbox);
        runtime.spawn(async move {
            loop {
                mailbox.more.notified().await;
                mailbox.take().into_iter().for_each(Waker::wake);
            }
        });
        weak
    }

    fn wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        // No step on it panics in the middle.
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<Waker> {
        std::mem::take(&mut *self.wakers())
    }
}

/// Whom a batch has made whole, by thread.
#[derive(Default)]
pub(super) struct Wakes(Vec<(Weak<Mailbox>, Vec<Waker>)>);

impl Wakes {
    fn add(&mut self, mailbox: &Weak<Mailbox>, waker: Waker) {
        match self.0.iter_mut().find(|(known, _)| known.ptr_eq(mailbox)) {
            Some((_, wakers)) => wakers.push(waker),
            None => self.0.push((mailbox.clone(), vec![waker])),
        }
    }

    /// Tells each thread once.
    pub(super) fn send(self) {
        for (mailbox, wakers) in self.0 {
            match mailbox.upgrade() {
                Some(mailbox) => {
                    mailbox.wakers().extend(wakers);
                    mailbox.more.notify_one();
                }
                None => wakers.into_iter().for_each(Waker::wake),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        task::Wake,
        thread,
    };

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn sent(number: usize) -> Outcome {
        Ok(PublishResult::sent(number))
    }

    fn poll(answers: &mut Answers, waker: &Waker) -> Poll<Vec<Outcome>> {
        Pin::new(answers).poll(&mut Context::from_waker(waker))
    }

    /// A wake for each answer of a batch would be a call of the system and a change of threads for
    /// each publication, which costs as much as all the rest of it.
    #[test]
    fn a_batch_wakes_each_thread_once_and_only_those_who_have_all() {
        let mailbox = Arc::new(Mailbox::default());
        let shared = |number| {
            let answers = Answers::to(number);
            let mut shared = Arc::into_inner(answers.0).expect("no caller yet");
            shared.mailbox = Arc::downgrade(&mailbox);
            Answers(Arc::new(shared))
        };
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let mut notified = Box::pin(mailbox.more.notified());
        let waker = Waker::from(count.clone());
        let mut context = Context::from_waker(&waker);
        assert!(notified.as_mut().poll(&mut context).is_pending());

        let (mut whole, mut partial) = (shared(3), shared(2));
        let mut wakes = Wakes::default();
        let mut callers: Vec<_> = (0..3).map(|index| whole.caller(index)).collect();
        callers.push(partial.caller(0));
        let late = partial.caller(1);
        assert!(poll(&mut whole, Waker::noop()).is_pending());
        assert!(poll(&mut partial, Waker::noop()).is_pending());
        for (number, caller) in callers.into_iter().enumerate() {
            caller.tell(sent(number), &mut wakes);
        }
        wakes.send();
        assert_eq!(count.0.load(Relaxed), 1);
        assert_eq!(mailbox.take().len(), 1);
        let all = vec![sent(0), sent(1), sent(2)];
        assert_eq!(poll(&mut whole, Waker::noop()), Poll::Ready(all));
        assert!(poll(&mut partial, Waker::noop()).is_pending());
        // Nobody would tell it any more.
        drop(late);
        let all = vec![sent(3), Err(BrokerError::Doubtful)];
        assert_eq!(poll(&mut partial, Waker::noop()), Poll::Ready(all));
    }

    /// The runtime of a thread may end while the thread goes on with another one, and a thread may
    /// have none at all. Nobody may wait there for an answer that lies in a box without a task.
    #[test]
    fn each_runtime_of_a_thread_and_a_thread_without_one_get_their_answers() {
        let tell = |caller: Caller| {
            let mut wakes = Wakes::default();
            caller.tell(sent(3), &mut wakes);
            wakes.send();
        };
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.build().expect("a runtime");
            let outcomes = runtime.block_on(async {
                let answers = Answers::to(1);
                let caller = answers.caller(0);
                let teller = thread::spawn(move || tell(caller));
                let outcomes = answers.await;
                // It holds the mailbox, which is to end with the runtime.
                teller.join().expect("it tells");
                outcomes
            });
            assert_eq!(outcomes, [sent(3)]);
        }
        let answers = Answers::to(1);
        let caller = answers.caller(0);
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let mut waiting = answers;
        let waker = Waker::from(count.clone());
        assert!(poll(&mut waiting, &waker).is_pending());
        tell(caller);
        assert_eq!(count.0.load(Relaxed), 1);
        assert_eq!(poll(&mut waiting, &waker), Poll::Ready(vec![sent(3)]));
    }
}
