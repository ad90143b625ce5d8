//! Actor ring: interval pushes under a paused clock.

use std::sync::Arc;

use actix::{Actor, Addr};

use super::*;
use crate::{
    server::{GetOverview, RunPushes, Server, reports::SessionReports},
    store::StoreError,
    testing::{Op, ScriptedBroker, paused, scripted, store::ScriptedStore},
};

fn start(every: u64, data: &str, only_changed: bool) -> (Arc<ScriptedBroker>, Addr<Server>) {
    start_with(Arc::default(), every, data, only_changed)
}

fn start_with(
    entries: Arc<Entries>,
    every: u64,
    data: &str,
    only_changed: bool,
) -> (Arc<ScriptedBroker>, Addr<Server>) {
    let recorder = scripted();
    let push = config::PushSettings {
        every: Duration::from_secs(every),
        channel: Some("news".into()),
        data: data.into(),
        file: None,
        only_changed,
    };
    let reports = Arc::new(SessionReports::default());
    let server = Server::new(
        reports,
        &[push],
        &config::Channels::default(),
        1 << 20,
        recorder.clone(),
    )
    .with_entries(entries)
    .start();
    server.try_send(RunPushes).expect("room");
    (recorder, server)
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    // Timers that are due at the same moment come first.
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[test]
fn an_hour_of_pushes_does_not_drift_and_begins_one_interval_after_the_start() {
    paused(async {
        let start_time = Instant::now();
        let (recorder, _server) = start(10, "{seq}", false);
        pass(9).await;
        assert!(recorder.published().is_empty());
        pass(3600).await;
        let (published, texts) = (recorder.published(), recorder.texts());
        assert_eq!(published.len(), 360);
        for (tick, ((at, _), text)) in published.iter().zip(texts).enumerate() {
            assert_eq!(text, (tick + 1).to_string());
            let due = start_time + Duration::from_secs(10 * (tick as u64 + 1));
            assert!(
                *at >= due && *at - due <= Duration::from_millis(2),
                "{tick}"
            );
        }
    });
}

#[test]
fn after_a_sleep_of_the_machine_one_push_comes_not_a_burst() {
    paused(async {
        let (recorder, server) = start(10, "{seq}", false);
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(1_005)).await;
        pass(1).await;
        assert_eq!(recorder.published().len(), 1);
        let overview = server.send(GetOverview).await.expect("the server runs");
        assert_eq!(overview.pushes[0].runs, 1);
        assert!(overview.pushes[0].next_in <= Duration::from_secs(4));
    });
}

#[test]
fn nobody_listens_nothing_is_done() {
    paused(async {
        let (recorder, server) = start(1, "x", false);
        recorder.say_has_subscribers(false);
        pass(10).await;
        assert!(recorder.published().is_empty());
        let status = &server.send(GetOverview).await.expect("it runs").pushes[0];
        assert_eq!((status.runs, status.skipped), (0, 10));
    });
}

#[test]
fn only_changed_skips_a_text_that_equals_the_last_but_not_one_that_was_refused() {
    paused(async {
        let (recorder, server) = start(1, "same", true);
        recorder.fail(Op::Publish, BrokerError::Busy, 1);
        pass(10).await;
        assert_eq!(recorder.published().len(), 1);
        let status = &server.send(GetOverview).await.expect("it runs").pushes[0];
        assert_eq!((status.runs, status.refused, status.skipped), (1, 1, 8));
    });
}

#[test]
fn a_broker_that_is_slower_than_the_clock_is_not_asked_twice_at_a_time() {
    paused(async {
        let (recorder, server) = start(1, "{seq}", false);
        recorder.hold(Op::Publish);
        pass(10).await;
        assert_eq!(
            (recorder.calls(Op::Publish), recorder.waiting(Op::Publish)),
            (1, 1)
        );
        recorder.release(Op::Publish);
        pass(2).await;
        assert_eq!(recorder.texts(), ["1", "2", "3"]);
        let status = &server.send(GetOverview).await.expect("it runs").pushes[0];
        assert_eq!((status.runs, status.skipped), (3, 9));
    });
}

// A client that sees a number twice takes the second for the first. What is in doubt may have gone
// out.
#[test]
fn a_number_that_may_have_gone_out_is_given_to_no_other() {
    paused(async {
        let (recorder, server) = start(1, "{seq}", false);
        recorder.fail(Op::Publish, BrokerError::Doubtful, 1);
        pass(3).await;
        assert_eq!(recorder.texts(), ["1", "2", "3"]);
        let status = &server.send(GetOverview).await.expect("it runs").pushes[0];
        assert_eq!((status.runs, status.refused), (2, 1));
    });
}

// Where its record is not written a kill would give the number again.
#[test]
fn a_push_whose_number_is_not_written_waits_for_the_disk_and_one_without_does_not() {
    paused(async {
        for (data, texts, refused) in [("{seq}", vec!["1", "2"], 3), ("x", vec!["x"; 5], 0)] {
            let store = Arc::new(ScriptedStore::default());
            let entries = Arc::new(Entries::default());
            entries.write_to(store.clone());
            store.refuse(Some(StoreError::NotWritten));
            let (recorder, server) = start_with(entries, 1, data, false);
            pass(3).await;
            store.refuse(None);
            for _ in 0..2 {
                pass(1).await;
                store.write(usize::MAX);
            }
            pass(0).await;
            assert_eq!(recorder.texts(), texts);
            let status = &server.send(GetOverview).await.expect("it runs").pushes[0];
            assert_eq!((status.runs, status.refused), (texts.len() as u64, refused));
        }
    });
}

#[test]
fn braces_that_name_nothing_stay() {
    let text = fill(
        r#"{"a":{sessions},"b":"{time","c":{}}"#,
        &[("sessions", &|| "7".into())],
    );
    assert_eq!(text, r#"{"a":7,"b":"{time","c":{}}"#);
}

#[test]
fn a_file_is_read_at_each_tick_and_one_that_is_gone_is_counted() {
    paused(async {
        let folder = std::env::temp_dir().join(format!("fanfare-push-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("data.json");
        let recorder = scripted();
        let push = config::PushSettings {
            every: Duration::from_secs(1),
            channel: None,
            data: String::new(),
            file: Some(file.clone()),
            only_changed: true,
        };
        let reports = Arc::new(SessionReports::default());
        let channels = config::Channels::default();
        let server = Server::new(reports, &[push], &channels, 100, recorder.clone()).start();
        server.try_send(RunPushes).expect("room");
        pass(1).await;
        std::fs::write(&file, "first").expect("written");
        pass(2).await;
        std::fs::write(&file, "second {seq}").expect("written");
        pass(1).await;
        std::fs::write(&file, "x".repeat(101)).expect("written");
        pass(1).await;
        assert_eq!(recorder.texts(), ["first", "second 2"]);
        let status = &server.send(GetOverview).await.expect("it runs").pushes[0];
        assert_eq!((status.runs, status.unreadable), (2, 2));
        let _ = std::fs::remove_dir_all(&folder);
    });
}
