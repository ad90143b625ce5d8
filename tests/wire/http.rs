//! The routes beside the WebSocket endpoints.

use std::{io::Write, net::TcpStream};

use crate::support::{Server, eventually, raw};

const KEY: &str = "Authorization: Bearer s3cret\r\n";

#[test]
fn the_page_and_its_files_come_from_the_binary_under_a_strict_policy() {
    let server = Server::start(&raw("/ws", ""));
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    let mut files = 0;
    for name in page
        .body
        .split(['"', '\''])
        .filter_map(|part| part.strip_prefix("static/"))
    {
        let file = server.get(&format!("/static/{name}"));
        assert_eq!(file.status, 200, "{name}");
        assert_ne!(
            file.header("content-type"),
            Some("application/octet-stream"),
            "{name}"
        );
        files += 1;
    }
    assert!(files >= 2, "a script and a style sheet at least");
    for attribute in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
        assert!(
            !page.body.contains(attribute),
            "an outside resource: {attribute}"
        );
    }
    let etag = page.header("etag").expect("a tag").to_string();
    assert_eq!(
        server
            .get_with("/", &format!("If-None-Match: {etag}\r\n"))
            .status,
        304
    );
    for path in [
        "/static/../Cargo.toml",
        "/static/%2e%2e/Cargo.toml",
        "/static/nothing.js",
    ] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
}

#[test]
fn status_has_the_promised_names() {
    let server = Server::start(
        &("node = \"n1\"\n".to_string() + &raw("/ws", "") + "[[push]]\nevery = 10\ndata = \"x\"\n"),
    );
    let status = server.status();
    for name in [
        "version",
        "node",
        "uptime_seconds",
        "sessions",
        "sessions_peak",
        "sessions_total",
        "channels",
        "messages_in",
        "messages_out",
        "bytes_in",
        "bytes_out",
        "slow_disconnects",
        "pushes",
        "draining",
    ] {
        assert!(!status[name].is_null(), "{name} in {status}");
    }
    assert_eq!(status["node"], "n1");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pushes"][0]["runs"], 0);
    let next = status["pushes"][0]["next_in_seconds"]
        .as_f64()
        .expect("a number");
    assert!(next > 0.0 && next <= 10.0, "{next}");
    let first = server.ws("/ws");
    let second = server.ws("/ws");
    server.wait_status("sessions", 2);
    drop((first, second));
    server.wait_status("sessions", 0);
    let status = server.status();
    assert_eq!(
        (
            status["sessions_peak"].as_u64(),
            status["sessions_total"].as_u64()
        ),
        (Some(2), Some(2))
    );
}

#[test]
fn sessions_are_listed_for_the_administrator_only_paged_and_filtered() {
    let closed = Server::start(&raw("/ws", ""));
    assert_eq!(closed.get("/status/sessions").status, 404);
    assert_eq!(
        closed
            .get_with("/status/sessions", "Authorization: Bearer \r\n")
            .status,
        404
    );

    let server = Server::start(
        &("trusted_proxies = [\"127.0.0.1\"]\n[admin]\nkey = \"s3cret\"\n".to_string()
            + &raw("/a", "subprotocols = [\"*\"]")
            + &raw("/b", "")),
    );
    assert_eq!(server.get("/status/sessions").status, 401);
    assert_eq!(
        server
            .get_with("/status/sessions", "Authorization: Bearer wrong\r\n")
            .status,
        401
    );
    let _a: Vec<_> = (0..5).map(|_| server.ws_with("/a", "User-Agent: phone\r\nSec-WebSocket-Protocol: chat\r\nX-Forwarded-For: 10.1.2.3\r\n")).collect();
    let _b = server.ws("/b");
    server.wait_status("sessions", 6);
    let list = |query: &str| -> serde_json::Value {
        let response = server.get_with(&format!("/status/sessions{query}"), KEY);
        assert_eq!(response.status, 200, "{}", response.body);
        serde_json::from_str(&response.body).expect("JSON")
    };
    let page = list("?endpoint=/a&limit=2");
    assert_eq!(page["sessions"].as_array().map(Vec::len), Some(2));
    assert_eq!(page["total"], 6);
    let session = &page["sessions"][0];
    assert_eq!(session["address"], "10.1.2.3");
    assert_eq!(session["subprotocol"], "chat");
    assert_eq!(session["user_agent"], "phone");
    assert_eq!(session["transport"], "websocket");
    let mut seen = 2;
    let mut next = page["next"].clone();
    while let Some(after) = next.as_u64() {
        let page = list(&format!("?endpoint=/a&limit=2&after={after}"));
        seen += page["sessions"].as_array().map_or(0, Vec::len);
        next = page["next"].clone();
    }
    assert_eq!(seen, 5);
    assert_eq!(
        list("?address=127.0.0.1")["sessions"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(
        list("?user=nobody")["sessions"].as_array().map(Vec::len),
        Some(0)
    );
    let wrong = server.get_with("/status/sessions?limit=many", KEY);
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("limit"), "{}", wrong.body);
}

#[test]
fn metrics_are_open_metrics_with_a_histogram_of_delivery_delay() {
    let server = Server::start(&raw("/ws", "on_message = \"relay\"\nrelay_self = true"));
    let mut client = server.ws("/ws");
    server.wait_status("sessions", 1);
    client.text("x");
    client.expect_text("x");
    server.try_ws("/ws?channel=", "");
    let text = eventually("a delivery in the metrics", || {
        let text = server.get("/metrics").body;
        text.contains("fanfare_messages_sent_total{worker=\"0\"} 1")
            .then_some(())
            .or_else(|| {
                text.contains("fanfare_messages_sent_total{worker=\"1\"} 1")
                    .then_some(())
            })
            .map(|()| text)
    });
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE fanfare_delivery_delay_seconds histogram"));
    let count: u64 = text
        .lines()
        .filter(|line| line.starts_with("fanfare_delivery_delay_seconds_count"))
        .map(|line| {
            line.rsplit(' ')
                .next()
                .and_then(|n| n.parse::<u64>().ok())
                .expect("a number")
        })
        .sum();
    assert_eq!(count, 1);
    assert!(text.contains("le=\"+Inf\""), "{text}");
    assert!(
        text.contains("fanfare_refused_handshakes_total{reason=\"bad_request\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("fanfare_endpoint_sessions{endpoint=\"/ws\"} 1"),
        "{text}"
    );
    let response = server.get("/metrics");
    assert!(
        response
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/openmetrics-text"))
    );
}

#[test]
fn diag_tells_what_arrived_with_secrets_masked() {
    let server =
        Server::start(&("trusted_proxies = [\"127.0.0.1\"]\n".to_string() + &raw("/ws", "")));
    let answer = server.get_with("/diag?token=t0ps3cret&x=1", "Authorization: Bearer t0ps3cret\r\nCookie: sid=t0ps3cret\r\nX-Forwarded-For: 1.2.3.4\r\nReferer: http://x/?token=t0ps3cret\r\n");
    assert!(!answer.body.contains("t0ps3cret"), "{}", answer.body);
    let diag: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(diag["http_version"], "1.1");
    assert_eq!(diag["address"]["peer"], "127.0.0.1");
    assert_eq!(diag["address"]["resolved"], "1.2.3.4");
    assert_eq!(diag["headers"]["x-forwarded-for"], "1.2.3.4");
    assert_eq!(diag["problems"], serde_json::json!([]));
    let old = server
        .request("GET /diag HTTP/1.0\r\nHost: t\r\n\r\n")
        .expect("an answer");
    assert!(old.body.contains("proxy_http_version 1.1"), "{}", old.body);
}

#[test]
fn logs_show_no_secrets() {
    let mut server = Server::start(&("[log]\nfilter = \"trace\"\n".to_string() + &raw("/ws", "")));
    let path = "/ws?channel=%20&token=t0ps3cret&cf_connect=t0ps3cret&api_key=t0ps3cret";
    let headers = "Authorization: Bearer t0ps3cret\r\nCookie: sid=t0ps3cret\r\n";
    server.try_ws(path, headers);
    // No WebSocket request, so it is refused before anything else is looked at.
    assert_eq!(server.get_with(path, headers).status, 426);
    drop(server.ws_with("/ws?token=t0ps3cret", "Authorization: Bearer t0ps3cret\r\n"));
    server.log.wait_for("request refused");
    server.log.wait_for("session ended");
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    assert!(
        !server.log.text().contains("t0ps3cret"),
        "{}",
        server.log.text()
    );
}

#[test]
fn routes_can_be_left_out_and_unknown_ones_are_404() {
    let mut settings = String::new();
    for name in ["page", "metrics", "diag", "status"] {
        settings.push_str(&format!("{name}.enabled = false\n"));
    }
    let server = Server::start(&(settings + &raw("/ws", "")));
    for path in [
        "/",
        "/static/page.css",
        "/metrics",
        "/diag",
        "/status",
        "/status/sessions",
        "/nowhere",
    ] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    assert!(server.get("/nowhere").body.contains("/ws"));
    assert_eq!(server.get("/ready").status, 200);
    let post = server
        .request(
            "POST /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        )
        .expect("an answer");
    assert_eq!(post.status, 405);
}

#[test]
fn a_head_that_never_ends_is_ended() {
    let server =
        Server::start(&("[http]\nrequest_timeout = \"300ms\"\n".to_string() + &raw("/ws", "")));
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost")
        .expect("sent");
    stream
        .set_read_timeout(Some(crate::support::SOON))
        .expect("a timeout");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stream, &mut rest).expect("an end");
    assert!(rest.is_empty() || rest.contains("408"), "{rest}");
}
