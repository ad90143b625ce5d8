//! The five scenarios that fanfare exists for, as far as they need neither a backend call nor a
//! fallback transport: plain clients, nothing but configuration. Those that need a real nginx or a
//! browser have their tests in `tests/nginx` and `tests/browser`.

use crate::support::{Frame, Server, raw};

/// 1: behind nginx a mini program gets a greeting and every message back in words; unknown options
/// do not matter.
#[test]
fn scenario_1_an_echo_server_for_a_mini_program_behind_nginx() {
    let server = Server::start(
        &("trusted_proxies = [\"127.0.0.1\"]\n[admin]\nkey = \"k\"\n[heartbeat]\nping_interval = \"3s\"\npong_timeout = \"2900ms\"\n".to_string()
            + &raw("/wss", "greeting = \"连接成功\"\non_message = \"reply\"\nreply = \"Server: Received({message})\"")),
    );
    // What nginx passes on, and what a phone adds.
    let headers = "X-Real-IP: 203.0.113.9\r\nX-Real-Port: 51234\r\nX-Forwarded-For: 203.0.113.9\r\n\
                   Referer: https://servicewechat.com/wx0123456789abcdef/devtools/page-frame.html\r\n\
                   X-Unknown-Option: yes\r\n";
    let mut client = server.ws_with("/wss", headers);
    assert_eq!(client.message(), Frame::text("连接成功"));
    client.text("你好, server");
    client.expect_text("Server: Received(你好, server)");
    let sessions = server
        .get_with("/status/sessions", "Authorization: Bearer k\r\n")
        .body;
    assert!(sessions.contains("203.0.113.9"), "{sessions}");
    // Idle, it hears a ping more often than an impatient proxy would wait.
    assert!(client.next().expect("a ping").is(9));
    client.send(&Frame {
        first: 0x8a,
        payload: Vec::new(),
    });
    client.send(&Frame {
        first: 0x88,
        payload: Vec::new(),
    });
    let line = server.log.wait_for("session ended");
    assert!(
        line.contains("address=203.0.113.9") && line.contains("reason=none"),
        "{line}"
    );
}

/// 2: subprotocols, text and binary of 10 MB, origins, headers and query of a browser's or mini
/// program's client.
#[test]
fn scenario_2_what_the_client_apis_can_ask_for() {
    let server = Server::start(
        &("[limits]\nmessage_bytes = \"16MiB\"\noutbox_bytes = \"32MiB\"\n".to_string()
            + &raw(
                "/echo",
                "on_message = \"echo\"\nsubprotocols = [\"echo-protocol\", \"superchat\"]\norigins = [\"https://www.example.com\"]",
            )
            + &raw("/any", "on_message = \"echo\"\nsubprotocols = [\"*\"]")),
    );
    let (answer, _) = server.try_ws(
        "/echo",
        "Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: https://www.example.com\r\n",
    );
    assert_eq!(answer.header("sec-websocket-protocol"), Some("superchat"));
    let (answer, _) = server.try_ws("/any", "Sec-WebSocket-Protocol: protocol1\r\n");
    assert_eq!(answer.header("sec-websocket-protocol"), Some("protocol1"));
    assert_eq!(
        server
            .try_ws("/echo", "Origin: https://elsewhere.example\r\n")
            .0
            .status,
        403
    );
    let mut client = server.ws_with("/echo", "Sec-WebSocket-Protocol: echo-protocol\r\n");
    client.text("文本");
    client.expect_text("文本");
    let large: Vec<u8> = (0..10_000_000u32).map(|i| (i * 7) as u8).collect();
    client.send(&Frame::binary(&large));
    assert!(
        client.message() == Frame::binary(&large),
        "10 MB come back as they were"
    );
    client.send(&Frame::close(4000, "done"));
    assert_eq!(client.expect_close().0, 4000);
}

/// 3: greeted messages, a push to everyone without being asked, and bullet comments that reach the
/// others.
#[test]
fn scenario_3_timed_push_and_bullet_comments() {
    let server = Server::start(
        &("workers = 4\n[[push]]\nevery = \"1s\"\ndata = \"你好!\"\n".to_string()
            + &raw(
                "/hello",
                "on_message = \"reply\"\nreply = \"hello {message}\"",
            )
            + &raw("/danmaku", "on_message = \"relay\"")),
    );
    let (mut a, mut b) = (server.ws("/danmaku"), server.ws("/danmaku"));
    let mut hello = server.ws("/hello");
    server.wait_status("sessions", 3);
    for client in [&mut a, &mut b, &mut hello] {
        client.expect_text("你好!");
    }
    hello.text("小明");
    loop {
        let text = String::from_utf8(hello.message().payload).expect("text");
        if text != "你好!" {
            assert_eq!(text, "hello 小明");
            break;
        }
    }
    a.text("前方高能");
    loop {
        let text = String::from_utf8(b.message().payload).expect("text");
        if text != "你好!" {
            assert_eq!(text, "前方高能");
            break;
        }
    }
}

/// 4: the handshake by hand has a test of its own in `handshake`; here a client comes back after
/// its connection closed.
#[test]
fn scenario_4_a_client_that_reconnects_goes_on() {
    let server = Server::start(&raw("/ws", "on_message = \"echo\""));
    for round in 0..3 {
        let (answer, client) = server.try_ws("/ws", "");
        assert_eq!(
            answer.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        let mut client = client.expect("a client");
        client.text(&format!("round {round}"));
        client.expect_text(&format!("round {round}"));
        client.send(&Frame::close(1000, "bye"));
        assert_eq!(client.expect_close().0, 1000);
    }
    server.wait_status("sessions", 0);
}

/// 5: the page of the tutorial, on its own port and path, opens, sends, receives, closes.
#[test]
fn scenario_5_the_echo_page_of_the_tutorial() {
    let server = Server::start(&raw("/echo", "on_message = \"echo\""));
    let mut page = server.ws_with("/echo", "Origin: http://localhost:9998\r\n");
    page.text("发送数据");
    page.expect_text("发送数据");
    page.send(&Frame::close(1005, "")); // no browser would; it is refused by the book
    assert_eq!(page.expect_close().0, 1002);
}
