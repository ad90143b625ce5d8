//! Queries as clients write them.

use super::*;

fn parse(address: &str) -> Result<Query, QueryError> {
    let text = QueryText {
        address,
        ..QueryText::default()
    };
    Query::parse(text, 8)
}

fn names(query: &Query) -> Vec<&str> {
    query.channels.iter().map(|name| &**name).collect()
}

fn position(offset: u64, epoch: &str) -> Since {
    Since::Offset {
        offset,
        epoch: epoch.to_string(),
    }
}

/// From where the first so many channels go on.
fn sinces(query: &Query, channels: usize) -> Vec<Since> {
    (0..channels).map(|index| query.since(index)).collect()
}

#[test]
fn a_query_names_channels_and_asks_for_heartbeats() {
    let query = parse("channel=a&x=%ZZ&channel=b%2Fc&heartbeat=1&&=&token=t%2B&path=/ws");
    let query = query.expect("fine");
    assert_eq!(names(&query), ["a", "b/c"]);
    assert!(query.heartbeat && !query.envelope);
    assert_eq!(
        (query.token.as_deref(), query.path.as_deref()),
        (Some("t+"), Some("/ws"))
    );
    assert_eq!(parse(""), Ok(Query::default()));
}

// Names were visible ASCII only: a page that asked for 弹幕 saw 1006 and came back for ever. Bytes
// that are no UTF-8 became U+FFFD, so that two clients with different bytes met in one channel.
#[test]
fn names_are_utf_8_whether_they_are_escaped_or_not() {
    let escaped = "channel=%E5%BC%B9%E5%B9%95&channel=%F0%9F%8E%89&channel=dialog%2342%2C567";
    for address in [escaped, "channel=弹幕&channel=🎉&channel=dialog#42,567"] {
        let query = parse(address).expect("fine");
        assert_eq!(names(&query), ["弹幕", "🎉", "dialog#42,567"]);
    }
    // As one sign and as two, 4 bytes against 5: they are not the same channel.
    let query = parse("channel=caf%C3%A9&channel=cafe%CC%81").expect("fine");
    assert_eq!(query.channels.len(), 2);
    for (address, error) in [
        ("channel=", ChannelNameError::Empty),
        ("channel=a+b", ChannelNameError::WhiteSpace(' ')),
        ("channel=a%20b", ChannelNameError::WhiteSpace(' ')),
        (
            "channel=%E3%80%80",
            ChannelNameError::WhiteSpace('\u{3000}'),
        ),
        ("channel=a%0D", ChannelNameError::Control('\r')),
        ("channel=$all", ChannelNameError::Internal),
        // 你 as GBK writes it.
        ("channel=%C4%E3", ChannelNameError::NotUtf8),
    ] {
        assert_eq!(parse(address), Err(QueryError::Channel(error)), "{address}");
        assert_eq!(QueryError::Channel(error).close().code, 3501);
    }
    assert!(parse(&format!("channel={}", "x".repeat(255))).is_ok());
    let long = parse(&format!("channel={}", "x".repeat(256)));
    assert_eq!(long, Err(ChannelNameError::TooLong(256).into()));
}

// `?channel=a&channel=a` was two channels: replays doubled, and one message that was relayed into
// them became two, with three names 128 after a few clients.
#[test]
fn a_repeated_channel_is_one_channel_and_counts_once() {
    let query = parse(&"channel=a&channel=b&".repeat(20)).expect("two of eight");
    assert_eq!(names(&query), ["a", "b"]);
    let many: String = (0..9).map(|number| format!("channel={number}&")).collect();
    let error = parse(&many).expect_err("nine of eight");
    assert_eq!(error, QueryError::TooManyChannels(8));
    assert_eq!(error.close().code, 3505);
    // Positions by the names as they were written, or one for each.
    let each = [position(1, "x"), position(2, "y")];
    for address in [
        "channel=a&channel=b&channel=a&since=1@x&since=2@y&since=3@x",
        "channel=a&channel=a&channel=b&since=1@x&since=3@x&since=2@y",
        "channel=a&channel=b&channel=a&since=1@x&since=2@y",
        "channel=a&channel=b&channel=a&since=1@x,2@y",
    ] {
        assert_eq!(sinces(&parse(address).expect("fine"), 2), each, "{address}");
    }
}

#[test]
fn a_form_adds_to_the_address() {
    let query = Query::parse(
        QueryText {
            address: "channel=a",
            form: "channel=%E5%BC%B9&channel=幕&since=1@x%2C2@y%2C3@z&envelope=1".as_bytes(),
            last_event_id: None,
        },
        3,
    );
    let query = query.expect("fine");
    assert_eq!(names(&query), ["a", "弹", "幕"]);
    assert!(query.envelope);
    assert_eq!(query.since(2), position(3, "z"));
}

#[test]
fn a_query_says_from_where_each_channel_goes_on() {
    let of = |address: &str, channels| sinces(&parse(address).expect("fine"), channels);
    let two = [position(5, "ab"), position(7, "cd")];
    assert_eq!(of("channel=a&channel=b&since=5@ab&since=7@cd", 2), two);
    assert_eq!(
        of("channel=a&channel=b&since=5@ab,-", 2),
        [position(5, "ab"), Since::nowhere()]
    );
    // More than are named: the rest belongs to channels that the token gives.
    assert_eq!(
        of("channel=a&since=5@ab,,7@cd", 3),
        [position(5, "ab"), Since::Now, position(7, "cd")]
    );
    assert_eq!(
        of("channel=a&channel=b&since=5@ab", 2),
        [position(5, "ab"), Since::Now]
    );
    assert_eq!(
        of("channel=a&channel=b&since=10", 2),
        [Since::Newest(10), Since::Newest(10)]
    );
    for bad in [
        "channel=a&since=x",
        "channel=a&channel=b&channel=c&since=1@a,2@b",
        "channel=a&since=1@a&since=2@b",
        "channel=a&since=-1",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

// An EventSource made of JavaScript says the id in the address, each in a spelling of its own; they
// were passed over, and the client was told that nothing was missing.
#[test]
fn every_spelling_of_the_last_event_id_counts_and_of_several_the_newest() {
    let spellings = [
        "last_event_id",
        "lastEventId",
        "lastEventID",
        "Last-Event-ID",
        "last-event-id",
        "Last-Event-Id",
        "LastEventId",
        "evs_last_event_id",
    ];
    for spelling in spellings {
        let address = format!("channel=a&{spelling}=3%40ab&since=1@ab");
        assert_eq!(
            parse(&address).expect("fine").since(0),
            position(3, "ab"),
            "{spelling}"
        );
    }
    let address = "lastEventId=3@ab&channel=a&Last-Event-ID=4@ab&last_event_id=&since=1@ab";
    assert_eq!(parse(address).expect("fine").since(0), position(4, "ab"));
    let with_header = |id: &str| {
        let text = QueryText {
            address,
            last_event_id: Some(id.as_bytes()),
            ..QueryText::default()
        };
        Query::parse(text, 8).expect("fine").since(0)
    };
    assert_eq!(with_header("5@ab"), position(5, "ab"));
    assert_eq!(
        with_header(""),
        position(4, "ab"),
        "an empty one says nothing"
    );
    assert!(!parse("channel=a&lastEventId=").expect("fine").has_since());
    assert!(
        !parse("channel=a&last_event=3@ab")
            .expect("fine")
            .has_since()
    );
}

// An id that another server gave was answered 400, at which an EventSource stops for good.
#[test]
fn a_foreign_id_is_a_place_behind_which_nothing_is_known() {
    for id in [
        "x",
        "17",
        "5@ab",
        "5@ab,x",
        "5@ab,7@cd,",
        "-1@ab,7@cd",
        "%FF",
        "0190d5b8-b3ae-7a52",
        "1@a,1@a,1@a,1@a,1@a,1@a,1@a,1@a,1@a",
    ] {
        let query = parse(&format!("channel=a&channel=b&lastEventId={id}")).expect(id);
        assert!(query.has_since(), "{id}");
        // Those that a token gives, too.
        assert_eq!(sinces(&query, 3), vec![Since::foreign(); 3], "{id}");
    }
    let given = parse("channel=a&lastEventId=5@ab,7@cd").expect("fine");
    assert_eq!(sinces(&given, 2), [position(5, "ab"), position(7, "cd")]);
}
