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
fn fragments_are_joined_and_control_frames_between_them_answered_in_place() {
    let server = echo();
    let mut client = server.ws("/echo");
    client.send(&Frame {
        first: 0x01,
        payload: b"one ".into(),
    });
    client.send(&Frame {
        first: 0x89,
        payload: b"now".into(),
    });
    assert_eq!(
        client.message(),
        Frame {
            first: 0x8a,
            payload: b"now".into()
        }
    );
    client.send(&Frame {
        first: 0x00,
        payload: b"two ".into(),
    });
    client.send(&Frame {
        first: 0x80,
        payload: b"three".into(),
    });
    client.expect_text("one two three");
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_is_1009() {
    let server = Server::start(
        &("[limits]\nmessage_bytes = 1000\n".to_string() + &raw("/echo", "on_message = \"echo\"")),
    );
    let mut client = server.ws("/echo");
    client.send(&Frame::binary(&[7; 1000]));
    assert_eq!(client.message(), Frame::binary(&[7; 1000]));
    client.send_raw(&masked(0x82, &[7; 1001])[..8]);
    let (code, reason) = client.expect_close();
    assert_eq!(code, 1009);
    assert!(reason.contains("1000"), "{reason}");
    let mut joined = server.ws("/echo");
    joined.send(&Frame {
        first: 0x02,
        payload: vec![7; 600],
    });
    joined.send(&Frame {
        first: 0x80,
        payload: vec![7; 401],
    });
    assert_eq!(joined.expect_close().0, 1009);
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
fn violations_end_the_session_with_their_code_and_nobody_elses() {
    let server = echo();
    let mut other = server.ws("/echo");
    let cases: &[(&str, Vec<u8>, u16)] = &[
        ("unmasked", vec![0x81, 0x01, b'x'], 1002),
        ("reserved bit", masked(0xc1, b"x"), 1002),
        ("unknown opcode", masked(0x83, b""), 1002),
        ("fragmented ping", masked(0x09, b""), 1002),
        ("long ping", masked(0x89, &[0; 126]), 1002),
        ("continuation of nothing", masked(0x80, b""), 1002),
        (
            "length not minimal",
            [&[0x82, 0xfe, 0, 5][..], &[0; 9]].concat(),
            1002,
        ),
        (
            "close code 1005",
            masked(0x88, &1005u16.to_be_bytes()),
            1002,
        ),
        ("close of one byte", masked(0x88, &[3]), 1002),
        (
            "text that is not UTF-8",
            masked(0x81, b"\xce\xba\xed\xa0\x80"),
            1007,
        ),
    ];
    for (what, bytes, code) in cases {
        let mut client = server.ws("/echo");
        client.send_raw(bytes);
        let close = client.expect_close();
        assert_eq!(close.0, *code, "{what}: {}", close.1);
        assert!(
            !close.1.is_empty(),
            "{what}: the reason tells the author what to mend"
        );
    }
    other.text("still here");
    other.expect_text("still here");
    server.wait_status("sessions", 1);
}

#[test]
fn what_came_before_a_fault_is_answered_before_the_close() {
    let server = echo();
    let mut client = server.ws("/echo");
    let mut bytes = masked(0x81, b"good");
    bytes.extend(masked(0x89, b"ping"));
    bytes.extend(masked(0x83, b"bad"));
    client.send_raw(&bytes);
    client.expect_text("good");
    assert_eq!(
        client.next(),
        Some(Frame {
            first: 0x8a,
            payload: b"ping".into()
        })
    );
    assert_eq!(client.expect_close().0, 1002);
}

#[test]
fn utf8_is_checked_as_it_arrives_not_when_the_message_ends() {
    let server = echo();
    let mut client = server.ws("/echo");
    // The frame announces 100 bytes; five of them decide.
    let frame = masked(0x81, &[&b"\xf4\x90\x80\x80"[..], &[b'x'; 96]].concat());
    client.send_raw(&frame[..6 + 5]);
    assert_eq!(client.expect_close().0, 1007);
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
