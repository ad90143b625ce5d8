//! What one session does at a time, by the order in which others are served, and what its channels
//! are told of what it did there and took back.

use super::*;
use crate::{node::emulation::NotTaken, testing::on_a_worker};

const CONNECT: &str = "{\"id\":1,\"connect\":{}}";

/// Commands that are answered at once, with these ids.
fn commands(ids: std::ops::Range<u32>) -> String {
    let one = |id| format!("{{\"id\":{id},\"presence_stats\":{{\"channel\":\"c\"}}}}");
    ids.map(one).collect::<Vec<_>>().join("\n")
}

fn frame(text: &str) -> SessionMessage {
    SessionMessage::Frame(Bytes::from(text.to_string()).into())
}

/// The frames that have come for a client.
fn taken(client: &Client) -> Vec<String> {
    let mut taken = Vec::new();
    let mut cx = std::task::Context::from_waker(Waker::noop());
    while let std::task::Poll::Ready(Some(frame)) = client.connection.poll_take(&mut cx) {
        let bytes = client.connection.bytes_of(&frame);
        taken.push(String::from_utf8_lossy(bytes).trim().to_string());
    }
    taken
}

/// The ids of the replies that have come.
fn answered(client: &Client) -> Vec<u64> {
    let replies = taken(client).join("\n");
    let replies = serde_json::Deserializer::from_str(&replies).into_iter::<Value>();
    replies
        .filter_map(|reply| reply.expect("JSON")["id"].as_u64())
        .collect()
}

/// Clients of the protocol that are connected.
async fn connected(harness: &Harness) -> Client {
    let client = harness.centrifuge_with(CONNECT);
    settle().await;
    assert_eq!(answered(&client), [1]);
    client
}

/// A frame holds thousands of commands, and all of them were done before anyone else of the worker
/// was looked at. The others waited for seconds.
#[test]
fn who_sends_a_thousand_commands_in_one_frame_lets_the_others_go_first() {
    on_a_worker(async {
        let harness = Harness::new();
        let a_turn = harness.test.node.settings.limits.commands_per_turn;
        let (greedy, other) = (connected(&harness).await, connected(&harness).await);
        greedy.tell(frame(&commands(2..1002)));
        other.tell(frame(&commands(2..3)));
        let mut done = Vec::new();
        while answered(&other).is_empty() {
            tokio::task::yield_now().await;
            done.extend(answered(&greedy));
            assert!(done.len() <= 2 * a_turn, "{} before the other", done.len());
        }
        let mut turns = 0;
        while done.len() < 1000 {
            tokio::task::yield_now().await;
            done.extend(answered(&greedy));
            turns += 1;
            assert!(turns < 10_000, "only {} are answered", done.len());
        }
        assert_eq!(done, (2..1002).collect::<Vec<u64>>(), "all, in order");
        let spent = harness.test.metrics.sum(|stats| &stats.turns_spent);
        assert!(spent >= 1000 / a_turn as u64, "{spent}");
    });
}

/// Frames that came one after the other were done in one go as well, however much they brought: a
/// small message inflates to a large one.
#[test]
fn who_sends_many_bytes_lets_the_others_go_first() {
    on_a_worker(async {
        let harness = Harness::with(|settings| settings.limits.inflated_bytes_per_turn = 1000);
        let (greedy, other) = (connected(&harness).await, connected(&harness).await);
        let large = |id: u32| format!("{}{}", commands(id..id + 1), " ".repeat(400));
        for id in 2..12 {
            greedy.tell(frame(&large(id)));
        }
        other.tell(frame(&commands(2..3)));
        let mut done = Vec::new();
        while answered(&other).is_empty() {
            tokio::task::yield_now().await;
            done.extend(answered(&greedy));
            assert!(done.len() <= 6, "{} before the other", done.len());
        }
        settle().await;
        done.extend(answered(&greedy));
        assert_eq!(done, (2..12).collect::<Vec<u64>>(), "all, in order");
    });
}

/// What is posted while a frame is not done has to wait somewhere, and a client can post without
/// end. So only a few frames of a session wait, and who posts more is told to come again.
#[test]
fn frames_behind_one_that_is_not_done_wait_in_order_and_are_few() {
    on_a_worker(async {
        let harness = Harness::new();
        let client = harness.centrifuge_with(CONNECT);
        settle().await;
        let connect: Value = serde_json::from_str(&taken(&client)[0]).expect("JSON");
        let name = connect["connect"]["session"].as_str().expect("a name");
        let emulation = &harness.test.node.emulation;
        let post = |ids| {
            let session = emulation.find(name).expect("the session");
            session.send(commands(ids).into())
        };
        assert_eq!(post(2..802), Ok(()));
        let mut sent = 802;
        while post(sent..sent + 1).is_ok() {
            sent += 1;
            assert!(sent < 900, "nothing bounds them");
        }
        assert_eq!(post(900..901), Err(NotTaken::Full));
        let mut done = Vec::new();
        for _ in 0..100 {
            tokio::task::yield_now().await;
            done.extend(answered(&client));
        }
        assert_eq!(done, (2..u64::from(sent)).collect::<Vec<u64>>());
        assert_eq!(post(900..901), Ok(()), "there is room again");
    });
}

/// A node whose channels tell joins and leaves.
fn announcing() -> Harness {
    Harness::with(|settings| {
        let mut rules = Namespace {
            join_leave: true,
            ..Namespace::default()
        };
        rules.allow_subscribe.anonymous = true;
        rules.allow_publish.anonymous = true;
        settings.channels.default = rules.into();
    })
}

/// Whoever is in the channel, and what it is told: `+` for a join, `-` for a leave, `.` for a
/// publication.
async fn told(watcher: &Client) -> String {
    settle().await;
    let replies = taken(watcher).join("\n");
    let pushes = serde_json::Deserializer::from_str(&replies).into_iter::<Value>();
    let words = pushes.map(|push| {
        let push = &push.expect("JSON")["push"];
        let kinds = [("join", "+"), ("leave", "-"), ("pub", ".")];
        let kind = kinds.iter().find(|(kind, _)| push[kind].is_object());
        kind.map_or("", |(_, word)| *word)
    });
    words.collect()
}

/// One client that went in and out of a channel in one small frame had every subscriber told each
/// time: 2.8 kB in made 325 MB out. What is taken back before it was told is not told.
#[test]
fn joins_and_leaves_that_cancel_in_one_turn_are_not_told() {
    on_a_worker(async {
        let harness = announcing();
        let (watcher, client) = (connected(&harness).await, connected(&harness).await);
        let watch = "{\"id\":2,\"subscribe\":{\"channel\":\"c\",\"join_leave\":true}}";
        watcher.tell(frame(watch));
        told(&watcher).await;
        let enter = "{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}";
        let leave = "{\"id\":3,\"unsubscribe\":{\"channel\":\"c\"}}";
        let publish = "{\"id\":4,\"publish\":{\"channel\":\"c\",\"data\":1}}";
        let of = |commands: &[&str]| frame(&commands.join("\n"));

        client.tell(frame(
            &[enter, leave].join("\n").repeat(500).replace("}{", "}\n{"),
        ));
        // A turn may end between the two; that is told, once a turn at most.
        let in_and_out = told(&watcher).await;
        let a_turn = harness.test.node.settings.limits.commands_per_turn;
        assert!(in_and_out.len() <= 1000 / a_turn + 1, "{in_and_out}");
        client.tell(of(&[enter]));
        assert_eq!(told(&watcher).await, "+");
        client.tell(of(&[leave, enter, leave, enter]));
        assert_eq!(told(&watcher).await, "", "it is there as before");
        client.tell(of(&[leave, enter, leave]));
        assert_eq!(told(&watcher).await, "-");
        client.tell(of(&[enter, publish, leave]));
        assert_eq!(told(&watcher).await, "+.-", "nobody unknown publishes");
        client.tell(of(&[enter]));
        client.tell(SessionMessage::Gone);
        assert_eq!(told(&watcher).await, "", "it came and was gone");
    });
}

/// Commands behind a connect were refused with 111 where its answer came while the session rested:
/// reading was paused for its turn, and that was taken for too many that wait.
#[test]
fn a_connect_that_is_answered_between_two_turns_lets_the_commands_behind_it_pass() {
    on_a_worker(async {
        let harness = Harness::new();
        harness.test.broker.hold(Op::History);
        let client = harness.centrifuge_with(&format!("{SLOW_CONNECT}\n{}", commands(2..102)));
        let spent = || harness.test.metrics.sum(|stats| &stats.turns_spent);
        let mut turns = 0;
        while spent() == 0 {
            tokio::task::yield_now().await;
            turns += 1;
            assert!(turns < 100, "its commands are more than a turn");
        }
        harness.test.broker.release(Op::History);
        settle().await;
        let replies = taken(&client);
        assert_eq!(replies.len(), 101, "{replies:?}");
        let refused = replies
            .iter()
            .filter(|reply| reply.contains("\"code\":111"));
        assert_eq!(refused.count(), 0, "{replies:?}");
    });
}
