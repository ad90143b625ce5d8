//! Channels with `cache_recovery`: whoever comes late has the newest at once.

use super::{Events, poll, publish, since, texts};
use crate::support::Server;

const CACHED: &str = "[channels]\nhistory_size = 1\ncache_recovery = true\n\
    allow.subscribe = [\"anonymous\"]\nallow.publish = [\"anonymous\"]\n\
    [[raw]]\npath = \"/ws\"\n[[raw]]\npath = \"/all\"\nchannels = [\"score\"]\n";

/// Only clients of the protocol got the newest publication when they came. Everyone else saw
/// nothing until the next one, against the documents.
#[test]
fn late_comers_have_the_newest_at_once_however_they_come() {
    let server = Server::start(CACHED);
    publish(&server, "score", "1:0");
    publish(&server, "score", "2:0");
    let mut raw = server.ws("/ws?channel=score");
    raw.expect_text("2:0");
    let mut by_endpoint = server.ws("/all");
    by_endpoint.expect_text("2:0");
    let mut envelope = server.ws("/ws?channel=score&envelope=1");
    let first = String::from_utf8(envelope.message().payload).expect("text");
    assert!(first.contains("\"offset\":2,"), "{first}");
    let mut events = Events::open(server.address, "/sse?channel=score", "");
    events.greeting();
    assert_eq!(events.next().data, "2:0");
    let first = poll(&server, "channel=score");
    assert_eq!(texts(&first), ["2:0"]);

    publish(&server, "score", "2:1");
    raw.expect_text("2:1");
    by_endpoint.expect_text("2:1");
    assert_eq!(events.next().data, "2:1");
    let next = poll(&server, &format!("channel=score&since={}", since(&first)));
    assert_eq!(texts(&next), ["2:1"], "and nothing twice");
    publish(&server, "score", "2:2");
    let late = poll(&server, &format!("channel=score&since={}", since(&first)));
    assert_eq!(
        texts(&late),
        ["2:2"],
        "the newest makes up for what is not kept"
    );
    assert_eq!(late["recovered"], true);
}
