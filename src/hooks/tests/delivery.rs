//! Events on the wire: batches arrive whole, signed, once the backend takes them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::{
    AMPLE,
    backend::{Backend, Does},
    hooks_at,
};
use crate::hooks::{Event, EventSink, HookClient, stats::CallOutcome, stats::HookKind};

#[tokio::test]
async fn events_arrive_in_order_and_again_after_a_failure() {
    let refusals = Arc::new(AtomicUsize::new(1));
    let backend = Backend::start({
        let refusals = Arc::clone(&refusals);
        move |_| match refusals.swap(0, Relaxed) {
            0 => Does::Answers("204 No Content", Vec::new()),
            _ => Does::Answers("503 Busy", Vec::new()),
        }
    })
    .await;
    let mut settings = hooks_at(&backend.url("/events"), AMPLE);
    settings.events_batch = 2;
    let client = HookClient::new(&settings).unwrap();
    let sink = EventSink::start(&settings, Arc::clone(&client), "n".into()).unwrap();
    for time_ms in 0..5 {
        sink.send(Event::ChannelOccupied {
            time_ms,
            channel: "a".into(),
        });
    }
    assert_eq!(sink.flush(AMPLE).await, 0);
    let times: Vec<Vec<u64>> = backend
        .asked()
        .iter()
        .map(|asked| {
            assert_eq!(asked.line, "POST /events HTTP/1.1");
            let body = asked.json();
            let events = body["events"].as_array().unwrap();
            let times = events.iter().filter_map(|event| event["time_ms"].as_u64());
            times.collect()
        })
        .collect();
    assert_eq!(times, [vec![0, 1], vec![0, 1], vec![2, 3], vec![4]]);
    let stats = client.stats();
    let events = &stats.hooks[HookKind::Events as usize];
    assert_eq!(
        (
            events.ended(CallOutcome::Ok),
            events.ended(CallOutcome::Status)
        ),
        (3, 1)
    );
}

#[tokio::test]
async fn without_the_hook_there_is_no_sink() {
    let mut settings = hooks_at("http://127.0.0.1:9/", AMPLE);
    settings.events = None;
    let client = HookClient::new(&settings).unwrap();
    assert!(EventSink::start(&settings, client, "n".into()).is_none());
}
