//! Pings, and what happens to who does not answer.

use crate::support::{Server, raw};

fn start(heartbeat: &str) -> Server {
    let echo = raw("/ws", "on_message = \"echo\"");
    Server::start(&format!("[heartbeat]\n{heartbeat}{echo}"))
}

#[test]
fn who_answers_nothing_is_told_so_and_gone() {
    let server = start("ping_interval = \"400ms\"\npong_timeout = \"300ms\"\n");
    let mut client = server.ws("/ws");
    assert!(client.next().expect("a ping").is(9));
    let (code, reason) = client.expect_close();
    assert_eq!(code, 3012);
    assert!(reason.contains("pong"), "{reason}");
    server.wait_status("sessions", 0);
    let line = server.log.wait_for("session ended");
    assert!(line.contains("code=3012"), "{line}");
}

#[test]
fn heartbeat_1_sends_text_that_clients_can_see() {
    let server = start("ping_interval = \"2s\"\npong_timeout = \"1900ms\"\n");
    let mut client = server.ws("/ws?heartbeat=1");
    client.expect_text("{}");
    client.expect_text("{}");
    let mut plain = server.ws("/ws");
    assert!(plain.next().expect("a ping").is(9));
}
