//! `client.origins`: which pages may use what is not a raw endpoint, and what their browsers are told.

use super::{OPEN, json, post};
use crate::support::{Response, Server};

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
