//! The sender of events under a paused clock, with a function for a backend.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

use super::*;

/// Notes batches and when they came; answers as scripted, then 200.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<u16, Cow<'static, str>>>>,
    batches: Mutex<Vec<(Instant, String)>>,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = Result<u16, Cow<'static, str>>>) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.into_iter().collect()),
            batches: Mutex::default(),
        })
    }

    fn sink(self: &Arc<Self>, queue: usize, batch: usize) -> EventSink {
        let script = Arc::clone(self);
        EventSink::spawn(SinkBounds { queue, batch }, "n".into(), move |body| {
            let text = String::from_utf8(body.to_vec()).unwrap();
            script.batches.lock().unwrap().push((Instant::now(), text));
            let answer = script.answers.lock().unwrap().pop_front();
            std::future::ready(answer.unwrap_or(Ok(200)))
        })
    }

    /// The channels of each batch, which tests number.
    fn channels(&self) -> Vec<Vec<u64>> {
        let batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let channels = batches.iter().map(|(_, body)| {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            let events = body["events"].as_array().unwrap().clone();
            let number = |event: &serde_json::Value| event["channel"].as_str()?.parse().ok();
            events.iter().filter_map(number).collect()
        });
        channels.collect()
    }
}

fn event(number: u64) -> Event {
    Event::ChannelVacated {
        time_ms: 1,
        channel: number.to_string(),
    }
}

const DOWN: Result<u16, Cow<'static, str>> = Err(Cow::Borrowed("connection refused"));
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_batch_is_repeated_until_it_is_taken_and_later_ones_wait() {
    let script = Script::of([DOWN, Ok(503), Ok(429), Ok(408), Ok(302), Ok(204)]);
    let sink = script.sink(100, 2);
    (0..4).for_each(|number| sink.send(event(number)));
    assert_eq!(sink.flush(HOUR).await, 0);
    let mut expected = vec![vec![0, 1]; 6];
    expected.push(vec![2, 3]);
    assert_eq!(script.channels(), expected);
    let stats = sink.stats();
    assert_eq!((stats.delivered, stats.dropped, stats.retries), (4, 0, 5));
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_from_half_a_second_to_half_a_minute() {
    let script = Script::of(vec![DOWN; 12]);
    let sink = script.sink(100, 2);
    sink.send(event(0));
    let taken = async {
        while sink.stats().delivered == 0 {
            sink.shared.settled.notified().await;
        }
    };
    timeout(HOUR, taken).await.unwrap();
    let times: Vec<_> = script
        .batches
        .lock()
        .unwrap()
        .iter()
        .map(|batch| batch.0)
        .collect();
    let slack = Duration::from_millis(2);
    for (failures, pair) in times.windows(2).enumerate() {
        let whole = (PAUSE_FIRST * (1 << failures)).min(PAUSE_LONGEST);
        let pause = pair[1] - pair[0];
        assert!(
            pause >= whole / 2 && pause <= whole + slack,
            "{failures}: {pause:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_the_new_ones_and_counts_them() {
    let script = Script::of(vec![DOWN; 3]);
    let sink = script.sink(3, 1);
    // The sender has not run yet, so three fit.
    (0..10).for_each(|number| sink.send(event(number)));
    let stats = sink.stats();
    assert_eq!((stats.sent, stats.dropped, stats.pending), (10, 7, 3));
    assert_eq!(sink.flush(HOUR).await, 0);
    assert_eq!(sink.stats().delivered, 3);
    assert_eq!(script.channels().last(), Some(&vec![2]));
}

#[tokio::test(start_paused = true)]
async fn what_the_backend_will_never_take_is_dropped_and_the_rest_goes_on() {
    let script = Script::of([Ok(400)]);
    let sink = script.sink(100, 2);
    (0..3).for_each(|number| sink.send(event(number)));
    assert_eq!(sink.flush(HOUR).await, 0);
    assert_eq!(script.channels(), [vec![0, 1], vec![2]]);
    let stats = sink.stats();
    assert_eq!((stats.dropped, stats.delivered), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_in_time_and_tells_what_is_left() {
    let script = Script::of(vec![DOWN; 1000]);
    let sink = script.sink(100, 2);
    (0..5).for_each(|number| sink.send(event(number)));
    let start = Instant::now();
    assert_eq!(sink.flush(Duration::from_secs(3)).await, 5);
    assert!(start.elapsed() < Duration::from_millis(3100));
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_wait_out_a_pause() {
    let script = Script::of(vec![DOWN; 9]);
    let sink = script.sink(100, 2);
    sink.send(event(0));
    // Nine failures in, the next try is up to 30 s away.
    while script.batches.lock().unwrap().len() < 9 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let start = Instant::now();
    assert_eq!(sink.flush(HOUR).await, 0);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn events_of_many_senders_keep_each_senders_order() {
    let script = Script::of([]);
    let sink = script.sink(10_000, 7);
    let senders = (0..8_u64).map(|sender| {
        let sink = sink.clone();
        tokio::spawn(async move {
            for number in 0..100 {
                sink.send(event(sender * 1000 + number));
                tokio::task::yield_now().await;
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    assert_eq!(sink.flush(HOUR).await, 0);
    let all: Vec<u64> = script.channels().concat();
    assert_eq!(all.len(), 800);
    for sender in 0..8 {
        let own: Vec<u64> = all.iter().copied().filter(|n| n / 1000 == sender).collect();
        assert!(own.is_sorted(), "{sender}");
    }
}
