//! Channels with a window: what is published within it leaves together, in order, with its places.
//! Helpers for these are here; `forms` has what a line is in each form, `bounds` what waits at most
//! and what gives way, `members` who comes and goes meanwhile, `senders` who sends and gets.

mod bounds;
mod forms;
mod members;
mod senders;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;

const WINDOW: Duration = Duration::from_secs(4);

/// All channels have the window; `/ws` is a raw endpoint, to which lines can be added.
fn settings(more: &str) -> String {
    format!(
        "[channels]\nwindow = \"4s\"\nallow.subscribe = [\"anonymous\"]\n\
         allow.publish = [\"anonymous\", \"subscriber\"]\n{more}\n[[raw]]\npath = \"/ws\"\n"
    )
}

fn start(more: &str) -> Server {
    Server::start(&settings(more))
}

const KEPT: &str = "history_size = 100\nrecovery = true\n";

/// Batches that left, those that left early, and publications that gave way to newer ones.
fn counts(server: &Server) -> [u64; 3] {
    let metrics = &server.test.metrics;
    [
        metrics.sum(|stats| &stats.window_batches),
        metrics.sum(|stats| &stats.window_early),
        metrics.sum(|stats| &stats.window_replaced),
    ]
}

/// A client of the protocol, subscribed to the channel.
async fn client(server: &Server, channel: &str) -> ProtocolClient {
    client_with(server, json!({ "channel": channel })).await.0
}

/// The same with more wishes, and the answer to them.
async fn client_with(server: &Server, subscribe: Value) -> (ProtocolClient, Value) {
    let mut client = ProtocolClient::connected(server).await;
    let reply = client.ask(json!({ "subscribe": subscribe })).await;
    assert!(reply["subscribe"].is_object(), "{reply}");
    (client, reply["subscribe"].clone())
}

/// The next frame, whole.
async fn text_of(client: &mut ProtocolClient) -> String {
    String::from_utf8(client.peer.message().await.payload).expect("text")
}

/// What a client is told next of publications, in one frame.
async fn pushed(client: &mut ProtocolClient) -> Vec<Value> {
    let lines = client.peer.json_lines().await.into_iter();
    lines.map(|line| line["push"].clone()).collect()
}

/// The data of publications.
fn data(pushes: &[Value]) -> Vec<Value> {
    let pushes = pushes.iter();
    pushes.map(|push| push["pub"]["data"].clone()).collect()
}

/// Their offsets.
fn offsets(pushes: &[Value]) -> Vec<Value> {
    let pushes = pushes.iter();
    pushes.map(|push| push["pub"]["offset"].clone()).collect()
}

/// Whoever publishes rarely must not be slowed by a window, and whoever publishes often is written
/// for once. The first leaves at once; the others come together, in order, with their offsets, when
/// the window ends. The first window of a channel is shortened by up to half.
#[test]
fn the_first_leaves_at_once_and_the_rest_together_in_order() {
    run(async {
        let server = start(KEPT);
        let mut raw = server.ws("/ws?channel=a").await;
        let mut protocol = client(&server, "a").await;
        let started = Instant::now();
        server.publish("a", "1").await;
        raw.expect_text("1").await;
        assert_eq!(offsets(&pushed(&mut protocol).await), [1]);
        assert!(started.elapsed() < STEP, "the first does not wait");
        for number in 2..=4 {
            server.publish("a", &number.to_string()).await;
        }
        for number in 2..=4 {
            raw.expect_text(&number.to_string()).await;
        }
        assert_eq!(offsets(&pushed(&mut protocol).await), [2, 3, 4]);
        let waited = started.elapsed();
        assert!(
            (WINDOW / 2..WINDOW + STEP).contains(&waited),
            "{waited:?} from the first"
        );
        assert_eq!(counts(&server), [1, 0, 0]);
        // The next window is whole, and begins where the line has left.
        server.publish("a", "5").await;
        assert_eq!(offsets(&pushed(&mut protocol).await), [5]);
        let waited = started.elapsed() - waited;
        assert!(
            (WINDOW - STEP..WINDOW + STEP).contains(&waited),
            "{waited:?} from the line"
        );
    });
}

/// Answers must not wait for a channel's window, or a client would take its server for slow.
#[test]
fn replies_pongs_and_channels_without_a_window_do_not_wait() {
    run(async {
        let server = start("[[namespace]]\nname = \"now\"\nwindow = 0\n");
        let mut protocol = client(&server, "a").await;
        let mut other = server.ws("/ws?channel=now:b").await;
        server.publish("a", "1").await;
        pushed(&mut protocol).await;
        let started = Instant::now();
        server.publish("a", "2").await;
        server.publish("now:b", "1").await;
        server.publish("now:b", "2").await;
        other.expect_text("1").await;
        other.expect_text("2").await;
        // A ping is answered at once, in the window's channel, too.
        protocol.peer.expect_nothing().await;
        protocol.subscribe("c").await;
        assert!(started.elapsed() < STEP, "nothing of it has waited");
        assert_eq!(data(&pushed(&mut protocol).await), [2]);
    });
}
