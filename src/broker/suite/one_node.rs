//! What a broker promises whose publishers and shards are of one process: a publisher can be
//! refused before its publication has a place, and what is delivered is all there is.

use super::{ALL, Fixture, LONG, kept, offsets, taken};
use crate::broker::BrokerError;

/// Every test, each with a fixture of its own.
pub(crate) async fn all(make: impl AsyncFn() -> Fixture) {
    what_is_refused_has_no_offset_and_reached_nobody(&make().await).await;
    everything_is_answered_at_once(&make().await);
}

async fn what_is_refused_has_no_offset_and_reached_nobody(fixture: &Fixture) {
    let listener = fixture.listener(&["news"]).await;
    let mut accepted = 0;
    let refused = loop {
        // Without a pause in which the shard could empty its inbox.
        match fixture
            .broker
            .publish(kept("news", "x", 10_000, LONG))
            .await
        {
            Ok(published) => {
                accepted += 1;
                assert_eq!(
                    published.position.map(|position| position.offset),
                    Some(accepted)
                );
                assert!(accepted <= fixture.room as u64, "no bound");
            }
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, BrokerError::Busy);
    assert_eq!(offsets(fixture, "news", ALL).await.1, accepted);
    assert_eq!(
        taken(&listener, accepted as usize).await.len(),
        accepted as usize
    );
    let next = fixture
        .broker
        .publish(kept("news", "x", 10_000, LONG))
        .await
        .expect("room again");
    assert_eq!(
        next.position.map(|position| position.offset),
        Some(accepted + 1)
    );
}

/// What is answered at once allocates no future.
fn everything_is_answered_at_once(fixture: &Fixture) {
    let news = "news".into();
    assert!(fixture.broker.listening(&news).now().is_ok());
    assert!(
        fixture
            .broker
            .publish(kept("news", "x", 10, LONG))
            .now()
            .is_ok()
    );
    assert!(fixture.broker.history(&news, ALL).now().is_ok());
    assert!(fixture.presence.presence(&news).now().is_ok());
    assert!(fixture.presence.presence_stats(&news).now().is_ok());
}
