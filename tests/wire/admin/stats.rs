//! `$stats`: the node's own numbers, for those who bring an administrator's token.

use serde_json::{Value, json};

use super::{KEY, bearer, login, post, start};
use crate::{
    client::{OPEN, Session, code},
    support::{Server, eventually},
};

fn subscribe(session: &mut Session, token: &str) -> Value {
    session.ask(json!({"subscribe": {"channel": "$stats", "token": token}}))
}

/// The next object that comes on the channel.
fn stats(session: &mut Session) -> Value {
    let push = session.push();
    assert_eq!(push["channel"], "$stats", "{push}");
    push["pub"]["data"].clone()
}

/// Charts show what happens, so each object tells what happened since the one before, of all and by
/// worker, and only while somebody looks.
#[test]
fn who_brings_a_token_is_told_each_second_what_the_node_does() {
    let server = start(OPEN);
    let (token, _) = login(&server);
    let mut page = Session::connected(&server);
    let reply = subscribe(&mut page, &token);
    assert_eq!(reply["subscribe"]["expires"], true, "{reply}");
    let ttl = reply["subscribe"]["ttl"].as_u64().expect("a time");
    assert!((860..=900).contains(&ttl), "{ttl}");
    let first = stats(&mut page);
    for name in [
        "time",
        "seconds",
        "sessions",
        "channels",
        "messages_in",
        "messages_out",
        "bytes_in",
        "bytes_out",
        "published",
        "slow_disconnects",
        "dropped",
    ] {
        assert!(first[name].is_number(), "{name} in {first}");
    }
    let seconds = first["seconds"].as_f64().expect("a number");
    assert!(seconds > 0.0 && seconds < 20.0, "{seconds}");
    assert_eq!(first["workers"].as_array().map(Vec::len), Some(2));
    assert_eq!(first["bounds"].as_array().map(Vec::len), Some(14));
    assert_eq!(first["delay"]["buckets"].as_array().map(Vec::len), Some(15));
    let mut listener = Session::connected(&server);
    listener.subscribe("news");
    for _ in 0..20 {
        listener.ask(json!({"publish": {"channel": "news", "data": 1}}));
    }
    let mut told = (0, 0);
    eventually("all of it is told, once", || {
        let stats = stats(&mut page);
        // Its own channel is none of ours.
        let is_settled = stats["sessions"] == 2 && stats["channels"] == 1;
        told.0 += stats["published"].as_u64().expect("a number");
        let count = stats["delay"]["count"].as_u64().expect("a number");
        told.1 += count;
        let by_worker = stats["workers"].as_array().expect("a list");
        let sum: u64 = by_worker
            .iter()
            .filter_map(|worker| worker["delay"]["count"].as_u64())
            .sum();
        assert_eq!(sum, count);
        if count > 0 {
            assert!(
                stats["delay"]["p99"].as_f64() >= stats["delay"]["p50"].as_f64(),
                "{stats}"
            );
        }
        (told.0 >= 20 && told.1 >= 20 && is_settled).then_some(())
    });
    assert!(page.ask(json!({"unsubscribe": {"channel": "$stats"}}))["unsubscribe"].is_object());
}

/// The node's numbers tell an attacker what works. There is one way to them, and it needs a token
/// that counts.
#[test]
fn there_is_no_other_way_to_the_numbers_than_a_token_of_an_administrator() {
    let server = start(OPEN);
    let (token, _) = login(&server);
    let mut client = Session::connected(&server);
    for wrong in [
        "",
        "s3cret",
        "fanfare_admin_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let reply = subscribe(&mut client, wrong);
        assert_eq!(code(&reply), 103, "{wrong}: {reply}");
    }
    let rights = json!({"channel": "$stats"});
    for command in ["publish", "history", "presence", "presence_stats"] {
        let mut request = rights.clone();
        request["data"] = json!(1);
        let reply = client.ask(json!({command: request}));
        assert_ne!(code(&reply), 0, "{command}: {reply}");
    }
    let id = {
        let mut other = Session::open(&server);
        let reply = other.ask(json!({"connect": {"subs": {"$stats": {"token": token}}}}));
        assert!(reply["connect"]["subs"]["$stats"].is_null(), "{reply}");
        assert_eq!(
            code(&other.ask(json!({"subscribe": {"channel": "$other", "token": token}}))),
            107
        );
        reply["connect"]["client"]
            .as_str()
            .expect("an id")
            .to_string()
    };
    for method in ["subscribe", "publish", "history", "presence"] {
        let body = json!({"client": id, "channel": "$stats", "data": 1}).to_string();
        let answer = post(&server, &format!("/api/{method}"), &bearer(&token), &body);
        assert!(
            answer.body.contains("the server's own"),
            "{method}: {}",
            answer.body
        );
    }
    for path in ["/sse?channel=$stats", "/poll?channel=$stats"] {
        let path = format!("{path}&token={token}");
        assert!(server.get(&path).status >= 400, "{path}");
    }
    let (answer, client) = server.try_ws(&format!("/ws?channel=$stats&token={token}"), "");
    if let Some(mut client) = client {
        let (code, _) = client.expect_close();
        assert!(code >= 3000 || code == 1008, "{code}");
    } else {
        assert!(answer.status >= 400);
    }
    let none = Server::start(OPEN);
    let mut client = Session::connected(&none);
    assert_eq!(
        code(&subscribe(&mut client, &token)),
        107,
        "there is none without admin.key"
    );
}

/// Someone who is subscribed cannot speak there either: the channel's rules let nobody do anything
/// but listen.
#[test]
fn a_subscriber_may_only_listen() {
    let server = start(OPEN);
    let (token, _) = login(&server);
    let mut page = Session::connected(&server);
    assert!(subscribe(&mut page, &token)["subscribe"].is_object());
    for command in ["publish", "history", "presence"] {
        let reply = page.ask(json!({command: {"channel": "$stats", "data": 1}}));
        assert_ne!(code(&reply), 0, "{command}: {reply}");
    }
    let listed = super::get(&server, "/admin/channels", KEY);
    assert_eq!(listed["channels"], json!([]));
}

/// A logout that leaves a subscription going is none; and whoever else is logged in must not lose
/// his for good.
#[test]
fn a_logout_ends_the_subscription_at_once_and_others_come_back() {
    let server = start(OPEN);
    let ((mine, _), (other, _)) = (login(&server), login(&server));
    let mut pages = [Session::connected(&server), Session::connected(&server)];
    for (page, token) in pages.iter_mut().zip([&mine, &other]) {
        assert!(subscribe(page, token)["subscribe"].is_object());
        stats(page);
    }
    assert_eq!(
        post(&server, "/admin/logout", &bearer(&mine), "").status,
        204
    );
    for page in &mut pages {
        let ended = eventually("the end of the subscription", || {
            let push = page.push();
            push["unsubscribe"]["code"].as_u64()
        });
        assert_eq!(ended, 2501, "come back with a token");
    }
    assert_eq!(code(&subscribe(&mut pages[0], &mine)), 103);
    assert!(subscribe(&mut pages[1], &other)["subscribe"].is_object());
    stats(&mut pages[1]);
}

/// The token is renewed by a request, the subscription by the protocol with the same token; what is
/// not renewed ends.
#[test]
fn a_subscription_goes_on_with_a_renewed_token_and_ends_with_one_that_is_over() {
    let server = start(&format!("admin.token_ttl = \"10s\"\n{OPEN}"));
    let (token, _) = login(&server);
    let mut page = Session::connected(&server);
    let reply = subscribe(&mut page, &token);
    let ttl = reply["subscribe"]["ttl"].as_u64().expect("a time");
    assert!(ttl <= 10, "{ttl}");
    assert_eq!(
        post(&server, "/admin/renew", &bearer(&token), "").status,
        200
    );
    let reply = page.ask(json!({"sub_refresh": {"channel": "$stats", "token": token}}));
    assert_eq!(reply["sub_refresh"]["expires"], true, "{reply}");
    let wrong = page.ask(json!({"sub_refresh": {"channel": "$stats", "token": "fanfare_admin_x"}}));
    assert_ne!(wrong["sub_refresh"]["expires"], true, "{wrong}");
    let ended = eventually("the end of the subscription", || {
        page.push()["unsubscribe"]["code"].as_u64()
    });
    assert_eq!(ended, 2501);
    let over = server.get_with("/status/sessions", &bearer(&token)).status;
    assert_eq!(over, 401, "it ends no sooner than its token");
}

/// Where clients need a token the page has none of theirs: its own lets it in, as nobody, and as
/// long as it counts.
#[test]
fn the_page_comes_in_by_its_token_where_clients_need_one() {
    let key = "[token]\nhmac_secret = \"0123456789abcdef0123456789abcdef\"\n";
    let server = start(&format!("{OPEN}{key}"));
    let (token, _) = login(&server);
    let mut nobody = Session::open(&server);
    nobody.client.text(r#"{"id":1,"connect":{}}"#);
    nobody.expect_close(3501);
    let mut page = Session::open(&server);
    let reply = page.ask(json!({"connect": {"token": token}}));
    assert_eq!(reply["connect"]["expires"], true, "{reply}");
    assert!(subscribe(&mut page, &token)["subscribe"].is_object());
    stats(&mut page);
    let reply = page.ask(json!({"refresh": {"token": token}}));
    assert_eq!(reply["refresh"]["expires"], true, "{reply}");
    assert_eq!(
        post(&server, "/admin/logout", &bearer(&token), "").status,
        204
    );
    let mut again = Session::open(&server);
    let over = again.ask(json!({"connect": {"token": token}}));
    assert_eq!(code(&over), 109, "{over}");
}
