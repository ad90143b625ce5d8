//! Every way in which a session ends, seen from the client and from the log; after each, nobody is
//! left in any table.

use crate::support::{Frame, Server, eventually, raw};

const KEY: &str = "Authorization: Bearer s3cret\r\n";

fn start() -> Server {
    Server::start(
        &("[admin]\nkey = \"s3cret\"\n[close]\ntimeout = \"500ms\"\n".to_string()
            + &raw("/ws", "on_message = \"relay\"")),
    )
}

#[test]
fn a_close_is_answered_with_its_code_and_the_connection_ends() {
    let server = start();
    let mut client = server.ws("/ws?channel=c");
    client.send(&Frame::close(4001, "enough\nof this"));
    assert_eq!(client.next(), Some(Frame::close(4001, "")));
    assert_eq!(client.next(), None);
    let line = server.log.wait_for("session ended");
    assert!(
        line.contains("code=4001 reason=\"enough\\nof this\" by=client"),
        "{line}"
    );
    for part in [
        "id=",
        "address=127.0.0.1",
        "endpoint=/ws",
        "duration=",
        "messages_in=0",
        "bytes_in=",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    server.wait_status("sessions", 0);
    server.wait_status("channels", 0);
}

#[test]
fn a_close_without_a_code_is_logged_with_reason_none() {
    let server = start();
    let mut client = server.ws("/ws");
    client.send(&Frame {
        first: 0x88,
        payload: Vec::new(),
    });
    assert_eq!(
        client.next(),
        Some(Frame {
            first: 0x88,
            payload: Vec::new()
        })
    );
    assert_eq!(client.next(), None);
    let line = server.log.wait_for("session ended");
    assert!(line.contains("code=1005 reason=none"), "{line}");
}

#[test]
fn what_comes_behind_a_close_is_not_answered() {
    let server = start();
    let mut client = server.ws("/ws");
    let mut bytes = crate::support::masked(0x88, &[3, 0xe8]);
    bytes.extend(crate::support::masked(0x89, b"late"));
    client.send_raw(&bytes);
    assert_eq!(client.expect_close().0, 1000);
}

#[test]
fn a_lost_connection_is_1006_and_leaves_every_table() {
    let server = start();
    drop(server.ws("/ws?channel=c"));
    let line = server.log.wait_for("session ended");
    assert!(line.contains("code=1006 reason=none by=network"), "{line}");
    server.wait_status("sessions", 0);
    server.wait_status("channels", 0);
}

#[test]
fn a_kicked_session_gets_3503_and_is_cut_if_it_does_not_answer() {
    let server = start();
    let mut client = server.ws("/ws?channel=c");
    let list = eventually("the session in the list", || {
        let list: serde_json::Value =
            serde_json::from_str(&server.get_with("/status/sessions", KEY).body).ok()?;
        (list["sessions"].as_array()?.len() == 1).then_some(list)
    });
    let id = list["sessions"][0]["id"].as_str().expect("an id");
    let delete = |id: &str, key: &str| {
        server
            .request(&format!(
                "DELETE /status/sessions/{id} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{key}\r\n"
            ))
            .expect("an answer")
            .status
    };
    assert_eq!(delete(id, ""), 401);
    assert_eq!(delete("00000000-0000-4000-8000-000000000000", KEY), 404);
    assert_eq!(delete(id, KEY), 204);
    assert_eq!(client.message().code_and_reason().0, 3503);
    // It never answers the Close; the end comes by the close timeout.
    assert_eq!(client.next(), None);
    server.wait_status("sessions", 0);
    server.wait_status("channels", 0);
    assert!(server.log.wait_for("session ended").contains("code=3503"));
}

#[test]
fn two_hundred_sessions_that_end_in_all_ways_leave_nothing_behind() {
    let server = start();
    for round in 0..200 {
        let mut client = server.ws("/ws?channel=a&channel=b");
        match round % 4 {
            0 => client.send(&Frame::close(1000, "")),
            1 => client.send_raw(&[0x83, 0x80]),
            2 => client.send_raw(&[0x81, 0xfe, 0x01]),
            _ => client.text("x"),
        }
    }
    server.wait_status("sessions", 0);
    server.wait_status("channels", 0);
    let status = server.status();
    assert_eq!(status["sessions_total"], 200);
    assert!(
        status["workers"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|worker| worker["sessions"] == 0)
    );
    assert!(status["endpoints"]["/ws"] == 0);
    // Those that the server ended for a fault are told together, with their number.
    let ended = eventually("each is told", || {
        let text = server.log.text();
        let lines = text.lines().filter(|line| line.contains("session ended"));
        let times = lines.filter_map(|line| line.split("times=").nth(1)?.parse::<u64>().ok());
        let told: u64 = times.sum();
        (told >= 200).then_some(told)
    });
    assert_eq!(ended, 200);
}

/// A client that said good-bye and shut its direction lost what it was owed: the end of its input
/// was taken for the end of the connection while answers still waited.
#[test]
fn who_says_good_bye_and_shuts_its_direction_still_gets_every_answer() {
    use std::net::{Shutdown, TcpStream};
    let server = Server::start(
        &("[close]\ntimeout = \"60s\"\n[limits]\noutbox_bytes = \"16MiB\"\n".to_string()
            + &raw("/echo", "on_message = \"echo\"")),
    );
    let stream = TcpStream::connect(server.address).expect("a connection");
    let shut = stream.try_clone().expect("a second handle");
    let mut client = crate::support::Client::handshake(stream, "/echo", "")
        .1
        .expect("a client");
    let message = Frame::binary(&[7; 60_000]);
    for _ in 0..100 {
        client.send(&message);
    }
    client.send(&Frame::close(1000, "bye"));
    shut.shutdown(Shutdown::Write).expect("shut");
    // Far more waits than the kernel's buffers take.
    server.wait_status("messages_in", 100);
    for _ in 0..100 {
        assert_eq!(client.message(), message);
    }
    assert_eq!(client.expect_close().0, 1000);
}

/// Bytes behind the client's last frame in one read kept the connection open until the close
/// timeout: our direction was never shut.
#[test]
fn junk_behind_the_last_frame_does_not_hold_the_end_up() {
    let server = Server::start(
        &("[admin]\nkey = \"s3cret\"\n[close]\ntimeout = \"300s\"\n".to_string() + &raw("/ws", "")),
    );
    let mut client = server.ws("/ws");
    let id = eventually("the session in the list", || {
        let body = server.get_with("/status/sessions", KEY).body;
        let list: serde_json::Value = serde_json::from_str(&body).ok()?;
        Some(list["sessions"][0]["id"].as_str()?.to_string())
    });
    let kick = format!(
        "DELETE /status/sessions/{id} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{KEY}\r\n"
    );
    assert_eq!(server.request(&kick).expect("an answer").status, 204);
    assert_eq!(client.message().code_and_reason().0, 3503);
    let mut bytes = crate::support::masked(0x81, b"late");
    bytes.extend(crate::support::masked(0x88, &[0x0d, 0xaf]));
    bytes.extend(b"junk");
    client.send_raw(&bytes);
    assert_eq!(client.next(), None, "long before the close timeout");
}
