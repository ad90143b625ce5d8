//! How many requests of one connection are answered before the others of its worker get their turn.
//! A connection can bring thousands at once, and actix-http goes on with the next one for as long
//! as the answers are there at once.
//!
//! Owned by the connection's stream, shared with its requests; a route that does more than one
//! thing for a request says so. Bound: `limits.commands_per_turn`, in whole requests: the last one
//! may exceed it.

use std::{cell::Cell, sync::Arc};

use crate::metrics::WorkerStats;

/// What is left of a connection's turn.
pub(crate) struct RequestTurn {
    whole: usize,
    left: Cell<usize>,
    stats: Arc<WorkerStats>,
}

impl RequestTurn {
    /// A whole one of so many requests, on the worker that counts here.
    #[must_use]
    pub(crate) fn new(requests: usize, stats: Arc<WorkerStats>) -> Self {
        let whole = requests.max(1);
        Self {
            whole,
            left: Cell::new(whole),
            stats,
        }
    }

    /// A request was answered, or one counts as so many more: one for each channel that it names.
    pub(crate) fn spend(&self, requests: usize) {
        self.left.set(self.left.get().saturating_sub(requests));
    }

    /// Where the turn is spent, waits until the worker has looked at everyone else.
    pub(crate) async fn rest_if_spent(&self) {
        if self.left.get() > 0 {
            return;
        }
        self.stats.turns_spent.add(1);
        // A task of its own: whoever wakes this one meanwhile, which actix-http does for itself,
        // does not end the rest. The runtime looks at the sockets and timers of all before it comes
        // back.
        let _ = actix_rt::spawn(tokio::task::yield_now()).await;
        self.left.set(self.whole);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::Future, pin::pin, rc::Rc, task::Poll};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::UnixStream,
    };

    use super::*;
    use crate::testing::on_a_worker;

    /// One connection that brought many requests kept everyone else of its worker waiting for
    /// seconds. Whoever has spent a turn goes on behind a socket that has something, even if it is
    /// woken before.
    #[test]
    fn who_has_spent_a_turn_goes_on_behind_the_sockets_of_the_others() {
        on_a_worker(async {
            let (mut ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
            let order = Rc::new(RefCell::new(Vec::new()));
            let told = order.clone();
            let other = actix_rt::spawn(async move {
                ours.read_u8().await.expect("a byte");
                told.borrow_mut().push("the other");
            });
            // It waits for its socket.
            tokio::task::yield_now().await;
            theirs.write_u8(1).await.expect("sent");
            let stats = Arc::new(WorkerStats::default());
            let turn = RequestTurn::new(3, stats.clone());
            for _ in 0..2 {
                turn.spend(1);
                turn.rest_if_spent().await;
            }
            assert_eq!(order.borrow().len(), 0, "the turn is not over");
            turn.spend(1);
            let mut rest = pin!(turn.rest_if_spent());
            std::future::poll_fn(|cx| {
                let polled = rest.as_mut().poll(cx);
                if polled.is_pending() {
                    cx.waker().wake_by_ref();
                }
                polled
            })
            .await;
            order.borrow_mut().push("the greedy");
            other.await.expect("no panic");
            assert_eq!(*order.borrow(), ["the other", "the greedy"]);
            assert_eq!(stats.turns_spent.get(), 1);
            turn.spend(2);
            let rest = pin!(turn.rest_if_spent());
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert_eq!(
                rest.poll(&mut cx),
                Poll::Ready(()),
                "a new turn is a whole one"
            );
        });
    }
}
