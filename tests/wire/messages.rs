//! Messages of one client: echoes, replies, limits, violations.

use crate::support::{Frame, Server, eventually, masked, raw};

fn echo() -> Server {
    Server::start(&raw("/echo", "on_message = \"echo\""))
}

#[test]
fn text_binary_and_pings_are_answered_in_order() {
    let server = echo();
    let mut client = server.ws("/echo");
    let mut all = Vec::new();
    for frame in [
        Frame::text("你好"),
        Frame::binary(b"\x00\xff"),
        Frame {
            first: 0x89,
            payload: b"p".into(),
        },
        Frame::text(""),
    ] {
        all.extend(masked(frame.first, &frame.payload));
    }
    client.send_raw(&all);
    assert_eq!(client.message(), Frame::text("你好"));
    assert_eq!(client.message(), Frame::binary(b"\x00\xff"));
    assert_eq!(
        client.message(),
        Frame {
            first: 0x8a,
            payload: b"p".into()
        }
    );
    assert_eq!(client.message(), Frame::text(""));
}

#[test]
fn a_text_that_is_not_utf8_is_1007() {
    let server = echo();
    let mut other = server.ws("/echo");
    let mut client = server.ws("/echo");
    client.send_raw(&masked(0x81, b"\xce\xba\xed\xa0\x80"));
    let (code, reason) = client.expect_close();
    assert_eq!(code, 1007);
    assert!(reason.contains("UTF-8"), "{reason}");
    let line = server.log.wait_for("session ended");
    assert!(line.contains("code=1007"), "{line}");
    other.text("still here");
    other.expect_text("still here");
}

#[test]
fn a_header_that_announces_2_to_the_40_bytes_is_refused_at_once_and_costs_no_memory() {
    let server = echo();
    let before = server.rss_kib();
    for _ in 0..20 {
        let mut client = server.ws("/echo");
        let mut header = vec![0x82, 0x80 | 127];
        header.extend_from_slice(&(1u64 << 40).to_be_bytes());
        header.extend_from_slice(&[0; 4]);
        client.send_raw(&header);
        assert_eq!(client.expect_close().0, 1009);
    }
    let grown = server.rss_kib().saturating_sub(before);
    assert!(grown < 4096, "grew by {grown} KiB");
}

#[test]
fn a_fault_reaches_the_client_even_while_it_sends_on() {
    let server = echo();
    let mut client = server.ws("/echo");
    let mut bytes = masked(0x83, b"");
    bytes.resize(100_000, b'x');
    client.send_raw(&bytes);
    assert_eq!(
        client.expect_close().0,
        1002,
        "a reset would have destroyed the Close"
    );
}

#[test]
fn compressed_messages_pass_both_ways_and_short_ones_stay_plain() {
    let server = echo();
    let mut client = server.ws_with("/echo", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    // RFC 7692 §7.2.3.1: "Hello" in one compressed block.
    client.send(&Frame {
        first: 0xc1,
        payload: vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    });
    client.expect_text("Hello");
    let long = "fanfare ".repeat(100);
    client.text(&long);
    let frame = client.message();
    assert_eq!(frame.first, 0xc1);
    assert!(frame.payload.len() < 100, "{} bytes", frame.payload.len());
    client.send(&Frame {
        first: 0xc1,
        payload: frame.payload,
    });
    assert_eq!(
        client.message().first,
        0xc1,
        "what it sent is legal input too"
    );
}

#[test]
fn a_decompression_bomb_stops_at_the_limit() {
    let server = echo();
    // 8 MiB of zeros in about 8 KiB, far over the limit of 64 KiB.
    let mut bomb = {
        use flate2::{Compression, write::DeflateEncoder};
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        std::io::Write::write_all(&mut encoder, &vec![0; 8 << 20]).expect("memory");
        encoder.finish().expect("memory")
    };
    bomb.push(0);
    let before = server.rss_kib();
    let mut client = server.ws_with("/echo", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    client.send(&Frame {
        first: 0xc2,
        payload: bomb,
    });
    assert_eq!(client.expect_close().0, 1009);
    assert!(server.rss_kib().saturating_sub(before) < 4096);
}

#[test]
fn counts_say_what_passed() {
    let server = echo();
    let mut client = server.ws("/echo");
    client.text("four");
    client.expect_text("four");
    eventually("the counts", || {
        let status = server.status();
        let counts = ["messages_in", "messages_out", "bytes_in", "bytes_out"]
            .map(|name| status[name].as_u64());
        (counts == [Some(1), Some(1), Some(10), Some(6)]).then_some(())
    });
}
