//! Tests of forms: each is made once, and each looks as its readers expect.

use bytes::Bytes;

use super::*;
use crate::{codec::Opcode, protocol::Encoding};

const COMPRESSION: Compression = Compression {
    min_bytes: 256,
    level: 3,
};

fn text(text: &str) -> Publication {
    Publication::message(Target::Everyone, Payload::Text(text.into()))
}

fn in_channel(payload: Payload, offset: u64) -> Arc<Item> {
    Arc::new(Item::new(payload, offset))
}

fn publication(item: Arc<Item>) -> Publication {
    Publication::new(Target::Channel("news".into()), Content::Item(item))
}

fn client(encoding: Encoding, delta: Delta, framing: Framing) -> WireFormat {
    WireFormat {
        body: PayloadFormat::Client {
            encoding,
            unidirectional: false,
            delta,
        },
        framing,
    }
}

fn line(publication: &Publication, delta: Delta) -> String {
    let wire_format = client(Encoding::Json, delta, Framing::Line);
    String::from_utf8(publication.frame(wire_format, &COMPRESSION).to_vec()).expect("text")
}

#[test]
fn each_form_is_encoded_once() {
    let publication = text(&"fanfare ".repeat(100));
    let forms = [
        WireFormat::RAW,
        WireFormat::raw(9),
        WireFormat::raw(15),
        client(Encoding::Json, Delta::Off, Framing::Event),
        client(Encoding::Protobuf, Delta::Off, Framing::Line),
    ];
    let first: Vec<*const u8> = forms
        .iter()
        .map(|&wire_format| publication.frame(wire_format, &COMPRESSION).as_ptr())
        .collect();
    for (wire_format, first) in forms.into_iter().zip(first) {
        assert_eq!(publication.frame(wire_format, &COMPRESSION).as_ptr(), first);
    }
    assert_ne!(
        publication.frame(WireFormat::RAW, &COMPRESSION),
        publication.frame(WireFormat::raw(15), &COMPRESSION)
    );
}

#[test]
fn what_is_short_or_does_not_shrink_goes_out_plain() {
    let short = text(&"x".repeat(255));
    assert_eq!(
        short.frame(WireFormat::raw(15), &COMPRESSION),
        short.frame(WireFormat::RAW, &COMPRESSION)
    );
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = (0..512)
        .map(|_| {
            // Marsaglia's xorshift: as good as random to a compressor.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect();
    let noise = Publication::message(Target::Everyone, Payload::Binary(noise.into()));
    assert_eq!(
        noise.frame(WireFormat::raw(15), &COMPRESSION).len(),
        noise.frame(WireFormat::RAW, &COMPRESSION).len()
    );
}

#[test]
fn where_json_is_needed_text_becomes_a_string_and_bytes_base64() {
    let shown = |payload: Payload| line(&publication(in_channel(payload, 7)), Delta::Off);
    let text = |text: &str| Payload::Text(text.into());
    let expected = |data: &str| {
        format!("{{\"push\":{{\"channel\":\"news\",\"pub\":{{\"data\":{data},\"offset\":7}}}}}}\n")
    };
    assert_eq!(shown(text("{\"a\": 1}")), expected("{\"a\": 1}"));
    assert_eq!(shown(text("{\"a\":\n1}")), expected("{\"a\":1}"));
    assert_eq!(
        shown(text("你好 \"x\"\n")),
        expected("\"你好 \\\"x\\\"\\n\"")
    );
    assert_eq!(shown(text("")), expected("\"\""));
    assert_eq!(
        shown(Payload::Binary(Bytes::from_static(b"\xff\x00"))),
        expected("\"/wA=\"")
    );
}

#[test]
fn a_raw_client_gets_what_was_published_whatever_it_looks_like_in_json() {
    let publication = publication(in_channel(Payload::Text("{\"a\":\n1}".into()), 1));
    let _ = line(&publication, Delta::Off);
    assert_eq!(
        &publication.frame(WireFormat::RAW, &COMPRESSION)[2..],
        b"{\"a\":\n1}"
    );
}

#[test]
fn an_envelope_tells_channel_and_position() {
    let epoch = Epoch::random();
    let wire_format = WireFormat {
        body: PayloadFormat::Envelope,
        framing: Framing::None,
    };
    let kept = publication(in_channel(Payload::Text("hi".into()), 3)).in_stream(epoch, None);
    assert_eq!(
        String::from_utf8_lossy(kept.frame(wire_format, &COMPRESSION)),
        format!("{{\"channel\":\"news\",\"offset\":3,\"since\":\"3@{epoch}\",\"data\":\"hi\"}}")
    );
    let bytes = publication(in_channel(Payload::Binary(Bytes::from_static(b"\xff")), 0));
    assert_eq!(
        String::from_utf8_lossy(bytes.frame(wire_format, &COMPRESSION)),
        "{\"channel\":\"news\",\"b64data\":\"/w==\"}"
    );
}

#[test]
fn an_event_has_a_data_field_for_each_line() {
    let frame = frame_message(Framing::Event, Opcode::Text, b"a\nb\r\nc", &COMPRESSION);
    assert_eq!(frame, "data: a\ndata: b\ndata: c\n\n");
}

#[test]
fn without_a_channel_it_is_a_message() {
    let line = line(&text("你好"), Delta::Off);
    assert_eq!(line, "{\"push\":{\"message\":{\"data\":\"你好\"}}}\n");
}

#[test]
fn a_delta_is_a_patch_of_the_text_that_clients_have() {
    let old = format!("{{\"rows\":[{}]}}", "\"a row of the table\",".repeat(20));
    let new = old.replacen("row", "raw", 1);
    let previous = in_channel(Payload::Text(old.as_str().into()), 1);
    let item = in_channel(Payload::Text(new.as_str().into()), 2);
    let next = publication(item).in_stream(Epoch::random(), Some(previous));
    let whole: serde_json::Value = serde_json::from_str(&line(&next, Delta::Full)).expect("JSON");
    // Neither is JSON, for the comma at the end, so both are JSON strings in a string.
    let whole = whole["push"]["pub"]["data"]
        .as_str()
        .expect("a string")
        .to_string();
    assert_eq!(serde_json::from_str::<String>(&whole).expect("JSON"), new);
    let patched: serde_json::Value =
        serde_json::from_str(&line(&next, Delta::Patch)).expect("JSON");
    let shown = &patched["push"]["pub"];
    assert_eq!(shown["delta"], true);
    let old = serde_json::Value::from(old).to_string();
    let patch = shown["data"].as_str().expect("a string");
    let applied = crate::fossil::apply(old.as_bytes(), patch.as_bytes()).expect("a patch");
    assert_eq!(String::from_utf8(applied).expect("text"), whole);
    assert!(patch.len() < 100, "{}", patch.len());
    // In Protobuf it is made of the payload itself.
    let wire_format = client(Encoding::Protobuf, Delta::Patch, Framing::None);
    assert!(next.frame(wire_format, &COMPRESSION).len() < 150);
}
