//! A broker that comes after whoever asks it: a process that takes over serves before it has read
//! what the process before kept. Until it is there nothing is published and nothing is read, and
//! every answer says [`Unavailable`](BrokerError::Unavailable).
//!
//! Set once, then as quick as what it holds.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use super::{
    Broker, BrokerError, BrokerFuture, History, HistoryFilter, PublishRequest, PublishResult,
    PublishResults, Usage,
};
use crate::{protocol::ClientInfo, publication::Target, registry::ChannelName};

/// See the module.
pub(crate) struct Late<B>(OnceLock<Arc<B>>);

impl<B> Default for Late<B> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<B: Broker> Late<B> {
    /// The broker is there. A second one changes nothing.
    pub(crate) fn set(&self, broker: Arc<B>) {
        let _ = self.0.set(broker);
    }

    /// Asks the broker, if there is one.
    fn ask<T>(&self, ask: impl FnOnce(&B) -> BrokerFuture<T>) -> BrokerFuture<T> {
        match self.0.get() {
            Some(broker) => ask(broker),
            None => BrokerFuture::ready(Err(BrokerError::Unavailable)),
        }
    }
}

impl<B: Broker> Broker for Late<B> {
    fn publish(&self, request: PublishRequest) -> BrokerFuture<PublishResult> {
        self.ask(|broker| broker.publish(request))
    }

    fn publish_all(&self, requests: Vec<PublishRequest>) -> BrokerFuture<PublishResults> {
        self.ask(|broker| broker.publish_all(requests))
    }

    fn publish_join(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        if let Some(broker) = self.0.get() {
            broker.publish_join(channel, info);
        }
    }

    fn publish_leave(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        if let Some(broker) = self.0.get() {
            broker.publish_leave(channel, info);
        }
    }

    fn listening(&self, channel: &ChannelName) -> BrokerFuture<()> {
        self.ask(|broker| broker.listening(channel))
    }

    fn history(&self, channel: &ChannelName, filter: HistoryFilter) -> BrokerFuture<History> {
        self.ask(|broker| broker.history(channel, filter))
    }

    fn histories(
        &self,
        reads: Vec<(ChannelName, HistoryFilter)>,
        bytes_max: usize,
    ) -> BrokerFuture<Vec<History>> {
        self.ask(|broker| broker.histories(reads, bytes_max))
    }

    fn remove_history(&self, channel: &ChannelName) -> BrokerFuture<()> {
        self.ask(|broker| broker.remove_history(channel))
    }

    fn has_subscribers(&self, target: &Target) -> BrokerFuture<bool> {
        self.ask(|broker| broker.has_subscribers(target))
    }

    fn usage(&self) -> Option<Usage> {
        self.0.get()?.usage()
    }

    fn expire(&self, now: Instant) {
        if let Some(broker) = self.0.get() {
            broker.expire(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Op, scripted, text};

    // An empty broker in its place would give places anew that the one to come has given, and tell
    // clients a stream that is none. Before it is there everything is refused, and nothing is kept.
    #[tokio::test]
    async fn before_it_is_there_everything_is_refused_and_then_it_is_asked() {
        let (late, broker) = (Late::default(), scripted());
        let news: ChannelName = "news".into();
        let request = PublishRequest::new(Target::Channel(news.clone()), text("x"));
        let filter = HistoryFilter::default();
        let unavailable = Some(BrokerError::Unavailable);
        assert_eq!(late.publish(request.clone()).await.err(), unavailable);
        let all = late.publish_all(vec![request.clone()]).await;
        assert_eq!(all.err(), unavailable);
        assert_eq!(late.history(&news, filter).await.err(), unavailable);
        let histories = late.histories(vec![(news.clone(), filter)], 100).await;
        assert_eq!(histories.err(), unavailable);
        assert_eq!(late.listening(&news).await.err(), unavailable);
        assert_eq!(late.remove_history(&news).await.err(), unavailable);
        assert_eq!(late.usage(), None);
        late.set(broker.clone());
        late.publish(request).await.expect("published");
        assert_eq!(broker.texts(), ["x"]);
        broker.fail(Op::History, BrokerError::Busy, 1);
        let busy = late.history(&news, filter).await;
        assert_eq!(busy.err(), Some(BrokerError::Busy));
    }
}
