//! The answer of a broker: here already, or still on its way. What is answered at once costs no
//! allocation and no waker.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::BrokerError;

enum FutureState<T> {
    /// Here; absent once it was taken.
    Ready(Option<Result<T, BrokerError>>),
    Later(Pin<Box<dyn Future<Output = Result<T, BrokerError>> + Send>>),
}

/// An answer that may come from another machine. It borrows nothing, and to drop it is to give up
/// the answer, not the request: that took its place when it was made.
#[must_use = "a request is made when it is called, but its outcome is known by its answer"]
pub struct BrokerFuture<T>(FutureState<T>);

impl<T> BrokerFuture<T> {
    /// An answer that is here.
    pub(crate) fn ready(answer: Result<T, BrokerError>) -> Self {
        Self(FutureState::Ready(Some(answer)))
    }

    /// An answer that is waited for.
    pub(crate) fn later(
        answer: impl Future<Output = Result<T, BrokerError>> + Send + 'static,
    ) -> Self {
        Self(FutureState::Later(Box::pin(answer)))
    }

    /// The answer if it is here, else the future, which was not polled.
    ///
    /// # Errors
    /// The answer is not here yet: the future is given back.
    pub(crate) fn now(self) -> Result<Result<T, BrokerError>, Self> {
        match self.0 {
            FutureState::Ready(Some(answer)) => Ok(answer),
            later => Err(Self(later)),
        }
    }
}

impl<T: Send + 'static> BrokerFuture<T> {
    /// The same answer; `late` where none has come within `limit`. What is here already needs no
    /// timer.
    pub(crate) fn within(self, limit: Duration, late: BrokerError) -> Self {
        match self.0 {
            FutureState::Ready(answer) => Self(FutureState::Ready(answer)),
            FutureState::Later(answer) => {
                // From the call on, not from when its answer is first looked at.
                let by = tokio::time::Instant::now() + limit;
                Self::later(async move {
                    let answered = tokio::time::timeout_at(by, answer).await;
                    answered.unwrap_or(Err(late))
                })
            }
        }
    }

    /// Calls `look` with the answer once it is here.
    pub(crate) fn inspect(
        self,
        look: impl FnOnce(&Result<T, BrokerError>) + Send + 'static,
    ) -> BrokerFuture<T> {
        match self.0 {
            FutureState::Ready(answer) => {
                if let Some(answer) = &answer {
                    look(answer);
                }
                Self(FutureState::Ready(answer))
            }
            FutureState::Later(answer) => Self::later(async move {
                let answer = answer.await;
                look(&answer);
                answer
            }),
        }
    }
}

// No answer is ever pinned in place: the boxed future is pinned by its box.
impl<T> Unpin for BrokerFuture<T> {}

impl<T> Future for BrokerFuture<T> {
    type Output = Result<T, BrokerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            FutureState::Ready(answer) => match answer.take() {
                Some(answer) => Poll::Ready(answer),
                // As any future that is polled behind its end, this one never answers again.
                None => Poll::Pending,
            },
            FutureState::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for BrokerFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            FutureState::Ready(_) => "BrokerFuture::Ready",
            FutureState::Later(_) => "BrokerFuture::Later",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_go_anywhere() {
        fn check<F: Future + Unpin + Send + 'static>(_: &F) {}
        let future = BrokerFuture::<std::rc::Weak<u8>>::ready(Err(BrokerError::Busy));
        assert!(matches!(future.now(), Ok(Err(BrokerError::Busy))));
        check(&BrokerFuture::ready(Ok(1)));
        check(&BrokerFuture::later(async { Ok(1) }));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_comes_is_late_and_what_is_here_is_not() {
        let second = Duration::from_secs(1);
        let never = BrokerFuture::<u8>::later(std::future::pending());
        let late = never.within(second, BrokerError::Doubtful);
        assert_eq!(late.await, Err(BrokerError::Doubtful));
        let here = BrokerFuture::ready(Ok(7)).within(second, BrokerError::Doubtful);
        assert!(matches!(here.now(), Ok(Ok(7))));
    }
}
