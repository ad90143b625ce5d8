//! [`EventSink`]: tells the backend what happened, in order, in batches, until it says that it
//! heard.
//!
//! Owned by the node; anyone sends, one task posts. Guarantee: events are delivered in the order in
//! which they were sent, each at least once, unless counted as dropped: when the queue is full,
//! when the backend refuses a batch for good (a 4xx that is neither 408 nor 429), or when the
//! process ends. Bounds: `hooks.events_queue` events wait and one batch of `hooks.events_batch` is
//! on its way. It must not make anyone wait who sends.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use log::Level;
use serde::Serialize;
use tokio::{
    sync::{Notify, mpsc, mpsc::error::TrySendError},
    time::{sleep, timeout},
};

use super::{
    backoff,
    client::HookClient,
    event::{self, Event},
    stats::HookKind,
};
use crate::{
    config::Hooks,
    logger::{self, FAULT_PAUSE, Subject},
};

/// First pause after a failure; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(500);

/// Longest pause between two tries.
const PAUSE_LONGEST: Duration = Duration::from_secs(30);

/// A handle; clones share the queue.
#[derive(Clone, Debug)]
pub(crate) struct EventSink {
    queue: mpsc::Sender<Event>,
    shared: Arc<SinkCounts>,
}

#[derive(Debug, Default)]
struct SinkCounts {
    /// Accepted and neither delivered nor dropped.
    pending: AtomicU64,
    sent: AtomicU64,
    delivered: AtomicU64,
    dropped: AtomicU64,
    retries: AtomicU64,
    /// Something was delivered or dropped.
    settled: Notify,
    /// Somebody waits for the end of the queue.
    hurry: Notify,
}

/// How many events wait, and how many are posted at once.
#[derive(Clone, Copy, Debug)]
struct SinkBounds {
    /// `hooks.events_queue`.
    queue: usize,
    /// `hooks.events_batch`.
    batch: usize,
}

/// How events become the bodies that are posted.
struct Batches<B> {
    /// At most so many events in one.
    events_max: usize,
    /// The body of some.
    body_of: B,
}

/// What became of the events of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct EventStats {
    /// Events given to the sink, those dropped included.
    pub(crate) sent: u64,
    /// Events that the backend took.
    pub(crate) delivered: u64,
    /// Events that were lost.
    pub(crate) dropped: u64,
    /// Events that wait or are on their way.
    pub(crate) pending: u64,
    /// Batches that were posted again.
    pub(crate) retries: u64,
}

impl EventSink {
    /// Starts the task that posts the events of the process `node` on the current tokio runtime;
    /// `None` if `hooks.events` is not set. The task ends, after what waits was delivered, when all
    /// handles are gone.
    #[must_use]
    pub(crate) fn start(settings: &Hooks, client: Arc<HookClient>, node: String) -> Option<Self> {
        client.has(HookKind::Events).then(|| {
            let bounds = SinkBounds {
                queue: settings.events_queue,
                batch: settings.events_batch,
            };
            Self::spawn(bounds, node, move |body| {
                let client = Arc::clone(&client);
                async move { client.post_events(body).await }
            })
        })
    }

    fn spawn<P, F>(bounds: SinkBounds, node: String, post: P) -> Self
    where
        P: Fn(Bytes) -> F + Send + Sync + 'static,
        F: Future<Output = Result<u16, Cow<'static, str>>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(bounds.queue.max(1));
        let shared = Arc::<SinkCounts>::default();
        let batches = Batches {
            events_max: bounds.batch.max(1),
            body_of: move |events: &[Event]| event::batch(&node, events),
        };
        tokio::spawn(deliver(receiver, batches, Arc::clone(&shared), post));
        Self {
            queue: sender,
            shared,
        }
    }

    /// Queues an event, or drops it if there is no room; returns at once.
    pub(crate) fn send(&self, event: Event) {
        let shared = &self.shared;
        shared.sent.fetch_add(1, Relaxed);
        // Before it is queued, so that its delivery cannot be counted first.
        shared.pending.fetch_add(1, Relaxed);
        if let Err(full) = self.queue.try_send(event) {
            let why = match full {
                TrySendError::Full(_) => "hooks.events_queue is full",
                TrySendError::Closed(_) => "their sender has ended",
            };
            shared.drop_some(1, why);
        }
    }

    /// The numbers now.
    #[must_use]
    pub(crate) fn stats(&self) -> EventStats {
        let shared = &self.shared;
        EventStats {
            sent: shared.sent.load(Relaxed),
            delivered: shared.delivered.load(Relaxed),
            dropped: shared.dropped.load(Relaxed),
            pending: shared.pending.load(Relaxed),
            retries: shared.retries.load(Relaxed),
        }
    }

    /// Waits until everything sent so far is delivered or dropped, at most `limit`; a pause between
    /// tries is cut short once. Tells how many events are left.
    pub(crate) async fn flush(&self, limit: Duration) -> u64 {
        self.shared.hurry.notify_one();
        let all = async {
            loop {
                // Before the look, so that nothing settles unseen in between.
                let settled = self.shared.settled.notified();
                if self.shared.pending.load(Relaxed) == 0 {
                    return;
                }
                settled.await;
            }
        };
        // What is left when time is up is in the count.
        let _ = timeout(limit, all).await;
        self.shared.pending.load(Relaxed)
    }
}

impl SinkCounts {
    fn settle(&self, count: u64, into: &AtomicU64) {
        into.fetch_add(count, Relaxed);
        self.pending.fetch_sub(count, Relaxed);
        self.settled.notify_waiters();
    }

    fn drop_some(&self, count: u64, why: &str) {
        self.settle(count, &self.dropped);
        let what = "events dropped";
        let subject = Subject::new(Level::Error, module_path!(), what).with("reason", why);
        logger::throttled_many(subject, count, FAULT_PAUSE, |times| {
            let since_start = self.dropped.load(Relaxed);
            log::error!(reason = why, times, since_start; "{what}");
        });
    }
}

/// The task: one batch after the other, so that order holds.
async fn deliver<P, F>(
    mut queue: mpsc::Receiver<Event>,
    batches: Batches<impl Fn(&[Event]) -> Bytes>,
    shared: Arc<SinkCounts>,
    post: P,
) where
    P: Fn(Bytes) -> F,
    F: Future<Output = Result<u16, Cow<'static, str>>>,
{
    let mut events = Vec::new();
    while queue.recv_many(&mut events, batches.events_max).await > 0 {
        let count = events.len() as u64;
        let body = (batches.body_of)(&events);
        events.clear();
        match deliver_batch(body, &shared, &post).await {
            Ok(()) => shared.settle(count, &shared.delivered),
            Err(status) => {
                shared.drop_some(count, &format!("the backend answered {status}"));
            }
        }
    }
}

/// Posts until the backend has it; `Err` with the status if it never will.
async fn deliver_batch<P, F>(body: Bytes, shared: &SinkCounts, post: &P) -> Result<(), u16>
where
    P: Fn(Bytes) -> F,
    F: Future<Output = Result<u16, Cow<'static, str>>>,
{
    let mut failures = 0;
    loop {
        let why = match post(body.clone()).await {
            Ok(200..=299) => {
                if failures > 0 {
                    log::info!("events are delivered again after {failures} failures");
                }
                return Ok(());
            }
            Ok(status @ (408 | 429)) => format!("the backend answered {status}"),
            Ok(status @ 400..=499) => return Err(status),
            Ok(status) => format!("the backend answered {status}"),
            Err(why) => why.into_owned(),
        };
        if failures == 0 {
            log::warn!(reason = why; "events wait, the backend does not take them");
        }
        shared.retries.fetch_add(1, Relaxed);
        tokio::select! {
            () = sleep(backoff::delay(PAUSE_FIRST, PAUSE_LONGEST, failures)) => {}
            () = shared.hurry.notified() => {}
        }
        failures = failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
