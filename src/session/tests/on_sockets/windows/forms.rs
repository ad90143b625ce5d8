//! What leaves together, in each form: one frame, one deflated message, one patch behind the other.

use super::*;

/// A client that speaks Protobuf finds messages by the lengths before them, and no SDK takes more
/// than one kind of frame. A batch is one binary frame of replies, each behind its length.
#[test]
fn protobuf_has_all_replies_in_one_binary_frame() {
    run(async {
        let server = start(KEPT);
        let mut client = server.ws("/connection/websocket?format=protobuf").await;
        // Command: id 1, connect {}; then id 2, subscribe to "a".
        client.send(&Frame::binary(&[4, 0x08, 1, 0x22, 0])).await;
        client.message().await;
        let subscribe = [7, 0x08, 2, 0x2a, 3, 0x0a, 1, b'a'];
        client.send(&Frame::binary(&subscribe)).await;
        client.message().await;
        server.publish("a", "first").await;
        client.message().await;
        for text in ["second", "third", "fourth"] {
            server.publish("a", text).await;
        }
        let frame = client.message().await;
        assert_eq!(frame.first, 0x82);
        let mut rest = &frame.payload[..];
        for text in ["second", "third", "fourth"] {
            let (reply, more) = rest[1..].split_at(rest[0].into());
            let mut parts = reply.windows(text.len());
            let has = parts.any(|part| part == text.as_bytes());
            assert!(has, "{text} in {reply:?}");
            rest = more;
        }
        assert!(rest.is_empty());
    });
}

fn inflated(frame: &Frame) -> String {
    let mut deflated = frame.payload.clone();
    deflated.extend_from_slice(&[0, 0, 0xff, 0xff]);
    let mut inflated = Vec::with_capacity(1 << 16);
    flate2::Decompress::new(false)
        .decompress_vec(&deflated, &mut inflated, flate2::FlushDecompress::Sync)
        .expect("valid deflate");
    String::from_utf8(inflated).expect("text")
}

/// Each client of its own would have its batch deflated, which costs more than all else. What
/// leaves together is deflated as one message, and every client of one form gets the same bytes.
#[test]
fn a_batch_is_deflated_as_one_message_for_all() {
    run(async {
        let server = start("");
        let mut clients = Vec::new();
        for _ in 0..2 {
            let path = "/connection/websocket";
            let mut client = server.ws_deflating(path, Some(15)).await;
            client.text("{\"id\":1,\"connect\":{}}").await;
            client.message().await;
            client
                .text("{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}")
                .await;
            client.message().await;
            clients.push(client);
        }
        let text =
            |number: u32| format!("{{\"price\":{number},\"name\":\"a name of some length\"}}");
        server.publish("a", &text(0)).await;
        for client in &mut clients {
            let first = client.message().await.first;
            assert_eq!(first, 0x81, "too short to be deflated");
        }
        for number in 1..=10 {
            server.publish("a", &text(number)).await;
        }
        let mut frames = Vec::new();
        for client in &mut clients {
            frames.push(client.message().await);
        }
        assert_eq!(frames[0].first, 0xc1);
        assert_eq!(frames[0], frames[1]);
        let inflated = inflated(&frames[0]);
        assert_eq!(inflated.lines().count(), 10);
        assert!(inflated.lines().last().expect("ten").contains(&text(10)));
    });
}

/// A patch is made from what the client has just got. Within a batch each is made from the one
/// before it, and the batch begins where the client was.
#[test]
fn deltas_follow_each_other_within_a_batch() {
    run(async {
        let server = start(&format!("{KEPT}delta = true\n"));
        let wish = json!({ "channel": "a", "delta": "fossil" });
        let (mut patched, result) = client_with(&server, wish).await;
        assert_eq!(result["delta"], true, "{result}");
        let mut whole = client(&server, "a").await;
        let text = |number: u32| {
            let again = "again ".repeat(30);
            format!("{{\"all the same\":\"{again}\",\"n\":{number}}}")
        };
        server.publish("a", &text(1)).await;
        let first = pushed(&mut patched).await;
        let first = first[0]["pub"]["data"].as_str();
        let mut known = first.expect("what patches apply to").to_string();
        assert_eq!(known, text(1));
        pushed(&mut whole).await;
        for number in 2..=4 {
            server.publish("a", &text(number)).await;
        }
        let patches = pushed(&mut patched).await;
        assert_eq!(offsets(&patches), [2, 3, 4]);
        for (patch, number) in patches.iter().zip(2..) {
            assert_eq!(patch["pub"]["delta"], true, "{patch}");
            let patch = patch["pub"]["data"].as_str().expect("a patch");
            assert!(patch.len() < 100, "{patch}");
            let applied = crate::fossil::apply(known.as_bytes(), patch.as_bytes());
            known = String::from_utf8(applied.expect("it applies")).expect("text");
            assert_eq!(known, text(number));
        }
        let all = pushed(&mut whole).await;
        let last: Value = serde_json::from_str(&text(4)).expect("JSON");
        assert_eq!(data(&all)[2], last);
    });
}
