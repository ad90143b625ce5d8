//! Tests of the handshake's checks.

use actix_http::header::{HeaderName, HeaderValue};

use super::*;

const GOOD: [(&str, &str); 4] = [
    ("upgrade", "websocket"),
    ("connection", "keep-alive, Upgrade"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in list {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).expect("a name"),
            HeaderValue::from_str(value).expect("a value"),
        );
    }
    map
}

/// The good request with one header replaced (or left out, for "").
fn with(name: &str, value: &str) -> Result<(), Refusal> {
    let mut list: Vec<_> = GOOD.into_iter().filter(|(n, _)| *n != name).collect();
    if !value.is_empty() {
        list.push((name, value));
    }
    check(&Method::GET, Version::HTTP_11, &headers(&list))
}

#[test]
fn the_request_of_the_rfc_is_accepted() {
    assert_eq!(
        check(&Method::GET, Version::HTTP_11, &headers(&GOOD)),
        Ok(())
    );
    assert_eq!(with("upgrade", "WebSocket"), Ok(()));
    assert_eq!(with("content-length", "0"), Ok(()));
    assert_eq!(with("connection", "Upgrade, close"), Ok(()));
}

#[test]
fn each_fault_has_its_own_refusal() {
    assert_eq!(
        check(&Method::GET, Version::HTTP_10, &headers(&GOOD)),
        Err(Refusal::Http10)
    );
    assert_eq!(
        check(&Method::GET, Version::HTTP_10, &HeaderMap::new()),
        Err(Refusal::Http10)
    );
    assert_eq!(
        check(&Method::POST, Version::HTTP_11, &headers(&GOOD)),
        Err(Refusal::Method(Method::POST))
    );
    assert_eq!(with("upgrade", ""), Err(Refusal::NotWebSocket("Upgrade")));
    assert_eq!(
        with("upgrade", "h2c"),
        Err(Refusal::NotWebSocket("Upgrade"))
    );
    assert_eq!(
        with("upgrade", "h2c, websocket"),
        Err(Refusal::UpgradeList("h2c, websocket".into()))
    );
    assert_eq!(
        with("connection", "close"),
        Err(Refusal::NotWebSocket("Connection"))
    );
    for version in ["", "7", "8", "13, 8", "14", "x"] {
        assert_eq!(
            with("sec-websocket-version", version),
            Err(Refusal::Version),
            "{version}"
        );
    }
    for key in [
        "",
        "short",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZTEyMw==",
        "!!!",
    ] {
        assert!(
            matches!(with("sec-websocket-key", key), Err(Refusal::Key(_))),
            "{key}"
        );
    }
    assert_eq!(with("content-length", "5"), Err(Refusal::Body));
    assert_eq!(with("transfer-encoding", "chunked"), Err(Refusal::Body));
    let twice = headers(&[GOOD.as_slice(), &[GOOD[3]]].concat());
    assert!(matches!(
        check(&Method::GET, Version::HTTP_11, &twice),
        Err(Refusal::Key(_))
    ));
}

#[test]
fn statuses_are_those_that_clients_are_promised() {
    let cases = [
        (Refusal::Http10, 400),
        (Refusal::NotWebSocket("Upgrade"), 426),
        (Refusal::Version, 426),
        (Refusal::Key("is missing"), 400),
        (
            Refusal::Origin {
                origin: "x".into(),
                setting: "client.origins",
            },
            403,
        ),
        (Refusal::Limit(LimitReached::Full), 503),
        (Refusal::Limit(LimitReached::Address), 429),
        (Refusal::Draining, 503),
        (Refusal::Method(Method::POST), 405),
    ];
    for (refusal, status) in cases {
        assert_eq!(refusal.status().as_u16(), status, "{refusal}");
    }
    let full = Refusal::Limit(LimitReached::Full).response();
    assert!(full.headers().contains_key(header::RETRY_AFTER));
    let version = Refusal::Version.response();
    assert_eq!(
        version.headers().get("sec-websocket-version").unwrap(),
        "13"
    );
}

#[test]
fn the_first_offer_that_is_known_is_chosen_over_all_header_lines() {
    let offers = headers(&[
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-protocol", "echo-protocol"),
    ]);
    let known = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        choose_subprotocol(&offers, &known(&["echo-protocol"])),
        Some("echo-protocol")
    );
    assert_eq!(
        choose_subprotocol(&offers, &known(&["superchat", "chat"])),
        Some("chat")
    );
    assert_eq!(choose_subprotocol(&offers, &known(&["*"])), Some("chat"));
    assert_eq!(choose_subprotocol(&offers, &known(&["other"])), None);
    let odd = headers(&[("sec-websocket-protocol", "a b, (x), fine")]);
    assert_eq!(choose_subprotocol(&odd, &known(&["*"])), Some("fine"));
}

/// With `["*"]`, the token of `token.<jwt>` was chosen, so that it came back in the answer and
/// stood in the list of sessions. What carries a token is never chosen, and never shown.
#[test]
fn a_token_is_no_subprotocol() {
    let any = vec!["*".to_string()];
    for spelling in ["token.e30.e30.s", "Token.e30.e30.s", "TOKEN."] {
        let alone = headers(&[("sec-websocket-protocol", spelling)]);
        assert_eq!(choose_subprotocol(&alone, &any), None, "{spelling}");
        assert_eq!(offered_subprotocols(&alone).as_deref(), Some("token.…"));
    }
    let both = headers(&[("sec-websocket-protocol", "token.e30.e30.s, chat")]);
    assert_eq!(choose_subprotocol(&both, &any), Some("chat"));
    assert_eq!(
        offered_subprotocols(&both).as_deref(),
        Some("token.…, chat")
    );
    assert_eq!(offered_subprotocols(&HeaderMap::new()), None);
}

/// `https://*.example.com` passed `check` and let in a page of that very name alone, which there
/// is none of. It stands for every name below, and for nothing else.
#[test]
fn a_leading_star_stands_for_every_name_below() {
    let allowed = ["https://*.example.com", "http://*.local:8080"].map(String::from);
    for (origin, is) in [
        ("https://a.example.com", true),
        ("https://a.b.EXAMPLE.com", true),
        ("https://a.example.com:443", true),
        ("http://x.local:8080", true),
        ("https://example.com", false),
        ("https://aexample.com", false),
        ("https://.example.com", false),
        ("http://a.example.com", false),
        ("https://a.example.com:8443", false),
        ("https://a.example.com.evil.example", false),
        ("https://evil.example/.example.com", false),
        ("https://evil.example?.example.com", false),
        ("http://x.local", false),
        ("null", false),
    ] {
        assert_eq!(is_named(&allowed, origin), is, "{origin}");
    }
}

#[test]
fn an_absent_origin_is_always_allowed() {
    let allowed = vec!["https://example.com".to_string()];
    assert_eq!(
        check_origin(&HeaderMap::new(), Some(&allowed), "client.origins"),
        Ok(())
    );
    let evil = headers(&[("origin", "https://evil.example")]);
    assert!(check_origin(&evil, Some(&allowed), "client.origins").is_err());
    assert_eq!(check_origin(&evil, None, "client.origins"), Ok(()));
    let good = headers(&[("origin", "HTTPS://Example.com")]);
    assert_eq!(
        check_origin(&good, Some(&allowed), "client.origins"),
        Ok(())
    );
}

/// A list with `https://a.example:443` let nobody in, since browsers leave the port of the scheme
/// out.
#[test]
fn the_port_of_the_scheme_may_be_written_and_left_out() {
    for (entry, origin, is) in [
        ("https://a.example:443", "https://a.example", true),
        ("https://a.example", "https://A.example:443", true),
        ("http://a.example:80", "http://a.example", true),
        ("http://a.example:443", "http://a.example", false),
        ("https://a.example:8443", "https://a.example", false),
        ("https://[::1]", "https://[::1]:443", true),
        ("null", "null", true),
        ("file://", "file://", true),
        ("*", "https://a.example", false),
    ] {
        assert_eq!(
            is_named(&[entry.to_string()], origin),
            is,
            "{entry} {origin}"
        );
    }
}
