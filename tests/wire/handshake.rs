//! The opening handshake: what is accepted, and what a refusal says.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::support::{Client, Frame, KEY, Response, SOON, Server, masked, raw};

fn start() -> Server {
    // A slow client is read to its end.
    let endpoints = raw(
        "/ws",
        "on_message = \"echo\"\nsubprotocols = [\"superchat\", \"chat\"]",
    ) + &raw("/any", "subprotocols = [\"*\"]");
    Server::start(&format!("close.timeout = \"60s\"\n{endpoints}"))
}

/// A GET of `/ws` with these headers besides Host.
fn get(server: &Server, version: &str, headers: &str) -> Response {
    server
        .request(&format!(
            "GET /ws HTTP/{version}\r\nHost: test\r\n{headers}\r\n"
        ))
        .expect("an answer")
}

fn upgrade_headers() -> String {
    format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    )
}

#[test]
fn the_key_of_the_rfc_gets_the_answer_of_the_rfc() {
    let server = start();
    let (response, client) = server.try_ws("/ws", "");
    assert_eq!(response.status, 101);
    assert_eq!(
        response.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert!(
        response
            .header("upgrade")
            .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    );
    assert!(
        response
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("upgrade"))
    );
    // Parsers on small devices compare the names byte for byte (esp-idf, 3106).
    for line in [
        "\r\nUpgrade: websocket\r\n",
        "\r\nConnection: Upgrade\r\n",
        "\r\nSec-WebSocket-Accept: s3p",
    ] {
        assert!(response.head.contains(line), "{}", response.head);
    }
    assert_eq!(response.header("sec-websocket-protocol"), None);
    assert_eq!(response.header("sec-websocket-extensions"), None);
    let mut client = client.expect("a client");
    client.text("x");
    client.expect_text("x");
}

#[test]
fn names_of_headers_and_values_are_read_without_regard_to_case() {
    let server = start();
    let headers = format!(
        "UPGRADE: WebSocket\r\nconnection: keep-alive, upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n"
    );
    assert_eq!(get(&server, "1.1", &headers).status, 101);
}

/// `Connection: Upgrade, close` was refused with the reason that the Upgrade header is missing. It
/// asks for an upgrade like any other list that names it.
#[test]
fn close_beside_upgrade_is_an_upgrade() {
    let server = start();
    for list in ["Upgrade, close", "close, Upgrade"] {
        let headers =
            upgrade_headers().replace("Connection: Upgrade", &format!("Connection: {list}"));
        let answer = get(&server, "1.1", &headers);
        assert_eq!(answer.status, 101, "{list}: {}", answer.body);
    }
}

/// `/ws?name=你好`, as clients send it that encode nothing, was answered with a 400 without a word.
/// It is a handshake, and what it says is read as if it had been encoded.
#[test]
fn an_address_that_is_not_encoded_is_read_as_if_it_were() {
    let server = start();
    for query in [
        "name=你好",
        "channel=a&name=直播间",
        "name=\"<x>\"",
        "name=`^`",
    ] {
        let (response, client) = server.try_ws(&format!("/ws?{query}"), "");
        assert_eq!(response.status, 101, "{query}");
        let mut client = client.expect("a client");
        client.text("弹幕");
        client.expect_text("弹幕");
    }
    let diag = server.get("/diag?name=你").body;
    assert!(diag.contains("name=%E4%BD%A0"), "{diag}");
}

/// A client whose subprotocols are all unknown is accepted without one, at which browsers fail, and
/// nothing was logged. The log names what was offered, but for tokens, and the setting that takes
/// it.
#[test]
fn an_offer_that_nobody_knows_is_told_in_the_log() {
    let server = start();
    let offers = "Sec-WebSocket-Protocol: v9, token.t0ps3cret\r\n";
    let (response, _) = server.try_ws("/ws", offers);
    assert_eq!(response.status, 101);
    assert_eq!(response.header("sec-websocket-protocol"), None);
    let line = server.log.wait_for("v9, token.…");
    assert!(line.contains("path=/ws"), "{line}");
    assert!(line.contains("subprotocols of its [[raw]] table"), "{line}");
    server.try_ws("/connection/websocket", offers);
    let line = server.log.wait_for("path=/connection/websocket");
    assert!(line.contains("centrifuge-json"), "{line}");
    assert!(!server.log.text().contains("t0ps3cret"));
}

/// nginx passes the Upgrade header of an answer on into HTTP/2, where it is an error of the
/// protocol. A request that came by a proxy and asked for no upgrade gets the sentence without the
/// header.
#[test]
fn who_came_by_a_proxy_and_asked_for_no_upgrade_is_offered_none() {
    let server = start();
    let direct = get(&server, "1.1", "");
    assert_eq!(
        (direct.status, direct.header("upgrade")),
        (426, Some("websocket"))
    );
    assert!(
        direct
            .header("connection")
            .is_some_and(|value| value.contains("upgrade"))
    );
    let proxied = get(&server, "1.1", "X-Forwarded-For: 1.2.3.4\r\n");
    assert_eq!((proxied.status, proxied.header("upgrade")), (426, None));
    assert!(proxied.body.contains("Upgrade header"), "{}", proxied.body);
    let connection = proxied.header("connection").unwrap_or_default();
    assert!(!connection.contains("upgrade"), "{connection}");
    let asked = get(
        &server,
        "1.1",
        &(upgrade_headers().replace(": 13", ": 8") + "Via: 1.1 proxy\r\n"),
    );
    assert_eq!(
        (asked.status, asked.header("upgrade")),
        (426, Some("websocket"))
    );
}

#[test]
fn frames_that_come_with_the_handshake_are_not_lost() {
    let server = start();
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let mut bytes = format!(
        "GET /ws HTTP/1.1\r\nHost: test\r\n{}\r\n",
        upgrade_headers()
    )
    .into_bytes();
    bytes.extend(masked(0x81, b"first"));
    bytes.extend(masked(0x81, b"second"));
    stream.write_all(&bytes).expect("sent");
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    while !answer.ends_with(b"second") {
        let n = stream.read(&mut chunk).expect("an answer");
        assert!(n > 0, "ended with {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&chunk[..n]);
    }
    assert!(answer.ends_with(b"\x81\x05first\x81\x06second"));
}

#[test]
fn each_fault_gets_its_status_plain_words_and_a_line_in_the_log() {
    let server = start();
    let full = upgrade_headers();
    let without = |name: &str| {
        full.split_inclusive("\r\n")
            .filter(|line| !line.starts_with(name))
            .collect::<String>()
    };
    let cases: &[(&str, String, u16, &str)] = &[
        ("1.1", String::new(), 426, "Upgrade header"),
        ("1.1", without("Upgrade"), 426, "Upgrade header"),
        ("1.1", without("Connection"), 426, "Connection header"),
        (
            "1.1",
            full.replace("websocket", "h2c, websocket"),
            426,
            "offers \"h2c, websocket\", and only a request that offers `websocket` and nothing else",
        ),
        ("1.1", full.replace(": 13", ": 8"), 426, "version 13"),
        ("1.1", without("Sec-WebSocket-Version"), 426, "version 13"),
        ("1.1", without("Sec-WebSocket-Key"), 400, "is missing"),
        ("1.1", full.replace(KEY, "c2hvcnQ="), 400, "16 bytes"),
        ("1.0", String::new(), 400, "proxy_http_version 1.1"),
        ("1.0", full.clone(), 400, "proxy_http_version 1.1"),
        (
            "1.1",
            full.clone() + "Content-Length: 3\r\n",
            400,
            "no body",
        ),
    ];
    for (version, headers, status, words) in cases {
        let response = get(&server, version, headers);
        assert_eq!(
            response.status, *status,
            "{version} {headers}\n{}",
            response.body
        );
        assert!(
            response.body.contains(words),
            "{headers}: {}",
            response.body
        );
        // In a line a value stands in quotes.
        server.log.wait_for(&words.replace('"', "\\\""));
    }
    let http10 = get(&server, "1.0", "").body;
    assert!(
        http10.contains("Upgrade $http_upgrade") && http10.contains("Connection \"upgrade\""),
        "{http10}"
    );
    let version = get(&server, "1.1", &full.replace(": 13", ": 8"));
    assert_eq!(version.header("sec-websocket-version"), Some("13"));
}

#[test]
fn a_post_is_told_to_be_a_get() {
    let server = start();
    let response = server
        .request(
            "POST /ws HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        )
        .expect("an answer");
    assert_eq!(response.status, 405);
    assert_eq!(response.header("allow"), Some("GET"));
}

#[test]
fn a_refusal_is_read_even_by_a_client_that_sends_on_regardless() {
    let server = start();
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: test\r\n{}",
        upgrade_headers().replace(": 13", ": 8")
    );
    stream
        .write_all(format!("{head}\r\n").as_bytes())
        .expect("sent");
    // Far more than the socket's buffers are allowed to lose.
    let _ = stream.write_all(&vec![b'x'; 200_000]);
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the whole answer, not a reset");
    assert!(answer.starts_with("HTTP/1.1 426"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[test]
fn one_subprotocol_is_chosen_or_none() {
    let server = start();
    let chosen = |path: &str, offers: &str| {
        let (response, _) = server.try_ws(path, offers);
        assert_eq!(response.status, 101);
        response
            .header("sec-websocket-protocol")
            .map(str::to_string)
    };
    assert_eq!(
        chosen("/ws", "Sec-WebSocket-Protocol: chat, superchat\r\n").as_deref(),
        Some("chat")
    );
    assert_eq!(
        chosen(
            "/ws",
            "Sec-WebSocket-Protocol: v9\r\nSec-WebSocket-Protocol: superchat\r\n"
        )
        .as_deref(),
        Some("superchat")
    );
    assert_eq!(chosen("/ws", "Sec-WebSocket-Protocol: v9\r\n"), None);
    assert_eq!(
        chosen("/any", "Sec-WebSocket-Protocol: protocol1\r\n").as_deref(),
        Some("protocol1")
    );
    assert_eq!(chosen("/any", ""), None);
    assert_eq!(
        chosen("/any", "Sec-WebSocket-Protocol: token.e30.e30.s\r\n"),
        None
    );
    assert_eq!(
        chosen("/any", "Sec-WebSocket-Protocol: token.e30.e30.s, chat\r\n").as_deref(),
        Some("chat")
    );
}

#[test]
fn origins_are_checked_where_they_are_set_and_only_if_there_is_one() {
    let server = Server::start(&raw("/ws", "origins = [\"https://www.example.com\"]"));
    let status = |headers: &str| server.try_ws("/ws", headers).0;
    assert_eq!(status("Origin: https://www.example.com\r\n").status, 101);
    assert_eq!(status("").status, 101);
    let refused = status("Origin: https://evil.example\r\n");
    assert_eq!(refused.status, 403);
    assert!(
        refused.body.contains("https://evil.example"),
        "{}",
        refused.body
    );
}

#[test]
fn a_full_server_says_when_to_come_again_and_takes_the_next_after_one_has_left() {
    let server = Server::start(&("[limits]\nsessions = 2\n".to_string() + &raw("/ws", "")));
    let first = server.ws("/ws");
    let _second = server.ws("/ws");
    assert_eq!(server.get("/ready").status, 503);
    let (refused, _) = server.try_ws("/ws", "");
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    drop(first);
    server.wait_status("sessions", 1);
    crate::support::eventually("room again", || server.try_ws("/ws", "").1);
}

#[test]
fn one_address_has_its_limit_and_a_trusted_proxy_counts_for_its_clients() {
    let settings = "trusted_proxies = [\"127.0.0.1\"]\n[limits]\nsessions_per_address = 1\n"
        .to_string()
        + &raw("/ws", "");
    let server = Server::start(&settings);
    let from = |address: &str| server.try_ws("/ws", &format!("X-Forwarded-For: {address}\r\n"));
    let _first = from("10.0.0.1").1.expect("room");
    assert_eq!(from("10.0.0.1").0.status, 429);
    assert_eq!(
        from("6.6.6.6, 10.0.0.1").0.status,
        429,
        "what stands further left is the client's own tale"
    );
    assert_eq!(from("10.0.0.2").0.status, 101);
}

#[test]
fn deflate_is_agreed_on_in_the_words_of_the_rfc() {
    let server = start();
    let agreed = |offer: &str| {
        let (response, _) = server.try_ws("/ws", &format!("Sec-WebSocket-Extensions: {offer}\r\n"));
        assert_eq!(response.status, 101);
        response
            .header("sec-websocket-extensions")
            .map(str::to_string)
    };
    let plain = agreed("permessage-deflate").expect("agreed");
    assert!(
        plain.contains("server_no_context_takeover")
            && plain.contains("client_no_context_takeover"),
        "{plain}"
    );
    let small = agreed("permessage-deflate; server_max_window_bits=10").expect("agreed");
    assert!(
        small.contains("server_max_window_bits=9"),
        "at most what was asked for: {small}"
    );
    assert_eq!(agreed("permessage-deflate; server_max_window_bits=8"), None);
    assert!(agreed("permessage-deflate; server_max_window_bits=8, permessage-deflate").is_some());
    assert_eq!(agreed("x-webkit-deflate-frame"), None);
}

#[test]
fn an_upgrade_where_nothing_can_be_upgraded_is_answered_and_closed() {
    let server = start();
    let (response, _) = server.try_ws("/health", "");
    assert_eq!((response.status, response.body.as_str()), (200, "ok\n"));
    assert_eq!(response.header("connection"), Some("close"));
    let (missing, _) = server.try_ws("/nowhere", "");
    assert_eq!(missing.status, 404);
}

#[test]
fn a_client_in_twenty_lines_of_socket_works() {
    let server = start();
    let mut socket = TcpStream::connect(server.address).expect("a connection");
    socket.set_read_timeout(Some(SOON)).expect("a timeout");
    write!(socket, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n").expect("sent");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).expect("a byte");
        head.push(byte[0]);
    }
    socket
        .write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'])
        .expect("sent");
    let mut frame = [0; 4];
    socket.read_exact(&mut frame).expect("a frame");
    assert_eq!(&frame, b"\x81\x02hi");
}

#[test]
fn the_greeting_comes_first() {
    let server = Server::start(&raw("/ws", "greeting = \"欢迎\"\non_message = \"echo\""));
    let stream = TcpStream::connect(server.address).expect("a connection");
    let mut client = Client::handshake(stream, "/ws", "").1.expect("a client");
    client.text("x");
    assert_eq!(client.message(), Frame::text("欢迎"));
    client.expect_text("x");
}

/// The answer to a request that came before the upgrade on the same connection stayed in a buffer
/// that the hand-over dropped.
#[test]
fn an_answer_that_is_owed_from_before_the_upgrade_comes_first() {
    let server = start();
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let mut bytes = format!(
        "GET /health HTTP/1.1\r\nHost: test\r\n\r\nGET /ws HTTP/1.1\r\nHost: test\r\n{}\r\n",
        upgrade_headers()
    )
    .into_bytes();
    bytes.extend(masked(0x81, b"hi"));
    stream.write_all(&bytes).expect("sent");
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    while !answer.ends_with(b"\x81\x02hi") {
        let n = stream.read(&mut chunk).expect("an answer");
        assert!(n > 0, "ended with {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&chunk[..n]);
    }
    let text = String::from_utf8_lossy(&answer);
    let (ok, switching) = (text.find("HTTP/1.1 200"), text.find("HTTP/1.1 101"));
    assert!(ok.is_some() && ok < switching, "{text}");
}
