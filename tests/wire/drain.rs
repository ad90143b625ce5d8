//! Going away: signals, what was accepted before, and the exit status. How long a drain takes, and
//! for whom, is tested under a clock that stands still (`app::drain`).

use std::net::TcpStream;

use crate::support::{Client, Frame, Server, eventually, raw};

#[test]
fn sessions_are_closed_with_1012_and_the_process_ends_with_0() {
    let mut server =
        Server::start(&("[drain]\nspread = \"200ms\"\n".to_string() + &raw("/ws", "")));
    let clients: Vec<Client> = (0..20).map(|_| server.ws("/ws")).collect();
    server.wait_status("sessions", 20);
    server.signal("TERM");
    for mut client in clients {
        let (code, reason) = client.expect_close();
        assert_eq!(code, 1012);
        assert!(!reason.is_empty());
    }
    assert_eq!(server.wait(), 0);
    let ended = server.log.whole().matches("code=1012").count();
    assert_eq!(ended, 20, "each session's end is logged once");
}

#[test]
fn during_the_notice_the_node_is_not_ready_but_serves() {
    let mut server = Server::start(
        &("[drain]\nnotice = \"5s\"\nspread = 0\n".to_string()
            + &raw("/ws", "on_message = \"echo\"")),
    );
    let mut client = server.ws("/ws");
    // A connection from before, to ask over once the listeners have closed.
    let mut kept = TcpStream::connect(server.address).expect("a connection");
    server.signal("TERM");
    eventually("not ready", || {
        (server.try_get("/ready").ok()?.status == 503).then_some(())
    });
    assert_eq!(server.status()["draining"], true);
    client.text("still");
    client.expect_text("still");
    assert_eq!(server.try_ws("/ws", "").0.status, 101);
    server.log.wait_for("draining");
    assert_eq!(client.message().code_and_reason().0, 1012);
    client.send(&Frame::close(1012, ""));
    eventually("connections are refused", || {
        TcpStream::connect(server.address).is_err().then_some(())
    });
    use std::io::{Read, Write};
    let _ = kept.write_all(format!("GET /ws HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n", crate::support::KEY).as_bytes());
    let mut answer = String::new();
    let _ = kept.read_to_string(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 503"),
        "{answer}"
    );
    assert_eq!(server.wait(), 0);
}

#[test]
fn what_was_accepted_before_the_drain_reaches_everyone_who_was_connected() {
    let mut server = Server::start(
        &("[drain]\nspread = \"300ms\"\n".to_string() + &raw("/ws", "on_message = \"relay\"")),
    );
    let mut sender = server.ws("/ws");
    let mut receivers: Vec<Client> = (0..5).map(|_| server.ws("/ws")).collect();
    server.wait_status("sessions", 6);
    for number in 0..1000 {
        sender.text(&number.to_string());
    }
    server.wait_status("messages_in", 1000);
    server.signal("TERM");
    for receiver in &mut receivers {
        for number in 0..1000 {
            receiver.expect_text(&number.to_string());
        }
        let frame = receiver.message();
        assert_eq!(frame.code_and_reason().0, 1012);
        receiver.send(&Frame::close(1012, ""));
    }
    drop(sender);
    assert_eq!(server.wait(), 0);
}

/// A real session, on a real socket, that the process has to cut: nobody answers its Close.
#[test]
fn who_does_not_answer_is_cut_at_the_deadline_of_an_interrupt_too() {
    let mut server = Server::start(
        &("[drain]\nspread = 0\n[close]\ntimeout = \"300ms\"\n".to_string() + &raw("/ws", "")),
    );
    let _silent = server.ws("/ws");
    server.wait_status("sessions", 1);
    server.signal("INT");
    assert_eq!(server.wait(), 0);
}

#[test]
fn a_second_signal_ends_at_once_with_1() {
    let mut server = Server::start(&("[drain]\nspread = \"60s\"\n".to_string() + &raw("/ws", "")));
    let _clients = [server.ws("/ws"), server.ws("/ws")];
    server.wait_status("sessions", 2);
    server.signal("TERM");
    server.log.wait_for("draining");
    server.signal("TERM");
    assert_eq!(server.wait(), 1);
}
