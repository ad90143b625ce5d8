//! Channels with a window: what is published within it leaves together, in order, with its places.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    plain::{Events, poll, post, publish, since, texts},
    support::{Client, Frame, SOON, Server, eventually},
};

/// So long that a loaded machine publishes a few messages within half of it.
const WINDOW: Duration = Duration::from_secs(4);

fn settings(more: &str) -> String {
    // One worker, so that every count is known.
    format!(
        "workers = 1\napi.key = \"k\"\n[channels]\nwindow = \"4s\"\nallow.subscribe = [\"anonymous\"]\n\
         allow.publish = [\"anonymous\", \"subscriber\"]\n{more}\n[[raw]]\npath = \"/ws\"\n"
    )
}

fn start(more: &str) -> Server {
    Server::start(&settings(more))
}

const KEPT: &str = "history_size = 100\nrecovery = true\n";

const KEY: &str = "X-API-Key: k\r\n";

/// A number of `/metrics`, over all workers.
fn metric(server: &Server, name: &str) -> u64 {
    let text = server.get_with("/metrics", KEY).body;
    let lines = text.lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum::<f64>() as u64
}

/// Batches that left, those that left early, and publications that gave way to newer ones.
fn counts(server: &Server) -> [u64; 3] {
    ["batches", "early", "replaced"]
        .map(|name| metric(server, &format!("fanfare_window_{name}_total")))
}

/// A call of the API, which must succeed.
fn api(server: &Server, method: &str, body: &Value) -> Value {
    let path = format!("/api/{method}");
    let answer = post(server, &path, KEY, &body.to_string());
    let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert!(answer["error"].is_null(), "{method}: {answer}");
    answer["result"].clone()
}

/// A client of the protocol, subscribed to the channel.
fn client(server: &Server, channel: &str) -> Client {
    client_with(server, &json!({ "channel": channel })).0
}

/// The same with more wishes, and the answer to them.
fn client_with(server: &Server, subscribe: &Value) -> (Client, Value) {
    let mut client = server.ws("/connection/websocket");
    client.text("{\"id\":1,\"connect\":{}}");
    client.message();
    client.text(&json!({ "id": 2, "subscribe": subscribe }).to_string());
    let reply = client.json_lines().remove(0);
    assert_eq!(reply["id"], 2, "{reply}");
    (client, reply["subscribe"].clone())
}

/// What a client is told next of publications, in one frame.
fn pushed(client: &mut Client) -> Vec<Value> {
    let lines = client.json_lines().into_iter();
    lines.map(|line| line["push"].clone()).collect()
}

/// The data of publications.
fn data(pushes: &[Value]) -> Vec<Value> {
    pushes
        .iter()
        .map(|push| push["pub"]["data"].clone())
        .collect()
}

fn text_of(client: &mut Client) -> String {
    String::from_utf8(client.message().payload).expect("text")
}

/// Whoever publishes rarely must not be slowed by a window, and whoever publishes often is written
/// for once. The first leaves at once; the others come together, in order, with their offsets.
#[test]
fn the_first_leaves_at_once_and_the_rest_together_in_order() {
    let server = start(KEPT);
    let mut raw = server.ws("/ws?channel=a");
    let mut protocol = client(&server, "a");
    let started = Instant::now();
    publish(&server, "a", "1");
    raw.expect_text("1");
    assert!(text_of(&mut protocol).contains("\"offset\":1"));
    assert!(started.elapsed() < WINDOW / 2, "the first does not wait");
    for number in 2..=4 {
        publish(&server, "a", &number.to_string());
    }
    for number in 2..=4 {
        raw.expect_text(&number.to_string());
    }
    let frame = text_of(&mut protocol);
    let offsets: Vec<_> = frame
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|push| push["push"]["pub"]["offset"].as_u64().expect("an offset"))
        .collect();
    assert_eq!(offsets, [2, 3, 4], "one frame: {frame}");
    assert_eq!(counts(&server), [1, 0, 0]);
}

/// A stream's batch is one write in which each event still has the id to go on from. A poll that
/// waits is answered with all of a batch, not with its first message.
#[test]
fn a_stream_gets_each_event_with_its_id_and_a_poll_one_answer() {
    let server = start(KEPT);
    let mut events = Events::open(server.address, "/sse?channel=a", "");
    events.greeting();
    publish(&server, "a", "1");
    let first = events.next().id.expect("an id");
    let asked = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| poll(&server, &format!("channel=a&since={first}")));
        // The poll is one more session while it waits.
        server.wait_status("sessions", 2);
        for number in 2..=4 {
            publish(&server, "a", &number.to_string());
        }
        waiting.join().expect("an answer")
    });
    let polled = texts(&asked);
    assert_eq!(polled, ["2", "3", "4"]);
    for number in 2..=4u64 {
        let event = events.next();
        assert_eq!(event.data, number.to_string());
        let id = event.id.expect("an id");
        assert!(id.starts_with(&format!("{number}@")), "{id}");
    }
    assert!(since(&asked).starts_with("4@"));
}

/// What waits was published before whoever subscribes meanwhile was there. Without a position it
/// begins behind that; with one it has each publication once.
#[test]
fn who_subscribes_meanwhile_gets_what_comes_after_and_each_once() {
    for more in ["", KEPT] {
        let server = start(more);
        let mut before = server.ws("/ws?channel=a");
        publish(&server, "a", "1");
        before.expect_text("1");
        publish(&server, "a", "2");
        let mut late = server.ws("/ws?channel=a");
        let mut protocol = client(&server, "a");
        server.wait_status("sessions", 3);
        publish(&server, "a", "3");
        before.expect_text("2");
        before.expect_text("3");
        late.expect_text("3");
        let pushed = text_of(&mut protocol);
        assert!(
            pushed.contains("\"data\":3") && !pushed.contains("\"data\":2"),
            "{pushed}"
        );
        assert_eq!(pushed.lines().count(), 1, "{pushed}");
    }
}

/// A client that unsubscribes or is closed has been promised what was published before. It gets
/// that first, then the answer or the Close, and nothing behind them.
#[test]
fn close_and_unsubscribe_send_what_waits_first() {
    let server = start("");
    let mut leaving = client(&server, "a");
    let mut closed = server.ws("/ws?channel=a");
    publish(&server, "a", "1");
    text_of(&mut leaving);
    closed.expect_text("1");
    publish(&server, "a", "2");
    leaving.text("{\"id\":3,\"unsubscribe\":{\"channel\":\"a\"}}");
    let mut seen = text_of(&mut leaving);
    if !seen.contains("unsubscribe") {
        seen.push_str(&text_of(&mut leaving));
    }
    let (at, end) = (seen.find("\"data\":2"), seen.find("\"unsubscribe\""));
    assert!(at.is_some() && at < end, "{seen}");
    server.signal("TERM");
    closed.expect_text("2");
    assert_eq!(closed.message().code_and_reason().0, 1012);
}

/// Answers must not wait for a channel's window, or a client would take its server for slow.
#[test]
fn replies_pongs_and_channels_without_a_window_do_not_wait() {
    let server = start("[[namespace]]\nname = \"now\"\nwindow = 0\n");
    let mut protocol = client(&server, "a");
    let mut other = server.ws("/ws?channel=now:b");
    publish(&server, "a", "1");
    text_of(&mut protocol);
    let started = Instant::now();
    publish(&server, "a", "2");
    publish(&server, "now:b", "1");
    publish(&server, "now:b", "2");
    other.expect_text("1");
    other.expect_text("2");
    // A ping is answered at once, in the window's channel, too.
    protocol.expect_nothing();
    protocol.text("{\"id\":9,\"subscribe\":{\"channel\":\"c\"}}");
    assert!(text_of(&mut protocol).contains("\"id\":9"));
    assert!(started.elapsed() < WINDOW / 2, "nothing of it has waited");
    assert!(text_of(&mut protocol).contains("\"data\":2"));
}

/// Without a bound one frame could grow to whatever a window brings. At `window_bytes` a batch
/// leaves before its time, and no frame has more.
#[test]
fn a_window_that_is_full_leaves_early() {
    let server = Server::start(&settings("window_bytes = 1000").replace("4s", "10s"));
    let mut protocol = client(&server, "a");
    let text = format!("\"{}\"", "x".repeat(300));
    let started = Instant::now();
    publish(&server, "a", &text);
    text_of(&mut protocol);
    for _ in 0..4 {
        publish(&server, "a", &text);
    }
    let mut messages = 0;
    while messages < 4 {
        let frame = text_of(&mut protocol);
        assert!(frame.len() <= 1000, "{}", frame.len());
        messages += frame.lines().count();
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    // Two are a frame, and a third would be too much.
    assert_eq!(counts(&server), [2, 2, 0]);
}

/// Where only the newest value counts, older ones that still wait are not worth a byte. The last
/// one always arrives, and nobody is told a place from which values could be missing.
#[test]
fn with_keep_newest_only_the_newest_of_what_waits_arrives() {
    let server = start("keep = \"newest\"\nhistory_size = 1\ncache_recovery = true\n");
    let mut raw = server.ws("/ws?channel=a&envelope=1");
    raw.message();
    let mut protocol = client(&server, "a");
    publish(&server, "a", "1");
    assert!(!text_of(&mut raw).contains("since"));
    text_of(&mut protocol);
    for number in 2..=5 {
        publish(&server, "a", &number.to_string());
    }
    let envelope = text_of(&mut raw);
    assert!(
        envelope.contains("\"data\":5") && !envelope.contains("since"),
        "{envelope}"
    );
    assert!(text_of(&mut protocol).contains("\"data\":5"));
    assert_eq!(counts(&server), [1, 0, 3]);
    // Who comes back has no position, and the newest once more; a poll then waits for the next.
    let mut events = Events::open(server.address, "/sse?channel=a", "Last-Event-ID: -\r\n");
    events.greeting();
    assert_eq!(events.next().data, "5");
    let answer = poll(&server, "channel=a");
    assert_eq!(
        (texts(&answer), since(&answer)),
        (vec!["5".into()], "-".into())
    );
    let mut late = server.ws("/connection/websocket");
    late.text("{\"id\":1,\"connect\":{}}");
    late.message();
    late.text(
        "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"recoverable\":true,\"positioned\":true}}",
    );
    let result = text_of(&mut late);
    assert!(
        result.contains("\"data\":5"),
        "the newest at once: {result}"
    );
    assert!(
        !result.contains("recoverable") && !result.contains("positioned"),
        "{result}"
    );
}

/// A client that speaks Protobuf finds messages by the lengths before them, and no SDK takes more
/// than one kind of frame. A batch is one binary frame of replies, each behind its length.
#[test]
fn protobuf_has_all_replies_in_one_binary_frame() {
    let server = start(KEPT);
    let mut client = server.ws("/connection/websocket?format=protobuf");
    // Command: id 1, connect {}; then id 2, subscribe to "a".
    client.send(&Frame::binary(&[4, 0x08, 1, 0x22, 0]));
    client.message();
    client.send(&Frame::binary(&[7, 0x08, 2, 0x2a, 3, 0x0a, 1, b'a']));
    client.message();
    publish(&server, "a", "first");
    client.message();
    for text in ["second", "third", "fourth"] {
        publish(&server, "a", text);
    }
    let frame = client.message();
    assert_eq!(frame.first, 0x82);
    let mut rest = &frame.payload[..];
    for text in ["second", "third", "fourth"] {
        let (reply, more) = rest[1..].split_at(rest[0].into());
        let has = reply
            .windows(text.len())
            .any(|part| part == text.as_bytes());
        assert!(has, "{text} in {reply:?}");
        rest = more;
    }
    assert!(rest.is_empty());
}

/// Each client of its own would have its batch deflated, which costs more than all else. What
/// leaves together is deflated as one message, and every client of one form gets the same bytes.
#[test]
fn a_batch_is_deflated_as_one_message_for_all() {
    let server = start("");
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let mut clients: Vec<Client> = (0..2)
        .map(|_| server.ws_with("/connection/websocket", offer))
        .collect();
    for client in &mut clients {
        client.text("{\"id\":1,\"connect\":{}}");
        client.message();
        client.text("{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}");
        client.message();
    }
    let text = |number: u32| format!("{{\"price\":{number},\"name\":\"a name of some length\"}}");
    publish(&server, "a", &text(0));
    for client in &mut clients {
        assert_eq!(client.message().first, 0x81, "too short to be deflated");
    }
    for number in 1..=10 {
        publish(&server, "a", &text(number));
    }
    let frames: Vec<Frame> = clients.iter_mut().map(Client::message).collect();
    assert_eq!(frames[0].first, 0xc1);
    assert_eq!(frames[0], frames[1]);
    let mut deflated = frames[0].payload.clone();
    deflated.extend_from_slice(&[0, 0, 0xff, 0xff]);
    let mut inflated = Vec::with_capacity(1 << 16);
    flate2::Decompress::new(false)
        .decompress_vec(&deflated, &mut inflated, flate2::FlushDecompress::Sync)
        .expect("valid deflate");
    let inflated = String::from_utf8(inflated).expect("text");
    assert_eq!(inflated.lines().count(), 10);
    assert!(inflated.lines().last().expect("ten").contains(&text(10)));
}

/// A stream of the protocol has lines where a WebSocket has frames. What leaves together is one
/// write, and a read finds all of its lines.
#[test]
fn a_stream_of_lines_gets_all_lines_in_one_write() {
    use std::io::{Read as _, Write as _};
    let server = start(KEPT);
    let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let body = "{\"id\":1,\"connect\":{}}";
    let request = format!(
        "POST /connection/http_stream HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut read = |wanted: &str| {
        let (mut text, mut chunk) = (String::new(), [0; 1 << 16]);
        while !text.contains(wanted) {
            let n = stream.read(&mut chunk).expect("more");
            assert!(n > 0, "ended without {wanted}: {text}");
            text.push_str(std::str::from_utf8(&chunk[..n]).expect("text"));
        }
        text
    };
    let text = read("\"node\"");
    let reply = text.lines().find(|line| line.starts_with("{\"id\":1"));
    let reply: Value = serde_json::from_str(reply.expect("a reply")).expect("JSON");
    let command = json!({
        "session": reply["connect"]["session"],
        "node": reply["connect"]["node"],
        "data": "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}",
    });
    assert_eq!(
        post(&server, "/emulation", "", &command.to_string()).status,
        204
    );
    read("\"id\":2");
    publish(&server, "a", "1");
    read("\"data\":1");
    for number in 2..=4 {
        publish(&server, "a", &number.to_string());
    }
    let text = read("\"data\":");
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let offsets = lines.map(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["push"]["pub"]["offset"].as_u64().expect("an offset")
    });
    assert_eq!(offsets.collect::<Vec<_>>(), [2, 3, 4], "{text}");
}

/// A patch is made from what the client has just got. Within a batch each is made from the one
/// before it, and the batch begins where the client was.
#[test]
fn deltas_follow_each_other_within_a_batch() {
    let server = start(&format!("{KEPT}delta = true\n"));
    let wish = json!({ "channel": "a", "delta": "fossil" });
    let (mut patched, result) = client_with(&server, &wish);
    assert_eq!(result["delta"], true, "{result}");
    let mut whole = client(&server, "a");
    let text = |number: u32| {
        format!(
            "{{\"all the same\":\"{}\",\"n\":{number}}}",
            "again ".repeat(30)
        )
    };
    publish(&server, "a", &text(1));
    let first = pushed(&mut patched);
    assert_eq!(
        data(&first),
        [Value::from(text(1))],
        "a string that patches apply to"
    );
    pushed(&mut whole);
    for number in 2..=4 {
        publish(&server, "a", &text(number));
    }
    let patches = pushed(&mut patched);
    let offsets: Vec<_> = patches
        .iter()
        .map(|push| push["pub"]["offset"].clone())
        .collect();
    assert_eq!(offsets, [2, 3, 4]);
    for patch in &patches {
        assert_eq!(patch["pub"]["delta"], true, "{patch}");
        assert!(
            patch["pub"]["data"].as_str().expect("a patch").len() < 100,
            "{patch}"
        );
    }
    let all = pushed(&mut whole);
    assert_eq!(
        data(&all)[2],
        serde_json::from_str::<Value>(&text(4)).expect("JSON")
    );
}

/// Who relays gets no copy of its own message. In a batch of many senders each gets what the others
/// sent, and nothing is joined for one that another may not have.
#[test]
fn senders_are_left_out_of_their_own_messages_in_a_batch() {
    let server = Server::start(&(settings("") + "on_message = \"relay\"\n"));
    let mut clients: Vec<Client> = (0..3).map(|_| server.ws("/ws?channel=a")).collect();
    server.wait_status("sessions", 3);
    clients[0].text("0");
    clients[1].expect_text("0");
    clients[2].expect_text("0");
    for (sender, text) in [(0, "1"), (1, "2"), (0, "3")] {
        clients[sender].text(text);
        // So that the order between senders is known.
        clients[sender].expect_nothing();
    }
    clients[0].expect_text("2");
    clients[1].expect_text("1");
    clients[1].expect_text("3");
    for text in ["1", "2", "3"] {
        clients[2].expect_text(text);
    }
    for client in &mut clients {
        client.expect_nothing();
    }
}

/// Who comes and goes as fast as others speak costs as many writes. Joins and leaves wait in the
/// line of the messages, and leave with them.
#[test]
fn joins_and_leaves_wait_in_the_same_line() {
    let server = start("join_leave = true\nforce_push_join_leave = true\n");
    let mut watcher = client(&server, "a");
    publish(&server, "a", "1");
    let mut seen = pushed(&mut watcher);
    // Its own join may have been the first.
    while !data(&seen).contains(&Value::from(1)) {
        seen.extend(pushed(&mut watcher));
    }
    let mut guest = client(&server, "a");
    publish(&server, "a", "2");
    guest.text("{\"id\":3,\"unsubscribe\":{\"channel\":\"a\"}}");
    while guest.json_lines().iter().all(|line| line["id"] != 3) {}
    // Which of both was first is not said: a join is told once its session is in the presence.
    let mut told = pushed(&mut watcher);
    let is = |push: &Value, kind: &str| !push[kind].is_null();
    for kind in ["join", "pub"] {
        assert!(told.iter().any(|push| is(push, kind)), "{told:?}");
    }
    // A leave is told a moment later, in case its client is back at once: in this frame or the
    // next.
    while !told.iter().any(|push| is(push, "leave")) {
        told.extend(pushed(&mut watcher));
    }
    assert!(is(told.last().expect("a leave"), "leave"), "{told:?}");
}

/// A client that takes too little must not miss half a batch without a word. Whole batches are
/// dropped and a subscription that counts is ended with 2500, so that it comes back and recovers.
#[test]
fn slow_policies_drop_whole_batches_and_tell() {
    let server = Server::start(
        &(settings(&format!("{KEPT}slow_policy = \"drop_oldest\"\n")).replace("4s", "20ms")
            + "on_message = \"relay\"\n[limits]\noutbox_bytes = \"64KiB\"\n\
               [slow]\nwrite_timeout = \"60s\"\n"),
    );
    let mut deaf = client(&server, "a");
    let mut sender = server.ws("/ws?channel=a");
    // Three are a batch, and no second batch fits beside it.
    let text = "x".repeat(20 << 10);
    eventually("drops", || {
        for _ in 0..30 {
            sender.text(&text);
        }
        sender.expect_nothing();
        (metric(&server, "fanfare_dropped_publications_total") > 0).then_some(())
    });
    // What came behind the dropped ones and was queued stands before the word, as ever.
    let (mut last, mut gaps) = (0, 0);
    loop {
        for push in pushed(&mut deaf) {
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
}

/// What waits takes memory like what waits in the mailbox, and its publishers are told when there
/// is no room. It has its room until the window ends, and then there is room again.
#[test]
fn what_waits_keeps_its_place_in_the_queue_of_its_worker() {
    let server = Server::start(&(settings("") + "[limits]\nshard_queue_bytes = \"16KiB\"\n"));
    let mut member = server.ws("/ws?channel=a");
    let text = "x".repeat(1024);
    let body = json!({ "channel": "a", "data": text }).to_string();
    let try_publish = || {
        let answer = post(&server, "/api/publish", KEY, &body);
        answer.status == 200 && !answer.body.contains("\"error\"")
    };
    assert!(try_publish());
    member.message();
    let mut waiting = 0;
    while try_publish() {
        waiting += 1;
        assert!(waiting < 16, "what waits is free");
    }
    assert!(waiting > 8, "{waiting}");
    for _ in 0..waiting {
        member.message();
    }
    assert!(try_publish(), "there is room again");
}

/// The API ends subscriptions and sessions of clients that were promised what was published before.
/// They get it first, then the news of the end.
#[test]
fn what_the_api_ends_is_sent_what_waits_first() {
    let server = start("");
    let mut unsubscribed = client(&server, "a");
    let mut closed = server.ws("/ws?channel=a");
    publish(&server, "a", "1");
    text_of(&mut unsubscribed);
    closed.expect_text("1");
    publish(&server, "a", "2");
    let listed = api(&server, "connections", &json!({}));
    let ids = listed["connections"].as_object().expect("an object");
    let started = Instant::now();
    for id in ids.keys() {
        let end = json!({ "client": id, "channel": "a" });
        api(&server, "unsubscribe", &end);
    }
    let mut seen = text_of(&mut unsubscribed);
    if !seen.contains("unsubscribe") {
        seen.push_str(&text_of(&mut unsubscribed));
    }
    let (at, end) = (seen.find("\"data\":2"), seen.find("\"unsubscribe\""));
    assert!(at.is_some() && at < end, "{seen}");
    // It has left the channel, and with it the window.
    closed.expect_text("2");
    assert!(started.elapsed() < WINDOW / 2, "nothing of it has waited");

    let mut kicked = server.ws("/ws?channel=b");
    publish(&server, "b", "1");
    kicked.expect_text("1");
    publish(&server, "b", "2");
    for id in api(&server, "connections", &json!({}))["connections"]
        .as_object()
        .expect("an object")
        .keys()
    {
        api(&server, "disconnect", &json!({ "client": id }));
    }
    kicked.expect_text("2");
    assert!(kicked.message().is(8));
}

/// A client that comes back while its channel's line waits has a position, and the history has what
/// waits. It gets each publication once, by one way or the other.
#[test]
fn who_comes_back_with_a_position_gets_each_once() {
    let server = start(KEPT);
    let mut before = client(&server, "a");
    publish(&server, "a", "1");
    text_of(&mut before);
    let (gone, result) = client_with(&server, &json!({ "channel": "a", "recoverable": true }));
    let epoch = result["epoch"].clone();
    assert_eq!(result["offset"], 1, "{result}");
    publish(&server, "a", "2");
    drop(gone);
    let wish = json!({ "channel": "a", "recover": true, "offset": 1, "epoch": epoch });
    let (mut back, result) = client_with(&server, &wish);
    assert_eq!(result["recovered"], true, "{result}");
    assert_eq!(
        result["publications"].as_array().map(Vec::len),
        Some(1),
        "{result}"
    );
    let epoch = epoch.as_str().expect("an epoch");
    let mut raw = server.ws(&format!("/ws?channel=a&since=1@{epoch}"));
    raw.expect_text("2");
    publish(&server, "a", "3");
    raw.expect_text("3");
    assert_eq!(data(&pushed(&mut back)), [3]);
    assert_eq!(data(&pushed(&mut before)), [2, 3]);
    raw.expect_nothing();
    // The next window, as ever.
    publish(&server, "a", "4");
    assert_eq!(data(&pushed(&mut back)), [4]);
}

/// A poll that waited was there when a message was published, even if its time is over before the
/// window's. Between polls nobody is there, so what waits is in its answer or lost.
#[test]
fn a_poll_whose_time_is_over_takes_what_waits() {
    let long = settings("").replace("4s", "10s") + "[limits]\npoll_wait = \"2s\"\n";
    let server = Server::start(&long);
    let mut member = server.ws("/ws?channel=a");
    publish(&server, "a", "1");
    member.expect_text("1");
    let position = since(&poll(&server, "channel=a"));
    let started = Instant::now();
    let answer = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| poll(&server, &format!("channel=a&since={position}")));
        server.wait_status("sessions", 2);
        for number in 2..=3 {
            publish(&server, "a", &number.to_string());
        }
        waiting.join().expect("an answer")
    });
    assert_eq!(texts(&answer), ["2", "3"]);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "the window is longer"
    );
}

/// A channel with many values has a newest of each. The last of each arrives, and so it does for
/// who leaves before the window ends.
#[test]
fn with_keep_newest_by_the_last_of_each_value_arrives() {
    let server = start("keep = \"newest_by:city\"\n");
    let mut staying = client(&server, "a");
    let mut leaving = client(&server, "a");
    let say = |city: &str, data: u32| {
        let body = json!({ "channel": "a", "data": data, "tags": { "city": city } });
        api(&server, "publish", &body);
    };
    say("Paris", 1);
    text_of(&mut staying);
    text_of(&mut leaving);
    for (city, data) in [
        ("Paris", 2),
        ("Oslo", 3),
        ("Paris", 4),
        ("Oslo", 5),
        ("Rome", 6),
    ] {
        say(city, data);
    }
    leaving.text("{\"id\":3,\"unsubscribe\":{\"channel\":\"a\"}}");
    let mut had = Vec::new();
    'all: loop {
        for line in leaving.json_lines() {
            if line["id"] == 3 {
                break 'all;
            }
            had.push(line["push"]["pub"]["data"].clone());
        }
    }
    assert_eq!(had, [4, 5, 6]);
    assert_eq!(data(&pushed(&mut staying)), [4, 5, 6]);
    assert_eq!(counts(&server), [1, 0, 2]);
    say("Oslo", 7);
    assert_eq!(data(&pushed(&mut staying)), [7], "what comes last arrives");
}

/// A message that is relayed into several channels reaches a plain client once. It must do so
/// though it waits, whatever channels the client leaves meanwhile, and what gave way in one channel
/// is still owed by another.
#[test]
fn a_message_in_several_channels_comes_once_though_it_waits() {
    let more = "[[namespace]]\nname = \"new\"\nkeep = \"newest\"\n\
                [[namespace]]\nname = \"now\"\nwindow = 0\n";
    let server = Server::start(&(settings(more) + "on_message = \"relay\"\n"));
    let mut sender = server.ws("/ws?channel=a&channel=b");
    let mut member = server.ws("/ws?channel=a&channel=b");
    server.wait_status("sessions", 2);
    sender.text("1");
    member.expect_text("1");
    sender.text("2");
    sender.expect_nothing();
    let listed = api(&server, "connections", &json!({}));
    for id in listed["connections"].as_object().expect("an object").keys() {
        api(
            &server,
            "unsubscribe",
            &json!({ "client": id, "channel": "a" }),
        );
    }
    member.expect_text("2");
    publish(&server, "b", "3");
    member.expect_text("3");

    let mut sender = server.ws("/ws?channel=new:a&channel=now:b");
    let mut member = server.ws("/ws?channel=new:a&channel=now:b&envelope=1");
    server.wait_status("sessions", 4);
    member.message();
    for text in ["1", "2", "3"] {
        sender.text(text);
    }
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let envelope: Value = serde_json::from_str(&text_of(&mut member)).expect("JSON");
        seen.push((envelope["channel"].to_string(), envelope["data"].clone()));
    }
    for number in 1..=3 {
        assert!(
            seen.contains(&("\"now:b\"".to_string(), number.into())),
            "{seen:?}"
        );
    }
    assert!(
        seen.contains(&("\"new:a\"".to_string(), 3.into())),
        "{seen:?}"
    );
}
