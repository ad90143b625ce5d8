//! Messages of one client: fragments, limits, violations.

use super::*;

fn echo() -> Server {
    Server::start(&raw("/echo", "on_message = \"echo\""))
}

#[test]
fn fragments_are_joined_and_control_frames_between_them_answered_in_place() {
    run(async {
        let server = echo();
        let mut client = server.ws("/echo").await;
        client.send(&Frame::new(0x01, b"one ")).await;
        client.send(&Frame::new(0x89, b"now")).await;
        assert_eq!(client.message().await, Frame::new(0x8a, b"now"));
        client.send(&Frame::new(0x00, b"two ")).await;
        client.send(&Frame::new(0x80, b"three")).await;
        client.expect_text("one two three").await;
    });
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_is_1009() {
    run(async {
        let settings = "[limits]\nmessage_bytes = 1000\n".to_string();
        let server = Server::start(&(settings + &raw("/echo", "on_message = \"echo\"")));
        let mut client = server.ws("/echo").await;
        client.send(&Frame::binary(&[7; 1000])).await;
        assert_eq!(client.message().await, Frame::binary(&[7; 1000]));
        client.send_raw(&masked(0x82, &[7; 1001])[..8]).await;
        let (code, reason) = client.expect_close().await;
        assert_eq!(code, 1009);
        assert!(reason.contains("1000"), "{reason}");
        let mut joined = server.ws("/echo").await;
        joined.send(&Frame::new(0x02, &[7; 600])).await;
        joined.send(&Frame::new(0x80, &[7; 401])).await;
        assert_eq!(joined.expect_close().await.0, 1009);
    });
}

#[test]
fn violations_end_the_session_with_their_code_and_nobody_elses() {
    run(async {
        let server = echo();
        let mut other = server.ws("/echo").await;
        let not_minimal = [&[0x82, 0xfe, 0, 5][..], &[0; 9]].concat();
        let no_status = masked(0x88, &1005u16.to_be_bytes());
        let cases: &[(&str, Vec<u8>, u16)] = &[
            ("unmasked", vec![0x81, 0x01, b'x'], 1002),
            ("reserved bit", masked(0xc1, b"x"), 1002),
            ("unknown opcode", masked(0x83, b""), 1002),
            ("fragmented ping", masked(0x09, b""), 1002),
            ("long ping", masked(0x89, &[0; 126]), 1002),
            ("continuation of nothing", masked(0x80, b""), 1002),
            ("length not minimal", not_minimal, 1002),
            ("close code 1005", no_status, 1002),
            ("close of one byte", masked(0x88, &[3]), 1002),
            (
                "text that is not UTF-8",
                masked(0x81, b"\xce\xba\xed\xa0\x80"),
                1007,
            ),
        ];
        for (what, bytes, code) in cases {
            let mut client = server.ws("/echo").await;
            client.send_raw(bytes).await;
            let close = client.expect_close().await;
            assert_eq!(close.0, *code, "{what}: {}", close.1);
            assert!(
                !close.1.is_empty(),
                "{what}: the reason tells the author what to mend"
            );
        }
        other.text("still here").await;
        other.expect_text("still here").await;
        server.wait_sessions(1).await;
    });
}

#[test]
fn what_came_before_a_fault_is_answered_before_the_close() {
    run(async {
        let server = echo();
        let mut client = server.ws("/echo").await;
        let mut bytes = masked(0x81, b"good");
        bytes.extend(masked(0x89, b"ping"));
        bytes.extend(masked(0x83, b"bad"));
        client.send_raw(&bytes).await;
        client.expect_text("good").await;
        assert_eq!(client.next().await, Some(Frame::new(0x8a, b"ping")));
        assert_eq!(client.expect_close().await.0, 1002);
    });
}

#[test]
fn utf8_is_checked_as_it_arrives_not_when_the_message_ends() {
    run(async {
        let server = echo();
        let mut client = server.ws("/echo").await;
        // The frame announces 100 bytes; five of them decide.
        let frame = masked(0x81, &[&b"\xf4\x90\x80\x80"[..], &[b'x'; 96]].concat());
        client.send_raw(&frame[..6 + 5]).await;
        assert_eq!(client.expect_close().await.0, 1007);
    });
}
