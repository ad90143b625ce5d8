//! `client.origins`: which pages may use what is not a raw endpoint, and what their browsers are
//! told.

use super::{OPEN, json, post};
use crate::support::{Response, Server, raw};

fn ask(server: &Server, method: &str, path: &str, origin: &str) -> Response {
    server
        .request(&format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nContent-Length: 0\r\n\r\n"
        ))
        .expect("an answer")
}

#[test]
fn without_settings_pages_of_the_same_host_may() {
    let server = Server::start(OPEN);
    let answer = ask(&server, "GET", "/poll?channel=a", "http://test");
    json(&answer);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("http://test")
    );
    assert_eq!(answer.header("vary"), Some("Origin"));
    let other = ask(&server, "GET", "/poll?channel=a", "http://elsewhere");
    assert_eq!(other.status, 403);
    assert_eq!(other.header("access-control-allow-origin"), None);
    for path in ["/poll?channel=a", "/sse?channel=a", "/send?channel=a"] {
        for method in ["OPTIONS", "GET", "POST"] {
            assert_eq!(
                ask(&server, method, path, "null").status,
                403,
                "{method} {path}"
            );
        }
    }
}

/// A `Host` without a port let every port and scheme of its name in, and one with the scheme's own
/// port was refused. All three are compared, with what a trusted proxy says of them, and who is
/// refused hears what was compared.
#[test]
fn the_same_origin_is_the_same_scheme_host_and_port() {
    let start = |settings: &str| Server::start(&(settings.to_string() + OPEN));
    let ask = |server: &Server, origin: &str, headers: &str| {
        server
            .request(&format!(
                "GET /poll?channel=a HTTP/1.1\r\nConnection: close\r\nOrigin: {origin}\r\n{headers}\r\n"
            ))
            .expect("an answer")
    };
    let server = start("");
    for (origin, host, status) in [
        ("https://a.example", "a.example:443", 200),
        ("http://a.example:80", "a.example", 200),
        ("https://a.example:8443", "a.example:8443", 200),
        ("https://a.example:8443", "a.example", 403),
        ("http://a.example", "a.example:443", 403),
        ("ftp://a.example", "a.example", 403),
    ] {
        let answer = ask(&server, origin, &format!("Host: {host}\r\n"));
        assert_eq!(answer.status, status, "{origin} {host}: {}", answer.body);
        if status == 403 {
            let compared = format!("the host {host:?} (the Host header)");
            assert!(answer.body.contains(&compared), "{}", answer.body);
            assert!(answer.body.contains("$http_host"), "{}", answer.body);
        }
    }
    let told = "Host: inner:8080\r\nX-Forwarded-Host: a.example\r\nX-Forwarded-Proto: https\r\n";
    assert_eq!(
        ask(&server, "https://a.example", told).status,
        403,
        "no trusted proxy"
    );
    let server = start("trusted_proxies = [\"127.0.0.1\"]\n");
    assert_eq!(ask(&server, "https://a.example", told).status, 200);
    assert_eq!(ask(&server, "http://inner:8080", told).status, 403);
    let refused = ask(&server, "http://a.example", told);
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .body
            .contains("\"a.example\" (told by a trusted proxy), by https"),
        "{}",
        refused.body
    );
}

/// Mini games of WeChat on iOS send `Origin: weapp://wechat-game-runtime` and were refused. They
/// are no web pages and come in by default; pages that are files can be let in by name.
#[test]
fn mini_programs_may_and_files_may_be_named() {
    let game = "weapp://wechat-game-runtime";
    let server = Server::start(OPEN);
    for path in ["/poll?channel=a", "/connection/uni_sse?cf_connect=%7B%7D"] {
        let request = format!(
            "HEAD {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nOrigin: {game}\r\n\r\n"
        );
        assert_eq!(
            server.request(&request).expect("an answer").status,
            200,
            "{path}"
        );
    }
    let header = format!("Origin: {game}\r\n");
    assert_eq!(
        server.try_ws("/connection/websocket", &header).0.status,
        101
    );
    for origin in ["null", "file://", "https://servicewechat.com"] {
        assert_eq!(
            ask(&server, "GET", "/poll?channel=a", origin).status,
            403,
            "{origin}"
        );
    }
    let files = "origins = [\"null\", \"file://\"]";
    let settings = format!("[client]\n{files}\n{OPEN}{}", raw("/files", files));
    let server = Server::start(&settings);
    for origin in ["null", "file://"] {
        assert_eq!(
            ask(&server, "GET", "/poll?channel=a", origin).status,
            200,
            "{origin}"
        );
        let header = format!("Origin: {origin}\r\n");
        assert_eq!(server.try_ws("/files", &header).0.status, 101, "{origin}");
    }
    assert_eq!(ask(&server, "GET", "/poll?channel=a", game).status, 403);
}

/// Libraries for tracing add headers to the requests of a page, and its browser was told a fixed
/// list without them. A page that may come may send what it asks for.
#[test]
fn a_page_that_may_come_may_send_the_headers_that_it_asks_for() {
    let asked = "cache-control,traceparent,sentry-trace,x-requested-with";
    let server = Server::start(OPEN);
    let ask = |path: &str, origin: &str| {
        server
            .request(&format!(
                "OPTIONS {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nOrigin: {origin}\r\n\
                 Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: {asked}\r\n\r\n"
            ))
            .expect("an answer")
    };
    for path in [
        "/sse",
        "/poll",
        "/send",
        "/emulation",
        "/connection/http_stream",
        "/connection/sse",
    ] {
        let answer = ask(path, "http://test");
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            Some(asked),
            "{path}"
        );
        assert!(
            answer
                .head
                .to_lowercase()
                .contains("access-control-request-headers"),
            "{}",
            answer.head
        );
        let refused = ask(path, "http://elsewhere");
        assert_eq!(refused.status, 403, "{path}");
        assert_eq!(refused.header("access-control-allow-headers"), None);
    }
}

#[test]
fn named_origins_may_with_their_cookies() {
    let settings = "[client]\norigins = [\"https://app.example\"]\n".to_string() + OPEN;
    let server = Server::start(&settings);
    for (path, methods) in [
        ("/sse", "GET, POST"),
        ("/poll", "GET, POST"),
        ("/send", "POST"),
    ] {
        let answer = ask(&server, "OPTIONS", path, "https://APP.example");
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("https://APP.example")
        );
        assert_eq!(answer.header("access-control-allow-methods"), Some(methods));
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
        let headers = answer
            .header("access-control-allow-headers")
            .expect("a list");
        for name in [
            "authorization",
            "content-type",
            "idempotency-key",
            "last-event-id",
        ] {
            assert!(headers.contains(name), "{name}");
        }
        assert!(answer.header("access-control-max-age").is_some());
    }
    // A page is to see why it was refused, too.
    let refused = ask(&server, "GET", "/sse?channel=shut:a", "https://app.example");
    assert_eq!(refused.status, 403);
    assert!(refused.header("access-control-allow-origin").is_some());
    assert_eq!(
        ask(&server, "GET", "/poll?channel=a", "http://test").status,
        403
    );
    assert_eq!(
        post(&server, "/send?channel=a", "", "x").status,
        200,
        "no Origin header"
    );
}

#[test]
fn any_origin_may_but_without_cookies() {
    let server = Server::start(&("[client]\norigins = [\"*\"]\n".to_string() + OPEN));
    let answer = ask(&server, "GET", "/poll?channel=a", "https://any.example");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://any.example")
    );
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[test]
fn an_endpoints_own_origins_hold_for_send_as_well() {
    let settings = "[client]\norigins = [\"*\"]\n[[raw]]\npath = \"/ws\"\non_message = \"echo\"\n\
        origins = [\"https://app.example\"]\n";
    let server = Server::start(settings);
    assert_eq!(
        ask(&server, "POST", "/send?path=/ws", "https://app.example").status,
        200
    );
    assert_eq!(
        ask(&server, "POST", "/send?path=/ws", "https://any.example").status,
        403
    );
}
