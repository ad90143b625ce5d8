//! How many calls are on their way at a time, and how many may wait for their turn.
//!
//! Owned by [`super::HookClient`]. Bounds: `hooks.concurrency` passes and `hooks.queue` waiting; whoever comes then is
//! turned away at once. It must not know what is called.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{Semaphore, SemaphorePermit};

/// No pass, and no room to wait for one.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// See the module.
#[derive(Debug)]
pub struct Gate {
    passes: Semaphore,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// Holds a place in the queue; gives it back however the wait ends.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Gate {
    /// A gate with at least one pass.
    #[must_use]
    pub fn new(passes: usize, waiting_max: usize) -> Self {
        Self {
            passes: Semaphore::new(passes.clamp(1, Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            waiting_max,
        }
    }

    /// Waits for a pass, first come, first served; dropping what is returned gives it back.
    ///
    /// # Errors
    /// [`Full`], at once.
    pub async fn enter(&self) -> Result<SemaphorePermit<'_>, Full> {
        if let Ok(pass) = self.passes.try_acquire() {
            return Ok(pass);
        }
        let place = Place(&self.waiting);
        if self.waiting.fetch_add(1, Relaxed) >= self.waiting_max {
            return Err(Full);
        }
        let pass = self.passes.acquire().await;
        drop(place);
        // The semaphore is never closed.
        pass.map_err(|_| Full)
    }

    /// How many wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
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
        let gate = Gate::new(1, 1);
        let pass = gate.enter().await.unwrap();
        let mut second = pin!(gate.enter());
        assert!(once(second.as_mut()).await.is_none());
        assert_eq!(gate.waiting(), 1);
        assert_eq!(gate.enter().await.err(), Some(Full));
        assert_eq!(gate.waiting(), 1, "who was turned away left no trace");
        drop(pass);
        assert!(second.await.is_ok());
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_queue() {
        let gate = Gate::new(1, 1);
        let _pass = gate.enter().await.unwrap();
        {
            let mut given_up = pin!(gate.enter());
            assert!(once(given_up.as_mut()).await.is_none());
        }
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test]
    async fn a_gate_always_has_a_pass() {
        assert!(Gate::new(0, 0).enter().await.is_ok());
    }
}
