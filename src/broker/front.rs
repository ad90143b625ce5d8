//! What callers hold of a broker: no answer is waited for without end, and publications are
//! counted, whatever the broker is.
//!
//! Built once, around the broker of the settings. What the broker answers at once passes through
//! without a timer or an allocation. It keeps nothing.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    Broker, BrokerError, BrokerFuture, History, HistoryFilter, Presence, PresenceStats,
    PublishRequest, PublishResult, PublishResults, Usage,
};
use crate::{
    id::SessionId,
    metrics::{Limited, Metrics},
    protocol::ClientInfo,
    publication::Target,
    registry::ChannelName,
};

/// A broker, or a presence, with a deadline on every answer and counts of publications. A
/// publication without an answer in time is [`Doubtful`](BrokerError::Doubtful), anything else
/// [`Unavailable`](BrokerError::Unavailable).
pub struct Front<B> {
    inner: Arc<B>,
    metrics: Arc<Metrics>,
    timeout: Duration,
}

impl<B> Front<B> {
    /// `timeout` is `limits.broker_timeout`.
    #[must_use]
    pub fn new(inner: Arc<B>, metrics: Arc<Metrics>, timeout: Duration) -> Self {
        Self {
            inner,
            metrics,
            timeout,
        }
    }

    fn in_time<T: Send + 'static>(&self, answer: BrokerFuture<T>) -> BrokerFuture<T> {
        answer.within(self.timeout, BrokerError::Unavailable)
    }
}

fn count(metrics: &Metrics, answers: &[Result<PublishResult, BrokerError>]) {
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    let published = answers.len() - refused;
    if published > 0 {
        metrics.published.fetch_add(published as u64, Relaxed);
    }
    if refused > 0 {
        metrics.publish_refused.fetch_add(refused as u64, Relaxed);
        let by_keys = |answer: &&Result<_, BrokerError>| {
            matches!(
                answer,
                Err(BrokerError::TooManyKeys | BrokerError::KeysFull)
            )
        };
        for _ in answers.iter().filter(by_keys) {
            metrics.limited(Limited::IdempotencyKeys);
        }
    }
}

impl<B: Broker> Broker for Front<B> {
    fn publish(&self, request: PublishRequest) -> BrokerFuture<PublishResult> {
        match self.inner.publish(request).now() {
            Ok(answer) => {
                count(&self.metrics, std::slice::from_ref(&answer));
                BrokerFuture::ready(answer)
            }
            Err(later) => {
                let metrics = self.metrics.clone();
                let later = later.within(self.timeout, BrokerError::Doubtful);
                later.inspect(move |answer| count(&metrics, std::slice::from_ref(answer)))
            }
        }
    }

    fn publish_all(&self, requests: Vec<PublishRequest>) -> BrokerFuture<PublishResults> {
        let (metrics, number) = (self.metrics.clone(), requests.len());
        let answers = self.inner.publish_all(requests);
        let answers = answers.within(self.timeout, BrokerError::Doubtful);
        answers.inspect(move |answers| match answers {
            Ok(answers) => count(&metrics, answers),
            Err(error) => count(&metrics, &vec![Err(*error); number]),
        })
    }

    fn publish_join(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        self.inner.publish_join(channel, info);
    }

    fn publish_leave(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        self.inner.publish_leave(channel, info);
    }

    fn listening(&self, channel: &ChannelName) -> BrokerFuture<()> {
        self.in_time(self.inner.listening(channel))
    }

    fn history(&self, channel: &ChannelName, filter: HistoryFilter) -> BrokerFuture<History> {
        self.in_time(self.inner.history(channel, filter))
    }

    fn histories(
        &self,
        reads: Vec<(ChannelName, HistoryFilter)>,
        bytes_max: usize,
    ) -> BrokerFuture<Vec<History>> {
        self.in_time(self.inner.histories(reads, bytes_max))
    }

    fn remove_history(&self, channel: &ChannelName) -> BrokerFuture<()> {
        self.in_time(self.inner.remove_history(channel))
    }

    fn has_subscribers(&self, target: &Target) -> BrokerFuture<bool> {
        self.in_time(self.inner.has_subscribers(target))
    }

    fn usage(&self) -> Option<Usage> {
        self.inner.usage()
    }

    fn expire(&self, now: Instant) {
        self.inner.expire(now);
    }
}

impl<P: Presence> Presence for Front<P> {
    fn add(&self, channel: &ChannelName, session: SessionId, info: Arc<ClientInfo>) {
        self.inner.add(channel, session, info);
    }

    fn remove(&self, channel: &ChannelName, session: SessionId) {
        self.inner.remove(channel, session);
    }

    fn presence(&self, channel: &ChannelName) -> BrokerFuture<Vec<(SessionId, Arc<ClientInfo>)>> {
        self.in_time(self.inner.presence(channel))
    }

    fn presence_stats(&self, channel: &ChannelName) -> BrokerFuture<PresenceStats> {
        self.in_time(self.inner.presence_stats(channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Op, scripted, text};

    fn request() -> PublishRequest {
        PublishRequest::new(Target::Channel("news".into()), text("x"))
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_answers_is_doubtful_to_publishers_and_unavailable_to_readers() {
        let (broker, metrics) = (scripted(), Arc::new(Metrics::default()));
        let front = Front::new(broker.clone(), metrics.clone(), Duration::from_secs(5));
        for op in [Op::Publish, Op::History, Op::Listening, Op::Presence] {
            broker.hold(op);
        }
        let begun = tokio::time::Instant::now();
        let (news, filter) = ("news".into(), HistoryFilter::default());
        let history = front.history(&news, filter);
        let histories = front.histories(vec![(news.clone(), filter)], 100);
        let doubtful = Err(BrokerError::Doubtful);
        assert_eq!(front.publish(request()).await, doubtful);
        assert_eq!(
            front.publish_all(vec![request()]).await.err(),
            doubtful.err()
        );
        assert_eq!(begun.elapsed().as_secs(), 10, "five for each");
        let unavailable = Some(BrokerError::Unavailable);
        assert_eq!(history.await.err(), unavailable);
        assert_eq!(histories.await.err(), unavailable);
        assert_eq!(front.listening(&news).await.err(), unavailable);
        assert_eq!(front.presence(&news).await.err(), unavailable);
        assert_eq!(metrics.publish_refused.load(Relaxed), 2);
        assert_eq!(broker.texts().len(), 2, "doubtful: they were published");
    }

    #[tokio::test]
    async fn publications_are_counted_whatever_the_broker_answers_and_when() {
        let (broker, metrics) = (scripted(), Arc::new(Metrics::default()));
        let front = Front::new(broker.clone(), metrics.clone(), Duration::from_secs(5));
        let counts = || {
            let (published, refused) = (&metrics.published, &metrics.publish_refused);
            (published.load(Relaxed), refused.load(Relaxed))
        };
        assert!(front.publish(request()).now().is_ok(), "at once");
        assert_eq!(counts(), (1, 0));
        broker.fail(Op::Publish, BrokerError::Busy, 2);
        let results = front
            .publish_all(vec![request(); 3])
            .await
            .expect("answers");
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert_eq!(counts(), (2, 2));
        broker.hold(Op::Publish);
        let late = front.publish(request());
        assert_eq!(counts(), (2, 2));
        broker.release(Op::Publish);
        late.await.expect("published");
        assert_eq!(counts(), (3, 2));
    }
}
