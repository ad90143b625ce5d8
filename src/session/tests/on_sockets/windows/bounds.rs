//! How much waits at most, who is told that there is no room, and what gives way to newer ones.

use super::*;
use crate::{
    broker::BrokerError,
    publication::{Publication, Target},
    testing,
};

/// Without a bound one frame could grow to whatever a window brings. At `window_bytes` a batch
/// leaves before its time, and no frame has more.
#[test]
fn a_window_that_is_full_leaves_early() {
    run(async {
        let server = start("window_bytes = 1000");
        let mut protocol = client(&server, "a").await;
        let text = format!("\"{}\"", "x".repeat(300));
        let started = Instant::now();
        server.publish("a", &text).await;
        text_of(&mut protocol).await;
        for _ in 0..4 {
            server.publish("a", &text).await;
        }
        let mut messages = 0;
        while messages < 4 {
            let frame = text_of(&mut protocol).await;
            assert!(frame.len() <= 1000, "{}", frame.len());
            messages += frame.lines().count();
        }
        assert!(started.elapsed() < STEP);
        // Two are a frame, and a third would be too much.
        assert_eq!(counts(&server), [2, 2, 0]);
    });
}

/// A client that takes too little must not miss half a batch without a word. Whole batches are
/// dropped and a subscription that counts is ended with 2500, so that it comes back and recovers.
#[test]
fn slow_policies_drop_whole_batches_and_tell() {
    run(async {
        let server = Server::start(
            &(settings(&format!("{KEPT}slow_policy = \"drop_oldest\"\n"))
                + "on_message = \"relay\"\n[limits]\noutbox_bytes = \"64KiB\"\n\
                   [slow]\nwrite_timeout = \"60s\"\n"),
        );
        let mut deaf = client(&server, "a").await;
        let mut sender = server.ws("/ws?channel=a").await;
        // Three are a batch, and no second batch fits beside it.
        let text = "x".repeat(20 << 10);
        let started = Instant::now();
        while server.test.metrics.sum(|stats| &stats.dropped) == 0 {
            for _ in 0..30 {
                sender.text(&text).await;
            }
            sender.expect_nothing().await;
            assert!(started.elapsed() < SOON, "no drops");
        }
        // What came behind the dropped ones and was queued stands before the word, as ever.
        let (mut last, mut gaps) = (0, 0);
        loop {
            for push in pushed(&mut deaf).await {
                if let Some(why) = push["unsubscribe"].as_object() {
                    assert_eq!(why["code"], 2500, "{push}");
                    assert!(gaps > 0, "nothing is missing");
                    return;
                }
                let offset = push["pub"]["offset"].as_u64().expect("an offset");
                assert!(offset > last, "in order");
                gaps += u64::from(offset > last + 1);
                last = offset;
            }
        }
    });
}

/// What waits takes memory like what waits in the inbox, and its publishers are told when there
/// is no room. It has its room until the window ends, and then there is room again.
#[test]
fn what_waits_keeps_its_place_in_the_queue_of_its_worker() {
    run(async {
        let server = Server::start(&(settings("") + "[limits]\nshard_queue_bytes = \"16KiB\"\n"));
        let mut member = server.ws("/ws?channel=a").await;
        // As a broker does, which tells its callers what the fan-out says.
        let try_publish = || {
            let payload = testing::text(&"x".repeat(1024));
            let publication = Publication::message(Target::Channel("a".into()), payload);
            server.test.node.fanout.send(publication)
        };
        try_publish().expect("room");
        member.message().await;
        let started = Instant::now();
        let mut waiting = 0;
        while try_publish().is_ok() {
            // So that it is no longer in the inbox.
            member.expect_nothing().await;
            waiting += 1;
            assert!(waiting < 16, "what waits is free");
        }
        assert!(waiting > 8, "{waiting}");
        assert!(matches!(try_publish(), Err(BrokerError::Busy)));
        assert!(started.elapsed() < STEP, "nothing has left");
        for _ in 0..waiting {
            member.message().await;
        }
        try_publish().expect("there is room again");
    });
}

/// A channel with many values has a newest of each. The last of each arrives, and so it does for
/// who leaves before the window ends.
#[test]
fn with_keep_newest_by_the_last_of_each_value_arrives() {
    run(async {
        let server = start("keep = \"newest_by:city\"\n");
        let mut staying = client(&server, "a").await;
        let mut leaving = client(&server, "a").await;
        let say = async |city: &str, data: u32| {
            let text = data.to_string();
            server.publish_tagged("a", &text, &[("city", city)]).await;
        };
        say("Paris", 1).await;
        pushed(&mut staying).await;
        pushed(&mut leaving).await;
        for (city, data) in [
            ("Paris", 2),
            ("Oslo", 3),
            ("Paris", 4),
            ("Oslo", 5),
            ("Rome", 6),
        ] {
            say(city, data).await;
        }
        leaving
            .send(&json!({"id": 9, "unsubscribe": {"channel": "a"}}))
            .await;
        let mut had = Vec::new();
        loop {
            let line = leaving.next().await;
            if line["id"] == 9 {
                break;
            }
            had.push(line["push"]["pub"]["data"].clone());
        }
        assert_eq!(had, [4, 5, 6]);
        assert_eq!(data(&pushed(&mut staying).await), [4, 5, 6]);
        assert_eq!(counts(&server), [1, 0, 2]);
        say("Oslo", 7).await;
        let last = data(&pushed(&mut staying).await);
        assert_eq!(last, [7], "what comes last arrives");
    });
}
