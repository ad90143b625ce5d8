//! Commands in an address: what a link can make someone's browser do.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::support::{SOON, Server, raw};

const SETTINGS: &str = "[channels]\nhistory_size = 10\nallow.subscribe = [\"anonymous\"]\n\
    allow.publish = [\"anonymous\"]\nallow.history = [\"anonymous\"]\n";

fn start() -> Server {
    Server::start(&(SETTINGS.to_string() + &raw("/ws", "")))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// What comes on the stream of these commands, up to a text or to its end.
fn stream(server: &Server, commands: &str, until: &str) -> String {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let request = format!(
        "GET /connection/sse?cf_connect={} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        encoded(commands)
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let ended = text.ends_with("\r\n0\r\n\r\n");
        if text.contains(until) || ended {
            return text;
        }
        let n = stream.read(&mut chunk).expect("something, or the end");
        assert!(n > 0, "no end of the body: {text}");
        bytes.extend_from_slice(&chunk[..n]);
    }
}

/// A link to /connection/sse with commands in its address published and called the backend with the
/// cookies of whoever followed it. By GET nothing is done but connecting and subscribing, and who
/// asks for more is told.
#[test]
fn a_link_connects_and_subscribes_and_does_nothing_else() {
    let server = start();
    let connect = "{\"id\":1,\"connect\":{\"subs\":{\"b\":{}}}}";
    let acts = [
        "{\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":{}}}",
        "{\"id\":2,\"rpc\":{\"method\":\"m\",\"data\":{}}}",
        "{\"send\":{\"data\":{}}}",
        "{\"id\":2,\"history\":{\"channel\":\"a\",\"limit\":1}}",
        "{\"id\":2,\"presence\":{\"channel\":\"a\"}}",
        "{\"id\":2,\"unsubscribe\":{\"channel\":\"b\"}}",
        "{\"id\":2,\"refresh\":{\"token\":\"t\"}}",
    ];
    for act in acts {
        for commands in [format!("{connect}\n{act}"), act.to_string()] {
            let text = stream(&server, &commands, "no such text");
            assert!(text.contains("\"disconnect\":{\"code\":3501"), "{text}");
            assert!(text.contains("by GET, cf_connect does no more"), "{text}");
            assert!(!text.contains("\"connect\":"), "{text}");
        }
    }
    assert_eq!(server.status()["published"], 0);

    let subscribe = "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}";
    let text = stream(
        &server,
        &format!("{connect}\n{subscribe}"),
        "\"id\":2,\"subscribe\":{",
    );
    assert!(text.contains("\"id\":1,\"connect\":{"), "{text}");
    assert!(text.contains("\"b\":{"), "{text}");
    assert!(!text.contains("disconnect"), "{text}");
}
