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

use crate::broker::{BrokerError, BrokerFuture, PublishResult};

pub(super) type PublishOutcome = Result<PublishResult, BrokerError>;

/// The outcomes of several requests, in their order, once the last of them is there.
pub(super) struct Answers(Arc<SharedAnswers>);

/// One of several requests that are answered together.
#[derive(Clone, Copy)]
pub(super) struct AnswerSlot<'a> {
    answers: &'a Answers,
    index: usize,
}

/// What has its place among some answers, and is told once. Dropped untold, it may have happened:
/// whoever would say so is gone with the process.
pub(super) struct Caller {
    /// Until it is told.
    shared: Option<Arc<SharedAnswers>>,
    index: usize,
}

struct SharedAnswers {
    state: Mutex<AnswersState>,
    /// Of the thread that asked; dangling where that has no runtime.
    mailbox: Weak<Mailbox>,
}

struct AnswersState {
    outcomes: Vec<PublishOutcome>,
    /// How many are to come.
    left: usize,
    waker: Option<Waker>,
}

impl Answers {
    /// To `number` requests of the calling thread. Each of them is either [`known`](Self::know), or
    /// has one caller, that is told.
    pub(super) fn to(number: usize) -> Self {
        let state = AnswersState {
            outcomes: vec![Err(BrokerError::Doubtful); number],
            left: number,
            waker: None,
        };
        Self(Arc::new(SharedAnswers {
            state: Mutex::new(state),
            mailbox: Mailbox::of_this_thread(),
        }))
    }

    /// One of the requests.
    pub(super) fn slot(&self, index: usize) -> AnswerSlot<'_> {
        let answers = self;
        AnswerSlot { answers, index }
    }

    /// Has some of them be known already.
    pub(super) fn know(&self, known: Vec<(usize, PublishOutcome)>) {
        if !known.is_empty() {
            // Whoever would be woken has them in the hand.
            drop(self.0.tell(known));
        }
    }

    /// The one answer to one request.
    pub(super) fn of_one(self) -> BrokerFuture<PublishResult> {
        BrokerFuture::later(async move {
            let first = self.await.pop();
            first.unwrap_or(Err(BrokerError::Doubtful))
        })
    }
}

impl AnswerSlot<'_> {
    /// Who is told its outcome.
    pub(super) fn caller(self) -> Caller {
        Caller {
            shared: Some(self.answers.0.clone()),
            index: self.index,
        }
    }
}

impl Future for Answers {
    type Output = Vec<PublishOutcome>;

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

impl SharedAnswers {
    fn state(&self) -> MutexGuard<'_, AnswersState> {
        // No step on it panics in the middle, but for an index, which is its maker's.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes some; whom to wake if the last was among them.
    fn tell(&self, outcomes: impl IntoIterator<Item = (usize, PublishOutcome)>) -> Option<Waker> {
        let mut state = self.state();
        for (index, outcome) in outcomes {
            if let Some(place) = state.outcomes.get_mut(index) {
                *place = outcome;
            }
            state.left -= 1;
        }
        match state.left {
            0 => state.waker.take(),
            _ => None,
        }
    }
}

impl Caller {
    /// Tells the outcome by [`Wakes::send`] at the latest.
    pub(super) fn tell(mut self, outcome: PublishOutcome, wakes: &mut Wakes) {
        if let Some(shared) = self.shared.take() {
            wakes.note(shared, self.index, outcome);
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take()
            && let Some(waker) = shared.tell([(self.index, Err(BrokerError::Doubtful))])
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

/// What a batch has brought: the outcomes that go to the same answers are noted there at once, and
/// whom they make whole is told by thread.
#[derive(Default)]
pub(super) struct Wakes {
    /// Not noted yet, all of the same answers.
    outcomes: Vec<(usize, PublishOutcome)>,
    answers: Option<Arc<SharedAnswers>>,
    threads: Vec<(Weak<Mailbox>, Vec<Waker>)>,
}

impl Wakes {
    fn note(&mut self, shared: Arc<SharedAnswers>, index: usize, outcome: PublishOutcome) {
        if !self
            .answers
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, &shared))
        {
            self.flush();
            self.answers = Some(shared);
        }
        self.outcomes.push((index, outcome));
    }

    fn flush(&mut self) {
        if let Some(shared) = self.answers.take()
            && let Some(waker) = shared.tell(self.outcomes.drain(..))
        {
            self.add(&shared.mailbox, waker);
        }
    }

    fn add(&mut self, mailbox: &Weak<Mailbox>, waker: Waker) {
        let mut threads = self.threads.iter_mut();
        match threads.find(|(known, _)| known.ptr_eq(mailbox)) {
            Some((_, wakers)) => wakers.push(waker),
            None => self.threads.push((mailbox.clone(), vec![waker])),
        }
    }

    /// Tells each thread once.
    pub(super) fn send(mut self) {
        self.flush();
        for (mailbox, wakers) in self.threads {
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

    struct WakeCount(AtomicUsize);

    impl Wake for WakeCount {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn sent(number: usize) -> PublishOutcome {
        Ok(PublishResult::sent(number))
    }

    fn poll(answers: &mut Answers, waker: &Waker) -> Poll<Vec<PublishOutcome>> {
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
        let count = Arc::new(WakeCount(AtomicUsize::new(0)));
        let mut notified = Box::pin(mailbox.more.notified());
        let waker = Waker::from(count.clone());
        let mut context = Context::from_waker(&waker);
        assert!(notified.as_mut().poll(&mut context).is_pending());

        let (mut whole, mut partial) = (shared(3), shared(2));
        let mut wakes = Wakes::default();
        let mut callers: Vec<_> = (0..3).map(|index| whole.slot(index).caller()).collect();
        callers.push(partial.slot(0).caller());
        let late = partial.slot(1).caller();
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
                let caller = answers.slot(0).caller();
                let teller = thread::spawn(move || tell(caller));
                let outcomes = answers.await;
                // It holds the mailbox, which is to end with the runtime.
                teller.join().expect("it tells");
                outcomes
            });
            assert_eq!(outcomes, [sent(3)]);
        }
        let answers = Answers::to(1);
        let caller = answers.slot(0).caller();
        let count = Arc::new(WakeCount(AtomicUsize::new(0)));
        let mut waiting = answers;
        let waker = Waker::from(count.clone());
        assert!(poll(&mut waiting, &waker).is_pending());
        tell(caller);
        assert_eq!(count.0.load(Relaxed), 1);
        assert_eq!(poll(&mut waiting, &waker), Poll::Ready(vec![sent(3)]));
    }
}
