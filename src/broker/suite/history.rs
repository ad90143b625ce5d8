//! What every broker promises to readers of histories.

use std::time::Duration;

use super::{ALL, Fixture, LONG, kept, offsets};
use crate::{
    broker::{Fit, History, HistoryFilter},
    id::StreamPosition,
    registry::ChannelName,
};

/// Every test, each with a fixture of its own.
pub(super) async fn all(make: &impl AsyncFn() -> Fixture) {
    history_is_read_from_any_place_in_both_directions(&make().await).await;
    history_is_bounded_by_size_and_age_and_what_is_left_has_no_gap(&make().await).await;
    a_removed_history_leaves_the_position(&make().await).await;
    a_history_stops_at_its_bytes(&make().await).await;
    several_histories_share_one_bound_in_their_order(&make().await).await;
}

async fn history_is_read_from_any_place_in_both_directions(fixture: &Fixture) {
    assert_eq!(offsets(fixture, "news", ALL).await, (vec![], 0));
    for number in 1..=10 {
        let request = kept("news", &number.to_string(), 10, LONG);
        fixture.broker.publish(request).await.expect("room");
    }
    let limited = |limit| HistoryFilter {
        limit: Some(limit),
        ..ALL
    };
    let since = |since| HistoryFilter {
        since: Some(since),
        ..ALL
    };
    assert_eq!(offsets(fixture, "news", limited(0)).await, (vec![], 10));
    assert_eq!(offsets(fixture, "news", limited(2)).await.0, [1, 2]);
    assert_eq!(offsets(fixture, "news", since(8)).await.0, [9, 10]);
    assert_eq!(offsets(fixture, "news", since(10)).await, (vec![], 10));
    assert_eq!(
        offsets(fixture, "news", since(u64::MAX)).await,
        (vec![], 10)
    );
    let back = HistoryFilter {
        reverse: true,
        ..limited(3)
    };
    assert_eq!(offsets(fixture, "news", back).await.0, [10, 9, 8]);
    let back_from = HistoryFilter {
        since: Some(5),
        ..back
    };
    assert_eq!(offsets(fixture, "news", back_from).await.0, [4, 3, 2]);
}

async fn history_is_bounded_by_size_and_age_and_what_is_left_has_no_gap(fixture: &Fixture) {
    for number in 1..=7 {
        let request = kept("small", &number.to_string(), 3, LONG);
        fixture.broker.publish(request).await.expect("room");
    }
    assert_eq!(offsets(fixture, "small", ALL).await, (vec![5, 6, 7], 7));
    let short = Duration::from_millis(30);
    fixture
        .broker
        .publish(kept("brief", "1", 10, short))
        .await
        .expect("room");
    fixture
        .broker
        .publish(kept("brief", "2", 10, short))
        .await
        .expect("room");
    for _ in 0..2000 {
        if offsets(fixture, "brief", ALL).await == (vec![], 2) {
            let published = fixture
                .broker
                .publish(kept("brief", "3", 10, LONG))
                .await
                .expect("room");
            assert_eq!(
                published.position.expect("a place").offset,
                3,
                "the stream goes on"
            );
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("a history that never ages");
}

async fn a_removed_history_leaves_the_position(fixture: &Fixture) {
    for _ in 0..3 {
        fixture
            .broker
            .publish(kept("news", "x", 10, LONG))
            .await
            .expect("room");
    }
    let news = ChannelName::from("news");
    let before = fixture
        .broker
        .history(&news, ALL)
        .await
        .expect("an answer")
        .top;
    fixture
        .broker
        .remove_history(&news)
        .await
        .expect("an answer");
    let history = fixture.broker.history(&news, ALL).await.expect("an answer");
    assert_eq!((history.items.len(), history.top), (0, before));
    let next = fixture
        .broker
        .publish(kept("news", "x", 10, LONG))
        .await
        .expect("room");
    let expected = StreamPosition {
        offset: 4,
        epoch: before.epoch,
    };
    assert_eq!(next.position, Some(expected));
}

async fn a_history_stops_at_its_bytes(fixture: &Fixture) {
    for _ in 1..=5 {
        fixture
            .broker
            .publish(kept("news", "x", 10, LONG))
            .await
            .expect("room");
    }
    let news = ChannelName::from("news");
    let one = fixture
        .broker
        .history(&news, ALL)
        .await
        .expect("an answer")
        .items[0]
        .weight();
    for (fit, bytes_max, expected) in [
        (Fit::Page, 2 * one, (2, true)),
        (Fit::Page, 0, (1, true)),
        (Fit::Part, 0, (0, true)),
        (Fit::Whole, 4 * one, (0, true)),
        (Fit::Whole, 5 * one, (5, false)),
    ] {
        let filter = HistoryFilter {
            bytes_max,
            fit,
            ..ALL
        };
        let history = fixture
            .broker
            .history(&news, filter)
            .await
            .expect("an answer");
        assert_eq!(
            (history.items.len(), history.truncated),
            expected,
            "{fit:?} {bytes_max}"
        );
        assert_eq!(history.top.offset, 5);
    }
}

async fn several_histories_share_one_bound_in_their_order(fixture: &Fixture) {
    for (channel, count) in [("a", 2), ("b", 5), ("c", 1)] {
        for _ in 0..count {
            fixture
                .broker
                .publish(kept(channel, "x", 10, LONG))
                .await
                .expect("room");
        }
    }
    let one = fixture
        .broker
        .history(&"a".into(), ALL)
        .await
        .expect("an answer")
        .items[0]
        .weight();
    let read = |fit| {
        let filter = HistoryFilter { fit, ..ALL };
        let reads = ["a", "b", "c", "empty"].map(|channel| (channel.into(), filter));
        fixture.broker.histories(reads.to_vec(), 3 * one)
    };
    let shown = |histories: Vec<History>| -> Vec<(usize, u64, bool)> {
        let shown = histories.iter();
        shown
            .map(|read| (read.items.len(), read.top.offset, read.truncated))
            .collect()
    };
    let whole = shown(read(Fit::Whole).await.expect("an answer"));
    assert_eq!(
        whole,
        [(2, 2, false), (0, 5, true), (1, 1, false), (0, 0, false)]
    );
    let part = [(2, 2, false), (1, 5, true), (0, 1, true), (0, 0, false)];
    assert_eq!(shown(read(Fit::Part).await.expect("an answer")), part);
    assert_eq!(
        shown(read(Fit::Page).await.expect("an answer")),
        part,
        "one bound for all"
    );
}
