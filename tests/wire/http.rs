//! The routes beside the WebSocket endpoints.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use flate2::read::GzDecoder;

use crate::support::{Response, Server, TempDir, eventually, raw};

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

/// A page of 220 KB on a phone's line takes seconds, compressed one. A cache that gives one form to
/// who asked for the other shows a blank page.
#[test]
fn files_are_compressed_for_who_takes_gzip_and_each_form_has_its_own_tag() {
    let server = Server::start(&raw("/ws", ""));
    let gzip = "Accept-Encoding: gzip, deflate, br\r\n";
    for path in [
        "/",
        "/static/console.js",
        "/static/tokens.css",
        "/static/settings.md",
        "/static/README.zh-CN.md",
        "/fanfare.mjs",
        "/fanfare-worker.js",
    ] {
        let plain = server.get(path);
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        let small = server.get_with(path, gzip);
        assert_eq!(small.header("content-encoding"), Some("gzip"), "{path}");
        for name in ["content-type", "cache-control", "content-security-policy"] {
            assert_eq!(small.header(name), plain.header(name), "{path}: {name}");
        }
        let mut text = String::new();
        GzDecoder::new(small.bytes.as_slice())
            .read_to_string(&mut text)
            .expect(path);
        assert_eq!(text, plain.body, "{path}");
        assert!(small.bytes.len() * 3 < plain.bytes.len() * 2, "{path}");
        let length = small.bytes.len().to_string();

        // What HEAD says of the form that was asked for is what GET brings.
        let asked =
            format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{gzip}\r\n");
        let head = server.request(&asked).expect("an answer");
        assert_eq!(head.bytes.len(), 0, "{path}");
        assert_eq!(head.header("content-length"), Some(&*length), "{path}");
        for name in ["content-encoding", "etag", "vary"] {
            assert_eq!(head.header(name), small.header(name), "{path}: {name}");
        }

        let tags = [&plain, &small].map(|answer| answer.header("etag").expect("a tag"));
        assert_ne!(tags[0], tags[1], "{path}");
        for (tag, asked, status) in [
            (tags[0], "", 304),
            (tags[0], gzip, 200),
            (tags[1], gzip, 304),
            (tags[1], "", 200),
            (tags[1], "Accept-Encoding: gzip;q=0\r\n", 200),
        ] {
            let answer = server.get_with(path, &format!("If-None-Match: {tag}\r\n{asked}"));
            assert_eq!(answer.status, status, "{path}: {tag} {asked}");
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{path}");
        }
    }
    for refused in [
        "identity",
        "gzip;q=0",
        "gzip;q=0, *",
        "br",
        "",
        "nonsense;;q=x",
    ] {
        let answer = server.get_with("/", &format!("Accept-Encoding: {refused}\r\n"));
        assert_eq!(answer.header("content-encoding"), None, "{refused}");
        assert!(answer.body.starts_with("<!doctype html>"), "{refused}");
    }
}

/// Pages of any origin take the client from the server, and those that switch the page off still
/// need it. A wrong type, or a policy that a worker inherits, would leave them with a script that
/// does not run.
#[test]
fn the_files_of_the_client_are_served_to_every_origin_also_with_the_page_off() {
    let server = Server::start(&("[page]\nenabled = false\n".to_string() + &raw("/ws", "")));
    assert_eq!(server.get("/").status, 404);
    for (name, part) in [
        ("fanfare.mjs", "as default"),
        ("fanfare.js", "var Fanfare="),
        ("fanfare-worker.js", "onconnect"),
    ] {
        let file = server.get_with(&format!("/{name}"), "Origin: https://elsewhere.example\r\n");
        assert_eq!(file.status, 200, "{name}");
        for (header, value) in [
            ("content-type", "text/javascript; charset=utf-8"),
            ("access-control-allow-origin", "*"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(file.header(header), Some(value), "{name}: {header}");
        }
        assert_eq!(file.header("content-security-policy"), None, "{name}");
        let path = format!("{}/clients/browser/{name}", env!("CARGO_MANIFEST_DIR"));
        let built = std::fs::read_to_string(&path).expect(&path);
        assert!(built.contains(part), "{name} is not what it says");
        assert_eq!(file.body, built, "{name}");
        let etag = file.header("etag").expect("a tag");
        let again = server.get_with(&format!("/{name}"), &format!("If-None-Match: {etag}\r\n"));
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{name}");
        assert_eq!(again.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(server.get("/fanfare.d.ts").status, 404);
}

#[test]
fn status_has_the_promised_names() {
    let server = Server::start(
        &("node = \"n1\"\n".to_string()
            + &raw("/ws", "")
            + "[[push]]\nevery = 600\ndata = \"x\"\n"),
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
    assert!(next > 500.0 && next <= 600.0, "{next}");
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
    // It is let in and closed, so that it sees why.
    server.try_ws("/ws?channel=", "");
    server.wait_status("sessions", 1);
    let sum = |text: &str, name: &str| -> u64 {
        let lines = text.lines().filter(|line| line.starts_with(name));
        let values = lines.map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        values.map(|value| value.expect("a number")).sum()
    };
    // Read while they are counted, one of the two may be behind.
    let text = eventually("a delivery in the metrics", || {
        let text = server.get("/metrics").body;
        let is_there = sum(&text, "fanfare_messages_sent_total{") > 0
            && sum(&text, "fanfare_delivery_delay_seconds_count") > 0;
        is_there.then_some(text)
    });
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE fanfare_delivery_delay_seconds histogram"));
    assert_eq!(sum(&text, "fanfare_messages_sent_total{"), 1);
    assert_eq!(sum(&text, "fanfare_delivery_delay_seconds_count"), 1);
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

/// `Accept: text/plain;version=0.0.4` was answered with OpenMetrics, which older agents cannot
/// read. They get the form that they ask for.
#[test]
fn metrics_are_in_the_form_that_was_asked_for() {
    let server = Server::start(&raw("/ws", ""));
    let metrics = server.get_with("/metrics", "Accept: text/plain;version=0.0.4\r\n");
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = metrics.body;
    assert!(
        text.contains("# TYPE fanfare_messages_sent_total counter\n"),
        "{text}"
    );
    assert!(
        text.contains("# HELP fanfare_messages_sent_total "),
        "{text}"
    );
    assert!(
        text.contains("# TYPE fanfare_delivery_delay_seconds histogram\n"),
        "{text}"
    );
    assert!(
        !text.contains("# EOF") && !text.contains("# UNIT"),
        "{text}"
    );
}

/// A page under a name that leads to 127.0.0.1 read /metrics and /status through its visitor's
/// browser. While no key is set, what is for this machine is for requests that name it as their
/// host.
#[test]
fn a_foreign_host_has_no_rights_of_loopback() {
    let server = Server::start(&raw("/ws", ""));
    let get = |host: &str, path: &str| {
        server
            .request(&format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            ))
            .expect("an answer")
    };
    let port = server.address.port();
    for host in [
        "localhost",
        "127.0.0.1",
        "[::1]",
        &format!("localhost:{port}"),
    ] {
        assert_eq!(get(host, "/metrics").status, 200, "{host}");
        assert!(get(host, "/status").body.contains("\"hooks\":{"), "{host}");
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        &format!("evil.example:{port}"),
    ] {
        let refused = get(host, "/metrics");
        assert_eq!(refused.status, 403, "{host}");
        assert!(refused.body.contains("set api.key"), "{}", refused.body);
        assert!(!get(host, "/status").body.contains("\"hooks\""), "{host}");
    }
    let refused = get("localhost", "http://evil.example/metrics");
    assert_ne!(refused.status, 200, "{}", refused.body);
    let old = server
        .request("GET /metrics HTTP/1.0\r\n\r\n")
        .expect("an answer");
    assert_eq!(old.status, 200);
    let key = server.log.wait_for("api key of this run: ");
    let key = key.split("of this run: ").nth(1).expect("a key");
    let key = key.split(' ').next().expect("a key");
    let post = |host: &str| {
        server
            .request(&format!(
                "POST /api/info HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-API-Key: {key}\r\n\
                 Content-Length: 2\r\n\r\n{{}}"
            ))
            .expect("an answer")
    };
    assert_eq!(post("localhost").status, 200);
    let refused = post("evil.example");
    assert!(refused.body.contains("set api.key"), "{}", refused.body);
}

/// A unix socket was no part of this machine: whoever can open its file was refused. It counts,
/// whatever the Host.
#[cfg(unix)]
#[test]
fn a_unix_socket_is_of_this_machine() {
    use std::os::unix::net::UnixStream;
    let dir = TempDir::new();
    let path = dir.path().join("fanfare.sock");
    let settings = format!(
        "listen = [\"127.0.0.1:0\", \"unix:{}\"]\n{}",
        path.display(),
        raw("/ws", "")
    );
    let server = Server::start_in(dir, &settings, &[]);
    server.log.wait_for("unix:");
    let ask = |headers: &str| {
        let mut stream = UnixStream::connect(&path).expect("a connection");
        stream
            .set_read_timeout(Some(crate::support::SOON))
            .expect("a timeout");
        let request = format!("GET /metrics HTTP/1.1\r\nHost: any.example\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        Response::read(&mut stream).expect("an answer").status
    };
    assert_eq!(ask(""), 200);
    assert_eq!(ask("X-Forwarded-For: 1.2.3.4\r\n"), 403);
}

/// Load balancers that probe by HEAD or OPTIONS were answered 405, and took the node for dead. What
/// is only read answers both.
#[test]
fn probes_by_head_and_options_are_answered() {
    let server = Server::start(&raw("/ws", ""));
    for path in [
        "/",
        "/health",
        "/ready",
        "/status",
        "/metrics",
        "/diag",
        "/static/base.css",
        "/fanfare.mjs",
        "/fanfare-worker.js",
    ] {
        for method in ["HEAD", "OPTIONS"] {
            let answer = server
                .request(&format!(
                    "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                ))
                .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (200, ""),
                "{method} {path}"
            );
        }
    }
    for path in [
        "/sse?channel=a",
        "/poll?channel=a",
        "/connection/sse",
        "/connection/uni_sse",
    ] {
        let request =
            format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = server.request(&request).expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
    server.wait_status("sessions_total", 0);
}

/// Behind a proxy that sets X-Real-IP only, a client chose its address by X-Forwarded-For. The
/// setting names the proxy's header, and without it the mismatch is told.
#[test]
fn the_header_of_the_address_can_be_named_and_a_mismatch_is_told() {
    let claims = "X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 9.9.9.9\r\n";
    let diag = |server: &Server, headers: &str| -> serde_json::Value {
        serde_json::from_str(&server.get_with("/diag", headers).body).expect("JSON")
    };
    let unnamed = "trusted_proxies = [\"127.0.0.1\"]\n".to_string() + &raw("/ws", "");
    let server = Server::start(&unnamed);
    let seen = diag(&server, claims);
    assert_eq!(seen["address"]["resolved"], "6.6.6.6");
    let problem = seen["problems"][0].as_str().expect("a problem");
    assert!(
        problem.contains("x-real-ip says 9.9.9.9") && problem.contains("address_header"),
        "{problem}"
    );
    let _client = server.ws_with("/ws", claims);
    server
        .log
        .wait_for("which header has the client's address?");

    let server = Server::start(&("address_header = \"X-Real-IP\"\n".to_string() + &unnamed));
    let seen = diag(&server, claims);
    assert_eq!(seen["address"]["resolved"], "9.9.9.9");
    assert_eq!(seen["problems"], serde_json::json!([]));
    let seen = diag(&server, "X-Forwarded-For: 6.6.6.6\r\n");
    assert_eq!(seen["address"]["resolved"], "127.0.0.1");
    assert!(
        seen["problems"][0]
            .as_str()
            .is_some_and(|text| text.contains("x-real-ip")),
        "{seen}"
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
    let log = server.log.whole();
    assert!(!log.contains("t0ps3cret"), "{log}");
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
        "/static/base.css",
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
