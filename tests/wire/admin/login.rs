//! The key for a token, how long that counts, and what becomes of those who guess.

use super::{KEY, bearer, code, get, json, login, post, send, start};
use crate::support::{Server, eventually, raw};

/// A page that holds the key itself shows it to whoever gets at the page. So a login gives a token,
/// which opens what the key opens, is renewed, and is nothing after a logout.
#[test]
fn a_login_gives_a_token_that_opens_what_the_key_opens_until_it_is_ended() {
    let server = start("");
    let (token, answer) = login(&server);
    assert!(
        token.starts_with("fanfare_admin_") && token.len() == 57,
        "{token}"
    );
    assert_eq!(
        (&answer["expires_in"], &answer["ends_in"]),
        (&900.into(), &43_200.into())
    );
    assert_eq!(
        (&answer["node"], &answer["secure"]),
        (&"n1".into(), &true.into())
    );
    let token = bearer(&token);
    for right in [KEY, &token] {
        assert_eq!(server.get_with("/status/sessions", right).status, 200);
        assert_eq!(server.get_with("/metrics", right).status, 200);
        assert_eq!(
            post(&server, "/api/info", right, "").status,
            200,
            "from anywhere"
        );
        let status = get(&server, "/status", right);
        assert!(status["hooks"].is_object(), "{status}");
    }
    let renewed = post(&server, "/admin/renew", &token, "");
    assert_eq!(renewed.status, 200);
    assert_eq!(json(&renewed)["token"], answer["token"], "the same");
    assert_eq!(code(&post(&server, "/admin/renew", KEY, "")), "bad_request");
    assert_eq!(
        code(&post(&server, "/admin/login", &token, "")),
        "bad_request"
    );
    assert_eq!(post(&server, "/admin/logout", &token, "").status, 204);
    assert_eq!(
        post(&server, "/admin/logout", &token, "").status,
        204,
        "again"
    );
    let over = post(&server, "/admin/renew", &token, "");
    assert_eq!((over.status, code(&over).as_str()), (401, "unauthorized"));
    for path in ["/status/sessions", "/metrics"] {
        assert_eq!(server.get_with(path, &token).status, 401, "{path}");
    }
    assert_eq!(post(&server, "/api/info", &token, "").status, 401);
    assert!(get(&server, "/status", &token)["hooks"].is_null());
    server.log.wait_for("an administrator logged in");
    server.log.wait_for("an administrator logged out");
    let log = server.log.text();
    assert!(
        !log.contains("s3cret") && !log.contains("fanfare_admin_"),
        "{log}"
    );
}

/// Nothing that is guessed must be right in the end: after five wrong keys the address waits, and
/// is not told whether one more is right. Whoever is logged in goes on.
#[test]
fn after_five_wrong_keys_an_address_is_refused_by_every_route_and_a_live_token_goes_on() {
    let server = start("");
    let (token, _) = login(&server);
    let from = |address: &str| format!("X-Forwarded-For: {address}\r\n");
    let wrong = |address: &str| format!("{}Authorization: Bearer wrong\r\n", from(address));
    let right = |address: &str| format!("{}{KEY}", from(address));
    let there = "203.0.113.7";
    // Each route that takes the key counts, those that answer without one too.
    assert_eq!(post(&server, "/admin/login", &wrong(there), "").status, 401);
    assert_eq!(
        server.get_with("/status/sessions", &wrong(there)).status,
        401
    );
    assert_eq!(server.get_with("/metrics", &wrong(there)).status, 401);
    assert_eq!(post(&server, "/api/info", &wrong(there), "").status, 401);
    assert_eq!(server.get_with("/status", &wrong(there)).status, 200);
    let refused = post(&server, "/admin/login", &right(there), "");
    assert_eq!(
        (refused.status, code(&refused).as_str()),
        (429, "too_many_failures")
    );
    let again_in: u64 = refused
        .header("retry-after")
        .expect("a time")
        .parse()
        .expect("seconds");
    assert!((1..=60).contains(&again_in), "{again_in}");
    assert_eq!(json(&refused)["error"]["retry_after"], again_in);
    for path in ["/status/sessions", "/metrics"] {
        let refused = server.get_with(path, &right(there));
        assert_eq!(refused.status, 429, "{path}");
        assert!(refused.header("retry-after").is_some(), "{path}");
    }
    assert_eq!(post(&server, "/api/info", &right(there), "").status, 429);
    assert!(get(&server, "/status", &right(there))["hooks"].is_null());
    // Neither the token nor a key of the API is the administrator's key.
    let live = format!("{}{}", from(there), bearer(&token));
    assert_eq!(post(&server, "/admin/renew", &live, "").status, 200);
    let backend = format!("{}X-API-Key: k\r\n", from(there));
    assert_eq!(post(&server, "/api/info", &backend, "").status, 200);
    assert_eq!(
        post(&server, "/admin/login", &right("203.0.113.8"), "").status,
        200
    );
    let limited = &server.status()["limited"];
    assert_eq!(limited["admin_failures"], 5, "{limited}");
    server.log.wait_for("too many wrong keys from this address");
}

/// A subscriber has a whole /64 and could guess from each address of it. And what nobody can guess,
/// or did not bring, is no failure, or a forgotten page would lock its administrator out.
#[test]
fn ipv6_counts_by_64_bits_and_dead_tokens_and_missing_keys_do_not_count() {
    let server = start("");
    for n in 0..5 {
        let wrong = format!("X-Forwarded-For: 2001:db8::{n}\r\nAuthorization: Bearer wrong\r\n");
        assert_eq!(post(&server, "/admin/login", &wrong, "").status, 401);
    }
    let right = |address: &str| format!("X-Forwarded-For: {address}\r\n{KEY}");
    assert_eq!(
        post(&server, "/admin/login", &right("2001:db8::99"), "").status,
        429
    );
    assert_eq!(
        post(&server, "/admin/login", &right("2001:db8:0:1::1"), "").status,
        200
    );
    let dead = bearer("fanfare_admin_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    for _ in 0..20 {
        assert_eq!(
            code(&post(&server, "/admin/renew", &dead, "")),
            "unauthorized"
        );
        assert_eq!(post(&server, "/admin/login", "", "").status, 401);
        assert_eq!(
            post(&server, "/admin/login", "Authorization: Basic eDp5\r\n", "").status,
            401
        );
    }
    assert_eq!(post(&server, "/admin/login", KEY, "").status, 200);
}

/// A token that is not renewed is over by itself, and at the bound a new login ends the one that
/// would be over first: forgotten pages neither stay open nor keep anybody out.
#[test]
fn a_token_is_over_by_itself_and_one_login_too_many_ends_the_oldest() {
    let server = start("admin.token_ttl = \"1s\"\nadmin.tokens = 2\n");
    let (first, answer) = login(&server);
    assert_eq!(answer["expires_in"], 1);
    let counts = |token: &str| server.get_with("/status/sessions", &bearer(token)).status == 200;
    eventually("it is over", || (!counts(&first)).then_some(()));
    let server = start("admin.tokens = 2\n");
    let made: Vec<String> = (0..3).map(|_| login(&server).0).collect();
    let counts = |token: &str| server.get_with("/status/sessions", &bearer(token)).status == 200;
    assert!(!counts(&made[0]) && counts(&made[1]) && counts(&made[2]));
    assert_eq!(server.status()["limited"]["admin_tokens"], 1);
}

/// A page of another site could have its visitor's browser act here if it were let in or a cookie
/// spoke for the visitor. No answer sets one, none lets an origin in, and only the method of a
/// route is answered.
#[test]
fn no_other_origin_is_let_in_and_nothing_is_a_cookie() {
    let server = start("client.origins = [\"*\"]\n");
    let page = "Origin: https://elsewhere.example\r\nAccess-Control-Request-Method: POST\r\n";
    for path in ["/admin", "/admin/login", "/admin/renew", "/admin/logout"] {
        let asked = send(&server, "OPTIONS", path, page, "");
        assert_eq!(asked.status, 405, "{path}");
        assert!(asked.header("allow").is_some(), "{path}");
        let answered = post(&server, path, &format!("{page}{KEY}"), "");
        for answer in [asked, answered] {
            let head = answer.head.to_ascii_lowercase();
            assert!(
                !head.contains("access-control-") && !head.contains("set-cookie"),
                "{head}"
            );
        }
    }
    assert_eq!(server.get_with("/admin/login", KEY).status, 405);
    assert_eq!(code(&server.get_with("/admin/nothing", KEY)), "not_found");
}

#[test]
fn whoever_has_no_admin_key_has_no_admin() {
    let server = Server::start(&raw("/ws", ""));
    for path in ["/admin", "/admin/", "/admin/sessions"] {
        let answer = server.get_with(path, KEY);
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            answer.body.contains("nothing is served at this path"),
            "{}",
            answer.body
        );
    }
    assert_eq!(post(&server, "/admin/login", KEY, "").status, 404);
}

/// The page warns where the key would go over the network as it is; it cannot know what a proxy in
/// front does, so the server tells what it knows.
#[test]
fn a_login_says_whether_nobody_can_read_along() {
    let server = start("");
    for (headers, secure) in [
        ("", serde_json::Value::from(true)),
        ("X-Forwarded-For: 203.0.113.7\r\n", serde_json::Value::Null),
        (
            "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n",
            true.into(),
        ),
        (
            "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: http\r\n",
            false.into(),
        ),
    ] {
        let answer = post(&server, "/admin/login", &format!("{headers}{KEY}"), "");
        assert_eq!(json(&answer)["secure"], secure, "{headers}");
    }
}
