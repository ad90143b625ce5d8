//! How many calls are on their way at a time, and how many may wait for their turn.
//!
//! Owned by the dispatcher. Bounds: `hooks.concurrency` permits and `hooks.queue` waiting; a call
//! beyond that is refused at once. It must not know what is called.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{Semaphore, SemaphorePermit};

/// No permit is free, and no room is left to wait for one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

/// Permits for calls, with a bounded queue of those who wait for one.
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    permits: Semaphore,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// Holds a place in the queue; gives it back however the wait ends.
struct QueueSlot<'a>(&'a AtomicUsize);

impl Drop for QueueSlot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl ConcurrencyLimit {
    /// A limit with at least one permit.
    pub(super) fn new(permits: usize, waiting_max: usize) -> Self {
        Self {
            permits: Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            waiting_max,
        }
    }

    /// Waits for a permit, first come, first served; dropping what is returned gives it back.
    ///
    /// # Errors
    /// [`QueueFull`], at once.
    pub(super) async fn acquire(&self) -> Result<SemaphorePermit<'_>, QueueFull> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        let slot = QueueSlot(&self.waiting);
        if self.waiting.fetch_add(1, Relaxed) >= self.waiting_max {
            return Err(QueueFull);
        }
        let permit = self.permits.acquire().await;
        drop(slot);
        // The semaphore is never closed.
        permit.map_err(|_| QueueFull)
    }

    /// How many wait now.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Poll};

    use super::*;

    /// Polls once; `None` if it waits.
    async fn once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut future = Some(future);
        std::future::poll_fn(move |cx| {
            let polled = future.as_mut().map(|future| future.as_mut().poll(cx));
            Poll::Ready(match polled {
                Some(Poll::Ready(output)) => Some(output),
                _ => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn whoever_finds_the_queue_full_is_turned_away_at_once() {
        let limit = ConcurrencyLimit::new(1, 1);
        let permit = limit.acquire().await.unwrap();
        let mut second = pin!(limit.acquire());
        assert!(once(second.as_mut()).await.is_none());
        assert_eq!(limit.waiting(), 1);
        assert_eq!(limit.acquire().await.err(), Some(QueueFull));
        assert_eq!(limit.waiting(), 1, "who was turned away left no trace");
        drop(permit);
        assert!(second.await.is_ok());
        assert_eq!(limit.waiting(), 0);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_queue() {
        let limit = ConcurrencyLimit::new(1, 1);
        let _permit = limit.acquire().await.unwrap();
        {
            let mut given_up = pin!(limit.acquire());
            assert!(once(given_up.as_mut()).await.is_none());
        }
        assert_eq!(limit.waiting(), 0);
    }

    #[tokio::test]
    async fn a_gate_always_has_a_permit() {
        assert!(ConcurrencyLimit::new(0, 0).acquire().await.is_ok());
    }
}
